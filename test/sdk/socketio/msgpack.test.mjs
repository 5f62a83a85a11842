// The official client with socket.io-msgpack-parser against servers that speak MessagePack, over each transport.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import parser from 'socket.io-msgpack-parser';
import { connected as sdkConnected, newClient as newSdkClient, received, subscribed } from '../client.mjs';
import { serve } from '../edge.mjs';
import { collect, connected, limit, newClient, next, startApplication, startConformance, ways } from './server.mjs';

const echo = await startConformance('--msgpack');
const server = await startApplication('--msgpack');
const bytes = (text) => Buffer.from(text);
const moment = new Date(1_700_000_000_123);

// What is sent and what comes back: values are JSON's on their way, but for those that are binary.
const values = [
  [[], []],
  [[null, true, false, ''], [null, true, false, '']],
  [[undefined, 1, undefined], [null, 1, null]],
  [[NaN, Infinity, -Infinity], [null, null, null]],
  [[0.1, -1.5, 1e-7, 5e-324], [0.1, -1.5, 1e-7, 5e-324]],
  ...[0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53].flatMap((n) => [[[n], [n]], [[-n - 1], [-n - 1]]]),
  ...[31, 32, 255, 256, 70_000].map((n) => [['x'.repeat(n), bytes('y'.repeat(n))], ['x'.repeat(n), bytes('y'.repeat(n))]]),
  [['ü → 字 🚀 \u0000 \u2028 "\\'], ['ü → 字 🚀 \u0000 \u2028 "\\']],
  [[moment, { deep: [moment] }, new Date(-1)], [moment.toISOString(), { deep: [moment.toISOString()] }, '1969-12-31T23:59:59.999Z']],
  [[{ a: undefined, b: null, c: { d: [undefined] } }], [{ a: null, b: null, c: { d: [null] } }]],
  [[Array.from({ length: 20 }, (_, i) => i), { list: Array(70_000).fill(1) }], [Array.from({ length: 20 }, (_, i) => i), { list: Array(70_000).fill(1) }]],
  [[Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key ${i}`, i]))], [Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key ${i}`, i]))]],
  [[bytes(''), [bytes('one'), { deep: bytes('two') }], bytes('\x00\xff')], [bytes(''), [bytes('one'), { deep: bytes('two') }], bytes('\x00\xff')]],
  [[new Uint8Array([1, 2]), new Uint8Array([3]).buffer], [Buffer.from([1, 2]), Buffer.from([3])]],
  [[{ _placeholder: true, num: 0 }], [{ _placeholder: true, num: 0 }]],
];

for (const { name, options } of ways) {
  const over = (what, f) => test(`MessagePack over ${name}: ${what}`, limit, f);
  const open = (t, url, more = {}) => connected(t, url, { ...options, ...more, parser });

  over('events and their values come back', async (t) => {
    const socket = await open(t, echo.url);
    for (const [sent, want] of values) {
      const back = next(socket, 'message-back');
      socket.emit('message', ...sent);
      assert.deepEqual(await back, want);
    }
  });

  over('acknowledgements, both ways', async (t) => {
    const socket = await open(t, server.url);
    socket.on('sum', (x, y, answer) => answer(x + y, bytes('sum'), undefined, moment));
    assert.deepEqual(await socket.emitWithAck('ask me', 60_000, 'sum', 2, 3),
      { error: null, answers: [5, bytes('sum'), null, moment.toISOString()] });
    assert.deepEqual(await socket.emitWithAck('ask me', 50, 'nobody hears this'), { error: 'operation has timed out', answers: [] });
    await assert.rejects(socket.timeout(50).emitWithAck('nobody hears this'), { message: 'operation has timed out' });
    const acked = await open(t, echo.url);
    for (const args of [[], [1.5, '2', { 3: [null] }], [bytes('123'), { b: bytes('456') }]]) {
      assert.deepEqual(await new Promise((resolve) => { acked.emit('message-with-ack', ...args, (...all) => resolve(all)); }), args);
    }
  });

  over('the handshake payload, namespaces, and who is refused', async (t) => {
    const socket = newClient(t, echo.url, { ...options, parser, auth: { token: 'abc', none: undefined } });
    assert.deepEqual(await next(socket, 'auth'), [{ token: 'abc', none: null }]);
    const foo = socket.io.socket('/foo');
    await next(foo, 'connect');
    assert.equal(await foo.emitWithAck('getId'), foo.id);
    for (const [path, message] of [['/no', 'Auth failed (custom namespace)'], ['/nowhere', 'Invalid namespace']]) {
      assert.equal((await next(socket.io.socket(path), 'connect_error'))[0].message, message);
    }
    foo.disconnect();
    assert.equal(await socket.emitWithAck('echo', 1), 1);
    const kept = newClient(t, `${server.url}/private`, { ...options, parser });
    assert.deepEqual((await next(kept, 'connect_error'))[0].data, { code: 401 });
  });

  over('rooms, and why it has ended', async (t) => {
    const room = `room of ${name}`;
    const clients = await Promise.all([options, ...ways.map((way) => way.options)].map((way) => connected(t, server.url, { ...way, parser })));
    const heard = clients.map((c) => collect(c, 'news'));
    for (const c of clients) await c.emitWithAck('join', room);
    const want = Array.from({ length: 20 }, (_, i) => (i % 2 ? { i, data: bytes(`binary ${i}`) } : { i, half: i / 2 }));
    for (const value of want) clients[0].emit('emit', { rooms: [room] }, 'news', value, () => {});
    for (const h of heard) assert.deepEqual(await h.reached(want.length), want);
    const gone = next(clients[0], 'disconnect');
    clients[0].emit('quit', false);
    assert.equal((await gone)[0], 'io server disconnect');
  });
}

test('MessagePack: a client with the other parser does not come in', limit, async (t) => {
  const wrong = newClient(t, echo.url, { transports: ['websocket'], reconnection: false });
  await next(wrong.io, 'close');
  assert.equal(wrong.connected, false);
});

test('MessagePack: a room with a client of the other protocol, which reads text', limit, async (t) => {
  const edge = await serve(t, {
    config: { development: true, shutdown: { window: '100ms' }, socketio: { parser: 'msgpack', rooms_as_channels: ['/'] } },
  });
  const text = newSdkClient(t, edge.url);
  await sdkConnected(text);
  const sub = await subscribed(text, 'lobby');
  const socket = await connected(t, `http://127.0.0.1:${edge.port}`, { transports: ['websocket'], parser });
  assert.equal((await socket.emitWithAck('join', 'lobby')).ok, true);
  const told = next(socket, 'publication');
  await sub.publish({ text: 'ü', half: 0.5, list: [null, -1] });
  assert.deepEqual((await told)[0], { text: 'ü', half: 0.5, list: [null, -1] });
  assert.equal((await socket.emitWithAck('publish', { room: 'lobby', data: { when: moment, big: 2 ** 40 } })).ok, true);
  assert.deepEqual((await received(sub, 2))[1].data, { when: moment.toISOString(), big: 2 ** 40 });
});
