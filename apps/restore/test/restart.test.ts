import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import type { CheckpointHook } from '@holdfast/service/runner';
import { observeDatabases } from '@holdfast/sqlserver/observe';
import { databases, marks } from './estate-of-two.ts';
import { makeHistory } from './real-estate.ts';
import { open, startTwoServers } from './two-servers.ts';
import { askFailover, clientOf, confirmAsked, othersOn, startRestore, untilKnown } from './whole-service.ts';

// The statement log is a stand-in's.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const closing: (() => Promise<void>)[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** Holds the runner at a checkpoint until released, and lets it come to no further one: how far it gets does not depend on how fast the stop is. */
function holdAt(checkpoint: string) {
  const reached = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  let isOver = false;
  const hook: CheckpointHook = async name => {
    if (isOver) throw new Error('This service is being stopped.');
    if (name !== checkpoint) return;
    isOver = true;
    reached.resolve(undefined);
    await released.promise;
  };
  return { hook, reached: reached.promise, release: () => released.resolve(undefined) };
}

describe('a service that is stopped in order in the middle of a failover', () => {
  it('goes on where it was when it is started again, as often as that happens', async () => {
    const servers = await startTwoServers(folder, env);
    closing.push(() => servers.standby.close());
    const known = await makeHistory(servers);
    await servers.primary.close();
    const bus = createEmbeddedBus();
    closing.push(() => bus.close());
    const others = await othersOn(bus, known, servers);
    closing.push(() => others.close());

    let id: string | undefined;
    const stateFolder = join(folder, 'state');
    for (const place of ['execution/claim/recorded', 'execution/restore/sent', 'execution/recover/answered']) {
      const { hook, reached, release } = holdAt(place);
      const { service, url } = await startRestore(bus, servers, { stateFolder, hook });
      if (id === undefined) {
        const client = clientOf(url);
        await untilKnown(client);
        ({ id } = await askFailover(client, {}));
        await client.close();
      }
      await reached;
      const stopping = service.stop();
      release();
      await stopping;
    }

    const { service, url } = await startRestore(bus, servers, { stateFolder });
    closing.push(() => service.stop());
    const client = clientOf(url);
    closing.push(() => client.close());
    const watch = client.subscribe(
      'subscription ($id: ID!) { execution(id: $id) { state markName steps { id state } } }',
      { id },
    );
    let last: { state: string; markName: string; steps: { id: string; state: string }[] } | undefined;
    for await (const { data } of watch) {
      last = data?.['execution'] as typeof last;
      if (last !== undefined) await confirmAsked(client, id, last);
      if (last?.state === 'COMPLETED' || last?.state === 'FAILED') break;
    }
    expect(last).toMatchObject({ state: 'COMPLETED', markName: marks.at(-1) });
    expect(new Set(last?.steps.map(({ state }) => state))).toEqual(new Set(['SUCCEEDED']));

    const standby = await open(servers.standby);
    closing.push(() => standby.close());
    const { databases: found } = await observeDatabases(standby);
    for (const { name } of databases)
      expect(found.find(database => database.name === name)).toMatchObject({ state: 'ONLINE' });
    const seenBy = Date.now() + 30_000;
    while (others.released.length === 0 && Date.now() < seenBy) await new Promise(resolve => setImmediate(resolve));
    expect([others.claimed, others.released]).toEqual([[id], ['RECOVERED']]);

    const log = readFileSync(join(folder, 'standby', 'log', 'statements.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1);
    const sent = log
      .map(line => JSON.parse(line) as { program: string; text: string; outcome: string })
      .filter(({ program, outcome }) => program.startsWith('holdfast-restore ') && outcome === 'ok');
    // holdfast-restore <group> <fencing token> <execution>: each start took the lease anew, under a greater token.
    const tokens = sent.flatMap(({ program }) => program.split(' ')[2] ?? []);
    expect(tokens).toEqual(tokens.toSorted((a, b) => Number(a) - Number(b)));
    expect(new Set(tokens)).toEqual(new Set(['2', '3', '4']));
    const stops = sent.filter(({ text }) => text.includes('STOPATMARK')).map(({ text }) => text);
    expect(stops).toHaveLength(databases.length);
    expect(new Set(stops).size).toBe(databases.length);
  }, 120_000);
});
