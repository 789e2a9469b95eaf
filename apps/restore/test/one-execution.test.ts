import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { estate } from './estate-of-two.ts';
import { type Answer, askFailover, clientOf, nobody, othersOn, startRestore, untilKnown } from './whole-service.ts';

const many = Array.from({ length: 100 }, (_, index) => index);

// The tests below follow each other: one service, one group, one failover.
describe('a hundred callers at once, at the service', () => {
  const closing: (() => Promise<void>)[] = [];
  let client: ReturnType<typeof clientOf>;
  let started: Answer | undefined;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
    closing.push(async () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const bus = createEmbeddedBus();
    closing.push(() => bus.close());
    const servers = { primary: nobody, standby: nobody };
    const others = await othersOn(bus, estate(), servers);
    closing.push(() => others.close());
    const { service, url } = await startRestore(bus, servers, { stateFolder: folder });
    closing.push(() => service.stop());
    client = clientOf(url);
    closing.push(() => client.close());
    await untilKnown(client);
  });
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  it('start one failover: one key is answered with it, every other one is refused with its id', async () => {
    const answers = await Promise.all(
      many.map(index => askFailover(client, { idempotencyKey: `key-${String(index)}` })),
    );
    const executions = answers.filter(({ __typename }) => __typename === 'Execution');
    expect(executions).toHaveLength(1);
    [started] = executions;
    const refused = answers.filter(answer => answer !== started);
    expect(new Set(refused.map(({ __typename }) => __typename))).toEqual(new Set(['ExecutionAlreadyRunning']));
    expect(new Set(refused.map(({ execution }) => execution?.id))).toEqual(new Set([started?.id]));
    const { data } = await client.query('{ executions { nodes { id } } }');
    expect(data).toEqual({ executions: { nodes: [{ id: started?.id }] } });
  });

  it('who repeat one key are all answered with the same failover, and refused with other input', async () => {
    const probe = await Promise.all(many.map(index => askFailover(client, { idempotencyKey: `key-${String(index)}` })));
    const winner = probe.findIndex(({ __typename }) => __typename === 'Execution');
    const again = await Promise.all(many.map(() => askFailover(client, { idempotencyKey: `key-${String(winner)}` })));
    expect(new Set(again.map(({ id }) => id))).toEqual(new Set([started?.id]));
    const other = await askFailover(client, { idempotencyKey: `key-${String(winner)}`, reason: 'fire' });
    expect(other.__typename).toBe('IdempotencyKeyReused');
  });
});
