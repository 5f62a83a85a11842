// What users with tokens may do where: names of rooms, capabilities, and what tokens change of the rooms' options.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startKeyed } from './application.mjs';
import {
  beginnings, connected, encodings, newClient, next, publish, received, subscribed, subscribing, values,
} from './client.mjs';
import { limit } from './edge.mjs';
import { token } from './jwt.mjs';

const keeping = { history_size: 10, history_ttl: '60s', presence: true };

const { edge, api } = await startKeyed({
  client: { anonymous: { enabled: true }, subscribe_to_user_personal_channel: { enabled: true } },
  namespaces: [
    { name: 'open', allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
    { name: 'team', allow_user_limited_channels: true, ...keeping, allow_presence_for_client: true },
    { name: 'closed', ...keeping },
    { name: 'plain', ...keeping, join_leave: true, allow_subscribe_for_client: true },
  ],
});
after(() => edge.stop());

const permissionDenied = { code: 103, message: 'permission denied' };

// refused resolves to why the server does not let the client into the room.
async function refused(client, room, options) {
  const { code, reason } = await next(subscribing(client, room, options), 'unsubscribed');
  return { code, message: reason };
}

for (const encoding of encodings) {
  describe(`over ${encoding.name}`, () => {
    // user resolves to a connected client of a user, or of nobody, perhaps with more claims.
    async function user(t, sub, claims) {
      const client = newClient(t, edge.url, { encoding, token: sub && token({ sub, ...claims }) });
      client.id = (await connected(client)).client;
      return client;
    }

    test('the users that a name lists may enter, and nobody else', limit, async (t) => {
      const [ann, bob, carol, nobody] = await Promise.all([user(t, 'ann'), user(t, 'bob'), user(t, 'carol'), user(t)]);
      const room = `team:plans ${encoding.name}#ann,bob`;
      await subscribed(ann, room);
      await subscribed(bob, room);
      assert.equal((await ann.presenceStats(room)).numClients, 2);
      for (const other of [carol, nobody]) {
        assert.deepEqual(await refused(other, room), permissionDenied);
        await assert.rejects(other.presenceStats(room), permissionDenied); // nor see who is there
      }
      assert.deepEqual(await refused(nobody, 'team:plans#'), permissionDenied);
      assert.deepEqual(await refused(ann, 'team:plans#anna'), permissionDenied);
      assert.deepEqual(await refused(ann, 'team:plans#ann#bob'), permissionDenied); // what follows the last # counts
      assert.deepEqual(await refused(ann, 'open:plans#ann'), permissionDenied); // where names list nobody
    });

    test('a private room takes a token, whatever its options', limit, async (t) => {
      const [ann, nobody] = await Promise.all([user(t, 'ann'), user(t)]);
      assert.deepEqual(await refused(ann, '$open:theirs'), permissionDenied);
      await subscribed(ann, '$open:hers', { token: token({ sub: 'ann', channel: '$open:hers' }) });
      await subscribed(nobody, '$open:ours', { token: token({ channel: '$open:ours' }) });
      await subscribed(ann, 'closed:hers', { token: token({ sub: 'ann', channel: 'closed:hers' }) });
    });

    for (const [what, wrong] of [
      ['another room', { channel: '$other' }], ['another user', { sub: 'bob' }], ['another client', { client: 'another' }],
    ]) {
      test(`a subscription token for ${what} ends the connection`, limit, async (t) => {
        const ann = await user(t, 'ann');
        await subscribed(ann, '$mine', { token: token({ sub: 'ann', channel: '$mine', client: ann.id }) });
        const away = next(ann, 'disconnected');
        subscribing(ann, '$hers', { token: token({ sub: 'ann', channel: '$hers', client: ann.id, ...wrong }) });
        assert.deepEqual(await away, { code: 3500, reason: 'invalid token' });
      });
    }

    test('each user has a room of its own', limit, async (t) => {
      const name = `personal ${encoding.name}`;
      const client = newClient(t, edge.url, { encoding, token: token({ sub: name }) });
      const entered = next(client, 'subscribed');
      await connected(client);
      assert.equal((await entered).channel, `#${name}`);
      const publication = next(client, 'publication');
      await api('publish', { channel: `#${name}`, data: 'for you' });
      assert.equal(encoding.unpack((await publication).data), 'for you');
    });

    test('a capability grants one right, in the rooms that it covers', limit, async (t) => {
      const room = `closed:${encoding.name}`;
      await api('publish', { channel: room, data: 1 });
      const attempts = {
        sub: (client) => new Promise((resolve, reject) => {
          subscribing(client, room).once('subscribed', resolve).once('unsubscribed', reject);
        }),
        pub: (client) => publish(client, room, 2),
        prs: (client) => client.presenceStats(room),
        hst: (client) => client.history(room, { limit: 1 }),
      };
      for (const right of Object.keys(attempts)) {
        for (const [channels, match] of [[[room]], [['closed:*'], 'wildcard'], [['*'], 'wildcard']]) {
          const client = await user(t, 'ann', { caps: [{ channels, match, allow: [right] }] });
          for (const [name, attempt] of Object.entries(attempts)) {
            if (name === right) await attempt(client);
            else await assert.rejects(attempt(client), { code: 103 }, `${name} with ${right}`);
          }
        }
        const elsewhere = await user(t, 'ann', { caps: [{ channels: ['closed:*'], allow: [right] }] });
        await assert.rejects(attempts[right](elsewhere), { code: 103 }, `${right} by an exact name`);
      }
    });

    test('a connection token may change what its rooms do for the client', limit, async (t) => {
      const [one, other] = [`plain:a ${encoding.name}`, `plain:b ${encoding.name}`];
      const override = {
        presence: { value: false }, join_leave: { value: true }, force_push_join_leave: { value: true }, force_recovery: { value: true },
      };
      const client = newClient(t, edge.url, { encoding, token: token({ sub: 'ann', subs: { [one]: { override }, [other]: {} } }) });
      const entered = beginnings(client, [one, other]);
      await connected(client);
      const begun = await entered;
      assert.deepEqual([one, other].map((room) => begun.get(room).recoverable), [true, false]);
      for (const [room, n] of [[one, 0], [other, 1]]) assert.equal((await api('presence_stats', { channel: room })).num_clients, n);
      const join = next(client, 'join');
      const bob = await user(t, 'bob');
      await Promise.all([subscribed(bob, one), subscribed(bob, other)]);
      const { channel, info } = await join;
      assert.deepEqual([channel, info.user], [one, 'bob']);
    });

    test('a subscription token may change what the room does, and says what others see', limit, async (t) => {
      const room = `plain:c ${encoding.name}`;
      const ann = await user(t, 'ann');
      const sub = await subscribed(ann, room, { token: token({
        sub: 'ann', channel: room, info: { seat: 1 }, data: 'welcome', override: { force_positioning: { value: true } },
      }) });
      assert.deepEqual([sub.start.positioned, sub.start.recoverable, encoding.unpack(sub.start.data)], [true, false, 'welcome']);
      const { presence } = await api('presence', { channel: room });
      assert.deepEqual(presence[ann.id].chan_info, { seat: 1 });
      await api('publish', { channel: room, data: 'here' });
      assert.deepEqual(values(await received(sub, 1)), ['here']);
    });
  });
}
