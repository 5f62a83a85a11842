// Two official clients in one room: who receives what, in which order, and until when.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connected, newClient, received, subscribed, subscribing } from './client.mjs';
import { limit, startEdge } from './edge.mjs';

const edge = await startEdge();
after(() => edge.stop());

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const numbers = (n) => Array.from({ length: n }, (_, i) => ({ number: i }));

test('each client gets an id of its own, a UUID', limit, async (t) => {
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push((await connected(newClient(t, edge.url))).client);
  }
  for (const id of ids) assert.match(id, uuid);
  assert.equal(new Set(ids).size, ids.length);
});

test('what one publishes, both receive in order and with the publisher', limit, async (t) => {
  const [publisher, listener] = [newClient(t, edge.url), newClient(t, edge.url)];
  const { client } = await connected(publisher);
  await connected(listener);
  const subs = [await subscribed(publisher, 'order'), await subscribed(listener, 'order')];

  await Promise.all(numbers(100).map((data) => subs[0].publish(data)));

  for (const sub of subs) {
    const publications = await received(sub, 100);
    assert.deepEqual(publications.map((p) => p.data), numbers(100));
    for (const { channel, info } of publications) {
      assert.equal(channel, 'order');
      assert.equal(info.client, client);
      assert.equal(info.user, '');
    }
  }
});

test('commands that the client batches are all carried out', limit, async (t) => {
  const client = newClient(t, edge.url);
  await connected(client);
  const sub = await subscribed(client, 'batch');

  client.startBatching();
  const published = numbers(50).map((data) => client.publish('batch', data));
  client.stopBatching();
  await Promise.all(published);

  assert.deepEqual((await received(sub, 50)).map((p) => p.data), numbers(50));
});

test('connect and subscribe arrive in one frame', limit, async (t) => {
  const client = newClient(t, edge.url);
  const subs = ['one', 'two', 'three'].map((room) => subscribing(client, room)); // waits for connect
  client.connect();
  await Promise.all(subs.map((sub) => sub.ready()));

  for (const sub of subs) {
    await sub.publish(sub.channel);
    assert.deepEqual((await received(sub, 1)).map((p) => p.data), [sub.channel]);
  }
});

// A room's order is total, so what came before "seen" would stand before it in the frames.
test('after an unsubscribe nothing is delivered', limit, async (t) => {
  const [publisher, listener] = [newClient(t, edge.url), newClient(t, edge.url)];
  await Promise.all([connected(publisher), connected(listener)]);
  const sub = await subscribed(listener, 'news');
  await publisher.publish('news', 'first');
  await received(sub, 1);

  sub.unsubscribe();
  await subscribed(listener, 'another'); // its reply follows that of the unsubscribe
  await publisher.publish('news', 'missed');
  sub.subscribe();
  await sub.ready();
  await publisher.publish('news', 'seen');
  await received(sub, 2);

  const pushed = listener.frames.filter((f) => f.push?.channel === 'news').map((f) => f.push.pub?.data);
  assert.deepEqual(pushed, ['first', 'seen']);
});

test('rooms do not hear each other', limit, async (t) => {
  const client = newClient(t, edge.url);
  await connected(client);
  const [left, right] = [await subscribed(client, 'left'), await subscribed(client, 'right')];
  for (const data of numbers(20)) {
    await left.publish({ left: data });
    await right.publish({ right: data });
  }
  assert.deepEqual((await received(left, 20)).map((p) => p.data), numbers(20).map((data) => ({ left: data })));
  assert.deepEqual((await received(right, 20)).map((p) => p.data), numbers(20).map((data) => ({ right: data })));
});

test('any JSON value and any text arrive as they were sent', limit, async (t) => {
  const client = newClient(t, edge.url);
  await connected(client);
  const sub = await subscribed(client, 'a "room" \\ of </all>');
  const values = [
    null, true, 0, -1.5e300, '', [], {}, 'line\nfeed\t"quotes" \\ / \u2028 \u0000 \u001f', '日本語 🚀 \ud83d\ude80',
    { nested: [{ deep: [[[{}]]] }], 'key "with" \\ all': '</script>' }, 'x'.repeat(60_000),
  ];
  for (const value of values) await sub.publish(value);
  assert.deepEqual((await received(sub, values.length)).map((p) => p.data), values);
});
