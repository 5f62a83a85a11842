// What the server refuses, and with which codes: seen by the official client, which acts on them,
// and by a bare one, which can break rules that the official one keeps.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RawClient, connected, newClient, next } from './client.mjs';
import { limit, startEdge } from './edge.mjs';

const edge = await startEdge();
after(() => edge.stop());

async function connectedRaw(t) {
  const raw = new RawClient(t, edge.url);
  await raw.send({ id: 1, connect: {} });
  const reply = await raw.next();
  assert.equal(reply.id, 1);
  return { raw, result: reply.connect };
}

test('the connect reply promises pings', limit, async (t) => {
  const { result } = await connectedRaw(t);
  assert.equal(result.ping, 25);
  assert.equal(result.pong, true);
});

test('what is not configured is not available', limit, async (t) => {
  const client = newClient(t, edge.url);
  await connected(client);
  const notAvailable = { code: 108, message: 'not available' };
  await assert.rejects(client.rpc('method', {}), notAvailable);
  await assert.rejects(client.presence('room'), notAvailable);
  await assert.rejects(client.presenceStats('room'), notAvailable);
  await assert.rejects(client.history('room', { limit: 10 }), notAvailable);
});

test('a publication without data is a bad request', limit, async (t) => {
  const client = newClient(t, edge.url);
  await connected(client);
  await assert.rejects(client.publish('room', undefined), { code: 107, message: 'bad request' });
});

for (const [what, room, code] of [
  ['a private room without a token', '$private', 103],
  ['a name over 255 bytes', 'x'.repeat(256), 107],
]) {
  test(`subscribing to ${what} ends with ${code}`, limit, async (t) => {
    const client = newClient(t, edge.url);
    await connected(client);
    const sub = client.newSubscription(room);
    const end = next(sub, 'unsubscribed');
    sub.subscribe();
    assert.equal((await end).code, code);
  });
}

test('a second subscribe is an error, a second unsubscribe is not', limit, async (t) => {
  const { raw } = await connectedRaw(t);
  await raw.send({ id: 2, subscribe: { channel: 'room' } }, { id: 3, subscribe: { channel: 'room' } });
  assert.deepEqual(await raw.next(), { id: 2, subscribe: {} });
  assert.deepEqual(await raw.next(), { id: 3, error: { code: 105, message: 'already subscribed' } });
  await raw.send({ id: 4, unsubscribe: { channel: 'room' } }, { id: 5, unsubscribe: { channel: 'room' } });
  assert.deepEqual(await raw.next(), { id: 4, unsubscribe: {} });
  assert.deepEqual(await raw.next(), { id: 5, unsubscribe: {} });
});

test('a client joins 128 rooms and no more', limit, async (t) => {
  const { raw } = await connectedRaw(t);
  for (let id = 2; id < 130; id++) {
    await raw.send({ id, subscribe: { channel: `room-${id}` } });
    assert.deepEqual(await raw.next(), { id, subscribe: {} });
  }
  await raw.send({ id: 130, subscribe: { channel: 'room-130' } });
  assert.deepEqual(await raw.next(), { id: 130, error: { code: 106, message: 'limit exceeded' } });
});

const badRequest = { code: 3501, reason: 'bad request' };

for (const [what, frame] of [
  ['another command before connect', '{"id":1,"subscribe":{"channel":"room"}}'],
  ['broken JSON', '{"id":1,"connect":{}'],
  ['an empty frame', ''],
]) {
  test(`${what} closes the connection`, limit, async (t) => {
    const raw = new RawClient(t, edge.url);
    await raw.send(frame);
    assert.deepEqual(await raw.closed, badRequest);
  });
}

for (const [what, ...frame] of [
  ['a second connect', '{"id":2,"connect":{}}'],
  ['a blank line', '{"id":2,"subscribe":{"channel":"room"}}', '', '{"id":3,"subscribe":{"channel":"other"}}'],
  ['an id that is a string', '{"id":"2","subscribe":{"channel":"room"}}'],
  ['a command without an id', '{"subscribe":{"channel":"room"}}'],
  ['an unknown command', '{"id":2,"dance":{}}'],
  ['an empty room name', '{"id":2,"subscribe":{"channel":""}}'],
  ['a pong that no ping asked for', '{}'],
]) {
  test(`${what} closes a connected client`, limit, async (t) => {
    const { raw } = await connectedRaw(t);
    await raw.send(...frame);
    assert.deepEqual(await raw.closed, badRequest);
  });
}

test('an asynchronous message has no handler', limit, async (t) => {
  const { raw } = await connectedRaw(t);
  await raw.send({ send: { data: {} } });
  assert.deepEqual(await raw.closed, { code: 3508, reason: 'not available' });
});
