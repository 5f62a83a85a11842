// How long a connection lives: through pings, without pongs, and over the server's own restart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, connected, hasty, isPing, newClient, next, received, subscribed } from './client.mjs';
import { limit, serve } from './edge.mjs';

test('after a restart clients come back by themselves', limit, async (t) => {
  const first = await serve(t);
  const clients = [newClient(t, first.url, hasty), newClient(t, first.url, hasty)];
  const subs = [];
  for (const client of clients) {
    await connected(client);
    subs.push(await subscribed(client, 'news'));
  }
  await subs[0].publish('before');
  for (const sub of subs) await received(sub, 1);

  const told = Promise.all(clients.map((client) => next(client, 'connecting')));
  await first.stop();
  for (const { code, reason } of await told) {
    assert.deepEqual({ code, reason }, { code: 3001, reason: 'shutdown' });
  }

  const back = Promise.all(subs.map((sub) => next(sub, 'subscribed')));
  await serve(t, { port: first.port });
  await back;
  await subs[0].publish('after');
  for (const sub of subs) {
    assert.deepEqual((await received(sub, 2)).map((p) => p.data), ['before', 'after']);
  }
});

test('what was published before the server ends is still delivered', limit, async (t) => {
  const edge = await serve(t);
  const client = newClient(t, edge.url);
  await connected(client);
  const sub = await subscribed(client, 'last words');
  await Promise.all(Array.from({ length: 100 }, (_, i) => sub.publish(i)));
  const gone = next(client, 'connecting');
  const stopped = edge.stop();
  await gone;
  assert.equal(sub.publications.length, 100);
  client.disconnect();
  await stopped;
});

test('a client that answers pings stays connected', limit, async (t) => {
  const edge = await serve(t, { flags: ['--ping-interval', '6s'] });
  const client = newClient(t, edge.url);
  const losses = [];
  await connected(client);
  client.on('connecting', (ctx) => losses.push(ctx)).on('disconnected', (ctx) => losses.push(ctx));
  const sub = await subscribed(client, 'room');

  const pings = () => client.frames.filter(isPing).length;
  while (pings() < 2) await next(client, 'frame'); // past the time in which the first pongs are due

  await sub.publish('alive');
  await received(sub, 1);
  assert.deepEqual(losses, []);
});

test('a client that does not answer pings is closed', limit, async (t) => {
  const edge = await serve(t, { flags: ['--ping-interval', '1s'] });
  const raw = new RawClient(t, edge.url, { answersPings: false });
  await raw.send({ id: 1, connect: {} });
  const { connect } = await raw.next();
  assert.equal(connect.ping, 1);
  assert.equal(connect.pong, true);
  assert.ok(isPing(await raw.nextObject()), 'a ping comes before the close');
  assert.deepEqual(await raw.closed, { code: 3012, reason: 'no pong' });
});
