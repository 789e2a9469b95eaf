import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { observeDatabases, observeMarkLog } from '@holdfast/sqlserver/observe';
import { marks, twoPlaces } from './estate-of-two.ts';
import { makeHistoryOf } from './real-estate.ts';
import { open, startFourServers } from './two-servers.ts';
import {
  askFailover,
  clientOf,
  confirmAsked,
  type Known,
  othersOn,
  startRestore,
  untilKnown,
} from './whole-service.ts';

const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const { places, databases } = twoPlaces;
const mark = marks[2]!;
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
  readonly actualRecoveryTime: string | null;
  readonly sources: readonly { readonly instanceName: string; readonly outcome: string }[];
  readonly steps: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind: string;
    readonly state: string;
    readonly where: string;
    readonly attempts: number;
    readonly databaseName: string | null;
    readonly reasons: readonly { readonly code: string }[];
  }[];
};

/** What was sent to change a database, from the stand-in's statement log. */
function statementsAt(instanceFolder: string) {
  const lines = readFileSync(join(instanceFolder, 'log', 'statements.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1);
  return lines
    .map(line => JSON.parse(line) as { readonly program: string; readonly text: string; readonly spid: number })
    .filter(({ program, text }) => program.startsWith('holdfast-restore ') && text.startsWith('RESTORE'));
}

describe('a failover of thirteen databases from two source instances to two standby instances', () => {
  it('fences the source that lives, takes the declared one as gone, and brings all databases to one mark', async () => {
    const servers = await startFourServers(folder, env);
    closing.push(...[...servers.sources, ...servers.standbys].map(server => () => server.close()));
    const known = await makeHistoryOf(twoPlaces, servers);
    const instances: readonly Known[] = places.flatMap((place, index) => [
      { instanceId: place.sourceId, name: `source${String(index)}`, server: servers.sources[index]! },
      { instanceId: place.standbyInstanceId, name: `standby${String(index)}`, server: servers.standbys[index]! },
    ]);
    const bus = createEmbeddedBus();
    closing.push(() => bus.close());
    const others = await othersOn(bus, known, instances);
    closing.push(() => others.close());
    const { service, url } = await startRestore(bus, instances, { stateFolder: join(folder, 'state') });
    closing.push(() => service.stop());
    const client = clientOf(url);
    closing.push(() => client.close());
    await untilKnown(client, places[0]!.sourceId);
    const gone = places.map(({ sourceId: instanceId }) => ({ instanceId, reason: 'under water' }));
    const ask = (key: string, declaredUnreachable: typeof gone) =>
      askFailover(client, { idempotencyKey: key, declaredUnreachable });

    await servers.sources[0].close();
    // One is gone and the other one answers: the one is declared, the other is not.
    expect(await ask('second lives', gone)).toMatchObject({
      __typename: 'SourceNotAccountedFor',
      message: expect.stringContaining(String.raw`BTSDB2\BTS was declared unreachable, but it answers`),
    });
    expect(await ask('first forgotten', [])).toMatchObject({
      __typename: 'SourceNotAccountedFor',
      message: expect.stringContaining(String.raw`BTSDB1\BTS does not answer and nobody declared it gone`),
    });

    const { id } = await ask('one', gone.slice(0, 1));
    const watch = client.subscribe(
      'subscription ($id: ID!) { execution(id: $id) { state markName actualRecoveryTime sources { instanceName outcome } steps { id name kind where state attempts databaseName reasons { code } } } }',
      { id },
    );
    let last: SeenExecution | undefined;
    for await (const { data } of watch) {
      last = data?.['execution'] as SeenExecution;
      await confirmAsked(client, id, last);
      if (['COMPLETED', 'FAILED'].includes(last.state)) break;
    }
    expect(last).toMatchObject({
      state: 'COMPLETED',
      markName: mark,
      sources: places.map(({ source: instanceName }, index) => ({
        instanceName,
        outcome: index === 0 ? 'DECLARED_UNREACHABLE' : 'FENCED',
      })),
    });
    const steps = last?.steps ?? [];
    expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(['SUCCEEDED']));
    // Two probes, units in doubt, six databases fenced, claim and choice; two logs for each database; one check; each opened and verified.
    expect(steps.filter(({ kind }) => kind === 'AUTOMATIC')).toHaveLength(2 + 1 + 6 + 2 + 2 * 13 + 1 + 2 * 13);
    const living = await open(servers.sources[1]);
    closing.push(() => living.close());
    const own = databases.filter(({ place }) => place === 1).map(({ name }) => name);
    const { databases: left } = await observeDatabases(living);
    expect(left.filter(({ name }) => own.includes(name)).map(({ state }) => state)).toEqual(own.map(() => 'OFFLINE'));
    // What a server comes with is shown, and has stopped nothing.
    expect(steps.filter(({ kind, reasons }) => kind === 'AUTOMATIC' && reasons.length > 0)).toMatchObject([
      { where: String.raw`DRDB1\BTS, DRDB2\BTS`, reasons: [{ code: 'IN_DOUBT_NOT_PRESUMED' }] },
    ]);

    for (const [index, server] of servers.standbys.entries()) {
      const sent = statementsAt(join(folder, `drdb${String(index + 1)}`));
      // Beside the lock, on more than one connection, and nothing of it on the lock's own.
      expect(sent.every(({ program }) => program.endsWith('/beside'))).toBe(true);
      expect(new Set(sent.map(({ spid }) => spid)).size).toBeGreaterThan(1);
      const standby = await open(server);
      closing.push(() => standby.close());
      const { databases: found } = await observeDatabases(standby);
      for (const { name } of databases.filter(({ place }) => place === index)) {
        expect(found.find(database => database.name === name)).toMatchObject({ state: 'ONLINE' });
        expect(await observeMarkLog(standby, { database: name, mark: mark as never })).toMatchObject({
          holdsMark: true,
          newest: marks.toReversed(),
        });
      }
    }
  }, 180_000);
});
