// Who is in a room, and who hears of it.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connected, encodings, hasty, newClient, next, serverSubscribed, subscribed } from './client.mjs';
import { limit, startEdge } from './edge.mjs';
import { startProxy } from './proxy.mjs';

const edge = await startEdge({
  config: {
    development: true,
    room: {
      without_namespace: { presence: true, join_leave: true, force_push_join_leave: true },
      namespaces: [
        { name: 'asking', presence: true, join_leave: true },
        { name: 'silent', presence: true },
        { name: 'nobody' },
      ],
    },
  },
});
after(() => edge.stop());

// watched is subscribed with a record of who comes and goes: `seen` holds pairs like ['join', id], to
// which the event `seen` belongs.
async function watched(client, room, options) {
  const sub = client.newSubscription(room, options);
  sub.seen = [];
  for (const what of ['join', 'leave']) {
    sub.on(what, ({ channel, info }) => {
      assert.equal(channel, room);
      assert.equal(info.user, '');
      sub.seen.push([what, info.client]);
      sub.emit('seen');
    });
  }
  sub.subscribe();
  await sub.ready();
  return sub;
}

// seen resolves once the subscription has seen n come or go.
async function seen(sub, n) {
  while (sub.seen.length < n) await next(sub, 'seen');
  return sub.seen;
}

for (const encoding of encodings) {
  describe(`over ${encoding.name}`, () => {
    // newcomer resolves to a connected client, whose `id` is the server's for it.
    async function newcomer(t, url = edge.url) {
      const client = newClient(t, url, { encoding, ...hasty });
      client.id = (await connected(client)).client;
      return client;
    }

    test('presence lists who is there, presence stats count them', limit, async (t) => {
      const [ann, bob] = [await newcomer(t), await newcomer(t)];
      const room = `listed ${encoding.name}`;
      assert.deepEqual(await ann.presenceStats(room), { numClients: 0, numUsers: 0 });
      const [sub, other] = [await subscribed(ann, room), await subscribed(bob, room)];

      const { clients } = await ann.presence(room);
      assert.deepEqual(Object.keys(clients).sort(), [ann.id, bob.id].sort());
      for (const [id, info] of Object.entries(clients)) {
        assert.equal(info.client, id);
        assert.equal(info.user, '');
        assert.ok(!info.connInfo?.length); // in protobuf nothing is an empty buffer
        assert.ok(!info.chanInfo?.length);
      }
      const stats = { numClients: 2, numUsers: 1 }; // the anonymous are one user
      assert.deepEqual(await ann.presenceStats(room), stats);
      assert.deepEqual(await sub.presenceStats(), stats);
      assert.deepEqual(await other.presence(), { clients });
    });

    test('who unsubscribes is not there any more', limit, async (t) => {
      const [ann, bob] = [await newcomer(t), await newcomer(t)];
      const room = `left ${encoding.name}`;
      const sub = await watched(ann, room);
      (await subscribed(bob, room)).unsubscribe();
      assert.deepEqual(await seen(sub, 3), [['join', ann.id], ['join', bob.id], ['leave', bob.id]]);
      assert.deepEqual(Object.keys((await ann.presence(room)).clients), [ann.id]);
      assert.deepEqual(await ann.presenceStats(room), { numClients: 1, numUsers: 1 });
    });

    test('a client hears of its own coming, after it has come', limit, async (t) => {
      const ann = await newcomer(t);
      const order = [];
      const sub = ann.newSubscription(`own ${encoding.name}`);
      sub.on('subscribed', () => order.push('subscribed'));
      sub.on('join', ({ info }) => { order.push(info.client); });
      const joined = next(sub, 'join');
      sub.subscribe();
      await joined;
      assert.deepEqual(order, ['subscribed', ann.id]);
    });

    test('who disconnects leaves all its rooms', limit, async (t) => {
      const [ann, bob] = [await newcomer(t), await newcomer(t)];
      const rooms = ['one', 'two'].map((room) => `${room} ${encoding.name}`);
      const subs = [];
      for (const room of rooms) {
        subs.push(await watched(ann, room));
        await subscribed(bob, room);
      }
      bob.disconnect();
      for (const sub of subs) {
        assert.deepEqual(await seen(sub, 3), [['join', ann.id], ['join', bob.id], ['leave', bob.id]]);
      }
    });

    test('who is cut off leaves, and comes back as another client', limit, async (t) => {
      const proxy = await startProxy(t, edge);
      const [ann, bob] = [await newcomer(t), await newcomer(t, proxy.url)];
      const room = `cut ${encoding.name}`;
      const sub = await watched(ann, room);
      await subscribed(bob, room);
      proxy.cut();
      assert.deepEqual(await seen(sub, 3), [['join', ann.id], ['join', bob.id], ['leave', bob.id]]);
      const back = next(bob, 'connected');
      proxy.mend();
      const { client } = await back;
      assert.notEqual(client, bob.id);
      assert.deepEqual((await seen(sub, 4))[3], ['join', client]);
      assert.deepEqual(Object.keys((await ann.presence(room)).clients).sort(), [ann.id, client].sort());
    });

    test('a server-side subscription is told like any other', limit, async (t) => {
      const ann = newClient(t, edge.url, { encoding });
      const room = `server-side ${encoding.name}`;
      const [joined, own] = [serverSubscribed(ann, [room]), next(ann, 'join')];
      await joined;
      const { clients } = await ann.presence(room);
      assert.deepEqual(Object.keys(clients), [(await own).info.client]);
      const [bob, other, left] = [await newcomer(t), next(ann, 'join'), next(ann, 'leave')];
      const sub = await subscribed(bob, room);
      assert.equal((await other).info.client, bob.id);
      sub.unsubscribe();
      const { channel, info } = await left;
      assert.deepEqual({ channel, client: info.client }, { channel: room, client: bob.id });
    });

    test('where it is not forced only those who ask hear of it', limit, async (t) => {
      const [ann, bob, eve] = [await newcomer(t), await newcomer(t), await newcomer(t)];
      const room = `asking:${encoding.name}`;
      const deaf = await watched(ann, room);
      const sub = await watched(bob, room, { joinLeave: true });
      (await watched(eve, room)).unsubscribe();
      assert.deepEqual(await seen(sub, 3), [['join', bob.id], ['join', eve.id], ['leave', eve.id]]);
      const end = next(deaf, 'publication'); // a room's order is total: the pushes would stand before it
      await bob.publish(room, encoding.pack('end'));
      await end;
      assert.deepEqual(deaf.seen, []);
    });

    test('presence alone tells nobody', limit, async (t) => {
      const [ann, bob] = [await newcomer(t), await newcomer(t)];
      const room = `silent:${encoding.name}`;
      const sub = await watched(ann, room, { joinLeave: true });
      await subscribed(bob, room);
      const end = next(sub, 'publication');
      await bob.publish(room, encoding.pack('end'));
      await end;
      assert.deepEqual(sub.seen, []);
      assert.equal((await ann.presenceStats(room)).numClients, 2);
    });

    test('a room without presence answers 108', limit, async (t) => {
      const ann = await newcomer(t);
      const notAvailable = { code: 108, message: 'not available' };
      await assert.rejects(ann.presence('nobody:here'), notAvailable);
      await assert.rejects(ann.presenceStats('nobody:here'), notAvailable);
    });
  });
}
