// The official client over HTTP streams and server-sent events, each forced, with its commands in requests of their own; and
// a plain EventSource, which knows no protocol.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { connected, encodings, hasty, newClient, next, numbers, publish, received, subscribed, values } from './client.mjs';
import { limit, serve, startEdge } from './edge.mjs';
import { startProxy } from './proxy.mjs';

const remembering = { history_size: 1000, history_ttl: '60s', force_recovery: true, presence: true };
const config = { development: true, shutdown: { window: '100ms' }, room: { without_namespace: remembering } };

const edge = await startEdge({ config });
after(() => edge.stop());

const [json, protobuf] = encodings;
const ways = [
  { name: 'http_stream', transport: 'http_stream', encoding: json, Client: Centrifuge },
  { name: 'http_stream in protobuf', transport: 'http_stream', encoding: protobuf, Client: ProtobufCentrifuge },
  { name: 'sse', transport: 'sse', encoding: json, Client: Centrifuge },
];

const http = (url, path) => url.replace('ws:', 'http:').replace('/connection/websocket', path);

// streamClient returns a client that has no other way than the given one to the server behind a WebSocket's URL.
function streamClient(t, url, way, options = {}) {
  const transports = [{ transport: way.transport, endpoint: http(url, `/connection/${way.transport}`) }];
  const client = new way.Client(transports, {
    emulationEndpoint: http(url, '/emulation'), eventsource: EventSource, timeout: 60_000, ...options,
  });
  client.encoding = way.encoding;
  t.after(() => client.disconnect());
  return client;
}

for (const way of ways) {
  describe(way.name, () => {
    test('connects, subscribes, publishes, asks', limit, async (t) => {
      const client = streamClient(t, edge.url, way);
      const other = newClient(t, edge.url, { encoding: way.encoding });
      const [start] = await Promise.all([connected(client), connected(other)]);
      assert.equal(start.transport, way.transport);
      const room = `all ${way.name}`;
      const sub = await subscribed(client, room);
      const beside = await subscribed(other, room);

      for (const i of numbers(20)) await publish(client, room, i);
      await publish(other, room, 'x'.repeat(30_000));
      assert.deepEqual(values(await received(sub, 21)).slice(0, 20), numbers(20));
      assert.deepEqual(values(await received(beside, 21)).slice(0, 20), numbers(20));

      const { clients } = await sub.presence();
      assert.deepEqual(new Set(Object.keys(clients)), new Set([start.client, other._client]));
      assert.equal((await client.presenceStats(room)).numClients, 2);
      const { publications } = await sub.history({ limit: 5 });
      assert.deepEqual(publications.map((p) => way.encoding.unpack(p.data)), numbers(5));
      await assert.rejects(client.rpc('none', way.encoding.pack({})), { code: 108 });
      sub.unsubscribe();
      assert.equal((await client.presenceStats(room)).numClients, 1);
    });

    test('a batch is answered in its order', limit, async (t) => {
      const client = streamClient(t, edge.url, way);
      await connected(client);
      const room = `batch ${way.name}`;
      const sub = await subscribed(client, room);
      client.startBatching();
      const answers = numbers(50).map((i) => publish(client, room, i));
      const history = client.history(room, { limit: -1 });
      client.stopBatching();
      await Promise.all(answers);
      assert.equal((await history).publications.length, 50);
      assert.deepEqual(values(await received(sub, 50)), numbers(50));
    });

    test('recovers what it has missed', limit, async (t) => {
      const proxy = await startProxy(t, edge);
      const client = streamClient(t, proxy.url, way, hasty);
      const publisher = newClient(t, edge.url, { encoding: way.encoding });
      await Promise.all([connected(client), connected(publisher)]);
      const room = `cut ${way.name}`;
      const sub = await subscribed(client, room);
      await publish(publisher, room, 0);
      await received(sub, 1);
      const lost = next(sub, 'subscribing');
      proxy.cut();
      await lost;
      for (const i of numbers(10)) await publish(publisher, room, i + 1);
      const back = next(sub, 'subscribed');
      proxy.mend();
      const ctx = await back;
      assert.deepEqual([ctx.wasRecovering, ctx.recovered], [true, true]);
      assert.deepEqual(values(await received(sub, 11)), numbers(11));
    });

    test('hears why it ends, and comes back where it may', limit, async (t) => {
      const own = await serve(t, { config: { ...config, client: { ping_interval: '1s', pong_timeout: '600ms' } } });
      const client = streamClient(t, own.url, way, hasty);
      const { client: first } = await connected(client);
      await delay(2000); // pings go by
      assert.equal(client.state, 'connected');
      assert.equal((await connectionOf(client)).client, first);
      const away = next(client, 'connecting');
      const stopped = own.stop();
      assert.equal((await away).code, 3001);
      await stopped;
    });

    test('is refused for good with a bad token', limit, async (t) => {
      const own = await serve(t, { config: { ...config, client: { token: { hmac_secret_key: 'k'.repeat(32) } } } });
      const client = streamClient(t, own.url, way, { token: 'no token' });
      const gone = next(client, 'disconnected');
      client.connect();
      assert.equal((await gone).code, 3500);
    });
  });
}

// connectionOf resolves to who the client is, once the server has answered it.
async function connectionOf(client) {
  await assert.rejects(client.rpc('none', client.encoding.pack({})), { code: 108 });
  return { client: client._client };
}

test('a plain EventSource gets publications, and recovers them when it comes back by itself', limit, async (t) => {
  const proxy = await startProxy(t, edge);
  const publisher = newClient(t, edge.url);
  await connected(publisher);
  const source = new EventSource(http(proxy.url, '/connection/sse?room=plain&room=other'));
  t.after(() => source.close());
  const news = new EventEmitter();
  const got = { subscribed: [], plain: [], other: [] };
  for (const [name, all] of Object.entries(got)) {
    source.addEventListener(name, (event) => {
      all.push(JSON.parse(event.data));
      news.emit('one');
    });
  }
  const come = async (name, n) => { while (got[name].length < n) await once(news, 'one'); };

  await come('subscribed', 2);
  await publish(publisher, 'plain', 1);
  await come('plain', 1);
  const lost = once(source, 'error');
  proxy.cut();
  await lost;
  await publish(publisher, 'other', 2);
  await publish(publisher, 'plain', 3);
  proxy.mend();
  await come('subscribed', 4);
  assert.deepEqual([got.plain, got.other], [[1, 3], [2]]);
  assert.deepEqual(got.subscribed.slice(2), [{ room: 'plain', recovered: true }, { room: 'other', recovered: true }]);
});
