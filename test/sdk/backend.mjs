// A backend that a node asks about its clients: docs/hooks.md.

import assert from 'node:assert/strict';
import { EventEmitter, on, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const SECRET = 'a secret of nodes and backends';

// verify is the function of that name in docs/hooks.md.
export const verify = await documented();

async function documented() {
  const page = await readFile(new URL('../../docs/hooks.md', import.meta.url), 'utf8');
  const [, code] = /```js\n([^`]*function verify[^`]*)```/.exec(page);
  return new Function('require', `${code}; return verify`)(createRequire(import.meta.url));
}

// A Backend answers the questions of a node. `answers` has a function for each event that it is asked about: from the body of
// the question and its headers to that of the answer, or to a number, which is the answer's status. It can be changed.
class Backend {
  #server = createServer((request, response) => this.#serve(request, response));
  #questions = new Map();
  #forged = 0;

  // asked counts the questions of each event.
  asked = {};

  constructor(answers, secret) {
    this.answers = answers;
    this.secret = secret;
    for (const event of Object.keys(answers)) {
      this.asked[event] = 0;
      const emitter = new EventEmitter();
      this.#questions.set(event, { emitter, next: on(emitter, 'question') });
    }
  }

  // open listens on a Unix socket, or on a free port.
  async open(socket) {
    this.#server.listen(socket ?? { port: 0, host: '127.0.0.1' });
    await once(this.#server, 'listening');
    this.url = socket ? `unix:${socket}:` : `http://127.0.0.1:${this.#server.address().port}`;
  }

  // close ends all connections and refuses new ones. No question may have been without a signature.
  async close() {
    if (this.#server.listening) {
      this.#server.close();
      this.#server.closeAllConnections();
      await once(this.#server, 'close');
    }
    assert.equal(this.#forged, 0, 'questions without a good signature');
  }

  // question resolves to the body of the next question of an event, with its headers.
  async question(event) {
    const { value: [question] } = await this.#questions.get(event).next.next();
    return question;
  }

  // hooks is what the configuration of a node says about this backend; options are those of single events, or of all of them.
  hooks(options = {}, common = {}) {
    return Object.fromEntries(Object.keys(this.answers).map((event) => [event, {
      url: `${this.url}/${event}`, secret: this.secret, ...common, ...options[event],
    }]));
  }

  async #serve(request, response) {
    const event = request.url.slice(1);
    const body = Buffer.concat(await request.toArray());
    if (!verify(request.headers['x-edge-signature'], body, this.secret)) {
      this.#forged += 1;
      response.writeHead(401).end();
      return;
    }
    const question = JSON.parse(body);
    this.asked[event] += 1;
    this.#questions.get(event).emitter.emit('question', { ...question, headers: request.headers });
    const answer = await this.answers[event](question, request.headers);
    if (answer === undefined) response.destroy();
    else if (typeof answer === 'number') response.writeHead(answer).end();
    else response.end(JSON.stringify(answer));
  }
}

// startBackend resolves to a backend that listens. The caller closes it, after the node: that has news for it at its end.
export async function startBackend(answers, { secret = SECRET, socket } = {}) {
  const backend = new Backend(answers, secret);
  await backend.open(socket);
  return backend;
}
