// The servers of these tests: examples/socketio-conformance, which SOCKETIO_CONFORMANCE names, the program in application/, which
// SOCKETIO_APPLICATION names, and examples/chat, which SOCKETIO_CHAT names. The first two may be another server that does the same.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { io } from 'socket.io-client';
import { startProxy } from '../proxy.mjs';

// limit is how long a test may take: much longer than it does on a machine that is busy with others.
export const limit = { timeout: 120_000 };

// start resolves to a server that is ready and that lasts for the tests of the file: its `url` and `port`.
async function start(variable, flags) {
  assert.ok(process.env[variable], `${variable} must name the program to test`);
  const child = spawn(process.env[variable], ['--address', '127.0.0.1:0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'], env: { GORACE: 'atexit_sleep_ms=0', PATH: process.env.PATH },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { log += text; });
  const ended = once(child, 'close');
  const abandon = () => child.kill('SIGKILL');
  process.once('exit', abandon);
  after(async () => {
    child.kill('SIGTERM');
    const tooLong = setTimeout(abandon, 60_000);
    const [code] = await ended;
    clearTimeout(tooLong);
    process.off('exit', abandon);
    assert.equal(code, 0, `the server ended with ${code}:\n${log}`);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /127\.0\.0\.1:(\d+)/.exec(line);
    if (!found) continue;
    child.stdout.resume(); // whatever else it says
    return { url: `http://127.0.0.1:${found[1]}`, port: Number(found[1]) };
  }
  throw new Error(`the server ended at its start:\n${log}`);
}

export const startConformance = (...flags) => start('SOCKETIO_CONFORMANCE', flags);
export const startApplication = (...flags) => start('SOCKETIO_APPLICATION', flags);
export const startChat = (...flags) => start('SOCKETIO_CHAT', ['--page', '127.0.0.1:0', '--internal-address', '127.0.0.1:0', ...flags]);

// newClient returns a client of the official package that has its connection to itself, comes back soon, and is gone after
// the test t.
export function newClient(t, url, options = {}) {
  const socket = io(url, { forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50, timeout: 60_000, ...options });
  t.after(() => {
    socket.io.reconnection(false);
    socket.disconnect();
    socket.io.engine?.close(); // other namespaces may share it
  });
  return socket;
}

// next resolves to the arguments of the emitter's next event of that name.
export function next(emitter, name) {
  return new Promise((resolve) => { emitter.once(name, (...args) => resolve(args)); });
}

// connected resolves to a new client once it is connected.
export async function connected(t, url, options) {
  const socket = newClient(t, url, options);
  await next(socket, 'connect');
  return socket;
}

// Every way of a client to reach a server.
export const ways = [
  { name: 'polling', options: { transports: ['polling'] } },
  { name: 'WebSocket', options: { transports: ['websocket'] } },
  { name: 'polling, then WebSocket', options: { transports: ['polling', 'websocket'] } },
];

// cuttable resolves to a proxy in front of the server: its `origin` is the URL to connect to.
export async function cuttable(t, server) {
  const proxy = await startProxy(t, server);
  return Object.assign(proxy, { origin: `http://${new URL(proxy.url).host}` });
}

// collect returns a list to which the emitter's events of that name add their first argument, and a function that resolves when
// it has n of them.
export function collect(emitter, name) {
  const list = [];
  let wake = () => {};
  emitter.on(name, (value) => { list.push(value); wake(); });
  const reached = async (n) => {
    while (list.length < n) await new Promise((resolve) => { wake = resolve; });
    return list;
  };
  return { list, reached };
}
