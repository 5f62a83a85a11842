// Clients whose TCP connection is cut: what they get of what they have missed, and what they are told.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  RawClient, beginnings, connected, encodings, hasty, newClient, next, numbers, publish, received, serverSubscribed,
  subscribed, unpacked, values,
} from './client.mjs';
import { limit, serve, startEdge } from './edge.mjs';
import { startProxy } from './proxy.mjs';

const remembering = { history_size: 1000, history_ttl: '60s', force_recovery: true };
const config = {
  development: true,
  shutdown: { window: '100ms' },
  room: {
    without_namespace: remembering,
    namespaces: [
      { name: 'five', ...remembering, history_size: 5 },
      { name: 'brief', ...remembering, history_ttl: '200ms' },
      { name: 'newest', ...remembering, force_recovery_mode: 'cache', auto_cache_recover: true },
      { name: 'asking', history_size: 10, history_ttl: '60s', allow_recovery: true },
      { name: 'positions', history_size: 10, history_ttl: '60s', force_positioning: true },
    ],
  },
};

const edge = await startEdge({ config });
after(() => edge.stop());

// newPair resolves to a client behind a proxy, which can be cut, and to one of the other encoding with
// a connection that lasts.
async function newPair(t, encoding) {
  const proxy = await startProxy(t, edge);
  const client = newClient(t, proxy.url, { encoding, ...hasty });
  const publisher = newClient(t, edge.url, { encoding: encodings.find((other) => other !== encoding) });
  await Promise.all([connected(client), connected(publisher)]);
  return { client, proxy, publisher };
}

// missing cuts the proxy's clients off while f runs. It resolves to the contexts with which the
// subscriptions come back.
async function missing(proxy, subs, f = () => {}) {
  const lost = Promise.all(subs.map((sub) => next(sub, 'subscribing')));
  proxy.cut();
  await lost;
  await f();
  const back = Promise.all(subs.map((sub) => next(sub, 'subscribed')));
  proxy.mend();
  return back;
}

// publishAll publishes values one after the other.
async function publishAll(client, room, all) {
  for (const value of all) await publish(client, room, value);
}

// forgotten resolves once the room's history is empty.
async function forgotten(client, room) {
  while ((await client.history(room, { limit: 1 })).publications.length > 0) await delay(10);
}

// outcome is what a context says of a recovery.
const outcome = ({ wasRecovering, recovered, hasRecoveredPublications }) => (
  { wasRecovering, recovered, hasRecoveredPublications });
const complete = { wasRecovering: true, recovered: true, hasRecoveredPublications: true };
const nothingMissed = { wasRecovering: true, recovered: true, hasRecoveredPublications: false };
const lost = { wasRecovering: true, recovered: false, hasRecoveredPublications: false };

for (const encoding of encodings) {
  describe(`over ${encoding.name}`, () => {
    test('the first subscribe hands out a position and recovers nothing', limit, async (t) => {
      const { client, publisher } = await newPair(t, encoding);
      const room = `first ${encoding.name}`;
      await publishAll(publisher, room, ['a', 'b']);
      const { start } = await subscribed(client, room);
      assert.deepEqual(outcome(start), { wasRecovering: false, recovered: false, hasRecoveredPublications: false });
      assert.equal(start.positioned, true);
      assert.equal(start.recoverable, true);
      assert.equal(start.streamPosition.offset, 2);
      assert.match(start.streamPosition.epoch, /^[-\w]{8}$/);
    });

    test('exactly what was missed comes after a cut, in order', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `missed ${encoding.name}`;
      const sub = await subscribed(client, room);
      await publishAll(publisher, room, [0, 1, 2]);
      await received(sub, 3);

      const [back] = await missing(proxy, [sub], () => publishAll(publisher, room, [3, 4, 5, 6]));
      assert.deepEqual(outcome(back), complete);
      const { epoch } = sub.start.streamPosition;
      assert.deepEqual(back.streamPosition, { offset: 3, epoch }); // from where it goes on
      await publish(publisher, room, 7);
      const publications = await received(sub, 8);
      assert.deepEqual(values(publications), numbers(8));
      assert.deepEqual(publications.map((p) => p.offset), numbers(9).slice(1));
      for (const { info } of publications) assert.equal(typeof info.client, 'string');
    });

    test('a cut in which nothing is published recovers with nothing', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `silence ${encoding.name}`;
      const sub = await subscribed(client, room);
      await publish(publisher, room, 'before');
      await received(sub, 1);
      assert.deepEqual((await missing(proxy, [sub])).map(outcome), [nothingMissed]);
      await publish(publisher, room, 'after');
      assert.deepEqual(values(await received(sub, 2)), ['before', 'after']);
    });

    test('a room that was quiet until the cut recovers too', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `quiet ${encoding.name}`;
      const sub = await subscribed(client, room);
      assert.equal(sub.start.streamPosition.offset, 0);
      const [back] = await missing(proxy, [sub], () => publishAll(publisher, room, ['a', 'b', 'c']));
      assert.deepEqual(outcome(back), complete);
      assert.deepEqual(values(await received(sub, 3)), ['a', 'b', 'c']);
    });

    test('recovery reaches back as far as the history and no further', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `five:${encoding.name}`;
      const sub = await subscribed(client, room);
      const five = await missing(proxy, [sub], () => publishAll(publisher, room, [0, 1, 2, 3, 4]));
      assert.deepEqual(five.map(outcome), [complete]);
      assert.deepEqual(values(await received(sub, 5)), numbers(5));

      const [six] = await missing(proxy, [sub], () => publishAll(publisher, room, [5, 6, 7, 8, 9, 10]));
      assert.deepEqual(outcome(six), lost);
      assert.equal(six.streamPosition.offset, 11);
      assert.equal(six.streamPosition.epoch, sub.start.streamPosition.epoch);
      await publish(publisher, room, 11);
      assert.deepEqual(values(await received(sub, 6)), [...numbers(5), 11]);
    });

    test('at most 300 publications are recovered', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `many ${encoding.name}`;
      const sub = await subscribed(client, room);
      const publishing = (all) => () => Promise.all(all.map((value) => publish(publisher, room, value)));
      const full = await missing(proxy, [sub], publishing(numbers(300)));
      assert.deepEqual(full.map(outcome), [complete]);
      assert.deepEqual(values(await received(sub, 300)), numbers(300));
      const over = await missing(proxy, [sub], publishing(numbers(301)));
      assert.deepEqual(over.map(outcome), [lost]);
      assert.equal(sub.publications.length, 300);
    });

    test('what is older than the history is not recovered', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `brief:${encoding.name}`;
      const sub = await subscribed(client, room);
      await publish(publisher, room, 'before');
      await received(sub, 1);
      const nothing = await missing(proxy, [sub], () => forgotten(publisher, room));
      assert.deepEqual(nothing.map(outcome), [nothingMissed]);

      const [back] = await missing(proxy, [sub], async () => {
        await publish(publisher, room, 'missed');
        await forgotten(publisher, room);
      });
      assert.deepEqual(outcome(back), lost);
      assert.equal(back.streamPosition.offset, 2);
      await publish(publisher, room, 'after');
      assert.deepEqual(values(await received(sub, 2)), ['before', 'after']);
    });

    test('a server that has forgotten begins a new epoch', limit, async (t) => {
      const first = await serve(t, { config });
      const client = newClient(t, first.url, { encoding, ...hasty });
      await connected(client);
      const sub = await subscribed(client, 'restart');
      await publish(client, 'restart', 'before');
      await received(sub, 1);

      const back = next(sub, 'subscribed');
      await first.stop();
      await serve(t, { port: first.port, config });
      const restarted = await back;
      assert.deepEqual(outcome(restarted), lost);
      assert.equal(restarted.streamPosition.offset, 0);
      assert.notEqual(restarted.streamPosition.epoch, sub.start.streamPosition.epoch);
      await publish(client, 'restart', 'after');
      assert.deepEqual((await received(sub, 2)).map((p) => [p.data, p.offset]), [['before', 1], ['after', 1]]);
    });

    test('a crash loses nothing that a store has taken', limit, async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'edge-'));
      t.after(() => rm(directory, { recursive: true }));
      const storing = {
        ...config,
        room: { without_namespace: { ...remembering, store: true } },
        history: { store: { enabled: true, path: join(directory, 'history') } },
      };
      const first = await serve(t, { config: storing });
      const proxy = await startProxy(t, first);
      const [client, publisher] = [proxy.url, first.url].map((url) => newClient(t, url, { encoding, ...hasty }));
      await Promise.all([connected(client), connected(publisher)]);
      const sub = await subscribed(client, 'crash');
      await publish(publisher, 'crash', 0);
      await received(sub, 1);

      const [back] = await missing(proxy, [sub], async () => {
        await publishAll(publisher, 'crash', [1, 2, 3]);
        await first.kill();
        await serve(t, { port: first.port, config: storing });
      });
      assert.deepEqual(outcome(back), complete);
      assert.equal(back.streamPosition.epoch, sub.start.streamPosition.epoch);
      assert.deepEqual((await received(sub, 4)).map((p) => [p.offset, p.data]), [[1, 0], [2, 1], [3, 2], [4, 3]]);
    });

    test('several rooms recover at once, each what it has missed', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const subs = [];
      for (const n of numbers(8)) subs.push(await subscribed(client, `room ${n} ${encoding.name}`));
      const overrun = await subscribed(client, `five:overrun ${encoding.name}`);
      const back = await missing(proxy, [...subs, overrun], async () => {
        for (const [n, { channel }] of subs.entries()) await publishAll(publisher, channel, numbers(n));
        await publishAll(publisher, overrun.channel, numbers(6));
      });
      assert.deepEqual(back.map(outcome), [nothingMissed, ...Array(7).fill(complete), lost]);
      for (const [n, sub] of subs.entries()) assert.deepEqual(values(sub.publications), numbers(n));
      assert.deepEqual(overrun.publications, []);
    });

    test('a subscription can begin at a position of old', limit, async (t) => {
      const { client, publisher } = await newPair(t, encoding);
      const room = `since ${encoding.name}`;
      await publishAll(publisher, room, numbers(5));
      const { epoch } = await publisher.history(room, { limit: 0 });
      const sub = await subscribed(client, room, { since: { offset: 2, epoch } });
      assert.deepEqual(outcome(sub.start), complete);
      assert.deepEqual(values(await received(sub, 3)), [2, 3, 4]);
      const foreign = await subscribed(publisher, room, { since: { offset: 2, epoch: 'foreign' } });
      assert.deepEqual(outcome(foreign.start), lost);
    });

    test('in cache mode the newest publication is all that comes', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `newest:${encoding.name}`;
      await publishAll(publisher, room, [0, 1]);
      const sub = await subscribed(client, room);
      assert.deepEqual(values(await received(sub, 1)), [1]);
      const back = await missing(proxy, [sub], () => publishAll(publisher, room, [2, 3, 4]));
      assert.deepEqual(back.map(outcome), [complete]);
      assert.deepEqual(values(await received(sub, 2)), [1, 4]);
    });

    test('where recovery is not forced it is for those who ask', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `asking:${encoding.name}`;
      const plain = await subscribed(publisher, room);
      assert.equal(plain.start.positioned, false);
      assert.equal(plain.start.recoverable, false);
      assert.equal(plain.start.streamPosition, undefined);
      const sub = await subscribed(client, room, { recoverable: true });
      const back = await missing(proxy, [sub], () => publish(publisher, room, 'missed'));
      assert.deepEqual(back.map(outcome), [complete]);
      assert.deepEqual(values(await received(sub, 1)), ['missed']);
    });

    test('a room with positions alone promises no recovery', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `positions:${encoding.name}`;
      const sub = await subscribed(client, room);
      assert.equal(sub.start.positioned, true);
      assert.equal(sub.start.recoverable, false);
      assert.equal(sub.start.streamPosition.offset, 0);
      const [back] = await missing(proxy, [sub], () => publish(publisher, room, 'missed'));
      assert.deepEqual(outcome(back), { wasRecovering: false, recovered: false, hasRecoveredPublications: false });
      await publish(publisher, room, 'seen');
      assert.deepEqual(values(await received(sub, 1)), ['seen']);
    });

    test('through 20 cuts a subscriber gets everything once and in order', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      const room = `storm ${encoding.name}`;
      const sub = await subscribed(client, room);
      const recoveries = [];
      sub.on('subscribed', (ctx) => recoveries.push(ctx.recovered));
      const publishing = publishUntilTold(publisher, sub);
      for (const n of numbers(20)) {
        const back = next(client, 'connected');
        const again = next(sub, 'subscribed');
        proxy.cut();
        proxy.mend();
        await back;
        if (n % 3 > 0) await again; // else the next cut falls into the recovery
        if (n % 3 > 1) await received(sub, sub.publications.length + 1);
      }
      const count = await publishing.stop();
      const publications = await received(sub, count);
      assert.deepEqual(values(publications), numbers(count));
      assert.deepEqual(publications.map((p) => p.offset), numbers(count + 1).slice(1));
      assert.ok(recoveries.length >= 13, `${recoveries.length} recoveries`);
      assert.ok(recoveries.every((recovered) => recovered));
    });

    test('server-side subscriptions recover with the connection', limit, async (t) => {
      const { client, proxy, publisher } = await newPair(t, encoding);
      client.disconnect();
      const rooms = numbers(3).map((n) => `server-side ${n} ${encoding.name}`);
      const overrun = `five:server-side ${encoding.name}`;
      const all = [...rooms, overrun];
      const joined = await serverSubscribed(client, all);
      for (const room of all) assert.equal(joined.get(room).recoverable, true);
      const publications = [];
      client.on('publication', (ctx) => publications.push(unpacked(client, ctx)));
      const heard = async (n) => { while (publications.length < n) await next(client, 'publication'); };

      for (const room of rooms) await publish(publisher, room, 'before');
      await heard(3);
      const gone = next(client, 'connecting');
      proxy.cut();
      await gone;
      await publishAll(publisher, rooms[1], ['a']);
      await publishAll(publisher, rooms[2], ['b', 'c']);
      await publishAll(publisher, overrun, numbers(6));
      const back = beginnings(client, all);
      proxy.mend();
      const recovered = await back;
      const outcomes = all.map((room) => outcome(recovered.get(room)));
      assert.deepEqual(outcomes, [nothingMissed, complete, complete, lost]);

      for (const room of all) await publish(publisher, room, 'after');
      await heard(10);
      const of = (room) => publications.filter((p) => p.channel === room).map((p) => [p.offset, p.data]);
      assert.deepEqual(of(rooms[0]), [[1, 'before'], [2, 'after']]);
      assert.deepEqual(of(rooms[1]), [[1, 'before'], [2, 'a'], [3, 'after']]);
      assert.deepEqual(of(rooms[2]), [[1, 'before'], [2, 'b'], [3, 'c'], [4, 'after']]);
      assert.deepEqual(of(overrun), [[7, 'after']]);
    });
  });
}

// publishUntilTold publishes 0, 1, 2 and so on, about one in a millisecond, as long as the
// subscription does not lack more than a recovery may bring. Its stop resolves to how many there were.
function publishUntilTold(client, sub) {
  let told = false;
  const done = (async () => {
    let n = 0;
    for (; !told; n++) {
      await received(sub, n - 299);
      await publish(client, sub.channel, n);
      await delay(1);
    }
    return n;
  })();
  return { stop: () => { told = true; return done; } };
}

test('who refuses a hole gets error 112 in place of a subscription', limit, async (t) => {
  const raw = new RawClient(t, edge.url);
  await raw.send({ id: 1, connect: {} });
  await raw.next();
  const subscribe = { channel: 'refusing', recover: true, offset: 5, epoch: 'foreign', flag: 2 };
  await raw.send({ id: 2, subscribe });
  assert.deepEqual(await raw.next(), { id: 2, error: { code: 112, message: 'unrecoverable position' } });
  await raw.send({ id: 3, subscribe: { ...subscribe, flag: 0 } });
  const { subscribe: result } = await raw.next();
  assert.equal(result.was_recovering, true);
  assert.equal(result.recovered, undefined);
  assert.equal(result.publications, undefined);
});
