// What comes to its end while a client is there, and what it does about that: all at the same time, as most of it is waiting.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startKeyed } from './application.mjs';
import { RawClient, connected, encodings, hasty, newClient, next, subscribed } from './client.mjs';
import { limit } from './edge.mjs';
import { SECRET, now, token } from './jwt.mjs';

const { edge, api } = await startKeyed({ client: {
  token: { hmac_secret_key: SECRET }, expired_close_delay: '8s', expired_sub_close_delay: '8s', // for slow machines
} });
after(() => edge.stop());

// soon leaves a slow machine the time to use a token.
const soon = () => now() + 10;

// afterwards is when those whose end is soon are gone, if they have not been refreshed.
const afterwards = () => soon() + 3;

const later = () => now() + 3600;

// renewing is a getToken that leaves it to `then` what a client gets that is there already; one that was too late to begin with
// its first token gets another one like it.
function renewing(first, then) {
  const getToken = async () => (getToken.there ? then() : first());
  return getToken;
}

describe('at the end of what a token grants', { concurrency: true }, () => {
  for (const encoding of encodings) {
    const { UnauthorizedError } = encoding.Client;
    const unauthorized = async () => { throw new UnauthorizedError('no more'); };

    // user resolves to a connected client of a user, with a token for a while; `then` gets the next one, if it may have any.
    async function user(t, sub, then, exp = soon) {
      const first = () => token({ sub, exp: exp() });
      const getToken = then && renewing(first, then);
      const client = newClient(t, edge.url, { encoding, ...hasty, token: first(), getToken });
      client.id = (await connected(client)).client;
      if (then) getToken.there = true;
      return client;
    }

    // member is user for a subscription of ann's.
    async function member(t, room, then, exp = soon) {
      const client = await user(t, 'ann', undefined, later);
      const first = () => token({ sub: 'ann', channel: room, exp: exp() });
      const getToken = then && renewing(first, then);
      const sub = await subscribed(client, room, { token: first(), getToken });
      if (then) getToken.there = true;
      return sub;
    }

    for (const [what, getToken] of [
      ['is told that it may have no other token', unauthorized],
      ['gets an empty token', async () => ''],
      ['has no way to get another token', undefined],
    ]) {
      test(`${encoding.name}: a client that ${what} disconnects itself`, limit, async (t) => {
        const client = await user(t, 'ann', getToken);
        assert.deepEqual(await next(client, 'disconnected'), { code: 1, reason: 'unauthorized' });
      });

      test(`${encoding.name}: a subscriber that ${what} leaves its room, and no more than that`, limit, async (t) => {
        const sub = await member(t, `$${what} ${encoding.name}`, getToken);
        const { code, reason } = await next(sub, 'unsubscribed');
        assert.deepEqual([code, reason, sub.client.state], [1, 'unauthorized', 'connected']);
      });
    }

    test(`${encoding.name}: a client refreshes its connection and stays`, limit, async (t) => {
      let refreshes = 0;
      const client = await user(t, 'ann', async () => {
        refreshes += 1;
        return token({ sub: 'ann' });
      });
      const lost = next(client, 'connecting');
      const other = await user(t, 'bob', async () => { throw new Error('no network'); }, afterwards);
      await Promise.race([lost, next(other, 'connecting')]);
      assert.deepEqual([refreshes, client.state], [1, 'connected']);
    });

    test(`${encoding.name}: a client refreshes its subscription and stays`, limit, async (t) => {
      const [room, other] = [`$kept ${encoding.name}`, `$lost ${encoding.name}`];
      let refreshes = 0;
      const sub = await member(t, room, async () => {
        refreshes += 1;
        return token({ sub: 'ann', channel: room });
      });
      const lost = next(sub, 'subscribing');
      const without = await member(t, other, async () => { throw new Error('no network'); }, afterwards);
      await Promise.race([lost, next(without, 'subscribing')]);
      assert.deepEqual([refreshes, sub.state], [1, 'subscribed']);
    });

    test(`${encoding.name}: a client that cannot get to its tokens is not sent away before its time`, limit, async (t) => {
      const client = await user(t, 'ann', async () => { throw new Error('no network'); });
      const lost = next(client, 'connecting');
      const { type, error } = await next(client, 'error');
      assert.deepEqual([type, error.code], ['refreshToken', 6]);
      assert.deepEqual(await lost, { code: 3005, reason: 'connection expired' });
    });

    test(`${encoding.name}: a refresh by the token of somebody else ends the connection`, limit, async (t) => {
      const client = await user(t, 'ann', async () => token({ sub: 'bob' }));
      assert.deepEqual(await next(client, 'disconnected'), { code: 3500, reason: 'invalid token' });
    });

    test(`${encoding.name}: a refresh by a token that has expired ends the connection, and another one begins it anew`, limit, async (t) => {
      const ends = [now() - 60];
      const client = await user(t, 'ann', async () => token({ sub: 'ann', exp: ends.shift() ?? later() }));
      const again = next(client, 'connected');
      assert.deepEqual(await next(client, 'connecting'), { code: 3005, reason: 'connection expired' });
      await again;
    });

    test(`${encoding.name}: a refresh tells others what is new about the user`, limit, async (t) => {
      const room = `news:new ${encoding.name}`;
      const client = await user(t, 'ann', async () => token({ sub: 'ann', info: { name: 'Anne' } }));
      const sub = await subscribed(client, room);
      const info = async () => (await api('presence', { channel: room })).presence[client.id].conn_info;
      assert.equal(await info(), undefined);
      while (await info() === undefined) await next(client, 'frame');
      assert.deepEqual(await info(), { name: 'Anne' });
      assert.equal(sub.state, 'subscribed');
    });

    test(`${encoding.name}: a subscription that is refreshed by a token that has expired ends`, limit, async (t) => {
      const room = `$expired ${encoding.name}`;
      const sub = await member(t, room, async () => token({ sub: 'ann', channel: room, exp: now() - 60 }));
      const { code, reason } = await next(sub, 'unsubscribed');
      assert.deepEqual([code, reason], [109, 'token expired']);
    });

    test(`${encoding.name}: a subscription that is refreshed by the token of another room ends the connection`, limit, async (t) => {
      const sub = await member(t, `$wrong ${encoding.name}`, async () => token({ sub: 'ann', channel: '$other' }));
      assert.deepEqual(await next(sub.client, 'disconnected'), { code: 3500, reason: 'invalid token' });
    });

    test(`${encoding.name}: a subscription whose client cannot get to its tokens ends, and begins anew with one`, limit, async (t) => {
      const room = `$late ${encoding.name}`;
      let network = false;
      const sub = await member(t, room, async () => {
        if (network) return token({ sub: 'ann', channel: room });
        throw new Error('no network');
      });
      const again = next(sub, 'subscribed');
      sub.once('subscribing', () => { network = true; });
      const { code, reason } = await next(sub, 'subscribing');
      assert.deepEqual([code, reason], [2501, 'subscription expired']);
      await again;
    });

    test(`${encoding.name}: a server-side subscription takes its connection along`, limit, async (t) => {
      const client = await user(t, 'ann', undefined, later);
      const [entered, lost] = [next(client, 'subscribed'), next(client, 'connecting')];
      await api('subscribe', { user: 'ann', client: client.id, channel: '$brief', expire_at: soon() });
      assert.equal((await entered).channel, '$brief');
      assert.deepEqual(await lost, { code: 3006, reason: 'subscription expired' });
    });

    test(`${encoding.name}: a token may be for connecting alone`, limit, async (t) => {
      const [lasting, brief] = [{ exp: soon(), expire_at: 0 }, { exp: later(), expire_at: soon() }].map((times) => (
        newClient(t, edge.url, { encoding, token: token({ sub: 'ann', ...times }) })
      ));
      await Promise.all([connected(lasting), connected(brief)]);
      await next(brief, 'disconnected'); // it has no way to get another token; the first one does not need any
      assert.equal(lasting.state, 'connected');
    });
  }

  test('a client that does not refresh loses its room, and then its connection', limit, async (t) => {
    const client = new RawClient(t, edge.url);
    const end = soon();
    await client.send({ id: 1, connect: { token: token({ sub: 'ann', exp: end + 5 }) } });
    assert.equal((await client.next()).connect.expires, true);
    await client.send({ id: 2, subscribe: { channel: '$closed', token: token({ sub: 'ann', channel: '$closed', exp: end }) } });
    assert.equal((await client.next()).subscribe.expires, true);
    assert.deepEqual(await client.next(), { push: { channel: '$closed', unsubscribe: { code: 2501, reason: 'subscription expired' } } });
    assert.deepEqual(await client.closed, { code: 3005, reason: 'connection expired' });
  });
});
