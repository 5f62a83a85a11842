// Tokens as the official client uses them: to come in, to stay, and to enter rooms that are closed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyed } from './application.mjs';
import { beginnings, connected, encodings, hasty, newClient, next, received, subscribed, subscribing, unpacked } from './client.mjs';
import { limit } from './edge.mjs';
import { now, token } from './jwt.mjs';

// renewing returns a getToken that signs the claims anew each time, for an hour, and counts how often.
function renewing(claims) {
  const getToken = async () => {
    getToken.calls += 1;
    return token(claims);
  };
  getToken.calls = 0;
  return getToken;
}

for (const encoding of encodings) {
  test(`${encoding.name}: a token says who the client is, and where it is from the beginning`, limit, async (t) => {
    const { url, api } = await keyed(t);
    const claims = { sub: 'ann', info: { name: 'Ann' }, subs: { '$hers': { data: 'welcome' } } };
    const client = newClient(t, url, { encoding, token: token(claims) });
    const entered = next(client, 'subscribed');
    const { client: id } = await connected(client);
    const { channel, data } = await entered;
    assert.deepEqual([channel, encoding.unpack(data ?? null)], ['$hers', 'welcome']);
    await subscribed(client, 'news:1');
    assert.deepEqual(await api('presence', { channel: 'news:1' }), {
      presence: { [id]: { user: 'ann', client: id, conn_info: { name: 'Ann' } } },
    });
  });

  test(`${encoding.name}: a token names rooms that its client is in from the beginning`, limit, async (t) => {
    const { url, api } = await keyed(t);
    const rooms = ['$hers', 'news:1'];
    const client = newClient(t, url, { encoding, ...hasty, token: token({ sub: 'ann', channels: rooms }) });
    const entered = beginnings(client, rooms);
    await connected(client);
    assert.deepEqual([...(await entered).keys()].sort(), rooms);
    const publication = next(client, 'publication');
    await api('publish', { channel: '$hers', data: 'for you' });
    const { channel, data } = unpacked(client, await publication);
    assert.deepEqual([channel, data], ['$hers', 'for you']);
    const left = next(client, 'unsubscribed');
    await api('unsubscribe', { user: 'ann', channel: '$hers' });
    assert.equal((await left).channel, '$hers');
    const again = beginnings(client, rooms);
    await api('disconnect', { user: 'ann', disconnect: { code: 4000, reason: 'again' } });
    assert.deepEqual([...(await again).keys()].sort(), rooms); // as its token still says
  });

  test(`${encoding.name}: a token for no namespace that there is opens nothing`, limit, async (t) => {
    const { url } = await keyed(t);
    const client = newClient(t, url, { encoding, token: token({ sub: 'ann', channels: ['what:1'] }) });
    const away = next(client, 'disconnected');
    client.connect();
    assert.deepEqual(await away, { code: 102, reason: 'unknown channel' });
  });

  test(`${encoding.name}: without a good token nobody comes in, and nobody comes back`, limit, async (t) => {
    const { url } = await keyed(t);
    for (const [options, code] of [
      [{ token: token({ sub: 'ann' }, 'another secret of about that length') }, 3500],
      [{ token: 'no token' }, 3500],
      [{ token: token({ sub: 'ann', exp: now() - 60 }) }, 1], // the client's own code: it cannot get another one
      [{}, 3501],
    ]) {
      const client = newClient(t, url, { encoding, ...hasty, ...options });
      const away = next(client, 'disconnected');
      client.connect();
      assert.equal((await away).code, code);
    }
  });

  test(`${encoding.name}: a client whose token has expired gets another one and comes in`, limit, async (t) => {
    const { url } = await keyed(t);
    const getToken = renewing({ sub: 'ann' });
    const client = newClient(t, url, { encoding, ...hasty, getToken, token: token({ sub: 'ann', exp: now() - 60 }) });
    await connected(client);
    assert.equal(getToken.calls, 1);
  });

  test(`${encoding.name}: a subscription token opens its own room to its own user`, limit, async (t) => {
    const { url } = await keyed(t);
    const client = newClient(t, url, { encoding, token: token({ sub: 'ann' }) });
    await connected(client);
    const sub = await subscribed(client, '$closed', { token: token({ sub: 'ann', channel: '$closed' }) });
    assert.equal(sub.state, 'subscribed');
    for (const [room, options] of [['$without', {}], ['$with', { token: 'no token' }]]) {
      const refused = subscribing(client, room, options);
      assert.equal((await next(refused, 'unsubscribed')).code, 103);
    }
    const away = next(client, 'disconnected');
    subscribing(client, '$other', { token: token({ sub: 'bob', channel: '$other' }) });
    assert.equal((await away).code, 3500);
  });

  test(`${encoding.name}: a client may do what the room's options or its token allow`, limit, async (t) => {
    const { url } = await keyed(t);
    const caps = [{ channels: ['news:1', 'chat'], allow: ['sub', 'pub'] }];
    const plain = newClient(t, url, { encoding, token: token({ sub: 'ann' }) });
    const capable = newClient(t, url, { encoding, token: token({ sub: 'bob', caps }) });
    await Promise.all([connected(plain), connected(capable)]);
    const listening = await subscribed(plain, 'news:1');
    await capable.publish('news:1', encoding.pack('from outside'));
    assert.equal((await received(listening, 1))[0].data, 'from outside');
    await assert.rejects(plain.publish('news:2', encoding.pack(1)), { code: 103 }); // not subscribed
    await assert.rejects(plain.history('news:1', { limit: 1 }), { code: 103 });
    assert.equal((await plain.presenceStats('news:1')).numClients, 1);
    await assert.rejects(plain.publish('what:1', encoding.pack(1)), { code: 102 });
    await subscribed(capable, 'chat');
    const refused = subscribing(plain, 'chat');
    assert.equal((await next(refused, 'unsubscribed')).code, 103);
  });
}
