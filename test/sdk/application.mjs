// The program that SDK_APPLICATION names, in its two forms: a node with an application in it, and one with tokens and the HTTP API.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const SECRET = 'a secret of the tests that is long enough';
const KEY = 'a key of the tests';

// startApplication starts the program for one test and resolves to its URLs: for clients, and of the API.
export async function startApplication(t, ...form) {
  assert.ok(process.env.SDK_APPLICATION, 'SDK_APPLICATION must name the program to test');
  const child = spawn(process.env.SDK_APPLICATION, form, {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { GORACE: 'atexit_sleep_ms=0', SDK_SECRET: SECRET, SDK_API_KEY: KEY },
  });
  const ended = once(child, 'close');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const [urls] = await once(createInterface({ input: child.stdout }), 'line');
  return urls.split(' ');
}

// keyed starts the form with tokens. `api` resolves to the result of a request to its HTTP API.
export async function keyed(t) {
  const [url, base] = await startApplication(t, 'keyed');
  const api = async (method, request) => {
    const response = await fetch(`${base}/${method}`, {
      method: 'POST', headers: { 'X-API-Key': KEY }, body: JSON.stringify(request),
    });
    const { result, error } = await response.json();
    assert.equal(error, undefined, `${method} is answered with ${JSON.stringify(error)}`);
    return result;
  };
  return { url, api };
}

const part = (value) => Buffer.from(value).toString('base64url');

// token returns a token of the claims, of which it is issued now; it is good for an hour if they do not say for how long.
export function token(claims, secret = SECRET) {
  const signed = [{ alg: 'HS256', typ: 'JWT' }, { iat: now(), exp: now() + 3600, ...claims }]
    .map((value) => part(JSON.stringify(value))).join('.');
  return `${signed}.${part(createHmac('sha256', secret).update(signed).digest())}`;
}

// now is the time in Unix seconds.
export const now = () => Math.floor(Date.now() / 1000);
