// The echo endpoint of development mode, over the WebSocket layer alone.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, test } from 'node:test';
import WebSocket from 'ws';
import { limit, startEdge } from './edge.mjs';

const edge = await startEdge({ flags: ['--message-size-limit', '1MiB'] });
after(() => edge.stop());

const size = 100 * 1024;

async function open(t, options) {
  const socket = new WebSocket(edge.echoUrl, options);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

// echo sends data and resolves to what comes back: as a string if it came as text.
async function echo(socket, data) {
  const answer = once(socket, 'message');
  socket.send(data);
  const [payload, isBinary] = await answer;
  return isBinary ? payload : String(payload);
}

for (const [how, options, extension] of [
  ['with permessage-deflate', { perMessageDeflate: { threshold: 0 } }, 'permessage-deflate'],
  ['without compression', { perMessageDeflate: false }, ''],
]) {
  test(`text and binary come back as what they were, ${how}`, limit, async (t) => {
    const socket = await open(t, options);
    assert.equal(socket.extensions.split(';')[0], extension);
    const values = [
      '', 'edge', 'größer 日本語 🚀', 'all work and no play '.repeat(size / 21), randomBytes(size / 2).toString('hex'),
      Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.alloc(size, 7), randomBytes(size),
    ];
    for (const value of values) assert.deepEqual(await echo(socket, value), value);
  });
}

test('a control frame between fragments is answered at once', limit, async (t) => {
  const socket = await open(t);
  const answer = once(socket, 'message');
  const pong = once(socket, 'pong');
  socket.send('one, ', { fin: false });
  socket.ping('still there?');
  assert.equal(String((await pong)[0]), 'still there?');
  socket.send('two');
  assert.equal(String((await answer)[0]), 'one, two');
});

test('a message over the limit closes the connection', limit, async (t) => {
  const socket = await open(t);
  const closed = once(socket, 'close');
  socket.send(randomBytes(1024 * 1024 + 1));
  assert.equal((await closed)[0], 1009);
});

test('a client that closes is answered with its own code', limit, async (t) => {
  const socket = await open(t);
  const closed = once(socket, 'close');
  socket.close(4321, 'enough');
  assert.equal((await closed)[0], 4321);
});
