// Engine.IO by hand: requests and WebSocket messages as a test wants them, packets as they stand.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

// An Endpoint is a path of a server at which Engine.IO is served.
export class Endpoint {
  constructor(server, path) {
    this.url = `${server.url}${path}`;
  }

  // get resolves to the answer to a poll; query has what comes beside EIO and transport.
  get(query = '', options = {}) { return this.request(`?EIO=4&transport=polling${query}`, options); }

  post(sid, body, options = {}) { return this.get(`&sid=${sid}`, { method: 'POST', body, ...options }); }

  async poll(sid) { return this.get(`&sid=${sid}`); }

  // request resolves to the status, the body and the header of an answer, or to a status of 0 if the server closed instead.
  async request(target, options) {
    try {
      const response = await fetch(this.url + target, options);
      return { status: response.status, body: await response.text(), headers: response.headers };
    } catch (error) {
      if (options?.signal?.aborted) throw error;
      return { status: 0, body: String(error.cause ?? error) };
    }
  }

  // openPolling resolves to what the open packet of a new polling session says.
  async openPolling(query = '') {
    const { status, body } = await this.get(query);
    assert.equal(status, 200);
    assert.equal(body[0], '0');
    return JSON.parse(body.slice(1));
  }

  // socket returns a WebSocket that the server may refuse.
  socket(t, query = '?EIO=4&transport=websocket') {
    return new Wire(t, this.url.replace('http', 'ws') + query);
  }

  // openSocket resolves to a WebSocket of a session of its own, whose `handshake` is what the open packet said.
  async openSocket(t) {
    const wire = this.socket(t);
    const first = await wire.next();
    assert.equal(first[0], '0');
    return Object.assign(wire, { handshake: JSON.parse(first.slice(1)) });
  }
}

// A Wire is a WebSocket whose messages wait until they are asked for: text as strings, binary as Buffers.
export class Wire {
  #inbox = [];
  #arrived = () => {};

  constructor(t, url) {
    this.socket = new WebSocket(url);
    this.socket.on('message', (data, binary) => {
      this.#inbox.push(binary ? data : String(data));
      this.#arrived();
    });
    this.socket.on('error', () => {}); // close follows
    this.opened = once(this.socket, 'open').catch(() => {});
    this.closed = new Promise((resolve) => { this.socket.once('close', (code) => resolve(code)); });
    t.after(() => this.socket.terminate());
  }

  send(...packets) {
    for (const packet of packets) this.socket.send(packet);
  }

  // next resolves to the next message, or to undefined once the server has closed.
  async next() {
    while (this.#inbox.length === 0) {
      const arrival = new Promise((resolve) => { this.#arrived = () => resolve(true); });
      if (await Promise.race([arrival, this.closed]) !== true && this.#inbox.length === 0) return undefined;
    }
    return this.#inbox.shift();
  }

  // nextBut is next for messages that are not pings, which it answers if it is told so.
  async nextBut(answer = true) {
    for (;;) {
      const message = await this.next();
      if (message !== '2') return message;
      if (answer) this.send('3');
    }
  }

  // take resolves to the next n messages that are not pings.
  async take(n) {
    const all = [];
    while (all.length < n) all.push(await this.nextBut());
    return all;
  }

  // ended resolves to what still came before the server closed, without pings, which are answered.
  async ended() {
    const rest = [];
    for (;;) {
      const message = await this.nextBut();
      if (message === undefined) return rest;
      rest.push(message);
    }
  }
}
