// A server of its own for a test: the binary that EDGE_BINARY names, on free loopback ports.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const START_LIMIT = 20_000; // ms until a started server must be ready
const STOP_LIMIT = 20_000; // ms until a server told to end must be gone

// Edge is one run of the server. `port` is the public one; start another with the same port to
// follow it.
class Edge {
  constructor(port, internalPort, flags) {
    this.port = port;
    this.health = `http://127.0.0.1:${internalPort}/health`;
    this.output = '';
    this.process = spawn(binary(), [
      'serve', '--address', `127.0.0.1:${port}`, '--internal-address', `127.0.0.1:${internalPort}`, ...flags,
    ], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.process, 'close').then(([code, signal]) => signal ?? code);
    process.once('exit', () => this.process.kill('SIGKILL')); // should a test not come to its end
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.output += text; });
    }
  }

  get url() { return `ws://127.0.0.1:${this.port}/connection/websocket`; }

  get echoUrl() { return `ws://127.0.0.1:${this.port}/echo`; }

  // ready resolves when the node says that it is.
  async ready() {
    const deadline = Date.now() + START_LIMIT;
    while (!await this.#healthy()) {
      assert.ok(this.#running(), `edge ended at its start:\n${this.output}`);
      assert.ok(Date.now() < deadline, `edge is not ready after ${START_LIMIT} ms:\n${this.output}`);
      await delay(10);
    }
  }

  #running() { return this.process.exitCode === null && this.process.signalCode === null; }

  async #healthy() {
    try {
      return (await fetch(this.health)).ok;
    } catch {
      return false; // nobody listens there yet
    }
  }

  // stop asks the server to drain and holds it to a clean end. Stopping it twice is fine.
  async stop() {
    this.process.kill('SIGTERM');
    const tooLong = setTimeout(() => this.process.kill('SIGKILL'), STOP_LIMIT);
    const end = await this.ended;
    clearTimeout(tooLong);
    assert.equal(end, 0, `edge ended with ${end}:\n${this.output}`);
  }
}

// startEdge resolves to a server that is ready. The caller stops it.
export async function startEdge({ port, flags = [] } = {}) {
  const edge = new Edge(port ?? await freePort(), await freePort(), flags);
  await edge.ready();
  return edge;
}

function binary() {
  assert.ok(process.env.EDGE_BINARY, 'EDGE_BINARY must name the server to test');
  return process.env.EDGE_BINARY;
}

// freePort finds a port below those that the kernel gives to outgoing connections: among them a
// client that looks for a stopped server could take its port, or even connect to itself.
async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
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
