// examples/chat, which SOCKETIO_CHAT names, in a browser: two tabs talk, one is cut off and comes back.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing, startBrowser } from './browser.mjs';
import { cuttable, limit, startChat } from './server.mjs';

const skip = missing();
const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
const site = skip ? undefined : await startChat('--modules', modules);

// enter fills in the door of a page and waits until it is in the room.
async function enter(page, name) {
  await page.type('name', name);
  await page.click('enter');
  await page.until("document.body.dataset.status === 'connected'");
}

async function say(page, text) {
  await page.type('text', text);
  await page.click('send');
  await page.until("document.getElementById('text').value === ''"); // it has been acknowledged
}

// said is what a page shows of messages, in their order, each with its number.
const said = (page) => page.value(`Array.from(document.querySelectorAll('#messages li[data-from]'),
  (e) => e.value + ' ' + e.textContent)`);

const heard = (page, text) => page.until(`document.getElementById('messages').textContent.includes(${JSON.stringify(text)})`);
const present = (page, n) => page.until(`document.getElementById('present').children.length === ${n}`);

test('two tabs talk, one is cut off and comes back', { ...limit, skip }, async (t) => {
  const html = await (await fetch(site.url)).text();
  const proxy = await cuttable(t, { port: Number(/127\.0\.0\.1:(\d+)/.exec(html)[1]) });
  const browser = await startBrowser(t);
  const ann = await browser.open(`${site.url}/`);
  const bob = await browser.open(`${site.url}/?node=${proxy.origin}`);
  await enter(ann, 'Ann');
  await enter(bob, 'Bob');
  for (const page of [ann, bob]) {
    await present(page, 2);
    assert.deepEqual((await page.texts('#present li')).sort(), ['Ann', 'Bob']);
  }

  await bob.type('text', 'Hello, A');
  await ann.until("document.getElementById('typing').textContent.includes('Bob')");
  await say(bob, 'Hello, Ann!');
  await heard(ann, 'Hello, Ann!');
  await ann.until("document.getElementById('typing').textContent === ''");
  await say(ann, 'Hello, <b>Bob</b>!');
  await heard(bob, 'Hello, <b>Bob</b>!');

  proxy.cut();
  await bob.until("['disconnected', 'reconnecting'].includes(document.body.dataset.status)");
  await say(ann, 'Bob misses this.');
  await say(ann, 'And this.');
  proxy.mend();
  await bob.until("document.body.dataset.status === 'recovered'");
  await heard(bob, 'And this.');
  await say(bob, 'Not at all.');
  await heard(ann, 'Not at all.');
  const all = ['1 Bob: Hello, Ann!', '2 Ann: Hello, <b>Bob</b>!', '3 Ann: Bob misses this.', '4 Ann: And this.', '5 Bob: Not at all.'];
  assert.deepEqual(await said(bob), all);
  assert.deepEqual(await said(ann), all);
  await present(ann, 2);

  const folder = process.env.SDK_ARTEFACTS || await mkdtemp(join(tmpdir(), 'chat-'));
  await mkdir(folder, { recursive: true });
  for (const [name, page] of [['ann', ann], ['bob', bob]]) {
    await page.photograph(join(folder, `chat-${name}.png`));
    t.diagnostic(`a screenshot: ${join(folder, `chat-${name}.png`)}`);
  }

  await bob.close();
  await present(ann, 1);
  assert.deepEqual(await ann.texts('#present li'), ['Ann']);
});
