// The official client against an application with rooms: who receives what, over each transport.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect, connected, limit, newClient, next, startApplication, ways } from './server.mjs';

const server = await startApplication();
const room = (() => { let n = 0; return () => `room ${n++}`; })();

for (const { name, options } of ways) {
  const over = (what, f) => test(`${name}: ${what}`, limit, f);
  const open = (t, path = '', more = {}) => connected(t, server.url + path, { ...options, ...more });

  // some resolves to n clients, whose `heard` are the first arguments of the events "news" they get.
  async function some(t, n) {
    const clients = await Promise.all(Array.from({ length: n }, () => open(t)));
    for (const c of clients) c.heard = collect(c, 'news');
    return clients;
  }

  // settle resolves when all clients have received what was emitted before: an event behind it comes to each alone.
  async function settle(clients) {
    await Promise.all(clients.map((c) => c.emitWithAck('ask me', 60_000, 'are you there?')));
  }

  const answering = (clients) => { for (const c of clients) c.on('are you there?', (answer) => answer('yes')); };

  over('rooms: to those in any of them but those excepted, one copy each', async (t) => {
    const [a, b] = [room(), room()];
    const clients = await some(t, 4);
    answering(clients);
    await clients[0].emitWithAck('join', a);
    await clients[1].emitWithAck('join', b);
    await clients[2].emitWithAck('join', a);
    await clients[2].emitWithAck('join', b);
    const emit = (target, value) => clients[3].emitWithAck('emit', target, 'news', value);
    await emit({ rooms: [a] }, 'to a');
    await emit({ rooms: [a, b] }, 'to a and b');
    await emit({ rooms: [a], except: [b] }, 'to a but b');
    await emit({ rooms: [clients[1].id] }, 'to one');
    await emit({ rooms: [a, b], except: [clients[0].id] }, 'to all but one');
    await emit({ rooms: ['nobody is here'] }, 'to nobody');
    await settle(clients);
    assert.deepEqual(clients.map((c) => c.heard.list), [
      ['to a', 'to a and b', 'to a but b'],
      ['to a and b', 'to one', 'to all but one'],
      ['to a', 'to a and b', 'to all but one'],
      [],
    ]);
  });

  over('rooms: from a socket to the others', async (t) => {
    const a = room();
    const clients = await some(t, 3);
    answering(clients);
    for (const c of clients) await c.emitWithAck('join', a);
    await clients[0].emitWithAck('emit', { broadcast: true, rooms: [a] }, 'news', 1);
    await clients[1].emitWithAck('emit', { rooms: [a] }, 'news', 2);
    await clients[2].emitWithAck('emit', { broadcast: true, rooms: [a], except: [clients[1].id] }, 'news', 3);
    await settle(clients);
    assert.deepEqual(clients.map((c) => c.heard.list), [[2, 3], [1, 2], [1, 2]]);
  });

  over('rooms: joined, named, left', async (t) => {
    const a = room();
    const [one, two] = await some(t, 2);
    answering([one]);
    assert.deepEqual(await one.emitWithAck('rooms'), []);
    await one.emitWithAck('join', a);
    await one.emitWithAck('join', a);
    assert.deepEqual(await one.emitWithAck('rooms'), [a]);
    await one.emitWithAck('leave', a);
    await one.emitWithAck('leave', a);
    assert.deepEqual(await one.emitWithAck('rooms'), []);
    await two.emitWithAck('emit', { rooms: [a] }, 'news', 'not for one');
    await settle([one]);
    assert.deepEqual(one.heard.list, []);
  });

  over('rooms: binary for all of them, in order with text', async (t) => {
    const a = room();
    const clients = await some(t, 3);
    for (const c of clients) await c.emitWithAck('join', a);
    const want = Array.from({ length: 60 }, (_, i) => (i % 2 ? { i, data: Buffer.from(`binary ${i}`) } : { i }));
    await Promise.all(want.map((value) => clients[0].emitWithAck('emit', { rooms: [a] }, 'news', value)));
    for (const c of clients) assert.deepEqual(await c.heard.reached(want.length), want);
  });

  over('broadcasts and what is for one client alone come in the order of the calls', async (t) => {
    const a = room();
    const [one] = await some(t, 1);
    await one.emitWithAck('join', a);
    for (let i = 0; i < 100; i++) one.emit('emit', { rooms: [i % 2 ? a : one.id] }, 'news', i, () => {});
    assert.deepEqual(await one.heard.reached(100), Array.from({ length: 100 }, (_, i) => i));
  });

  over('volatile events reach who is there for them', async (t) => {
    const a = room();
    const clients = await some(t, 2);
    for (const c of clients) await c.emitWithAck('join', a);
    // A polling client may be between two polls whenever one is emitted.
    let i = 0;
    while (clients.some((c) => c.heard.list.length === 0)) {
      await clients[0].emitWithAck('emit', { rooms: [a], volatile: true }, 'news', i++);
    }
  });

  over('a broadcast with acknowledgements', async (t) => {
    const a = room();
    const clients = await some(t, 3);
    for (const [i, c] of clients.entries()) {
      await c.emitWithAck('join', a);
      c.on('sum', (x, answer) => answer(x + i));
      if (i < 2) c.on('slow', (x, answer) => answer(x + i));
    }
    const ask = async (target, ...args) => {
      const { error, answers } = await clients[0].emitWithAck('ask', target, ...args);
      return { error, answers: answers.toSorted() };
    };
    assert.deepEqual(await ask({ rooms: [a], timeout: 60_000 }, 'sum', 10), { error: null, answers: [10, 11, 12] });
    assert.deepEqual(await ask({ rooms: ['nobody is here'], timeout: 60_000 }, 'sum', 10), { error: null, answers: [] });
    const late = await ask({ rooms: [a], timeout: 300 }, 'slow', 20);
    assert.equal(late.error, 'operation has timed out');
    assert.deepEqual(late.answers.filter((x) => x !== 20 && x !== 21), []); // what came in time
  });

  over('the server asks one client, in vain as well', async (t) => {
    const [one] = await some(t, 1);
    one.on('sum', (x, y, answer) => answer(x + y, Buffer.from('sum')));
    assert.deepEqual(await one.emitWithAck('ask me', 60_000, 'sum', 2, 3), { error: null, answers: [5, Buffer.from('sum')] });
    assert.deepEqual(await one.emitWithAck('ask me', 50, 'nobody hears this'), { error: 'operation has timed out', answers: [] });
  });

  over('what is done to several sockets at once', async (t) => {
    const [a, b] = [room(), room()];
    const clients = await some(t, 3);
    const ids = clients.map((c) => c.id).sort();
    for (const c of clients) await c.emitWithAck('join', a);
    assert.deepEqual(await clients[0].emitWithAck('sockets', { rooms: [a] }), ids);
    await clients[0].emitWithAck('sockets join', { rooms: [a], except: [clients[2].id] }, b);
    assert.deepEqual(await clients[0].emitWithAck('sockets', { rooms: [b] }), [clients[0].id, clients[1].id].sort());
    await clients[0].emitWithAck('sockets leave', { rooms: [clients[1].id] }, b);
    assert.deepEqual(await clients[0].emitWithAck('sockets', { rooms: [b] }), [clients[0].id]);
    const gone = [next(clients[1], 'disconnect'), next(clients[2], 'disconnect')];
    await clients[0].emitWithAck('sockets disconnect', { rooms: [a], except: [b] }, false);
    assert.deepEqual((await Promise.all(gone)).map(([reason]) => reason), ['io server disconnect', 'io server disconnect']);
    assert.deepEqual(await clients[0].emitWithAck('sockets', { rooms: [a] }), [clients[0].id]);
  });

  over('both ends learn why it has ended', async (t) => {
    const watcher = await open(t);
    for (const [end, here, there] of [
      [(c) => c.disconnect(), 'io client disconnect', 'client namespace disconnect'],
      [(c) => c.emit('quit', false), 'io server disconnect', 'server namespace disconnect'],
      [(c) => c.emit('quit', true), 'io server disconnect', 'server namespace disconnect'],
      [(c) => c.io.engine.close(), 'forced close', 'transport close'],
    ]) {
      const c = await open(t, '', { reconnection: false });
      const { id } = c;
      const gone = next(c, 'disconnect');
      end(c);
      assert.equal((await gone)[0], here);
      assert.equal(await watcher.emitWithAck('reason', id), there);
    }
  });

  over('an event that the application refuses has no effect', async (t) => {
    const c = await open(t);
    const refused = next(c, 'refused');
    c.emit('forbidden');
    assert.equal((await refused)[0], 'not allowed');
    assert.deepEqual(await c.emitWithAck('rooms'), []);
  });

  over('namespaces that are made by a pattern', async (t) => {
    const c = newClient(t, `${server.url}/dynamic-101`, options);
    assert.equal((await next(c, 'welcome'))[0], '/dynamic-101'); // the offset follows
    const other = c.io.socket('/dynamic-x');
    assert.equal((await next(other, 'connect_error'))[0].message, 'Invalid namespace');
  });

  over('a namespace whose door is kept', async (t) => {
    const c = newClient(t, `${server.url}/private`, { ...options, auth: { token: 'wrong' } });
    const [error] = await next(c, 'connect_error');
    assert.equal(error.message, 'no entry');
    assert.deepEqual(error.data, { code: 401 });
    c.auth = { token: 'secret' };
    c.connect();
    await next(c, 'connect');
  });
}

test('an upgrade while messages go both ways loses none and keeps their order', limit, async (t) => {
  const n = 2000;
  await Promise.all(Array.from({ length: 4 }, async () => {
    const c = newClient(t, server.url, { transports: ['polling', 'websocket'] });
    const { list, reached } = collect(c, 'number');
    const back = collect(c, 'news');
    const upgraded = new Promise((resolve) => { c.io.once('open', () => c.io.engine.once('upgrade', resolve)); });
    await next(c, 'connect');
    let sent = 0;
    const sending = (async () => {
      for (; sent < n; sent++) {
        c.emit('emit', { rooms: [c.id] }, 'news', sent, () => {});
        if (sent % 50 === 0) await new Promise((resolve) => { setTimeout(resolve, 1); });
      }
    })();
    await c.emitWithAck('burst', n);
    assert.deepEqual(await reached(n), Array.from({ length: n }, (_, i) => i));
    await upgraded;
    await sending;
    assert.deepEqual(await back.reached(n), Array.from({ length: n }, (_, i) => i));
    assert.equal(list.length, n);
    assert.equal(c.io.engine.transport.name, 'websocket');
  }));
});
