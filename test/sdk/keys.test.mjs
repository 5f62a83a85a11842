// The keys by which tokens are signed: of the configuration, and published by issuers as key sets (JWKS).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keyed } from './application.mjs';
import { connected, encodings, hasty, newClient, next, subscribed, subscribing } from './client.mjs';
import { limit } from './edge.mjs';
import { SECRET, Signer, now, token } from './jwt.mjs';

const invalidToken = { code: 3500, reason: 'invalid token' };

// sentAway resolves to why a client with these options does not come in, nor come back.
async function sentAway(t, url, options) {
  const client = newClient(t, url, { ...hasty, ...options });
  const away = next(client, 'disconnected');
  client.connect();
  return away;
}

// publishing serves the keys of signers, and resolves to the address of the set. Without signers it breaks connections.
async function publishing(t, signers) {
  const body = JSON.stringify({ keys: signers?.map((signer) => signer.jwk) });
  const server = createServer((request, response) => (signers ? response.end(body) : response.destroy()));
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}/keys`;
}

for (const encoding of encodings) {
  test(`${encoding.name}: keys of the configuration and of an issuer let their tokens in, and nobody else's`, limit, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'edge-'));
    t.after(() => rm(directory, { recursive: true }));
    const [rsa, ec] = [new Signer('RS256'), new Signer('ES256')];
    const issued = ['RS256', 'ES256', 'EdDSA'].map((alg) => new Signer(alg, `${alg} of the issuer`));
    const file = join(directory, 'ec.pem');
    await writeFile(file, ec.pem);
    const issuers = await Promise.all([publishing(t, issued), publishing(t)]);
    const [iss, down] = ['https://issuer.example', 'https://down.example'];
    const { url } = await keyed(t, { client: { token: {
      hmac_secret_key: SECRET, rsa_public_key: rsa.pem, ecdsa_public_key_file: file,
      jwks: [iss, down].map((issuer, i) => ({ issuer, endpoint: issuers[i], allow_http: true })),
    } } });
    const claims = { sub: 'ann' };
    for (const good of [
      token(claims), rsa.token(claims), ec.token(claims), ...issued.map((signer) => signer.token({ ...claims, iss })),
    ]) {
            await connected(newClient(t, url, { encoding, token: good }));
    }
    for (const bad of [
      new Signer('RS256').token(claims), new Signer('ES256').token(claims), // of keys that nobody knows
      rsa.token({ ...claims, iss }), token({ ...claims, iss }), // the issuer signs by its own keys
      issued[0].token(claims), // and for itself
      new Signer('RS256', issued[0].kid).token({ ...claims, iss }),
    ]) {
      assert.deepEqual(await sentAway(t, url, { encoding, token: bad }), invalidToken);
    }
    const waits = newClient(t, url, { encoding, ...hasty, token: issued[0].token({ ...claims, iss: down }) });
    const told = next(waits, 'error');
    waits.connect();
    assert.equal((await told).error.code, 100); // temporary: its key may be good
    assert.equal(waits.state, 'connecting');
  });
}

test('while the secret changes, tokens by either are good until the end of the old one', limit, async (t) => {
  const [old, ended] = ['the secret of tokens until today, say', 'the secret of tokens until yesterday'];
  for (const [previous, until, comesIn] of [[old, now() + 3600, true], [ended, now() - 3600, false]]) {
    const { url } = await keyed(t, { client: { token: {
      hmac_secret_key: SECRET, hmac_previous_secret_key: previous,
      hmac_previous_until: new Date(until * 1000).toISOString().replace(/\.\d+/, ''),
    } } });
    await connected(newClient(t, url, { token: token({ sub: 'ann' }) }));
    const theirs = token({ sub: 'ann' }, previous);
    if (comesIn) await connected(newClient(t, url, { token: theirs }));
    else assert.deepEqual(await sentAway(t, url, { token: theirs }), invalidToken);
  }
});

test('subscription tokens can have a secret of their own', limit, async (t) => {
  const another = 'the secret of those who let into rooms';
  const { url } = await keyed(t, { client: {
    token: { hmac_secret_key: SECRET }, subscription_token: { enabled: true, hmac_secret_key: another },
  } });
  const client = newClient(t, url, { token: token({ sub: 'ann' }) });
  await connected(client);
  await subscribed(client, '$hers', { token: token({ sub: 'ann', channel: '$hers' }, another) });
  const refused = subscribing(client, '$other', { token: token({ sub: 'ann', channel: '$other' }) });
  assert.equal((await next(refused, 'unsubscribed')).code, 103);
});

test('tokens must be for this node, from who signs them, and for somebody, where that is asked for', limit, async (t) => {
  const { url } = await keyed(t, { client: {
    token: { hmac_secret_key: SECRET, audience: 'edge', issuer: 'app' }, disallow_anonymous_connection_tokens: true,
  } });
  const claims = { sub: 'ann', aud: 'edge', iss: 'app' };
  await connected(newClient(t, url, { token: token(claims) }));
  await connected(newClient(t, url, { token: token({ ...claims, aud: ['another', 'edge'] }) }));
  for (const [wrong, code] of [
    [{ aud: 'another' }, 3500], [{ aud: undefined }, 3500], [{ iss: 'somebody' }, 3500], [{ channel: 'news:1' }, 3500],
    [{ sub: '' }, 3507],
  ]) {
    assert.equal((await sentAway(t, url, { token: token({ ...claims, ...wrong }) })).code, code, JSON.stringify(wrong));
  }
});
