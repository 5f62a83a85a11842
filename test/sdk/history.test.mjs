// What a room remembers, as the official client pages through it.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connected, encodings, newClient, numbers, publish, subscribed, unpacked, values } from './client.mjs';
import { limit, startEdge } from './edge.mjs';

const edge = await startEdge({
  config: {
    development: true,
    room: {
      without_namespace: { history_size: 400, history_ttl: '60s' },
      namespaces: [{ name: 'ten', history_size: 10, history_ttl: '60s' }, { name: 'oblivious' }],
    },
  },
});
after(() => edge.stop());

for (const encoding of encodings) {
  describe(`over ${encoding.name}`, () => {
    // filled resolves to a client and a room with 0 to n-1 in its history.
    async function filled(t, room, n) {
      const client = newClient(t, edge.url, { encoding });
      await connected(client);
      room = `${room} ${encoding.name}`;
      await Promise.all(numbers(n).map((value) => publish(client, room, value)));
      return { client, room };
    }

    // page resolves to one answer, with the data unpacked.
    async function page(client, room, options) {
      const result = await client.history(room, options);
      return { ...result, publications: result.publications.map((ctx) => unpacked(client, ctx)) };
    }

    // pages resolves to the values of all pages of 7 from one end of the history to the other.
    async function pages(client, room, reverse) {
      const all = [];
      for (let since; ;) {
        const { publications, epoch } = await page(client, room, { limit: 7, since, reverse });
        if (publications.length === 0) return all;
        all.push(...values(publications));
        const { offset } = publications.at(-1);
        assert.ok(publications.length === 7 || all.length === 50, `a page of ${publications.length}`);
        since = { offset, epoch };
      }
    }

    test('pages lead through 50 publications, forward and backward', limit, async (t) => {
      const { client, room } = await filled(t, 'fifty', 50);
      assert.deepEqual(await pages(client, room, false), numbers(50));
      assert.deepEqual(await pages(client, room, true), numbers(50).reverse());
    });

    test('limit 0 asks for the position alone', limit, async (t) => {
      const { client, room } = await filled(t, 'position', 3);
      const { publications, offset, epoch } = await page(client, room, { limit: 0 });
      assert.deepEqual(publications, []);
      assert.equal(offset, 3);
      const { start } = await subscribed(client, room, { positioned: true });
      assert.deepEqual(start.streamPosition, { offset, epoch });
      assert.deepEqual(await page(client, room), { publications, offset, epoch }); // as without a limit
    });

    test('a publication is remembered with its offset and its publisher', limit, async (t) => {
      const { client, room } = await filled(t, 'whole', 0);
      const sub = await subscribed(client, room);
      await publish(client, room, { text: 'größer' });
      const { publications } = await page(client, room, { limit: 1 });
      assert.deepEqual(publications, sub.publications);
      assert.equal(publications[0].offset, 1);
      assert.deepEqual(publications[0].data, { text: 'größer' });
      assert.equal(publications[0].channel, room);
      assert.equal(publications[0].info.user, '');
    });

    test('since selects what is newer, or in reverse what is older', limit, async (t) => {
      const { client, room } = await filled(t, 'since', 10);
      const { epoch } = await page(client, room, { limit: 0 });
      for (const [since, reverse, want] of [
        [7, false, [7, 8, 9]],
        [10, false, []],
        [99, false, []],
        [4, true, [2, 1, 0]],
        [1, true, []],
        [11, true, numbers(10).reverse()],
        [99, true, []], // the room has not come so far
      ]) {
        const { publications } = await page(client, room, { limit: -1, since: { offset: since, epoch }, reverse });
        assert.deepEqual(values(publications), want, `since ${since}, reverse ${reverse}`);
      }
      const { publications } = await page(client, room, { limit: 1, since: { offset: 3, epoch: '' } });
      assert.deepEqual(values(publications), [3]); // no epoch is any
    });

    test('reverse without a position begins with the newest', limit, async (t) => {
      const { client, room } = await filled(t, 'newest', 5);
      const { publications } = await page(client, room, { limit: 2, reverse: true });
      assert.deepEqual(publications.map((p) => [p.offset, p.data]), [[5, 4], [4, 3]]);
    });

    test('a negative limit is the largest, 300', limit, async (t) => {
      const { client, room } = await filled(t, 'large', 310);
      for (const most of [-1, 1000]) {
        const { publications, offset } = await page(client, room, { limit: most });
        assert.deepEqual(values(publications), numbers(300));
        assert.equal(offset, 310);
      }
    });

    test('the oldest makes room for the newest', limit, async (t) => {
      const { client, room } = await filled(t, 'ten:full', 25);
      const { publications, offset } = await page(client, room, { limit: -1 });
      assert.deepEqual(publications.map((p) => p.offset), numbers(26).slice(16));
      assert.deepEqual(values(publications), numbers(25).slice(15));
      assert.equal(offset, 25);
    });

    test('a room without publications has a position too', limit, async (t) => {
      const { client, room } = await filled(t, 'empty', 0);
      const { publications, offset, epoch } = await page(client, room, { limit: -1 });
      assert.deepEqual(publications, []);
      assert.equal(offset, 0);
      const { start } = await subscribed(client, room, { positioned: true });
      assert.equal(start.streamPosition.epoch, epoch);
    });

    test('a subscription asks for its own room', limit, async (t) => {
      const { client, room } = await filled(t, 'own', 3);
      const sub = await subscribed(client, room);
      const { publications } = await sub.history({ limit: 2 });
      assert.deepEqual(publications.map((ctx) => unpacked(client, ctx).data), [0, 1]);
    });

    for (const [what, room, options, code, message] of [
      ['a foreign epoch', 'errors', { since: { offset: 1, epoch: 'foreign' } }, 112, 'unrecoverable position'],
      ['an epoch of another room', 'errors', { since: { offset: 1, epoch: 'AAAAAAAA' } }, 112, 'unrecoverable position'],
      ['reverse from offset 0', 'errors', { since: { offset: 0, epoch: '' }, reverse: true }, 107, 'bad request'],
      ['a room that remembers nothing', 'oblivious:room', { limit: 1 }, 108, 'not available'],
    ]) {
      test(`${what} is error ${code}`, limit, async (t) => {
        const { client, room: name } = await filled(t, room, 1);
        await assert.rejects(client.history(name, options), { code, message });
      });
    }
  });
}

test('what one encoding publishes, the other remembers', limit, async (t) => {
  const clients = encodings.map((encoding) => newClient(t, edge.url, { encoding }));
  for (const client of clients) {
    await connected(client);
    await publish(client, 'both', { from: client.encoding.name });
  }
  for (const client of clients) {
    const { publications } = await client.history('both', { limit: -1 });
    const data = values(publications.map((ctx) => unpacked(client, ctx)));
    assert.deepEqual(data, encodings.map(({ name }) => ({ from: name })));
  }
});
