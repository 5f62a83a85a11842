// What a backend does to official clients through the HTTP API.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyed } from './application.mjs';
import { RawClient, connected, encodings, hasty, newClient, next, received, subscribed, unpacked, values } from './client.mjs';
import { limit } from './edge.mjs';
import { SECRET, now, token } from './jwt.mjs';

// collected resolves to the data of the next n publications in a client's server-side rooms.
function collected(client, n) {
  const all = [];
  return new Promise((resolve) => {
    client.on('publication', (ctx) => {
      all.push(unpacked(client, ctx));
      if (all.length === n) resolve(all);
    });
  });
}

for (const encoding of encodings) {
  // open starts a node with one client, of a user and perhaps with more claims.
  async function open(t, claims = {}, options = {}, config = {}) {
    const { url, api } = await keyed(t, config);
    const client = newClient(t, url, { encoding, ...hasty, token: token({ sub: 'ann', ...claims }), ...options });
    return { url, api, client, id: (await connected(client)).client };
  }

  test(`${encoding.name}: the API publishes to one room and to many, in order`, limit, async (t) => {
    const { api, client } = await open(t);
    const subs = [await subscribed(client, 'news:1'), await subscribed(client, 'news:2')];
    for (let data = 0; data < 10; data++) {
      const { offset } = await api('publish', { channel: 'news:1', data });
      assert.equal(offset, data + 1);
    }
    const { responses } = await api('broadcast', { channels: ['news:1', 'news:2', 'what:1'], data: 10 });
    assert.deepEqual(responses.map((r) => r.result?.offset ?? r.error.code), [11, 1, 102]);
    assert.deepEqual(values(await received(subs[0], 11)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual(values(await received(subs[1], 1)), [10]);
    assert.deepEqual(await api('channels', { pattern: 'news:*' }), {
      channels: { 'news:1': { num_clients: 1 }, 'news:2': { num_clients: 1 } },
    });
  });

  test(`${encoding.name}: the API puts a client into a closed room, with what it has missed, and takes it out`, limit, async (t) => {
    const { api, client, id } = await open(t);
    const first = await api('publish', { channel: 'news:old', data: 'one' });
    await api('publish', { channel: 'news:old', data: 'two' });
    const [entered, missed] = [next(client, 'subscribed'), collected(client, 3)];
    await api('subscribe', {
      user: 'ann', client: id, channel: 'news:old', recover_since: first, data: 'welcome',
      override: { force_recovery: { value: true } },
    });
    await api('publish', { channel: 'news:old', data: 'three' });
    await api('subscribe', { user: 'ann', channel: '$closed' });
    const context = await entered;
    assert.deepEqual([context.channel, context.recoverable, encoding.unpack(context.data)], ['news:old', true, 'welcome']);
    await api('publish', { channel: '$closed', data: 'four' });
    assert.deepEqual((await missed).map((p) => [p.channel, p.data, p.offset]), [
      ['news:old', 'two', 2], ['news:old', 'three', 3], ['$closed', 'four', undefined],
    ]);
    const left = next(client, 'unsubscribed');
    await api('unsubscribe', { user: 'ann', channel: '$closed' });
    assert.equal((await left).channel, '$closed');
    assert.deepEqual(await api('presence_stats', { channel: 'news:old' }), { num_clients: 1, num_users: 1 });
  });

  test(`${encoding.name}: an unsubscribe through the API is final for the client's own subscription`, limit, async (t) => {
    const { api, client } = await open(t);
    const sub = await subscribed(client, 'news:1');
    const left = next(sub, 'unsubscribed');
    await api('unsubscribe', { user: 'ann', channel: 'news:1' });
    const { code, reason } = await left;
    assert.deepEqual([code, reason], [2000, 'server unsubscribe']);
    const again = next(sub, 'subscribed');
    sub.subscribe(); // if it asks anew
    await again;
  });

  test(`${encoding.name}: orders reach one client of a user, or those without one`, limit, async (t) => {
    const { url, api, client, id } = await open(t, {}, {}, { client: { token: { hmac_secret_key: SECRET }, anonymous: { enabled: true } } });
    const [twin, nobody] = [newClient(t, url, { encoding, token: token({ sub: 'ann' }) }), newClient(t, url, { encoding })];
    await Promise.all([connected(twin), connected(nobody)]);
    const subs = [await subscribed(client, 'news:1'), await subscribed(twin, 'news:1')];
    const left = next(subs[0], 'unsubscribed');
    await api('unsubscribe', { user: 'ann', client: id, channel: 'news:1' });
    await left;
    assert.equal(subs[1].state, 'subscribed');
    const entered = next(nobody, 'subscribed');
    await api('subscribe', { user: '', channel: '$for all' });
    await entered;
    assert.deepEqual(await api('presence_stats', { channel: 'news:1' }), { num_clients: 1, num_users: 1 });
    const [gone, away] = [next(client, 'disconnected'), next(nobody, 'disconnected')];
    await api('disconnect', { user: 'ann', client: id, disconnect: { code: 4501, reason: 'signed in elsewhere' } });
    assert.deepEqual(await gone, { code: 4501, reason: 'signed in elsewhere' });
    await api('disconnect', { user: '' });
    assert.deepEqual(await away, { code: 3503, reason: 'force disconnect' });
    assert.equal(twin.state, 'connected');
  });

  test(`${encoding.name}: a disconnect through the API sends away for a while or for good`, limit, async (t) => {
    const { url, api, client } = await open(t);
    const spared = newClient(t, url, { encoding, token: token({ sub: 'ann' }) });
    const { client: id } = await connected(spared);
    const [lost, again] = [next(client, 'connecting'), next(client, 'connected')];
    await api('disconnect', { user: 'ann', whitelist: [id], disconnect: { code: 4001, reason: 'moved' } });
    assert.deepEqual(await lost, { code: 4001, reason: 'moved' });
    await again;
    const gone = next(client, 'disconnected');
    await api('disconnect', { user: 'ann', whitelist: [id] });
    assert.deepEqual(await gone, { code: 3503, reason: 'force disconnect' });
    assert.equal(spared.state, 'connected');
  });

  test(`${encoding.name}: a refresh through the API changes who the client is, or ends its connection`, limit, async (t) => {
    const { api, client, id } = await open(t, { info: { name: 'Ann' } });
    await subscribed(client, 'news:1');
    await api('refresh', { user: 'ann', info: { name: 'Anne' } });
    const { presence } = await api('presence', { channel: 'news:1' });
    assert.deepEqual(presence[id].conn_info, { name: 'Anne' });
    const [lost, again] = [next(client, 'connecting'), next(client, 'connected')];
    await api('refresh', { user: 'ann', expired: true });
    assert.deepEqual(await lost, { code: 3005, reason: 'connection expired' });
    await again; // its token is still good
  });

  test(`${encoding.name}: whose tokens are revoked comes back with a new one, and only so`, limit, async (t) => {
    let issued = 0;
    const getToken = async () => {
      issued += 1;
      return token({ sub: 'ann' });
    };
    const { url, api, client } = await open(t, {}, { getToken });
    const keeps = newClient(t, url, { encoding, ...hasty, token: token({ sub: 'ann', iat: 1 }) });
    const other = newClient(t, url, { encoding, token: token({ sub: 'bob' }) });
    await Promise.all([connected(keeps), connected(other)]);
    await subscribed(keeps, 'news:1');
    const [lost, again, gone] = [next(client, 'connecting'), next(client, 'connected'), next(keeps, 'disconnected')];
    await api('revoke', { user: 'ann' });
    assert.deepEqual((await api('presence', { channel: 'news:1' })).presence, {}); // it is done when the answer is there
    assert.deepEqual(await lost, { code: 3014, reason: 'state invalidated' });
    assert.deepEqual(await gone, { code: 3500, reason: 'invalid token' });
    await again;
    assert.ok(issued >= 1);
    assert.equal(other.state, 'connected');
  });

  test(`${encoding.name}: a revoked subscription token lets nobody into its room any more`, limit, async (t) => {
    const { url, api, client } = await open(t);
    const claims = { sub: 'ann', channel: '$hers', jti: 'one', iat: 1 };
    const getToken = async () => token({ ...claims, jti: 'two' });
    const sub = await subscribed(client, '$hers', { token: token(claims), getToken });
    const [lost, again] = [next(sub, 'subscribing'), next(sub, 'subscribed')];
    await api('revoke', { jti: 'one' });
    const { code, reason } = await lost;
    assert.deepEqual([code, reason], [2502, 'state invalidated']);
    await again;
    const late = newClient(t, url, { encoding, token: token({ sub: 'ann' }) });
    await connected(late);
    const away = next(late, 'disconnected');
    late.newSubscription('$hers', { token: token(claims) }).subscribe();
    assert.deepEqual(await away, { code: 3500, reason: 'invalid token' });
    assert.equal(sub.state, 'subscribed');
  });

  test(`${encoding.name}: a token is revoked by its id`, limit, async (t) => {
    const { url, api, client } = await open(t, { jti: 'one', iat: 1 });
    const other = newClient(t, url, { encoding, token: token({ sub: 'ann', jti: 'two' }) });
    await connected(other);
    const gone = next(client, 'disconnected');
    await api('revoke', { jti: 'one' });
    assert.deepEqual(await gone, { code: 3500, reason: 'invalid token' });
    assert.equal(other.state, 'connected');
  });
}

test('a refresh through the API puts off the end of a connection', limit, async (t) => {
  const { url, api } = await keyed(t);
  const client = new RawClient(t, url);
  await client.send({ id: 1, connect: { token: token({ sub: 'ann', exp: now() + 60 }) } });
  assert.equal((await client.next()).connect.expires, true);
  await api('refresh', { user: 'ann', expire_at: now() + 7200 });
  const { push } = await client.next();
  assert.ok(push.refresh.expires && push.refresh.ttl > 7000, `for ${push.refresh.ttl} s`);
  await api('refresh', { user: 'ann' });
  assert.deepEqual(await client.next(), { push: { refresh: {} } });
});
