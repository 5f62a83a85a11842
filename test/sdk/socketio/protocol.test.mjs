// Socket.IO by hand: what the protocol's own test suite looks at, and each way to break a rule.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoint } from './raw.mjs';
import { limit, startConformance } from './server.mjs';

const server = await startConformance('--ping-interval', '300ms', '--ping-timeout', '60s');
const endpoint = new Endpoint(server, '/socket.io/');

// entered resolves to a WebSocket that is in the main namespace and has taken what comes at first.
async function entered(t) {
  const wire = await endpoint.openSocket(t);
  wire.send('40');
  const [connect, auth] = await wire.take(2);
  assert.match(connect, /^40\{"sid":"[\w-]{20}"\}$/);
  assert.equal(auth, '42["auth",{}]');
  return wire;
}

// checkAlive checks that the session goes on, and that nothing has come meanwhile.
async function checkAlive(wire) {
  wire.send('42["message","alive?"]');
  assert.equal(await wire.nextBut(), '42["message-back","alive?"]');
}

for (const { what, sent, connect, auth } of [
  { what: 'the main namespace', sent: '40', connect: /^40\{"sid":"[\w-]{20}"\}$/, auth: '42["auth",{}]' },
  { what: 'the main namespace with a payload', sent: '40{"token":"123"}', connect: /^40\{/, auth: '42["auth",{"token":"123"}]' },
  { what: 'the main namespace by name', sent: '40/,', connect: /^40\{/, auth: '42["auth",{}]' },
  { what: 'a namespace', sent: '40/custom,', connect: /^40\/custom,\{"sid":"[\w-]{20}"\}$/, auth: '42/custom,["auth",{}]' },
  { what: 'a namespace without a comma', sent: '40/custom', connect: /^40\/custom,\{"sid":/, auth: '42/custom,["auth",{}]' },
  { what: 'a namespace with a payload', sent: '40/custom,{"token":"abc"}', connect: /^40\/custom,\{/, auth: '42/custom,["auth",{"token":"abc"}]' },
  { what: 'a namespace, with an acknowledgement id', sent: '40/custom,12{"token":"abc"}', connect: /^40\/custom,\{/, auth: '42/custom,["auth",{"token":"abc"}]' },
]) {
  test(`connect to ${what}`, limit, async (t) => {
    const wire = await endpoint.openSocket(t);
    wire.send(sent);
    const got = await wire.take(2);
    assert.match(got[0], connect);
    assert.equal(got[1], auth);
  });
}

for (const [sent, answer] of [
  ['40/random', '44/random,{"message":"Invalid namespace"}'],
  ['40/custom?token=abc,', '44/custom?token=abc,{"message":"Invalid namespace"}'],
  ['40/no,', '44/no,{"message":"Auth failed (custom namespace)"}'],
]) {
  test(`${sent} is refused, the session stays`, limit, async (t) => {
    const wire = await entered(t);
    wire.send(sent);
    assert.equal(await wire.nextBut(), answer);
    await checkAlive(wire);
  });
}

test('leave the main namespace and come again', limit, async (t) => {
  const wire = await entered(t);
  wire.send('40/foo');
  await wire.take(1);
  wire.send('41', '42/foo,1["getId"]');
  await wire.take(1);
  wire.send('40{"again":true}');
  const [connect, auth] = await wire.take(2);
  assert.match(connect, /^40\{"sid"/);
  assert.equal(auth, '42["auth",{"again":true}]');
});

test('leave a namespace, stay in the other', limit, async (t) => {
  const wire = await entered(t);
  wire.send('40/custom');
  await wire.take(2);
  wire.send('41/custom');
  await checkAlive(wire);
});

for (const [what, sent, answer] of [
  ['text', ['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]']],
  ['an acknowledgement', ['42456["message-with-ack",1,"2",{"3":[false]}]'], ['43456[1,"2",{"3":[false]}]']],
  ['an acknowledgement of nothing, id 0', ['420["message-with-ack"]'], ['430[]']],
  ['binary', ['452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])],
    ['452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])]],
  ['binary and an acknowledgement',
    ['452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])],
    ['462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])]],
  ['attachments as base64', ['451-["message",{"_placeholder":true,"num":0}]', 'bAQID'],
    ['451-["message-back",{"_placeholder":true,"num":0}]', Buffer.from([1, 2, 3])]],
  ['ten attachments', [`4510-["message",${Array.from({ length: 10 }, (_, i) => `{"_placeholder":true,"num":${i}}`)}]`,
    ...Array.from({ length: 10 }, (_, i) => Buffer.from([i]))],
  [`4510-["message-back",${Array.from({ length: 10 }, (_, i) => `{"_placeholder":true,"num":${i}}`)}]`,
    ...Array.from({ length: 10 }, (_, i) => Buffer.from([i]))]],
]) {
  test(`message: ${what}`, limit, async (t) => {
    const wire = await entered(t);
    wire.send(...sent);
    assert.deepEqual(await wire.take(answer.length), answer);
    await checkAlive(wire);
  });
}

for (const sent of ['43999["nobody asked"]', '42[7,"a number as a name"]', '42["nobody hears this"]', '42["error"]', '42']) {
  test(`${sent} is borne`, limit, async (t) => {
    const wire = await entered(t);
    wire.send(sent);
    await checkAlive(wire);
  });
}

// Each of these, sent in a session that is in the main namespace, ends it.
for (const [what, ...sent] of [
  ['an unknown type', '4abc'],
  ['a type beyond the last', '47'],
  ['no type', '4'],
  ['an object as payload', '42{}'],
  ['an empty array', '42[]'],
  ['a string as payload', '42"message"'],
  ['no JSON', '42["message"'],
  ['more than JSON', '42["message"]x'],
  ['an event without a name', '42[null]'],
  ['an acknowledgement id that is none', '42abc["message-with-ack",1,"2",{"3":[false]}]'],
  ['a reserved name', '42["connect"]'],
  ['a reserved name', '42["connect_error"]'],
  ['a reserved name', '42["disconnect"]'],
  ['a reserved name', '42["disconnecting"]'],
  ['a reserved name', '42["newListener"]'],
  ['a reserved name', '42["removeListener"]'],
  ['a DISCONNECT with a payload', '41{}'],
  ['a CONNECT with an array', '40/custom,[]'],
  ['a CONNECT with a string', '40/custom,"x"'],
  ['a second CONNECT', '40'],
  ['a CONNECT_ERROR', '44{"message":"x"}'],
  ['an event for a namespace not joined', '42/custom,["message"]'],
  ['an acknowledgement for a namespace not joined', '43/custom,1["message"]'],
  ['a DISCONNECT for a namespace not joined', '41/custom'],
  ['an acknowledgement of an object', '431{}'],
  ['binary that nobody expects', Buffer.from([1])],
  ['text where an attachment should be', '451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
  ['a placeholder beyond the attachments', '451-["message",{"_placeholder":true,"num":1}]', Buffer.from([1])],
  ['a negative placeholder', '451-["message",{"_placeholder":true,"num":-1}]', Buffer.from([1])],
  ['no number of attachments', '45["message",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  ['a number without its dash', '451["message",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  ['more attachments than are allowed', '4511-["message",{"_placeholder":true,"num":0}]', Buffer.from([1])],
  ['no attachments in a binary event', '450-["message"]'],
]) {
  test(`${what} ends the session: ${String(sent)}`, limit, async (t) => {
    const wire = await entered(t);
    wire.send(...sent);
    assert.deepEqual(await wire.ended(), []);
    const { status } = await endpoint.poll(wire.handshake.sid);
    assert.equal(status, 400);
  });
}

test('what is no CONNECT ends a session that has not connected', limit, async (t) => {
  for (const sent of ['4abc', '42["message"]', '41']) {
    const wire = await endpoint.openSocket(t);
    wire.send(sent);
    assert.deepEqual(await wire.ended(), []);
  }
});

test('the same over polling', limit, async () => {
  const { sid } = await endpoint.openPolling();
  const take = async () => (await endpoint.poll(sid)).body.split('\x1e').filter((p) => p !== '2');
  assert.equal((await endpoint.post(sid, '40')).body, 'ok');
  const got = [];
  while (got.length < 2) got.push(...await take());
  assert.match(got[0], /^40\{"sid"/);
  assert.equal(got[1], '42["auth",{}]');
  await endpoint.post(sid, ['451-["message",{"_placeholder":true,"num":0}]', 'bAQID', '4217["echo","x"]'].join('\x1e'));
  got.length = 0;
  while (got.length < 3) got.push(...await take());
  assert.deepEqual(got, ['451-["message-back",{"_placeholder":true,"num":0}]', 'bAQID', '4317["x"]']);
  await endpoint.post(sid, '42[]');
  for (let status = 200; status !== 400;) ({ status } = await endpoint.poll(sid));
});
