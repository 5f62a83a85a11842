// Outside development mode: who may do what in which room, and what becomes of a publication.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  call, connected, encodings, newClient, next, publish, received, subscribed, subscribing, values,
} from './client.mjs';
import { limit, serve, startEdge } from './edge.mjs';
import { startProxy } from './proxy.mjs';

const entering = { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true };
const publishing = { allow_publish_for_client: true, allow_publish_for_anonymous: true };
const history = { history_size: 100, history_ttl: '60s' };

const edge = await startEdge({
  config: {
    client: { anonymous: { enabled: true } },
    room: {
      without_namespace: { ...entering, ...publishing },
      namespaces: [
        { name: 'closed', ...history, presence: true },
        { name: 'reading', ...entering, ...history, presence: true, allow_recovery: true },
        { name: 'members', ...entering, allow_publish_for_subscriber: true, allow_publish_for_anonymous: true },
        { name: 'users', allow_subscribe_for_client: true, allow_publish_for_client: true },
        { name: 'numbered', ...entering, ...publishing, ...history, force_positioning: true },
        { name: 'objects', ...publishing, publication_data_format: 'json_object' },
        { name: 'digits', ...entering, ...publishing, channel_regex: '^[0-9]+$' },
      ],
    },
  },
});
after(() => edge.stop());

const unknownChannel = { code: 102, message: 'unknown channel' };
const permissionDenied = { code: 103, message: 'permission denied' };
const badRequest = { code: 107, message: 'bad request' };
const notAvailable = { code: 108, message: 'not available' };

// refused resolves to why the server does not let the client into the room.
async function refused(client, room) {
  const sub = client.newSubscription(room);
  const end = next(sub, 'unsubscribed');
  sub.subscribe();
  const { code, reason } = await end;
  return { code, message: reason };
}

for (const encoding of encodings) {
  describe(`over ${encoding.name}`, () => {
    async function newcomer(t) {
      const client = newClient(t, edge.url, { encoding });
      await connected(client);
      return client;
    }

    for (const [what, room, error] of [
      ['a namespace that is not configured', 'nowhere:room', unknownChannel],
      ['a namespace that is closed', 'closed:room', permissionDenied],
      ['a namespace for users with a name', 'users:room', permissionDenied],
      ['a name that the namespace does not take', 'digits:letters', badRequest],
      ['a name over 255 bytes', 'x'.repeat(256), badRequest],
    ]) {
      test(`${what} is refused with ${error.code}`, limit, async (t) => {
        const client = await newcomer(t);
        await assert.rejects(publish(client, room, 'data'), error);
        await assert.rejects(call(client, 'edge.publish', { channel: room, data: 'data' }), error);
        assert.deepEqual(await refused(client, room), error);
      });
    }

    test('history and presence are refused like that too', limit, async (t) => {
      const client = await newcomer(t);
      for (const [room, error] of [
        ['nowhere:room', unknownChannel], ['closed:room', permissionDenied], ['reading:room', permissionDenied],
        ['room', notAvailable],
      ]) {
        await assert.rejects(client.history(room, { limit: 1 }), error);
        await assert.rejects(client.presence(room), error);
        await assert.rejects(client.presenceStats(room), error);
      }
    });

    test('where subscribers may publish, others may not', limit, async (t) => {
      const client = await newcomer(t);
      const room = `members:${encoding.name}`;
      await assert.rejects(publish(client, room, 'early'), permissionDenied);
      const sub = await subscribed(client, room);
      await publish(client, room, 'member');
      assert.deepEqual(values(await received(sub, 1)), ['member']);
      sub.unsubscribe();
      await assert.rejects(publish(client, room, 'late'), permissionDenied);
    });

    test('recovery may be allowed where publishing is not', limit, async (t) => {
      const client = await newcomer(t);
      const room = `reading:${encoding.name}`;
      const { start } = await subscribed(client, room, { recoverable: true });
      assert.equal(start.recoverable, true);
      await assert.rejects(publish(client, room, 'data'), permissionDenied);
    });

    test('a refused publication leaves the connection as it was', limit, async (t) => {
      const client = await newcomer(t);
      const sub = await subscribed(client, `unharmed ${encoding.name}`);
      await assert.rejects(publish(client, 'closed:room', 'data'), permissionDenied);
      await publish(client, sub.channel, 'fine');
      assert.deepEqual(values(await received(sub, 1)), ['fine']);
    });

    test('what must be an object may be nothing else', limit, async (t) => {
      const client = await newcomer(t);
      for (const value of [1, 'text', [], null]) {
        await assert.rejects(publish(client, 'objects:room', value), badRequest);
      }
      await publish(client, 'objects:room', { key: 'value' });
    });

    test('each publication carries the next offset', limit, async (t) => {
      const [client, listener] = [await newcomer(t), await newcomer(t)];
      const room = `numbered:${encoding.name}`;
      const subs = [await subscribed(client, room), await subscribed(listener, room)];
      for (const value of ['a', 'b', 'c']) await publish(client, room, value);
      for (const sub of subs) {
        const seen = (await received(sub, 3)).map((p) => [p.offset, p.data]);
        assert.deepEqual(seen, [[1, 'a'], [2, 'b'], [3, 'c']]);
      }
      assert.equal((await subscribed(await newcomer(t), room)).start.streamPosition.offset, 3);
    });

    test('a room without a history has no offsets', limit, async (t) => {
      const client = await newcomer(t);
      const sub = await subscribed(client, `plain ${encoding.name}`);
      await publish(client, sub.channel, 'data');
      const [{ offset }] = await received(sub, 1);
      assert.equal(offset, undefined);
    });

    test('a call learns where its publication stands', limit, async (t) => {
      const client = await newcomer(t);
      const room = `numbered:call ${encoding.name}`;
      const sub = await subscribed(client, room);
      const { epoch } = sub.start.streamPosition;
      for (const offset of [1, 2]) {
        const position = await call(client, 'edge.publish', { channel: room, data: { nth: offset } });
        assert.deepEqual(position, { offset, epoch });
      }
      assert.deepEqual((await received(sub, 2)).map((p) => [p.offset, p.data]), [[1, { nth: 1 }], [2, { nth: 2 }]]);
      const nowhere = await call(client, 'edge.publish', { channel: `plain ${encoding.name}`, data: 1 });
      assert.deepEqual(nowhere, {});
    });

    for (const [what, parameters] of [
      ['no room', { data: 1 }], ['no data', { channel: 'room' }], ['parameters of the wrong type', [1]],
    ]) {
      test(`a call with ${what} is a bad request`, limit, async (t) => {
        await assert.rejects(call(await newcomer(t), 'edge.publish', parameters), badRequest);
      });
    }

    test('without anonymous clients nobody connects without a token', limit, async (t) => {
      const closed = await serve(t, { config: { development: false } });
      const client = newClient(t, closed.url, { encoding });
      const end = next(client, 'disconnected');
      client.connect();
      const { code, reason } = await end;
      assert.deepEqual({ code, reason }, { code: 3501, reason: 'bad request' });
    });

    test('a large publication comes deflated to those who inflate', limit, async (t) => {
      const large = 'all work and no play makes a dull room '.repeat(1500);
      const publisher = await newcomer(t);
      const listeners = await Promise.all([true, false].map(async (perMessageDeflate) => {
        const proxy = await startProxy(t, edge);
        const client = newClient(t, proxy.url, { encoding, perMessageDeflate });
        await connected(client);
        return { proxy, sub: await subscribed(client, `large ${encoding.name}`) };
      }));
      const before = listeners.map(({ proxy }) => proxy.passed);
      await publish(publisher, `large ${encoding.name}`, large);
      for (const { sub } of listeners) assert.deepEqual(values(await received(sub, 1)), [large]);
      const [deflated, plain] = listeners.map(({ proxy }, i) => proxy.passed - before[i]);
      assert.ok(deflated < large.length / 10, `${deflated} bytes for ${large.length}`);
      assert.ok(plain >= large.length, `${plain} bytes for ${large.length}`);
    });
  });
}

test('what one encoding publishes, both receive', limit, async (t) => {
  const clients = encodings.map((encoding) => newClient(t, edge.url, { encoding }));
  await Promise.all(clients.map(connected));
  const subs = await Promise.all(clients.map((client) => subscribed(client, 'both')));
  const data = [{ text: 'größer' }, [1, 2.5, null], 'line\nfeed'];
  for (const client of clients) {
    for (const value of data) await publish(client, 'both', value);
  }
  for (const sub of subs) assert.deepEqual(values(await received(sub, 6)), [...data, ...data]);
});

test('bytes that are not JSON reach protobuf clients and end the others', limit, async (t) => {
  const [text, binary] = encodings.map((encoding) => newClient(t, edge.url, { encoding }));
  await Promise.all([connected(text), connected(binary)]);
  subscribing(text, 'bytes');
  const sub = binary.newSubscription('bytes');
  sub.subscribe();
  await Promise.all([sub.ready(), text.getSubscription('bytes').ready()]);

  const bytes = Buffer.from([0, 255, 10, 123]);
  const arrived = next(sub, 'publication');
  const end = next(text, 'disconnected');
  await binary.publish('bytes', bytes);
  assert.deepEqual(Buffer.from((await arrived).data), bytes);
  const { code, reason } = await end;
  assert.deepEqual({ code, reason }, { code: 3506, reason: 'inappropriate protocol' });
});
