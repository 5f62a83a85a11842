// The two sorts of client in these tests: the official one, with its frames on record, and a bare
// WebSocket that says what a test wants it to say.

import { once } from 'node:events';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

// The two encodings of the protocol. `pack` turns a value into what the SDK's build for the encoding
// takes as data, `unpack` turns what it hands over back.
const json = { name: 'JSON', Client: Centrifuge, pack: (value) => value, unpack: (data) => data };
const protobuf = {
  name: 'protobuf',
  Client: ProtobufCentrifuge,
  pack: (value) => Buffer.from(JSON.stringify(value)),
  unpack: (data) => JSON.parse(Buffer.from(data)),
};
export const encodings = [json, protobuf];

const PATIENCE = 60_000; // ms that a client waits for an answer, on a machine that is busy with others

// hasty makes a client come back soon after it has lost its connection.
export const hasty = { minReconnectDelay: 10, maxReconnectDelay: 50 };

// newClient returns a client of the official SDK that is disconnected after the test t. Its `frames`
// hold every JSON object that the server has sent it, over all its connections, in order; each frame
// is announced by an event `frame`. `socket` are options of its WebSocket.
export function newClient(t, url, { encoding = json, perMessageDeflate = true, socket = {}, ...options } = {}) {
  const frames = [];
  class RecordedWebSocket extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, { perMessageDeflate, ...socket });
      this.on('message', (data, isBinary) => {
        if (!isBinary) frames.push(...parseFrame(data));
        client.emit('frame');
      });
    }
  }
  const client = new encoding.Client(url, { websocket: RecordedWebSocket, timeout: PATIENCE, ...options });
  client.encoding = encoding;
  client.frames = frames;
  t.after(() => client.disconnect());
  return client;
}

// publish publishes a value in the client's encoding.
export const publish = (client, room, value) => client.publish(room, client.encoding.pack(value));

// call resolves to the result of a remote procedure, a value like its parameters.
export async function call(client, method, parameters) {
  const { data } = await client.rpc(method, client.encoding.pack(parameters));
  return client.encoding.unpack(data);
}

// connected resolves to the context of the client's next connection.
export async function connected(client) {
  const event = next(client, 'connected');
  client.connect();
  return event;
}

// subscribing returns a subscription of the client to the room that is under way. Its `publications`
// are what it has received so far, with their data unpacked.
export function subscribing(client, room, options) {
  const sub = client.newSubscription(room, options);
  sub.client = client;
  sub.publications = [];
  sub.on('publication', (ctx) => sub.publications.push(unpacked(client, ctx)));
  sub.subscribe();
  return sub;
}

// unpacked is a publication with its data as a value.
export const unpacked = (client, ctx) => ({ ...ctx, data: client.encoding.unpack(ctx.data) });

// subscribed resolves to such a subscription once the server has confirmed it. Its `start` is the
// context of that.
export async function subscribed(client, room, options) {
  const sub = subscribing(client, room, options);
  const start = next(sub, 'subscribed');
  await sub.ready();
  sub.start = await start;
  return sub;
}

// values returns the data of publications.
export const values = (publications) => publications.map((p) => p.data);

// numbers returns 0, 1 and so on, n of them.
export const numbers = (n) => Array.from({ length: n }, (_, i) => i);

// serverSubscribed connects a client that was in the rooms by the server's doing before, and so is in
// them again. The SDK has no way to ask for that: it gets the state that such a connection leaves
// behind.
export async function serverSubscribed(client, rooms) {
  for (const room of rooms) client._serverSubs[room] = { offset: 0, epoch: '', recoverable: true };
  const joined = beginnings(client, rooms);
  await connected(client);
  return joined;
}

// beginnings resolves to the contexts with which the rooms' server-side subscriptions begin next, by
// room.
export function beginnings(client, rooms) {
  const all = new Map();
  return new Promise((resolve) => {
    client.on('subscribed', function collect(ctx) {
      all.set(ctx.channel, ctx);
      if (all.size < rooms.length) return;
      client.off('subscribed', collect);
      resolve(all);
    });
  });
}

// received resolves once the subscription has received n publications in all.
export async function received(sub, n) {
  while (sub.publications.length < n) await next(sub, 'publication');
  return sub.publications;
}

// next resolves to the argument of the emitter's next event of that name. Unlike once of node:events
// it bears events named error, which are ordinary news from a client that looks for its server.
export function next(emitter, name) {
  return new Promise((resolve) => { emitter.once(name, resolve); });
}

// A RawClient speaks the protocol by hand: whole frames out, single objects in.
export class RawClient {
  #inbox = [];
  #arrived = () => {};

  // answersPings: as clients do.
  constructor(t, url, { answersPings = true } = {}) {
    this.socket = new WebSocket(url);
    this.socket.on('message', (data) => {
      const objects = parseFrame(data);
      if (answersPings && objects.some(isPing)) this.socket.send('{}');
      this.#inbox.push(...objects);
      this.#arrived();
    });
    this.closed = once(this.socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
    t.after(() => this.socket.terminate());
  }

  // send puts the commands, objects or text as it stands, into one frame.
  async send(...commands) {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
    this.socket.send(commands.map((c) => (typeof c === 'string' ? c : JSON.stringify(c))).join('\n'));
  }

  // next resolves to the next object that is not a ping. It fails if the server closes first.
  async next() {
    for (;;) {
      const object = await this.nextObject();
      if (!isPing(object)) return object;
    }
  }

  async nextObject() {
    while (this.#inbox.length === 0) {
      const arrival = new Promise((resolve) => { this.#arrived = () => resolve(); });
      const end = await Promise.race([arrival, this.closed]);
      if (end && this.#inbox.length === 0) throw new Error(`closed: ${end.code} ${end.reason}`);
    }
    return this.#inbox.shift();
  }
}

export const isPing = (object) => Object.keys(object).length === 0;

// parseFrame returns the objects in a frame: one or more, with a line feed between two.
function parseFrame(data) {
  return String(data).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
}
