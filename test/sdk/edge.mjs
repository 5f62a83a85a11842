// A server of its own for a test: the binary that SDK_BINARY names, on free loopback ports.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE = 100_000; // ms until a started server must be ready, and until one told to end must be gone

// Edge is one run of the server. `port` is the public one; start another with the same port to
// follow it.
class Edge {
  #killed = false;

  constructor(port, internalPort, flags) {
    this.port = port;
    this.internal = `http://127.0.0.1:${internalPort}`;
    this.output = '';
    this.process = spawn(binary(), [
      'serve', '--address', `127.0.0.1:${port}`, '--internal-address', `127.0.0.1:${internalPort}`, ...flags,
    ], { stdio: ['ignore', 'pipe', 'pipe'], env: environment() });
    this.ended = once(this.process, 'close').then(([code, signal]) => signal ?? code);
    const abandon = () => this.process.kill('SIGKILL');
    process.once('exit', abandon); // should a test not come to its end
    this.process.once('close', () => process.off('exit', abandon));
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.output += text; });
    }
  }

  get url() { return `ws://127.0.0.1:${this.port}/connection/websocket`; }

  get echoUrl() { return `ws://127.0.0.1:${this.port}/echo`; }

  // ready resolves when the node says that it is.
  async ready() {
    const deadline = Date.now() + PATIENCE;
    while (!await this.#healthy()) {
      assert.ok(this.#running(), `edge ended at its start:\n${this.output}`);
      assert.ok(Date.now() < deadline, `edge is not ready after ${PATIENCE} ms:\n${this.output}`);
      await delay(10);
    }
  }

  #running() { return this.process.exitCode === null && this.process.signalCode === null; }

  async #healthy() {
    try {
      return (await fetch(`${this.internal}/health`)).ok;
    } catch {
      return false; // nobody listens there yet
    }
  }

  // kill ends the server as a crash would.
  async kill() {
    this.#killed = true;
    this.process.kill('SIGKILL');
    await this.ended;
  }

  // stop asks the server to drain and holds it to a clean end. Stopping it twice is fine.
  async stop() {
    if (this.#killed) return;
    this.process.kill('SIGTERM');
    const tooLong = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE);
    const end = await this.ended;
    clearTimeout(tooLong);
    assert.equal(end, 0, `edge ended with ${end}:\n${this.output}`);
  }
}

// limit is how long a test may take: much longer than it does on a machine that is busy with others.
export const limit = { timeout: 120_000 };

// startEdge resolves to a server that is ready. The caller stops it. config is what its configuration
// file says, as nested objects; without one there is no file, and the server is in development mode.
export async function startEdge({ port, flags = [], config } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'edge-'));
  try {
    const file = config ? ['--config', await writeConfig(directory, config)] : [];
    port ??= await freePort();
    const edge = new Edge(port, await freePort(port), [...flags, ...file]);
    await edge.ready();
    return edge;
  } finally {
    await rm(directory, { recursive: true }); // a server that is ready has read it
  }
}

// serve is startEdge for one test, after which the server is stopped.
export async function serve(t, options) {
  const edge = await startEdge(options);
  t.after(() => edge.stop());
  return edge;
}

// JSON is YAML.
async function writeConfig(directory, config) {
  const file = join(directory, 'edge.yaml');
  await writeFile(file, JSON.stringify(config));
  return file;
}

// environment is ours without what would configure the server. A binary with the race detector would
// linger for a second at its end.
function environment() {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('EDGE_'));
  return { GORACE: 'atexit_sleep_ms=0', ...Object.fromEntries(ours) };
}

function binary() {
  assert.ok(process.env.SDK_BINARY, 'SDK_BINARY must name the server to test');
  return process.env.SDK_BINARY;
}

// freePort finds a port below those that the kernel gives to outgoing connections: among them a
// client that looks for a stopped server could take its port, or even connect to itself. It is another one
// than besides, which is spoken for but not in use yet.
async function freePort(besides) {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (port === besides) continue;
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}
