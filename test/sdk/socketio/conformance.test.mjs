// The official client against examples/socketio-conformance: what the client's own tests ask of a server, over each transport.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connected, limit, newClient, next, startConformance, ways } from './server.mjs';

const server = await startConformance();
const day = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const bytes = (text) => Buffer.from(text);

for (const { name, options } of ways) {
  const open = (t, path = '', more = {}) => connected(t, server.url + path, { ...options, ...more });
  const over = (what, f) => test(`${name}: ${what}`, limit, f);

  over('the handshake payload comes back, an empty one if there is none', async (t) => {
    for (const path of ['/', '/custom']) {
      for (const auth of [undefined, { token: 'abc', list: [1, { two: null }] }]) {
        const socket = newClient(t, server.url + path, { ...options, auth });
        assert.deepEqual(await next(socket, 'auth'), [auth ?? {}]);
      }
    }
  });

  over('messages come back as they were', async (t) => {
    const socket = await open(t);
    for (const args of [
      [], ['text'], [1, '2', { 3: [true] }], [null, false, 0, ''], ['ü → 字 🚀 \u0000 \u2028'], [[[]], {}],
      [bytes('one'), { deep: [bytes('two')] }, bytes('')], [{ a: 1 }, bytes('\x00\xff')],
    ]) {
      const answer = next(socket, 'message-back');
      socket.emit('message', ...args);
      assert.deepEqual(await answer, args);
    }
  });

  over('acknowledgements carry what they were given', async (t) => {
    const socket = await open(t);
    for (const args of [[], [1, '2', { 3: [false] }], [bytes('123'), { b: bytes('456') }]]) {
      const answer = await new Promise((resolve) => { socket.emit('message-with-ack', ...args, (...all) => resolve(all)); });
      assert.deepEqual(answer, args);
    }
    assert.equal(await socket.emitWithAck('echo', 'ping'), 'ping');
    assert.equal(await socket.timeout(60_000).emitWithAck('echo', 'pong'), 'pong');
  });

  over('the server asks for an acknowledgement', async (t) => {
    const socket = await open(t);
    socket.on('ack', (answer) => answer(5, { test: true }));
    const got = next(socket, 'got it');
    socket.emit('ack');
    await got;
  });

  over('an event that nobody answers runs into its timeout', async (t) => {
    const socket = await open(t);
    await assert.rejects(socket.timeout(50).emitWithAck('nobody hears this'), { message: 'operation has timed out' });
  });

  over('the small events', async (t) => {
    const socket = await open(t);
    const answer = async (event, back, ...args) => {
      const came = next(socket, back);
      socket.emit(event, ...args);
      return came;
    };
    assert.deepEqual(await answer('hi', 'hi'), []);
    assert.match(await socket.emitWithAck('getAckDate', { test: true }), day);
    assert.match((await answer('getDate', 'takeDate'))[0], day);
    assert.match((await answer('getDateObj', 'takeDateObj'))[0].date, day);
    assert.deepEqual(await answer('false', 'false'), [false]);
  });

  over('binary, both ways', async (t) => {
    const socket = await open(t);
    const answer = async (event, back, ...args) => {
      const came = next(socket, back);
      socket.emit(event, ...args);
      return came;
    };
    assert.deepEqual(await answer('doge', 'doge'), [bytes('asdfasdf')]);
    assert.deepEqual(await answer('getbin', 'takebin', bytes('xxxyyy')), [bytes('xxxyyy')]);
    await answer('buffa', 'buffack', bytes('asdfasdf'));
    await answer('jsonbuff', 'jsonbuff-ack', { hello: 'lol', message: bytes('howdy'), goodbye: 'gotcha' });
    const both = next(socket, 'abuff2-ack');
    socket.emit('abuff1', bytes('first'));
    socket.emit('abuff2', 'please arrive second');
    await both;
  });

  over('the handshake, as the server sees it', async (t) => {
    const socket = await open(t, '', { query: { key1: '1', 'key 2': '&2' }, auth: { a: 'b' } });
    const handshake = await socket.emitWithAck('getHandshake');
    assert.equal(handshake.query.key1, '1');
    assert.equal(handshake.query['key 2'], '&2');
    assert.equal(handshake.query.EIO, '4');
    assert.deepEqual(handshake.auth, { a: 'b' });
    assert.equal(handshake.secure, false);
    assert.equal(handshake.headers.host, new URL(server.url).host);
    assert.equal(typeof handshake.issued, 'number');
    assert.ok(Math.abs(handshake.issued - Date.now()) < 120_000);
    assert.match(handshake.url, /^\/socket\.io\/\?.*EIO=4/);
    assert.match(handshake.address, /127\.0\.0\.1$/);
    const abc = newClient(t, `${server.url}/abc`, { ...options, query: { b: 'c' } });
    assert.equal((await next(abc, 'handshake'))[0].query.b, 'c');
  });

  over('each socket has an id of its own, 20 characters, which is not the session\'s', async (t) => {
    const socket = await open(t);
    const foo = socket.io.socket('/foo');
    await next(foo, 'connect');
    const ids = [socket.id, foo.id, socket.io.engine.id];
    assert.equal(new Set(ids).size, 3);
    for (const id of ids) assert.match(id, /^[\w-]{20}$/);
    assert.equal(await socket.emitWithAck('getId'), socket.id);
    assert.equal(await foo.emitWithAck('getId'), foo.id);
    assert.equal(socket.io, foo.io);
  });

  over('one namespace is left, the others stay', async (t) => {
    const socket = await open(t);
    const foo = socket.io.socket('/foo');
    await next(foo, 'connect');
    const old = foo.id;
    foo.disconnect();
    assert.equal(await socket.emitWithAck('echo', 1), 1);
    foo.connect();
    await next(foo, 'connect');
    assert.notEqual(foo.id, old);
    assert.equal(await foo.emitWithAck('getId'), foo.id);
  });

  over('who is refused hears why, and what else the connection has goes on', async (t) => {
    const socket = await open(t);
    for (const [path, message] of [['/no', 'Auth failed (custom namespace)'], ['/nowhere', 'Invalid namespace']]) {
      const refused = socket.io.socket(path);
      const [error] = await next(refused, 'connect_error');
      assert.equal(error.message, message);
      assert.equal(refused.active, false);
    }
    assert.equal(await socket.emitWithAck('echo', 1), 1);
    const failed = newClient(t, server.url, { ...options, query: { fail: 'true' } });
    assert.equal((await next(failed, 'connect_error'))[0].message, 'Auth failed (main namespace)');
  });

  over('the other namespaces exist', async (t) => {
    for (const path of ['/valid', '/asd', '/timeout_socket', '/valid?query=ignored']) await open(t, path);
  });

  over('many messages in a row keep their order', async (t) => {
    const socket = await open(t);
    const came = [];
    const all = new Promise((resolve) => {
      socket.on('message-back', (i, data) => { if (came.push([i, data]) === 300) resolve(); });
    });
    const want = Array.from({ length: 300 }, (_, i) => [i, i % 3 ? `text ${i}` : bytes(`binary ${i}`)]);
    for (const args of want) socket.emit('message', ...args);
    await all;
    assert.deepEqual(came, want);
  });

  over('a message of nearly all that is allowed', async (t) => {
    const socket = await open(t);
    const text = 'x'.repeat(900_000);
    assert.ok(await socket.emitWithAck('echo', text) === text);
    const binary = Buffer.alloc(600_000, 'abc');
    assert.ok(binary.equals(await socket.emitWithAck('echo', binary)));
  });
}
