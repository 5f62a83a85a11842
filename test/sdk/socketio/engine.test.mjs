// Engine.IO by hand at the bare echo: what the protocol's own test suite looks at, and the rules around it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Endpoint } from './raw.mjs';
import { limit, startConformance } from './server.mjs';

// A server whose pings nobody sees, one that takes its time to miss a pong, and one that does not.
const interval = 300;
const timeout = 200;
const echo = new Endpoint(await startConformance(), '/engine.io/');
const pinging = new Endpoint(await startConformance('--ping-interval', `${interval}ms`, '--ping-timeout', '60s'), '/engine.io/');
const strict = new Endpoint(await startConformance('--ping-interval', `${interval}ms`, '--ping-timeout', `${timeout}ms`), '/engine.io/');

// checkHandshake checks what an open packet of strict says.
function checkHandshake(open, upgrades) {
  assert.deepEqual(Object.keys(open).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
  assert.match(open.sid, /^[\w-]{20}$/);
  assert.deepEqual({ ...open, sid: '' }, {
    sid: '', upgrades, pingInterval: interval, pingTimeout: timeout, maxPayload: 1_000_000,
  });
}

// dead checks that a session is not known any more.
async function dead(sid, endpoint = echo) {
  const { status, body } = await endpoint.poll(sid);
  assert.equal(status, 400);
  assert.equal(JSON.parse(body).code, 1);
}

test('a polling session opens', limit, async () => {
  const { status, body, headers } = await strict.get();
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/plain; charset=UTF-8');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(body[0], '0');
  checkHandshake(JSON.parse(body.slice(1)), ['websocket']);
});

test('a WebSocket session opens', limit, async (t) => {
  checkHandshake((await strict.openSocket(t)).handshake, []);
});

for (const { what, target, method = 'GET', code } of [
  { what: 'no transport', target: '?EIO=4', code: 0 },
  { what: 'an unknown transport', target: '?EIO=4&transport=abc', code: 0 },
  { what: 'no EIO', target: '?transport=polling', code: 5 },
  { what: 'another EIO', target: '?EIO=abc&transport=polling', code: 5 },
  { what: 'EIO 3', target: '?EIO=3&transport=polling', code: 5 },
  { what: 'POST without a session', target: '?EIO=4&transport=polling', method: 'POST', code: 2 },
  { what: 'PUT without a session', target: '?EIO=4&transport=polling', method: 'PUT', code: 2 },
  { what: 'an unknown session', target: '?EIO=4&transport=polling&sid=abc', code: 1 },
  { what: 'a WebSocket without an upgrade', target: '?EIO=4&transport=websocket', code: 3 },
]) {
  test(`${what} is an error`, limit, async () => {
    const { status, body, headers } = await echo.request(target, { method });
    assert.equal(status, 400);
    assert.match(headers.get('content-type'), /^application\/json/);
    const message = ['Transport unknown', 'Session ID unknown', 'Bad handshake method', 'Bad request', '',
      'Unsupported protocol version'][code];
    assert.deepEqual(JSON.parse(body), { code, message });
  });
}

for (const target of ['?transport=websocket', '?EIO=abc&transport=websocket', '?EIO=4', '?EIO=4&transport=abc',
  '?EIO=4&transport=websocket&sid=abc']) {
  test(`a WebSocket at ${target} is refused or closed`, limit, async (t) => {
    const wire = echo.socket(t, target);
    await wire.closed;
  });
}

for (const { what, packets } of [
  { what: 'one text packet', packets: ['4hello'] },
  { what: 'several text packets', packets: ['4test1', '4test2', '4test3'] },
  { what: 'text and binary', packets: ['4hello', 'bAQIDBA=='] },
  { what: 'an empty message, and letters of two to four bytes', packets: ['4', '4ü', '4€🚀', 'b'] },
]) {
  test(`polling: ${what} in a payload`, limit, async () => {
    const { sid } = await echo.openPolling();
    const body = packets.join('\x1e');
    const posted = await echo.post(sid, body);
    assert.deepEqual([posted.status, posted.body], [200, 'ok']);
    const polled = await echo.poll(sid);
    assert.deepEqual([polled.status, polled.body], [200, body]);
  });
}

test('polling: a poll is held until there is something', limit, async () => {
  const { sid } = await echo.openPolling();
  const held = echo.poll(sid);
  await delay(20);
  assert.equal((await echo.post(sid, '4late')).status, 200);
  assert.equal((await held).body, '4late');
});

test('polling: large replies are compressed if the client takes that', limit, async () => {
  for (const [encoding, size, want] of [['gzip', 2000, 'gzip'], ['deflate', 2000, 'deflate'], ['identity', 2000, null], ['gzip', 100, null]]) {
    const { sid } = await echo.openPolling();
    const text = `4${'x'.repeat(size)}`;
    await echo.post(sid, text);
    const { body, headers } = await echo.get(`&sid=${sid}`, { headers: { 'accept-encoding': encoding } });
    assert.ok(body === text, `${body.length} bytes`);
    assert.equal(headers.get('content-encoding'), want);
  }
});

test('polling: what is no packet ends the session', limit, async () => {
  for (const body of ['abc', '', '4ok\x1e9', '4ok\x1e\x1e4ok', 'x']) {
    const { sid } = await echo.openPolling();
    const { status } = await echo.post(sid, body);
    assert.ok([0, 400].includes(status) || body.startsWith('4ok'), `${JSON.stringify(body)} was answered ${status}`);
    for (;;) { // what came before it may still be answered
      const { status: polled } = await echo.poll(sid);
      if (polled === 400) break;
      assert.equal(polled, 200);
    }
  }
});

test('polling: a second poll ends the session', limit, async () => {
  const { sid } = await echo.openPolling();
  const first = echo.poll(sid);
  await delay(50);
  const second = await echo.get(`&sid=${sid}&t=burst`);
  assert.deepEqual([(await first).status, (await first).body], [200, '1']);
  assert.equal(second.status, 400);
  await dead(sid);
});

test('polling: a client that hangs up has ended its session', limit, async () => {
  const { sid } = await echo.openPolling();
  const abort = new AbortController();
  const held = echo.get(`&sid=${sid}`, { signal: abort.signal }).catch(() => 'aborted');
  await delay(50);
  abort.abort();
  assert.equal(await held, 'aborted');
  assert.equal((await echo.poll(sid)).status, 400);
});

test('polling: binary bodies are refused', limit, async () => {
  const { sid } = await echo.openPolling();
  const { status } = await echo.post(sid, '4a', { headers: { 'content-type': 'application/octet-stream' } });
  assert.equal(status, 400);
  await dead(sid);
});

test('polling: a body that is too large is refused, and the session stays', limit, async () => {
  const { sid } = await echo.openPolling();
  const { status } = await echo.post(sid, `4${'x'.repeat(1_000_000)}`);
  assert.ok([0, 413].includes(status), `answered ${status}`); // 0: it is refused by its head alone, while it is being sent
  await echo.post(sid, '4small');
  assert.equal((await echo.poll(sid)).body, '4small');
});

test('polling: another method is an error', limit, async () => {
  const { sid } = await echo.openPolling();
  assert.equal((await echo.get(`&sid=${sid}`, { method: 'PUT', body: 'x' })).status, 500);
});

test('WebSocket: text and binary come back', limit, async (t) => {
  const wire = await echo.openSocket(t);
  wire.send('4hello', Buffer.from([1, 2, 3, 4]), '4', 'bAQIDBA==');
  assert.deepEqual(await wire.take(4), ['4hello', Buffer.from([1, 2, 3, 4]), '4', Buffer.from([1, 2, 3, 4])]);
});

test('WebSocket: binary as base64 for who asks for it', limit, async (t) => {
  const wire = echo.socket(t, '?EIO=4&transport=websocket&b64=1');
  await wire.next();
  wire.send('bAQIDBA==');
  assert.deepEqual(await wire.take(1), ['bAQIDBA==']);
});

for (const packet of ['abc', '', '9', '2']) {
  test(`WebSocket: ${JSON.stringify(packet)} ends the session`, limit, async (t) => {
    const wire = await echo.openSocket(t);
    wire.send(packet);
    await wire.closed;
    await dead(wire.handshake.sid);
  });
}

test('WebSocket: a message that is too large ends the session', limit, async (t) => {
  const wire = await echo.openSocket(t);
  wire.send(`4${'x'.repeat(1_000_000)}`);
  assert.equal(await wire.closed, 1009);
});

test('polling: pings come while they are answered', limit, async () => {
  const { sid } = await pinging.openPolling();
  for (let i = 0; i < 3; i++) {
    const polled = await pinging.poll(sid);
    assert.deepEqual([polled.status, polled.body], [200, '2']);
    const posted = await pinging.post(sid, '3');
    assert.deepEqual([posted.status, posted.body], [200, 'ok']);
  }
});

test('polling: a session that is not heard of is gone', limit, async () => {
  const { sid } = await strict.openPolling();
  await delay(2 * (interval + timeout));
  await dead(sid, strict);
});

test('WebSocket: pings come while they are answered', limit, async (t) => {
  const wire = await pinging.openSocket(t);
  for (let i = 0; i < 3; i++) {
    assert.equal(await wire.next(), '2');
    wire.send('3');
  }
});

test('WebSocket: a session without a pong is closed, not before its time', limit, async (t) => {
  const wire = await strict.openSocket(t);
  assert.equal(await wire.next(), '2');
  const since = performance.now();
  await wire.closed;
  assert.ok(performance.now() - since > timeout - 50, 'closed too early');
});

test('polling: the client closes', limit, async () => {
  const { sid } = await echo.openPolling();
  const held = echo.poll(sid);
  await delay(50);
  const posted = await echo.post(sid, '1');
  assert.deepEqual([posted.status, posted.body], [200, 'ok']);
  assert.deepEqual([(await held).status, (await held).body], [200, '6']);
  await dead(sid);
});

test('WebSocket: the client closes', limit, async (t) => {
  const wire = await echo.openSocket(t);
  wire.send('1');
  await wire.closed;
  await dead(wire.handshake.sid);
});

// probed resolves to a WebSocket that a polling session has probed.
async function probed(t, sid) {
  const wire = echo.socket(t, `?EIO=4&transport=websocket&sid=${sid}`);
  await wire.opened;
  wire.send('2probe');
  assert.equal(await wire.next(), '3probe');
  return wire;
}

test('upgrade: a held poll ends, and messages go over the WebSocket', limit, async (t) => {
  const { sid } = await echo.openPolling();
  const wire = await probed(t, sid);
  const { status, body } = await echo.poll(sid);
  assert.deepEqual([status, body], [200, '6']);
  wire.send('5', '4hello');
  assert.equal(await wire.nextBut(), '4hello');
});

test('upgrade: what waits is sent over the WebSocket, in order', limit, async (t) => {
  const { sid } = await echo.openPolling();
  const wire = await probed(t, sid);
  await echo.post(sid, '4one\x1e4two');
  wire.send('5', '4three');
  assert.deepEqual(await wire.take(3), ['4one', '4two', '4three']);
});

test('upgrade: a poll that comes after it is an error', limit, async (t) => {
  for (const wait of [true, false]) {
    const { sid } = await echo.openPolling();
    const wire = echo.socket(t, `?EIO=4&transport=websocket&sid=${sid}`);
    await wire.opened;
    wire.send('2probe');
    if (wait) assert.equal(await wire.next(), '3probe');
    wire.send('5');
    const { status, body } = await echo.poll(sid);
    assert.equal(status, 400);
    assert.equal(JSON.parse(body).code, 3);
    wire.send('4hello');
    assert.equal((await wire.take(wait ? 1 : 2)).at(-1), '4hello');
  }
});

test('upgrade: a second WebSocket is closed, the first one works on', limit, async (t) => {
  for (const upgraded of [false, true]) {
    const { sid } = await echo.openPolling();
    const wire = await probed(t, sid);
    if (upgraded) {
      wire.send('5', '4hello');
      assert.equal(await wire.nextBut(), '4hello');
    }
    await echo.socket(t, `?EIO=4&transport=websocket&sid=${sid}`).closed;
    if (!upgraded) wire.send('5');
    wire.send('4hello');
    assert.equal(await wire.nextBut(), '4hello');
  }
});

test('upgrade: what is no probe closes the WebSocket alone', limit, async (t) => {
  const { sid } = await echo.openPolling();
  const wire = echo.socket(t, `?EIO=4&transport=websocket&sid=${sid}`);
  await wire.opened;
  wire.send('4hello');
  await wire.closed;
  await echo.post(sid, '4still');
  assert.equal((await echo.poll(sid)).body, '4still');
});
