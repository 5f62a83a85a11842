// What a server does to its clients: the node that SDK_APPLICATION names has an application in it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApplication } from './application.mjs';
import { call, connected, encodings, hasty, newClient, next, received, subscribed, unpacked } from './client.mjs';
import { limit } from './edge.mjs';

// order is call for what has no result.
const order = (client, method, parameters) => client.rpc(method, client.encoding.pack(parameters));

for (const encoding of encodings) {
  test(`${encoding.name}: a server-side unsubscribe is final, and a new subscribe works`, limit, async (t) => {
    const client = newClient(t, await startApplication(t), { encoding });
    await connected(client);
    const sub = await subscribed(client, 'r');
    const left = next(sub, 'unsubscribed');
    await order(client, 'unsubscribe', { room: 'r' });
    assert.equal((await left).code, 2000);
    assert.equal(sub.state, 'unsubscribed');
    const back = next(sub, 'subscribed');
    sub.subscribe();
    await back;
    await call(client, 'publish', { room: 'r', data: 1, tags: { a: 'b' } });
    const [got] = await received(sub, 1);
    assert.deepEqual([got.data, got.offset, { ...got.tags }], [1, 1, { a: 'b' }]);
  });

  test(`${encoding.name}: the server subscribes and unsubscribes a client`, limit, async (t) => {
    const client = newClient(t, await startApplication(t), { encoding });
    await connected(client);
    const entered = next(client, 'subscribed');
    await order(client, 'subscribe', { room: 's' });
    const context = await entered;
    assert.deepEqual([context.channel, context.recoverable], ['s', true]);
    const publication = next(client, 'publication');
    await call(client, 'publish', { room: 's', data: 'hello' });
    assert.equal(unpacked(client, await publication).data, 'hello');
    const left = next(client, 'unsubscribed');
    await order(client, 'unsubscribe', { room: 's' });
    assert.equal((await left).channel, 's');
  });

  test(`${encoding.name}: clients that a rebalance sends away come back and recover`, limit, async (t) => {
    const client = newClient(t, await startApplication(t), { encoding, ...hasty });
    await connected(client);
    const sub = await subscribed(client, 'kept');
    await call(client, 'publish', { room: 'kept', data: 1 });
    await received(sub, 1);
    const told = next(client, 'connecting');
    await order(client, 'rebalance', {});
    const { code, reason } = await told;
    assert.deepEqual({ code, reason }, { code: 3011, reason: 'force reconnect' });
    const { recovered } = await next(sub, 'subscribed');
    assert.equal(recovered, true);
    await call(client, 'publish', { room: 'kept', data: 2 });
    assert.deepEqual((await received(sub, 2)).map((p) => p.data), [1, 2]);
  });

  test(`${encoding.name}: a repeated or outdated publication reaches nobody`, limit, async (t) => {
    const client = newClient(t, await startApplication(t), { encoding });
    await connected(client);
    const sub = await subscribed(client, 'once');
    const results = [];
    for (const more of [{ key: 'k' }, { key: 'k' }, { version: 5 }, { version: 4 }, { version: 6 }, {}]) {
      const { offset, suppressed } = await call(client, 'publish', { room: 'once', data: 0, ...more });
      results.push([offset, suppressed]);
    }
    assert.deepEqual(results, [[1, false], [1, true], [2, false], [2, true], [3, false], [4, false]]);
    const publications = await received(sub, 4);
    assert.deepEqual(publications.map((p) => p.offset), [1, 2, 3, 4]);
  });

  test(`${encoding.name}: a client that is told to come back does, one that is told to stay away does not`, limit, async (t) => {
    const client = newClient(t, await startApplication(t), { encoding, ...hasty });
    await connected(client);
    const again = next(client, 'connected');
    order(client, 'disconnect', { code: 4000 }).catch(() => {}); // the conn is gone before its answer
    await again;
    const away = next(client, 'disconnected');
    order(client, 'disconnect', { code: 4500 }).catch(() => {});
    assert.equal((await away).code, 4500);
  });
}
