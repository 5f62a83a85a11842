// Rooms that promise less than a stream, or more: ephemeral, latest and durable ones, and typing.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  call, connected, encodings, hasty, newClient, next, publish, received, subscribed, values,
} from './client.mjs';
import { limit, startEdge } from './edge.mjs';
import { startProxy } from './proxy.mjs';

const history = { history_size: 100, history_ttl: '60s' };
const everything = {
  allow_subscribe_for_client: true,
  allow_subscribe_for_anonymous: true,
  allow_publish_for_subscriber: true,
  allow_publish_for_anonymous: true,
  allow_history_for_client: true,
  allow_history_for_anonymous: true,
};

const edge = await startEdge({
  config: {
    client: { anonymous: { enabled: true } },
    room: {
      without_namespace: { ...everything, ...history, typing_ttl: '60s' },
      namespaces: [
        { name: 'fidgety', ...everything, typing_ttl: '100ms' },
        { name: 'now', kind: 'latest', ...everything, history_size: 1, history_ttl: '60s' },
        { name: 'due', kind: 'durable', ...everything, ...history, ack_timeout: '100ms' },
        { name: 'patient', kind: 'durable', ...everything, ...history, ack_timeout: '60s' },
        { name: 'passing', kind: 'ephemeral', ...everything },
      ],
    },
  },
});
after(() => edge.stop());

const permissionDenied = { code: 103, message: 'permission denied' };

for (const encoding of encodings) {
  describe(`over ${encoding.name}`, () => {
    async function newcomer(t, url = edge.url) {
      const client = newClient(t, url, { encoding, ...hasty });
      client.id = (await connected(client)).client;
      return client;
    }

    // consuming resolves to a subscription that goes on where the consumer's acknowledgements end.
    const consuming = (client, room, consumer) => subscribed(client, room, { data: encoding.pack({ consumer }) });

    // firstReceived is received for what comes again and again, of which there may already be more.
    const firstReceived = async (sub, n) => (await received(sub, n)).slice(0, n);

    const acknowledge = (sub, { offset }) => call(sub.client, 'edge.ack', { channel: sub.channel, offset });

    const type = (client, channel, typing) => call(client, 'edge.typing', { channel, typing });

    describe('in a latest room', () => {
      test('the newest value comes at once', limit, async (t) => {
        const [publisher, listener] = [await newcomer(t), await newcomer(t)];
        const room = `now:${encoding.name}`;
        const sub = await subscribed(publisher, room);
        for (const value of ['old', 'new']) await publish(publisher, room, value);
        await received(sub, 2);
        const late = await subscribed(listener, room);
        assert.deepEqual(values(await received(late, 1)), ['new']);
        await publish(publisher, room, 'newer');
        assert.deepEqual(values(await received(late, 2)), ['new', 'newer']);
      });

      test('nothing comes where nothing has been published', limit, async (t) => {
        const client = await newcomer(t);
        const room = `now:empty ${encoding.name}`;
        const sub = await subscribed(client, room);
        await publish(client, room, 'first');
        assert.deepEqual(values(await received(sub, 1)), ['first']);
      });
    });

    describe('in a durable room', () => {
      test('what is not acknowledged comes again with its offset, the rest does not', limit, async (t) => {
        const client = await newcomer(t);
        const sub = await consuming(client, `due:${encoding.name}`, 'consumer');
        client.startBatching(); // all three long before the first is due again
        const published = ['a', 'b', 'c'].map((value) => publish(client, sub.channel, value));
        client.stopBatching();
        await Promise.all(published);
        const all = (await received(sub, 9)).map((p) => [p.offset, p.data]);
        assert.deepEqual(all.slice(0, 3), [[1, 'a'], [2, 'b'], [3, 'c']]);
        assert.deepEqual(all.slice(3, 6), all.slice(0, 3));
        assert.deepEqual(all.slice(6, 9), all.slice(0, 3));

        await acknowledge(sub, { offset: 2 });
        sub.publications.length = 0; // whatever follows the answer was sent after it
        assert.deepEqual(values(await firstReceived(sub, 3)), ['c', 'c', 'c']);
        await acknowledge(sub, { offset: 3 });
        sub.publications.length = 0;
        const other = await consuming(await newcomer(t), sub.channel, 'another');
        await publish(other.client, sub.channel, 'd'); // unacknowledged by both
        assert.deepEqual(values(await firstReceived(sub, 3)), ['d', 'd', 'd']);
      });

      test('acknowledgements are kept by consumer, across a reconnect', limit, async (t) => {
        const proxy = await startProxy(t, edge);
        const [client, publisher] = [await newcomer(t, proxy.url), await newcomer(t)];
        const room = `patient:${encoding.name}`;
        await subscribed(publisher, room);
        const sub = await consuming(client, room, 'worker');
        for (const value of ['a', 'b', 'c']) await publish(publisher, room, value);
        await received(sub, 3);
        await acknowledge(sub, { offset: 1 });

        const lost = next(sub, 'subscribing');
        proxy.cut();
        await lost;
        await publish(publisher, room, 'd');
        proxy.mend();
        const again = (await received(sub, 6)).slice(3).map((p) => [p.offset, p.data]);
        assert.deepEqual(again, [[2, 'b'], [3, 'c'], [4, 'd']]);
        await acknowledge(sub, { offset: 4 });
        await acknowledge(sub, { offset: 2 }); // late, and takes nothing back
        client.disconnect();

        const successor = await consuming(await newcomer(t), room, 'worker');
        await publish(publisher, room, 'e');
        assert.deepEqual((await received(successor, 1)).map((p) => [p.offset, p.data]), [[5, 'e']]);
      });

      test('a consumer that begins owes nothing', limit, async (t) => {
        const [client, publisher] = [await newcomer(t), await newcomer(t)];
        const room = `due:begin ${encoding.name}`;
        await subscribed(publisher, room);
        await publish(publisher, room, 'before');
        const sub = await consuming(client, room, 'beginner');
        await publish(publisher, room, 'after');
        assert.deepEqual(values(await firstReceived(sub, 3)), ['after', 'after', 'after']);
      });

      test('what was never sent cannot be acknowledged', limit, async (t) => {
        const client = await newcomer(t);
        const room = `patient:future ${encoding.name}`;
        await assert.rejects(call(client, 'edge.ack', { channel: room, offset: 1 }), permissionDenied);
        const sub = await consuming(client, room, 'prophet');
        await assert.rejects(acknowledge(sub, { offset: 1 }), { code: 112, message: 'unrecoverable position' });
      });
    });

    describe('in an ephemeral room', () => {
      test('publications have no offset and leave no trace', limit, async (t) => {
        const client = await newcomer(t);
        const sub = await subscribed(client, `passing:${encoding.name}`);
        assert.equal(sub.start.positioned, false);
        await publish(client, sub.channel, 'cursor');
        const [{ data, offset }] = await received(sub, 1);
        assert.deepEqual({ data, offset }, { data: 'cursor', offset: undefined });
        await assert.rejects(client.history(sub.channel, { limit: 1 }), { code: 108, message: 'not available' });
      });

      test('so has an ephemeral publication in any other', limit, async (t) => {
        const client = await newcomer(t);
        const room = `mixed ${encoding.name}`;
        const sub = await subscribed(client, room, { positioned: true });
        const { epoch } = sub.start.streamPosition;
        const publishing = (parameters) => call(client, 'edge.publish', { channel: room, ...parameters });
        assert.deepEqual(await publishing({ data: 'cursor', ephemeral: true, key: 'k' }), {});
        assert.deepEqual(await publishing({ data: 'text' }), { offset: 1, epoch });
        const seen = (await received(sub, 2)).map((p) => [p.offset, p.data]);
        assert.deepEqual(seen, [[undefined, 'cursor'], [1, 'text']]);
        assert.equal((await client.history(room, { limit: -1 })).publications.length, 1);
      });
    });

    describe('typing', () => {
      // typist resolves to a client that may type in the room, and what another sees of it.
      async function typist(t, room) {
        const [client, listener] = [await newcomer(t), await newcomer(t)];
        const own = await subscribed(client, room);
        return { client, own, sub: await subscribed(listener, room) };
      }

      const on = { typing: true };
      const off = { typing: false };

      test('is told to the room, with who it is', limit, async (t) => {
        const { client, sub } = await typist(t, `typing ${encoding.name}`);
        assert.deepEqual(await type(client, sub.channel, true), {});
        assert.deepEqual(await type(client, sub.channel, false), {});
        const publications = await received(sub, 2);
        assert.deepEqual(values(publications), [on, off]);
        for (const { info, tags, offset } of publications) {
          assert.equal(info.client, client.id);
          assert.deepEqual(tags, { edge: 'typing' });
          assert.equal(offset, undefined);
        }
        assert.deepEqual((await client.history(sub.channel, { limit: -1 })).publications, []);
      });

      test('ends by itself when it is not renewed', limit, async (t) => {
        const { client, sub } = await typist(t, `fidgety:${encoding.name}`);
        await type(client, sub.channel, true);
        assert.deepEqual(values(await received(sub, 2)), [on, off]);
        await type(client, sub.channel, true); // and can begin again
        assert.deepEqual(values(await received(sub, 4)), [on, off, on, off]);
      });

      test('ends with the connection', limit, async (t) => {
        const { client, sub } = await typist(t, `disconnecting ${encoding.name}`);
        await type(client, sub.channel, true);
        client.disconnect();
        assert.deepEqual(values(await received(sub, 2)), [on, off]);
      });

      test('ends with the subscription', limit, async (t) => {
        const { client, own, sub } = await typist(t, `leaving ${encoding.name}`);
        await type(client, sub.channel, true);
        own.unsubscribe();
        assert.deepEqual(values(await received(sub, 2)), [on, off]);
        await assert.rejects(type(client, sub.channel, true), permissionDenied);
      });
    });
  });
}
