// A TCP proxy in front of a server, whose connections a test can cut.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

class Proxy {
  #listener;
  #sockets = new Set();
  #broken = false;

  // passed is how many bytes have gone to clients.
  passed = 0;

  constructor(target) {
    this.#listener = createServer({ noDelay: true }, (client) => this.#accept(client, target));
  }

  async listen() {
    this.#listener.listen(0, '127.0.0.1');
    await once(this.#listener, 'listening');
  }

  get url() { return `ws://127.0.0.1:${this.#listener.address().port}/connection/websocket`; }

  // cut resets all connections, in the middle of whatever is under way, and refuses new ones.
  cut() {
    this.#broken = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  // mend lets new connections through again.
  mend() { this.#broken = false; }

  close() {
    this.cut();
    this.#listener.close();
  }

  #accept(client, target) {
    if (this.#broken) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true });
    server.on('data', (data) => { this.passed += data.length; });
    this.#forward(client, server);
    this.#forward(server, client);
  }

  #forward(from, to) {
    this.#sockets.add(from);
    from.on('error', () => {}); // a reset, which is what we are here for: close follows
    from.once('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}

// startProxy resolves to a proxy for the server, which lasts for the test t.
export async function startProxy(t, edge) {
  const proxy = new Proxy(edge.port);
  await proxy.listen();
  t.after(() => proxy.close());
  return proxy;
}
