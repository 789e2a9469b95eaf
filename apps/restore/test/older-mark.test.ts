import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { observeMarkLog } from '@holdfast/sqlserver/observe';
import { databases, marks } from './estate-of-two.ts';
import { makeHistory } from './real-estate.ts';
import { open, startTwoServers } from './two-servers.ts';
import { askFailover, clientOf, confirmAsked, othersOn, startRestore, untilKnown } from './whole-service.ts';

// The damaged file is this machine's: a real server's share is out of reach here.
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

type SeenExecution = {
  readonly state: string;
  readonly markName: string | null;
  readonly version: number;
  readonly steps: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
    readonly state: string;
    readonly why: string;
    readonly databaseName: string | null;
  }[];
};

describe('a file whose payload is damaged, so that only its restore finds out', () => {
  it('stops the failover before anything is open, and lands at the older mark once somebody has confirmed', async () => {
    const servers = await startTwoServers(folder, env);
    closing.push(
      () => servers.standby.close(),
      () => servers.primary.close(),
    );
    const known = await makeHistory(servers);
    const damaged = join(folder, 'share', `${databases[1]!.name}_3.bak`);
    const bytes = readFileSync(damaged);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 100) ^ 0xff, bytes.length - 100);
    writeFileSync(damaged, bytes);
    await servers.primary.close();

    const bus = createEmbeddedBus();
    closing.push(() => bus.close());
    const others = await othersOn(bus, known, servers);
    closing.push(() => others.close());
    const { service, url } = await startRestore(bus, servers, { stateFolder: join(folder, 'state') });
    closing.push(() => service.stop());
    const client = clientOf(url);
    closing.push(() => client.close());
    await untilKnown(client);
    const { id } = await askFailover(client, {});
    const until = async (...states: readonly string[]) => {
      const watch = client.subscribe(
        'subscription ($id: ID!) { execution(id: $id) { state markName version steps { id name kind state why databaseName } } }',
        { id },
      );
      for await (const { data } of watch) {
        const seen = data?.['execution'] as SeenExecution;
        await confirmAsked(client, id, seen);
        if (['COMPLETED', 'FAILED', ...states].includes(seen.state)) return seen;
      }
      throw new Error('The subscription ended.');
    };

    const stopped = await until('AWAITING_OPERATOR');
    expect(stopped).toMatchObject({ state: 'AWAITING_OPERATOR', markName: marks[2] });
    expect(stopped.steps.find(({ state }) => state === 'FAILED')).toMatchObject({ databaseName: databases[1]!.name });
    const offer = stopped.steps.find(({ state }) => state === 'AWAITING_CONFIRMATION');
    expect(offer).toMatchObject({ kind: 'MANUAL', why: expect.stringContaining(`${databases[1]!.name}_3.bak`) });

    const { data } = await client.query(
      'mutation ($input: StepInput!) { confirmStep(input: $input) { __typename ... on Execution { steps { name state } } } }',
      { input: { executionId: id, stepId: offer?.id, expectedVersion: stopped.version } },
    );
    expect(data?.['confirmStep']).toMatchObject({ __typename: 'Execution' });
    expect(await until()).toMatchObject({ state: 'COMPLETED', markName: marks[1] });
    const standby = await open(servers.standby);
    closing.push(() => standby.close());
    for (const { name } of databases)
      expect(await observeMarkLog(standby, { database: name, mark: marks[1] as never })).toMatchObject({
        holdsMark: true,
        newest: marks.slice(0, 2).toReversed(),
      });
  }, 120_000);
});
