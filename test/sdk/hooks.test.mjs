// Official clients of a node that asks a backend about them: docs/hooks.md.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keyed } from './application.mjs';
import { startBackend, verify } from './backend.mjs';
import {
  beginnings, call, connected, encodings, hasty, newClient, next, publish, received, subscribed, subscribing,
} from './client.mjs';
import { limit } from './edge.mjs';
import { now, token } from './jwt.mjs';

// accept lets everybody in as ann.
const accept = () => ({ result: { user: 'ann' } });

// hooked starts a node and a backend with these answers, and options of its hooks by event.
async function hooked(t, answers, { options, common, secret, socket, ...config } = {}) {
  const backend = await startBackend({ connect: accept, ...answers }, { secret, socket });
  const node = await keyed(t, { hooks: backend.hooks(options, { timeout: '30s', ...common }), ...config });
  t.after(() => backend.close());
  return { ...node, backend };
}

for (const encoding of encodings) {
  // asking is hooked with a client that is connected.
  async function asking(t, answers, config) {
    const node = await hooked(t, answers, config);
    const client = newClient(t, node.url, { encoding, ...hasty });
    const { client: id } = await connected(client);
    return { ...node, client, id };
  }

  test(`${encoding.name}: the backend says who connects, what others see and where it is`, limit, async (t) => {
    const { url, api, backend } = await hooked(t, {
      connect: ({ data }) => ({ result: {
        user: data.name, info: { name: 'Ann' }, data: { hello: data.name }, meta: { team: 7 },
        channels: ['$hers'],
        subs: { 'news:1': { data: 'welcome', info: { seat: 1 }, override: { force_recovery: { value: true } } } },
        caps: [{ channels: ['closed:*'], match: 'wildcard', allow: ['sub', 'hst'] }],
      } }),
      rpc: ({ user, meta, method, data }) => ({ result: { data: [user, meta, method, data] } }),
    }, {
      common: { include_meta: true }, options: { connect: { include_address: true } },
      namespaces: [{ name: 'closed', history_size: 10, history_ttl: '60s' }],
    });
    const client = newClient(t, url, { encoding, data: encoding.pack({ name: 'ann' }), name: 'sdk', version: '1.2.3' });
    const entered = beginnings(client, ['$hers', 'news:1']);
    const { client: id, data } = await connected(client);
    assert.deepEqual(encoding.unpack(data), { hello: 'ann' });
    const news = (await entered).get('news:1');
    assert.deepEqual([encoding.unpack(news.data), news.recoverable], ['welcome', true]);
    assert.deepEqual(await api('presence', { channel: 'news:1' }), {
      presence: { [id]: { user: 'ann', client: id, conn_info: { name: 'Ann' }, chan_info: { seat: 1 } } },
    });
    const { headers, address, ...question } = await backend.question('connect');
    assert.deepEqual(question, {
      client: id, transport: 'websocket', protocol: encoding.name.toLowerCase(), encoding: 'json',
      data: { name: 'ann' }, name: 'sdk', version: '1.2.3',
    });
    assert.match(address, /^127\.0\.0\.1:\d+$/);
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(await call(client, 'sum', [1, 2]), ['ann', { team: 7 }, 'sum', [1, 2]]);
    await subscribed(client, 'closed:1');
    assert.deepEqual((await client.history('closed:1', { limit: 1 })).publications, []);
    await assert.rejects(publish(client, 'closed:1', 1), { code: 103 });
  });

  test(`${encoding.name}: whom the backend refuses or sends away comes back or does not, as it says`, limit, async (t) => {
    const answers = [
      { error: { code: 503, message: 'later', temporary: true } },
      { disconnect: { code: 4001, reason: 'elsewhere' } },
      { result: { user: 'ann' } },
    ];
    const { url, backend } = await hooked(t, { connect: () => answers.shift() });
    const client = newClient(t, url, { encoding, ...hasty });
    const told = [];
    client.on('error', ({ error }) => told.push([error.code, error.message]));
    await connected(client);
    assert.deepEqual(told, [[503, 'later'], [11, 'connection closed']]); // so it calls any close while it connects
    for (const [answer, code, reason] of [
      [{ error: { code: 403, message: 'not you' } }, 403, 'not you'],
      [{ disconnect: { code: 4501, reason: 'who are you' } }, 4501, 'who are you'],
    ]) {
      answers.push(answer);
      const refused = newClient(t, url, { encoding, ...hasty });
      const away = next(refused, 'disconnected');
      refused.connect();
      assert.deepEqual(await away, { code, reason });
    }
    assert.equal(backend.asked.connect, 5);
  });

  test(`${encoding.name}: the backend lets a client stay, as somebody new, and then ends it`, limit, async (t) => {
    let stays = true;
    const { api, backend, client, id } = await asking(t, {
      connect: () => ({ result: { user: 'ann', info: { name: 'Ann' }, expire_at: now() + 1 } }),
      refresh: () => ({ result: stays ? { expire_at: now() + 1, info: { name: 'Anne' } } : { expired: true } }),
    });
    const lost = next(client, 'connecting');
    await subscribed(client, 'news:1');
    const { user, client: asked } = await backend.question('refresh');
    assert.deepEqual([user, asked], ['ann', id]);
    await backend.question('refresh'); // so the first answer has arrived
    const { presence } = await api('presence', { channel: 'news:1' });
    assert.deepEqual(presence[id].conn_info, { name: 'Anne' });
    assert.equal(client.frames.some((frame) => frame.refresh || frame.push?.refresh), false);
    stays = false;
    assert.deepEqual(await lost, { code: 3005, reason: 'connection expired' });
  });

  test(`${encoding.name}: without a refresh hook a client begins anew when its time has come`, limit, async (t) => {
    const ends = [now() + 1, 0];
    const { backend, client } = await asking(t, {
      connect: () => ({ result: { user: 'ann', expire_at: ends.shift() } }),
    });
    const again = next(client, 'connected');
    assert.deepEqual(await next(client, 'connecting'), { code: 3005, reason: 'connection expired' });
    await again;
    assert.equal(backend.asked.connect, 2);
  });

  test(`${encoding.name}: the backend says who enters which room, and as what`, limit, async (t) => {
    const { api, backend, client, id } = await asking(t, {
      subscribe: ({ channel, data }) => ({
        $hers: { result: { data: { got: data }, info: { seat: 1 }, override: { force_recovery: { value: true } } } },
        'news:closed': { error: { code: 403, message: 'not yours' } },
        'news:later': { error: { code: 503, message: 'later', temporary: true } },
        $never: { disconnect: { code: 4503, reason: 'never' } },
      })[channel],
    }, { room: {
      without_namespace: { history_size: 10, history_ttl: '60s', presence: true },
      namespaces: [{ name: 'news', allow_subscribe_for_client: true }],
    } });
    const { start } = await subscribed(client, '$hers', { data: encoding.pack({ key: 1 }) });
    assert.deepEqual([encoding.unpack(start.data), start.recoverable], [{ got: { key: 1 } }, true]);
    const { user, channel, data } = await backend.question('subscribe');
    assert.deepEqual([user, channel, data], ['ann', '$hers', { key: 1 }]);
    assert.deepEqual(await api('presence', { channel: '$hers' }), {
      presence: { [id]: { user: 'ann', client: id, chan_info: { seat: 1 } } },
    });
    const refused = await next(subscribing(client, 'news:closed'), 'unsubscribed');
    assert.deepEqual([refused.code, refused.reason], [403, 'not yours']);
    const later = subscribing(client, 'news:later');
    const { error } = await next(later, 'error');
    assert.deepEqual([error.code, error.message, later.state], [503, 'later', 'subscribing']);
    const away = next(client, 'disconnected');
    subscribing(client, '$never');
    assert.deepEqual(await away, { code: 4503, reason: 'never' });
  });

  test(`${encoding.name}: the backend lets a subscriber stay, and then ends its subscription`, limit, async (t) => {
    const ends = [now() + 1, 0];
    const answers = [{ result: { expire_at: now() + 2 } }, { result: { expired: true } }];
    const { backend, client } = await asking(t, {
      subscribe: () => ({ result: { expire_at: ends.shift() } }),
      sub_refresh: () => answers.shift(),
    });
    const sub = await subscribed(client, '$hers');
    const again = next(sub, 'subscribed');
    const lost = await next(sub, 'subscribing');
    assert.deepEqual([lost.code, lost.reason], [2501, 'subscription expired']);
    await again;
    const { user, channel } = await backend.question('sub_refresh');
    assert.deepEqual([user, channel, backend.asked.sub_refresh], ['ann', '$hers', 2]);
  });

  test(`${encoding.name}: the backend changes what is published, or refuses it`, limit, async (t) => {
    const { api, backend, client, id } = await asking(t, {
      publish: ({ data }) => ({
        rude: { result: { data: 'polite', tags: { checked: 'yes' } } },
        passing: { result: { skip_history: true } },
        twice: { result: { idempotency_key: 'twice' } },
        wrong: { error: { code: 400, message: 'not that' } },
        worse: { disconnect: { code: 4504, reason: 'not here' } },
      })[data] ?? { result: {} },
    });
    const sub = await subscribed(client, 'news:1');
    for (const value of ['fine', 'rude', 'passing', 'twice', 'twice']) await publish(client, 'news:1', value);
    await assert.rejects(publish(client, 'news:1', 'wrong'), { code: 400, message: 'not that' });
    const got = await received(sub, 4);
    assert.deepEqual(got.map((p) => [p.data, p.offset, { ...p.tags }, p.info.user]), [
      ['fine', 1, {}, 'ann'], ['polite', 2, { checked: 'yes' }, 'ann'], ['passing', undefined, {}, 'ann'], ['twice', 3, {}, 'ann'],
    ]);
    const { user, client: publisher, channel, data } = await backend.question('publish');
    assert.deepEqual([user, publisher, channel, data], ['ann', id, 'news:1', 'fine']);
    const away = next(client, 'disconnected');
    publish(client, 'news:1', 'worse').catch(() => {}); // the conn is gone before its answer
    assert.deepEqual(await away, { code: 4504, reason: 'not here' });
    const { offset } = await api('history', { channel: 'news:1' });
    assert.equal(offset, 3);
  });

  test(`${encoding.name}: the backend answers calls`, limit, async (t) => {
    const { client } = await asking(t, {
      rpc: ({ method, data }) => ({
        sum: { result: { data: data?.reduce?.((a, b) => a + b) } },
        nothing: { result: {} },
        wrong: { error: { code: 404, message: 'no such thing' } },
        end: { disconnect: { code: 4505, reason: 'enough' } },
      })[method],
    });
    assert.equal(await call(client, 'sum', [1, 2, 3]), 6);
    assert.equal((await client.rpc('nothing', encoding.pack(null))).data?.length ?? 0, 0);
    await assert.rejects(call(client, 'wrong', {}), { code: 404, message: 'no such thing' });
    const away = next(client, 'disconnected');
    call(client, 'end', {}).catch(() => {}); // the conn is gone before its answer
    assert.deepEqual(await away, { code: 4505, reason: 'enough' });
  });

  test(`${encoding.name}: the backend hears who has left, and why`, limit, async (t) => {
    const { url, api, backend, client, id } = await asking(t, { disconnect: () => ({}) });
    const said = async () => {
      const { client: who, user, code, reason, reconnect } = await backend.question('disconnect');
      return { who, user, code, reason, reconnect };
    };
    const again = next(client, 'connected');
    await api('disconnect', { user: 'ann', disconnect: { code: 4001, reason: 'moved' } });
    assert.deepEqual(await said(), { who: id, user: 'ann', code: 4001, reason: 'moved', reconnect: true });
    const { client: second } = await again;
    await api('disconnect', { user: 'ann' });
    assert.deepEqual(await said(), { who: second, user: 'ann', code: 3503, reason: 'force disconnect', reconnect: false });
    const other = newClient(t, url, { encoding });
    const { client: third } = await connected(other);
    other.disconnect();
    assert.deepEqual(await said(), { who: third, user: 'ann', code: 3000, reason: 'connection closed', reconnect: true });
  });

  test(`${encoding.name}: without a usable answer nothing happens, and the client may try again`, limit, async (t) => {
    const answers = { status: 500, unavailable: 503, broken: undefined, empty: {}, nonsense: 'yes' };
    const { backend, client } = await asking(t, {
      subscribe: () => 500,
      publish: ({ data }) => answers[data],
      rpc: ({ method }) => answers[method],
    }, { common: { breaker_failures: 0 } });
    const internal = { code: 100, message: 'internal server error', temporary: true };
    const what = Object.keys(answers);
    for (const name of what) {
      await assert.rejects(publish(client, 'news:1', name), internal);
      await assert.rejects(call(client, name, {}), internal);
    }
    assert.deepEqual([backend.asked.publish, backend.asked.rpc], [what.length, what.length]); // each is sent once
    const sub = subscribing(client, 'news:1');
    assert.deepEqual((await next(sub, 'error')).error, internal);
    backend.answers.subscribe = () => ({ result: {} });
    await sub.ready();
  });
}

test('clients wait for a backend that is down, and calls fail', limit, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'edge-'));
  t.after(() => rm(directory, { recursive: true }));
  const socket = join(directory, 'backend');
  const { url, backend } = await hooked(t, { rpc: () => ({ result: {} }) }, { socket });
  const stays = newClient(t, url);
  await connected(stays);
  await backend.close();
  const waits = newClient(t, url, hasty);
  const told = next(waits, 'error');
  const there = connected(waits);
  const { type, error } = await told;
  const internal = { code: 100, message: 'internal server error', temporary: true };
  assert.deepEqual({ type, error }, { type: 'connect', error: internal });
  await assert.rejects(call(stays, 'sum', []), internal);
  await backend.open(socket);
  await there;
  assert.equal(stays.state, 'connected');
});

test('a client whose backend cannot say whether it may stay stays for a while', limit, async (t) => {
  const { url, backend } = await hooked(t, {
    connect: () => ({ result: { user: 'ann', expire_at: now() + 1 } }), refresh: () => 500,
  });
  const client = newClient(t, url);
  await connected(client);
  assert.deepEqual(await next(client, 'connecting'), { code: 3005, reason: 'connection expired' });
  assert.ok(backend.asked.refresh > 0);
});

test('calls beyond what a backend takes at a time are refused at once', limit, async (t) => {
  let answer;
  const { url, backend } = await hooked(t, { rpc: () => new Promise((resolve) => { answer = resolve; }) }, {
    options: { rpc: { max_concurrent: 1, timeout: '60s' } },
  });
  const [first, second] = [newClient(t, url), newClient(t, url)];
  await Promise.all([connected(first), connected(second)]);
  const slow = call(first, 'wait', {});
  await backend.question('rpc');
  await assert.rejects(call(second, 'wait', {}), { code: 111, message: 'too many requests', temporary: true });
  answer({ result: { data: 'done' } });
  assert.equal(await slow, 'done');
});

test('a backend that is too slow has not answered', limit, async (t) => {
  const { url, backend } = await hooked(t, { rpc: () => new Promise(() => {}) }, { options: { rpc: { timeout: '50ms' } } });
  const client = newClient(t, url);
  await connected(client);
  await assert.rejects(call(client, 'wait', {}), { code: 100 });
  assert.ok(backend.asked.rpc <= 1, `asked ${backend.asked.rpc} times`);
});

test('news of a client that has left is told until the backend has heard it', limit, async (t) => {
  const answers = [500, undefined, {}];
  const { url, backend } = await hooked(t, { disconnect: () => answers.shift() });
  const client = newClient(t, url);
  const { client: id } = await connected(client);
  client.disconnect();
  for (let i = 0; i < 3; i++) assert.equal((await backend.question('disconnect')).client, id);
});

test('while secrets change, questions are signed with both', limit, async (t) => {
  const [old, fresh] = ['the secret until yesterday', 'the secret from now on'];
  const { url, backend } = await hooked(t, {}, { secret: old, common: { secret: fresh, previous_secret: old } });
  await connected(newClient(t, url));
  const { headers, ...question } = await backend.question('connect');
  const [header, body] = [headers['x-edge-signature'], Buffer.from(JSON.stringify(question))];
  assert.match(header, /^t=\d+,v1=[0-9a-f]{64},v1=[0-9a-f]{64}$/);
  assert.ok(verify(header, body, fresh) && verify(header, body, old));
  assert.ok(!verify(header, body, 'the secret of somebody else'));
  assert.ok(!verify(header, Buffer.concat([body, Buffer.from(' ')]), fresh));
  assert.ok(!verify(header, body, fresh, now() + 120));
});

test('where tokens are checked the backend is asked about nobody who has one', limit, async (t) => {
  const { url, backend } = await hooked(t, { subscribe: () => ({ result: {} }) });
  const client = newClient(t, url, { token: token({ sub: 'bob' }) });
  await connected(client);
  await subscribed(client, '$his', { token: token({ sub: 'bob', channel: '$his' }) });
  const forged = newClient(t, url, { token: token({ sub: 'bob' }, 'another secret of about that length') });
  const away = next(forged, 'disconnected');
  forged.connect();
  assert.deepEqual(await away, { code: 3500, reason: 'invalid token' });
  assert.deepEqual(backend.asked, { connect: 0, subscribe: 0 });
  await subscribed(client, '$another');
  assert.equal((await backend.question('subscribe')).user, 'bob');
});

test('a revocation ends whom the backend has let in, and the backend decides whether they come back', limit, async (t) => {
  const { url, api, backend } = await hooked(t, { connect: ({ data }) => ({ result: { user: data } }) });
  const [ann, bob] = ['ann', 'bob'].map((data) => newClient(t, url, { ...hasty, data }));
  await Promise.all([connected(ann), connected(bob)]);
  backend.answers.connect = () => ({ disconnect: { code: 4501, reason: 'signed out' } });
  const away = next(ann, 'disconnected');
  await api('revoke', { user: 'ann' });
  assert.deepEqual(await away, { code: 4501, reason: 'signed out' });
  assert.equal(bob.state, 'connected');
});

test('where no tokens are checked the backend gets them', limit, async (t) => {
  const { url, backend } = await hooked(t, {}, { client: { token: {} } });
  await connected(newClient(t, url, { token: 'of any form' }));
  assert.equal((await backend.question('connect')).token, 'of any form');
});

test('cookies come from pages alone', limit, async (t) => {
  const { url, backend } = await hooked(t, {}, {
    client: { allowed_origins: ['https://app.example'] }, options: { connect: { forward_headers: ['Cookie'] } },
  });
  const headers = { Cookie: 'session=1' };
  await connected(newClient(t, url, { socket: { headers, origin: 'https://app.example' } }));
  assert.equal((await backend.question('connect')).headers.cookie, 'session=1');
  const program = newClient(t, url, { socket: { headers } });
  const away = next(program, 'disconnected');
  program.connect();
  assert.deepEqual(await away, { code: 3507, reason: 'permission denied' });
  assert.equal(backend.asked.connect, 1);
});

test('what is not JSON goes to the backend and comes from it in base64', limit, async (t) => {
  const { url, backend } = await hooked(t, {
    rpc: ({ b64data }) => ({ result: { b64data: Buffer.from(b64data, 'base64').reverse().toString('base64') } }),
  });
  const client = newClient(t, url, { encoding: encodings[1] });
  await connected(client);
  const { data } = await client.rpc('reverse', Buffer.from([0, 1, 255]));
  assert.deepEqual([...data], [255, 1, 0]);
  const { encoding, protocol } = await backend.question('rpc');
  assert.deepEqual([encoding, protocol], ['binary', 'protobuf']);
});
