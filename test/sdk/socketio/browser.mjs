// Headless Chromium, by its DevTools protocol: pages that a test looks at, types into and photographs.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

const program = process.env.CHROMIUM || 'chromium';

// missing says why there can be no browser; undefined if there can. CI insists on one.
export function missing() {
  const { status } = spawnSync(program, ['--version']);
  if (status === 0) return undefined;
  assert.ok(!process.env.CI, `${program} does not run`);
  return `${program} does not run: apt-get install chromium, or set CHROMIUM`;
}

// startBrowser resolves to a browser that lasts for the test t.
export async function startBrowser(t) {
  const home = await mkdtemp(join(tmpdir(), 'chromium-'));
  const child = spawn(program, [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
    '--disable-background-networking', '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows', '--remote-debugging-port=0', `--user-data-dir=${home}`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  const abandon = () => child.kill('SIGKILL');
  process.once('exit', abandon);
  let browser;
  t.after(async () => {
    browser?.socket.terminate();
    child.kill('SIGTERM');
    const tooLong = setTimeout(abandon, 60_000);
    await ended;
    clearTimeout(tooLong);
    process.off('exit', abandon);
    await rm(home, { recursive: true, force: true, maxRetries: 10 });
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const found = /^DevTools listening on (ws:\S+)/.exec(line);
    if (!found) continue;
    child.stderr.resume();
    browser = new Browser(found[1]);
    await once(browser.socket, 'open');
    return browser;
  }
  throw new Error('the browser ended at its start');
}

class Browser {
  #calls = new Map(); // id → what resolves and rejects it
  #last = 0;

  constructor(url) {
    this.socket = new WebSocket(url, { maxPayload: 1 << 28 });
    this.socket.on('message', (data) => {
      const { id, result, error } = JSON.parse(data);
      const call = this.#calls.get(id);
      if (!call) return; // an event
      this.#calls.delete(id);
      if (error) call.reject(new Error(error.message));
      else call.resolve(result);
    });
    this.socket.on('close', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('the browser has gone'));
    });
  }

  // call resolves to the result of a command, to the page of a session if one is named.
  call(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => { this.#calls.set(id, { resolve, reject }); });
  }

  // open resolves to a page at a URL, in a tab of its own.
  async open(url) {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, targetId, sessionId);
    const { errorText } = await page.call('Page.navigate', { url });
    assert.equal(errorText, undefined, `${url}: ${errorText}`);
    await page.until(`location.href.startsWith(${JSON.stringify(url)}) && document.readyState === 'complete'`);
    return page;
  }
}

class Page {
  constructor(browser, targetId, sessionId) {
    Object.assign(this, { browser, targetId, sessionId });
  }

  call(method, params) { return this.browser.call(method, params, this.sessionId); }

  // value resolves to that of a JavaScript expression, or of the promise that it is.
  async value(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    assert.equal(exceptionDetails, undefined, `${expression}: ${exceptionDetails?.exception?.description}`);
    return result.value;
  }

  // until resolves once an expression is true of the page, which is looked at after each change of the document.
  async until(expression) {
    await this.value(`new Promise((resolve) => {
      const look = () => { if (${expression}) { watch.disconnect(); resolve(); } };
      const watch = new MutationObserver(look);
      watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      addEventListener('load', look);
      look();
    })`);
  }

  // type puts text into the field of that id, as a keyboard would.
  async type(id, text) {
    await this.value(`document.getElementById('${id}').focus(), document.getElementById('${id}').select()`);
    await this.call('Input.insertText', { text });
  }

  async click(id) { await this.value(`document.getElementById('${id}').click()`); }

  // texts resolves to those of all elements that match.
  texts(selector) {
    return this.value(`Array.from(document.querySelectorAll(${JSON.stringify(selector)}), (e) => e.textContent)`);
  }

  async photograph(file) {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png' });
    await writeFile(file, Buffer.from(data, 'base64'));
  }

  async close() { await this.browser.call('Target.closeTarget', { targetId: this.targetId }); }
}
