// Several commands in one frame: every one is answered, in order, whatever becomes of the others.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RawClient, call, connected, encodings, newClient, publish, received, subscribed, values } from './client.mjs';
import { limit, startEdge } from './edge.mjs';

const edge = await startEdge({
  config: {
    development: true,
    room: {
      without_namespace: { history_size: 100, history_ttl: '60s', presence: true },
      namespaces: [{ name: 'bare' }],
    },
  },
});
after(() => edge.stop());

for (const encoding of encodings) {
  test(`a batch of all commands is answered over ${encoding.name}`, limit, async (t) => {
    const client = newClient(t, edge.url, { encoding });
    const { client: id } = await connected(client);
    const room = `all ${encoding.name}`;
    const sub = await subscribed(client, room, { positioned: true });

    client.startBatching();
    const answers = Promise.allSettled([
      publish(client, room, 1),
      client.history(room, { limit: 10 }),
      client.presence(room),
      client.presenceStats(room),
      call(client, 'edge.publish', { channel: room, data: 2 }),
      client.presence('bare:room'),
      client.history(room, { limit: 0 }),
      client.presenceStats(room),
    ]);
    client.stopBatching();

    const [first, history, presence, stats, second, refused, position, again] = await answers;
    const { epoch } = sub.start.streamPosition;
    assert.deepEqual(first.value, {});
    assert.deepEqual(history.value.publications.map((p) => p.offset), [1]);
    assert.deepEqual(Object.keys(presence.value.clients), [id]);
    assert.deepEqual(stats.value, { numClients: 1, numUsers: 1 });
    assert.deepEqual(second.value, { offset: 2, epoch });
    assert.equal(refused.reason.code, 108);
    assert.deepEqual(position.value, { publications: [], offset: 2, epoch });
    assert.deepEqual(again.value, stats.value);
    assert.deepEqual(values(await received(sub, 2)), [1, 2]);
  });
}

test('answers come in the order of the commands', limit, async (t) => {
  const raw = new RawClient(t, edge.url);
  const commands = [
    { connect: {} },
    { subscribe: { channel: 'ordered', recover: true } },
    { presence: { channel: 'ordered' } },
    { presence_stats: { channel: 'ordered' } },
    { rpc: { method: 'edge.typing', data: { channel: 'ordered', typing: true } } },
    { rpc: { method: 'unheard of' } },
    { history: { channel: 'ordered', limit: 1 } },
    { history: { channel: 'bare:room' } },
    { subscribe: { channel: 'ordered' } },
    { unsubscribe: { channel: 'ordered' } },
    { publish: { channel: 'ordered' } },
    { publish: { channel: 'ordered', data: null } },
  ];
  await raw.send(...commands.map((command, i) => ({ id: i + 1, ...command })));
  const answers = [];
  while (answers.length < commands.length) {
    const answer = await raw.next();
    if (answer.id) answers.push(answer);
  }
  assert.deepEqual(answers.map(({ id }) => id), commands.map((_, i) => i + 1));
  const names = answers.map((answer) => answer.error?.code ?? Object.keys(answer)[1]);
  const want = [
    'connect', 'subscribe', 'presence', 'presence_stats', 'rpc', 108, 'history', 108, 105, 'unsubscribe', 107, 'publish',
  ];
  assert.deepEqual(names, want);
});
