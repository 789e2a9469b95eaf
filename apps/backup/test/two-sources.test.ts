import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { type Caller, createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { backupSchema } from '../src/config.ts';
import { createBackup } from '../src/service.ts';
import { groupId } from './ledger.ts';
import { startOthers } from './others.ts';
import { databasesOn, group, instances, startTwoSources, type TwoSources } from './two-sources.ts';

// Of real servers there is one primary: this takes two.
const reason =
  process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'one real primary is not two';
const suite = reason === undefined ? describe : describe.skip;
const key = Buffer.from('k'.repeat(32));
const caller: Caller = { sub: 'test', roles: ['viewer'], groups: ['*'] };
const markOf = (number: number) => `BTS_2026_11_21_04_00_00_${String(number).padStart(3, '0')}`;

type File = {
  readonly databaseName: string;
  readonly sourceInstance: string;
  readonly state: string;
  readonly markLsn: string | null;
  readonly firstLsn: string | null;
  readonly lastLsn: string | null;
};
type Answer = {
  readonly recoveryPoints: {
    readonly nodes: readonly {
      readonly markName: string;
      readonly verdict: string;
      readonly reasons: readonly { readonly code: string }[];
      readonly observation: { readonly freshness: string; readonly error: string | null };
      readonly databases: readonly {
        readonly databaseName: string;
        readonly markProven: boolean;
        readonly verdict: string;
        readonly reasons: readonly { readonly code: string }[];
      }[];
      readonly set: {
        readonly number: string;
        readonly state: string;
        readonly reasons: readonly { readonly code: string }[];
        readonly files: readonly File[];
      };
    }[];
  };
};
const question = `query ($groupId: ID!) { recoveryPoints(groupId: $groupId) { nodes {
  markName verdict reasons { code } observation { freshness error }
  databases { databaseName markProven verdict reasons { code } }
  set { number state reasons { code } files { databaseName sourceInstance state markLsn firstLsn lastLsn } }
} } }`;

suite(`the backup service at two sources${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let sources: TwoSources;
  let others: Awaited<ReturnType<typeof startOthers>>;
  let url: string;

  /** Asks until the newest point is as wanted; the test's own time limit ends it. */
  async function untilNewest(wanted: (point: Answer['recoveryPoints']['nodes'][number]) => boolean) {
    const client = signedClient({ url, key, subgraph: 'backup', caller });
    try {
      for (;;) {
        const answer = await client.query(question, { groupId });
        if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
        const newest = (answer.data as Answer).recoveryPoints.nodes[0];
        if (newest !== undefined && wanted(newest)) return newest;
        await pause(50);
      }
    } finally {
      await client.close();
    }
  }

  beforeAll(async () => {
    sources = await startTwoSources(process.env);
    closers.push(() => sources.close());
    await sources.write(1, null);
    await sources.list(1, null);
    await sources.write(2, markOf(2));
    await sources.list(2, markOf(2));
    const bus = createEmbeddedBus();
    closers.push(() => bus.close());
    others = await startOthers(bus, { group, addresses: sources.addresses });
    closers.push(() => others.stop());
    const stateFolder = mkdtempSync(join(tmpdir(), 'holdfast-backup-two-'));
    closers.push(async () => rmSync(stateFolder, { recursive: true, force: true }));
    const config = backupSchema.parse({ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 0.3 });
    const service: Service = createBackup(config, {
      signingKey: key,
      bus,
      env: sources.env,
      logger: createLogger({ service: 'backup', level: 'silent' }),
    });
    closers.push(() => service.stop());
    ({ url } = await service.start());
  }, 120_000);

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  }, 60_000);

  it('proves each file and each mark on the instance it came from', async () => {
    const point = await untilNewest(({ verdict }) => verdict === 'SOUND');
    expect(point).toMatchObject({ markName: markOf(2), reasons: [], set: { number: '2', state: 'VERIFIED' } });
    expect(point.set.files).toHaveLength(13);
    for (const [at, names] of databasesOn.entries())
      for (const name of names) {
        const file = point.set.files.find(({ databaseName }) => databaseName === name);
        expect(file).toMatchObject({ sourceInstance: instances[at]!.serverName, state: 'VERIFIED' });
        const [first, mark, last] = [file!.firstLsn, file!.markLsn, file!.lastLsn].map(lsn => BigInt(lsn!));
        expect(first! <= mark! && mark! < last!).toBe(true);
      }
    expect(point.databases.map(({ markProven }) => markProven)).toEqual(Array.from({ length: 13 }, () => true));
  });

  it('leaves unknown what only an instance that is gone could prove', async () => {
    await sources.write(3, markOf(3));
    await sources.end(1);
    await sources.list(3, markOf(3));
    const point = await untilNewest(
      ({ markName, databases, observation }) =>
        markName === markOf(3) &&
        databases.filter(({ verdict }) => verdict === 'SOUND').length === databasesOn[0]!.length &&
        observation.error !== null,
    );
    expect(point).toMatchObject({ verdict: 'UNKNOWN', set: { state: 'COMPLETE' } });
    expect(point.observation.error).toContain('BTSDB2\\BTS');
    expect(
      point.databases.filter(({ verdict }) => verdict === 'UNKNOWN').map(({ databaseName }) => databaseName),
    ).toEqual(databasesOn[1]);
    for (const { databaseName, sourceInstance, state, markLsn } of point.set.files) {
      const answers = databasesOn[0]!.includes(databaseName);
      expect([sourceInstance, state, markLsn === null]).toEqual([
        instances[answers ? 0 : 1].serverName,
        answers ? 'VERIFIED' : 'UNKNOWN',
        !answers,
      ]);
    }
    expect(new Set(point.set.reasons.map(({ code }) => code))).toEqual(new Set(['FILE_NOT_VERIFIED', 'MARK_UNPROVEN']));
  });

  it('looks again when it is back, on another way', async () => {
    await others.address(await sources.restart(1));
    const point = await untilNewest(({ verdict }) => verdict === 'SOUND');
    expect(point).toMatchObject({ markName: markOf(3), set: { state: 'VERIFIED', reasons: [] } });
    await untilNewest(({ observation }) => observation.error === null && observation.freshness === 'FRESH');
  });

  const execution = (kind: 'FAILOVER' | 'DRILL') => {
    const ids = { executionId: newId(), groupId, standbyId: newId() };
    const at = new Date().toISOString();
    const told = { ...ids, version: 1, kind, mode: 'PLANNED', markName: null, passedPointOfNoReturn: false } as const;
    return {
      id: ids.executionId,
      begin: async () => {
        await others.execution({ ...told, state: 'REQUESTED', startedAt: at, finishedAt: null });
        await others.claim({ ...ids, claimedAt: at });
      },
      release: () => others.release({ ...ids, outcome: 'RETURNED', releasedAt: at }),
      end: () => others.execution({ ...told, version: 2, state: 'FAILED', startedAt: at, finishedAt: at }),
    };
  };

  it('leaves the source alone from the claim of an execution to its release, and ages meanwhile', async () => {
    const failover = execution('FAILOVER');
    await failover.begin();
    // No look for ten intervals: nothing else makes it that old.
    const { observation, verdict } = await untilNewest(point => point.observation.freshness === 'EXPIRED');
    expect(observation.error).toContain(failover.id);
    expect(verdict).toBe('UNKNOWN');
    await failover.release();
    await untilNewest(point => point.observation.error === null && point.verdict === 'SOUND');
  });

  it('is given the source back by an end without a release', async () => {
    const failover = execution('FAILOVER');
    await failover.begin();
    await untilNewest(point => point.observation.error?.includes(failover.id) === true);
    await failover.end();
    await untilNewest(point => point.observation.error === null && point.observation.freshness === 'FRESH');
  });

  it('goes on during a drill', async () => {
    await execution('DRILL').begin();
    await sources.write(4, markOf(4));
    await sources.list(4, markOf(4));
    await untilNewest(({ markName, verdict }) => markName === markOf(4) && verdict === 'SOUND');
  });
});
