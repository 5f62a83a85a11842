// The nodes of tests about applications: one that has an application in it, which is the program that SDK_APPLICATION names, and
// one whose application is elsewhere, signs tokens and uses the HTTP API.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { startEdge } from './edge.mjs';
import { SECRET } from './jwt.mjs';

const KEY = 'a-key-of-the-tests';

// startApplication starts the program for one test and resolves to the URL for clients.
export async function startApplication(t) {
  assert.ok(process.env.SDK_APPLICATION, 'SDK_APPLICATION must name the program to test');
  const child = spawn(process.env.SDK_APPLICATION, [], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { GORACE: 'atexit_sleep_ms=0' },
  });
  const ended = once(child, 'close');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return url;
}

// Users may do in rooms of "news" what its options offer, and nothing in others without a token.
const news = {
  name: 'news', history_size: 100, history_ttl: '60s', presence: true,
  allow_subscribe_for_client: true, allow_publish_for_subscriber: true, allow_presence_for_subscriber: true,
};

// startKeyed resolves to a node, with the secret of tokens, the API's key, and more namespaces and keys of the configuration, and
// to `api`, which resolves to the result of a request to its HTTP API. The caller stops it.
export async function startKeyed({ client, namespaces = [], ...config } = {}) {
  const edge = await startEdge({ config: {
    api: { key: KEY },
    client: { token: { hmac_secret_key: SECRET }, expired_close_delay: '1s', expired_sub_close_delay: '1s', ...client },
    room: { namespaces: [news, ...namespaces] },
    shutdown: { window: '100ms' },
    ...config,
  } });
  const api = async (method, request) => {
    const response = await fetch(`${edge.internal}/api/${method}`, {
      method: 'POST', headers: { 'X-API-Key': KEY }, body: JSON.stringify(request),
    });
    const { result, error } = await response.json();
    assert.equal(error, undefined, `${method} is answered with ${JSON.stringify(error)}`);
    return result;
  };
  return { edge, api };
}

// keyed is startKeyed for one test, with the URL for clients in place of the node.
export async function keyed(t, config) {
  const { edge, api } = await startKeyed(config);
  t.after(() => edge.stop());
  return { url: edge.url, api };
}
