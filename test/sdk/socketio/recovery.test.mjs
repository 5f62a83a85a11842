// Connections that are cut: the official client comes back, and gets what it has missed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect, connected, cuttable, limit, newClient, next, startApplication, ways } from './server.mjs';

const server = await startApplication();

for (const { name, options } of ways) {
  const over = (what, f) => test(`${name}: ${what}`, limit, f);

  over('a client that is cut off comes back as what it was, and gets what it has missed', async (t) => {
    const proxy = await cuttable(t, server);
    const room = `recovery over ${name}`;
    const sender = await connected(t, server.url, { transports: ['websocket'] });
    const c = await connected(t, proxy.origin, options);
    const { id } = c;
    const { list, reached } = collect(c, 'news');
    await c.emitWithAck('join', room);
    await c.emitWithAck('set', 'kept');
    const emit = (target, value) => sender.emitWithAck('emit', target, 'news', value);
    await emit({ rooms: [room] }, 1);
    await reached(1);
    const cut = next(c, 'disconnect');
    proxy.cut();
    await cut;
    await emit({ rooms: [room] }, 2);
    await emit({ rooms: ['another room'] }, 'not for it');
    await emit({ rooms: [id] }, 3);
    await emit({ rooms: [room], except: [id] }, 'not for it');
    await emit({ rooms: [room] }, Buffer.from('4'));
    await emit({}, 5);
    const back = next(c, 'connect');
    proxy.mend();
    await back;
    assert.equal(c.recovered, true);
    assert.equal(c.id, id);
    await emit({ rooms: [room] }, 6);
    assert.deepEqual(await reached(6), [1, 2, 3, Buffer.from('4'), 5, 6]);
    assert.deepEqual(await c.emitWithAck('state'), { recovered: true, value: 'kept', rooms: [room] });
    assert.equal(list.length, 6);
  });

  over('who left of his own accord comes back as another', async (t) => {
    const c = await connected(t, server.url, options);
    const { id } = c;
    c.disconnect();
    c.connect();
    await next(c, 'connect');
    assert.equal(c.recovered, false);
    assert.notEqual(c.id, id);
  });

  // The two that follow are more than the reference does, and so is that a client which was between two polls comes back although
  // the server has not noticed yet that it was gone.

  over('a client that has heard nothing yet comes back all the same, and so does one that has heard volatile events', async (t) => {
    const proxy = await cuttable(t, server);
    const sender = await connected(t, server.url, { transports: ['websocket'] });
    const c = newClient(t, proxy.origin, options);
    const { list, reached } = collect(c, 'news');
    await next(c, 'connect');
    const { id } = c;
    const cutOff = async () => {
      const cut = next(c, 'disconnect');
      proxy.cut();
      await cut;
      await sender.emitWithAck('emit', { rooms: [id] }, 'news', 'missed');
      const back = next(c, 'connect');
      proxy.mend();
      await back;
      assert.equal(c.id, id);
    };
    await cutOff();
    await reached(1);
    while (!list.includes('volatile')) await sender.emitWithAck('emit', { rooms: [id], volatile: true }, 'news', 'volatile', 'a text at its end');
    await cutOff();
    const missed = () => list.filter((value) => value === 'missed').length;
    while (missed() < 2) await reached(list.length + 1);
    assert.equal(missed(), 2);
  });

  over('a client that is cut off again and again', async (t) => {
    const proxy = await cuttable(t, server);
    const sender = await connected(t, server.url, { transports: ['websocket'] });
    const c = newClient(t, proxy.origin, options);
    const { reached } = collect(c, 'news');
    await next(c, 'connect');
    const { id } = c;
    for (let i = 0; i < 5; i++) {
      await sender.emitWithAck('emit', { rooms: [id] }, 'news', 2 * i);
      await reached(2 * i + 1);
      const cut = next(c, 'disconnect');
      proxy.cut();
      await cut;
      await sender.emitWithAck('emit', { rooms: [id] }, 'news', 2 * i + 1);
      const back = next(c, 'connect');
      proxy.mend();
      await back;
      assert.equal(c.id, id);
    }
    assert.deepEqual(await reached(10), Array.from({ length: 10 }, (_, i) => i));
  });
}
