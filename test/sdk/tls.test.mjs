// Official clients over TLS.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startKeyed } from './application.mjs';
import { selfSigned } from './certificate.mjs';
import { connected, encodings, hasty, newClient, next, numbers, publish, received, subscribed, values } from './client.mjs';
import { limit } from './edge.mjs';
import { token } from './jwt.mjs';
import { startProxy } from './proxy.mjs';

const { cert, key } = selfSigned();
const directory = await mkdtemp(join(tmpdir(), 'edge-'));
const [cert_file, key_file] = ['cert.pem', 'key.pem'].map((name) => join(directory, name));
await writeFile(cert_file, cert);
await writeFile(key_file, key);
const { edge, api } = await startKeyed({ listen: { tls: { enabled: true, cert_file, key_file } } });
after(async () => {
  await edge.stop();
  await rm(directory, { recursive: true });
});

const secure = (url) => url.replace('ws:', 'wss:');

for (const version of ['TLSv1.2', 'TLSv1.3']) {
  for (const encoding of encodings) {
    // user resolves to a connected client of a user that trusts the certificate.
    async function user(t, sub, url = edge.url) {
      const socket = { ca: cert, minVersion: version, maxVersion: version };
      const client = newClient(t, secure(url), { encoding, ...hasty, socket, token: token({ sub }) });
      client.id = (await connected(client)).client;
      return client;
    }

    test(`${encoding.name} over ${version}: clients talk, also in messages of many records`, limit, async (t) => {
      const room = `news:talk ${encoding.name} ${version}`;
      const [ann, bob] = await Promise.all([user(t, 'ann'), user(t, 'bob')]);
      const subs = [await subscribed(ann, room), await subscribed(bob, room)];
      const sent = [...numbers(100), 'x'.repeat(60_000), 'y'.repeat(60_000)];
      for (const value of sent) await publish(ann, room, value);
      for (const sub of subs) assert.deepEqual(values(await received(sub, sent.length)), sent);
    });

    test(`${encoding.name} over ${version}: the API's orders arrive, and so do their reasons`, limit, async (t) => {
      const client = await user(t, `told ${encoding.name} ${version}`);
      const target = { user: `told ${encoding.name} ${version}`, client: client.id };
      const entered = next(client, 'subscribed');
      await api('subscribe', { ...target, channel: '$hers' });
      assert.equal((await entered).channel, '$hers');
      const away = next(client, 'disconnected');
      await api('disconnect', { ...target, disconnect: { code: 4501, reason: 'signed in elsewhere' } });
      assert.deepEqual(await away, { code: 4501, reason: 'signed in elsewhere' });
    });

    test(`${encoding.name} over ${version}: what is missed in a cut is recovered`, limit, async (t) => {
      const room = `news:cut ${encoding.name} ${version}`;
      const proxy = await startProxy(t, edge);
      const client = await user(t, 'ann', proxy.url);
      const sub = await subscribed(client, room, { token: token({
        sub: 'ann', channel: room, override: { force_recovery: { value: true } },
      }) });
      const lost = next(sub, 'subscribing');
      proxy.cut();
      await lost;
      for (const data of numbers(10)) await api('publish', { channel: room, data });
      proxy.mend();
      assert.deepEqual(values(await received(sub, 10)), numbers(10));
    });
  }
}

test('who does not trust the certificate, and who speaks no TLS, stays out and tries again', limit, async (t) => {
  for (const url of [secure(edge.url), edge.url]) {
    const client = newClient(t, url, { ...hasty, token: token({ sub: 'ann' }) });
    const told = next(client, 'error');
    client.connect();
    const { type, error } = await told;
    assert.deepEqual([type, error.code, client.state], ['transport', 2, 'connecting']);
  }
});
