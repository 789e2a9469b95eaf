import type { DatabaseId, GroupId, InstanceId, StandbyId } from '@holdfast/domain';
import { requireLsn } from '@holdfast/domain/lsn';
import type { Caller } from '@holdfast/service';
import { LockLost, SqlServerError, statements } from '@holdfast/sqlserver';
import type { Estate, Member, SetView } from '../src/estate/estate.ts';
import type { Seen } from '../src/execution/alignment.ts';
import type { Instances, Locked, Probe } from '../src/execution/instance-runner.ts';
import type { FailoverInput } from '../src/failover/failover.ts';

const uuid = (kind: string, n: number) => `00000000-0000-4000-8000-${kind}${String(n).padStart(12 - kind.length, '0')}`;

export const groupId = uuid('a', 1) as GroupId;
export const standbyId = uuid('b', 1) as StandbyId;
export const sourceId = uuid('c', 1) as InstanceId;
export const standbyInstanceId = uuid('c', 2) as InstanceId;
export const databases = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb'].map((name, index) => ({
  name,
  id: uuid('d', index + 1) as DatabaseId,
}));
export const marks = ['BTS_2026_11_21_04_00_00_123', 'BTS_2026_11_21_04_15_00_120', 'BTS_2026_11_21_04_30_00_117'];

/** Where databases live and where they are restored. */
export type Place = {
  readonly sourceId: InstanceId;
  readonly source: string;
  readonly standbyInstanceId: InstanceId;
  readonly standby: string;
};
export type Shape = {
  readonly places: readonly Place[];
  readonly databases: readonly { readonly name: string; readonly id: DatabaseId; readonly place: number }[];
};

export const onePlace: Shape = {
  places: [{ sourceId, source: 'PRIMARY', standbyInstanceId, standby: 'STANDBY' }],
  databases: databases.map(database => ({ ...database, place: 0 })),
};

/** The group of thirteen databases over two source instances and two standby instances. */
export const twoPlaces: Shape = {
  places: [1, 2].map(n => ({
    sourceId: uuid('c', 10 + n) as InstanceId,
    source: `BTSDB${String(n)}\\BTS`,
    standbyInstanceId: uuid('c', 20 + n) as InstanceId,
    standby: `DRDB${String(n)}\\BTS`,
  })),
  // As unsorted as a projection may be: the management database is not the first one.
  databases: [
    ...['BizTalkMsgBoxDb', 'BizTalkMgmtDb', 'BizTalkRuleEngineDb', 'SSODB', 'BAMPrimaryImport'].map(onPlace(0)),
    ...['BAMAlertsApplication', 'BAMAlertsNSMain'].map(onPlace(0)),
    ...['BizTalkMsgBoxDb2', 'BizTalkDTADb', 'EsbExceptionDb', 'EsbItineraryDb', 'Orders', 'Billing'].map(onPlace(1)),
  ].map((database, index) => ({ ...database, id: uuid('d', 100 + index) as DatabaseId })),
};

/** Three of them: two on one instance move beside each other, one on the other instance. */
export const twoSmallPlaces: Shape = {
  ...twoPlaces,
  databases: twoPlaces.databases.filter(({ name }) => ['BizTalkMgmtDb', 'SSODB', 'Orders'].includes(name)),
};

function onPlace(place: number) {
  return (name: string) => ({ name, place });
}

const fork = uuid('f', 1);
const observedAt = '2026-11-21T04:31:00.000Z';

/** LSNs of the nth set of a database: full 1…, logs that continue, each with its mark 20 before its end. */
export function lsns(database: number, set: number) {
  const base = 37_000_000_000_000_000_000n + BigInt(database) * 7n + BigInt(set) * 1000n;
  return { firstLsn: String(base), lastLsn: String(base + 1000n), markLsn: String(base + 980n) };
}

/** Sets 0 (full) and 1…3 (logs, with marks[0…2]). */
function setView(number: number, { databases: members, places }: Shape): SetView {
  const type = number === 0 ? 'FULL' : 'LOG';
  return {
    setId: uuid('5e', number),
    groupId,
    version: 1,
    number: String(number),
    type,
    markName: marks[number - 1] ?? null,
    startedAtRecorded: '2026-11-21T04:00:00.000',
    timeBasis: 'UTC',
    startedAt: null,
    state: 'VERIFIED',
    reasons: [],
    files: members.map(({ name, id, place }, index) => {
      const { firstLsn, lastLsn, markLsn } = lsns(index, number);
      return {
        fileId: uuid('e', number * 100 + index),
        databaseId: id,
        databaseName: name,
        sourceInstanceId: places[place]!.sourceId,
        sourceInstance: places[place]!.source,
        path: `D:\\Backup\\${name}_${number}.bak`,
        position: 1,
        state: 'VERIFIED',
        reasons: [],
        header: {
          backupSetUuid: uuid('9', number * 100 + index),
          familyGuid: uuid('fa', index),
          firstForkGuid: fork,
          lastForkGuid: fork,
          firstLsn,
          lastLsn,
          checkpointLsn: firstLsn,
          databaseBackupLsn: firstLsn,
          size: '1024',
          hasChecksums: false,
          copyOnly: false,
          finishedAtRecorded: '2026-11-21T04:00:01.000',
        },
        markLsn: type === 'LOG' ? markLsn : null,
      };
    }),
  };
}

/** A group (of two databases) whose sets up to `copied` lie at the standby; all stand at the end of set `restored`. */
export function estate({ copied = 3, restored = 1, shape = onePlace } = {}): Estate {
  const { places, databases: members } = shape;
  const sets = [0, 1, 2, 3].map(number => setView(number, shape));
  return {
    group: {
      groupId,
      version: 1,
      name: 'Orders',
      site: 'Dublin',
      observedAt,
      managementDatabaseId: members.find(({ name }) => name === 'BizTalkMgmtDb')!.id,
      instances: places.map(({ sourceId: instanceId, source: name }) => ({
        instanceId,
        name,
        serverName: name,
        productVersion: '16.0.4236.2',
      })),
      databases: members.map(({ name, id, place }) => ({
        databaseId: id,
        name,
        role: 'OTHER',
        instanceId: places[place]!.sourceId,
        inBackupJob: true,
        state: 'ONLINE',
        recoveryModel: 'FULL',
      })),
    },
    standby: {
      standbyId,
      groupId,
      groupName: 'Orders',
      version: 1,
      site: 'Cork',
      mode: 'MANAGED',
      restAtMark: false,
      state: 'IN_SYNC',
      reasons: [],
      instances: places.map(place => ({
        instanceId: place.standbyInstanceId,
        instanceName: place.standby,
        sourceInstances: [place.source],
      })),
      streams: members.map(({ name, id, place }, index) => ({
        streamId: uuid('57', index),
        databaseId: id,
        databaseName: name,
        instanceId: places[place]!.standbyInstanceId,
      })),
      newestCommonMarkName: null,
      yieldedTo: null,
    },
    sets,
    points: sets.slice(1).map((set, index) => ({
      recoveryPointId: uuid('7', index),
      groupId,
      setId: set.setId,
      version: 1,
      markName: set.markName!,
      markedAt: `2026-11-21T04:${String(index * 15).padStart(2, '0')}:00.000Z`,
      verdict: 'SOUND',
      reasons: [],
      databases: set.files.map(({ databaseId, databaseName, markLsn }) => ({
        databaseId,
        databaseName,
        lsn: markLsn,
        markProven: true,
        verdict: 'SOUND',
      })),
    })),
    copies: sets.slice(0, copied + 1).flatMap(set =>
      set.files.map(file => ({
        standbyId,
        groupId,
        fileId: file.fileId,
        setId: set.setId,
        databaseId: file.databaseId,
        instanceId: places.find(place => place.sourceId === file.sourceInstanceId)!.standbyInstanceId,
        path: file.path.replace('D:', 'E:'),
        position: 1,
        size: '1024',
        sha256: 'a'.repeat(64),
        backupSetUuid: file.header!.backupSetUuid,
        firstLsn: file.header!.firstLsn,
        lastLsn: file.header!.lastLsn,
        copiedAt: observedAt,
      })),
    ),
    streams: members.map(({ id, place }, index) => ({
      streamId: uuid('57', index),
      standbyId,
      groupId,
      databaseId: id,
      instanceId: places[place]!.standbyInstanceId,
      version: 1,
      state: 'IN_SYNC',
      position: lsns(index, restored).lastLsn,
      lastRestoredSetId: null,
      observedAt,
    })),
  };
}

export const address = {
  instanceId: sourceId,
  version: 1,
  serverName: 'PRIMARY',
  address: {
    server: '127.0.0.1',
    port: 1,
    instanceName: null,
    encrypt: false,
    trustServerCertificate: false,
    userRef: 'env:SQL_USER',
    passwordRef: 'env:SQL_PASSWORD',
  },
} as const;

export const manager: Caller = { sub: 'alex', roles: ['recovery-manager'], groups: ['*'] };

export function failoverInput(changes: Partial<FailoverInput> = {}): FailoverInput {
  return {
    idempotencyKey: 'key-1',
    groupId,
    standbyId,
    mode: 'UNPLANNED',
    target: { newest: true },
    declaredUnreachable: [{ instanceId: sourceId, reason: 'the building is under water' }],
    reason: 'flood',
    confirm: 'Orders',
    ...changes,
  };
}

export const silent: Probe = { answer: 'SILENT', evidence: 'Nobody listens at 127.0.0.1:1' };

type Sent = {
  readonly database: string;
  readonly path?: string;
  readonly mark?: string;
  readonly replace?: boolean;
};
type Database = Seen & { readonly marks: readonly string[] };

/** A standby in memory: it answers the RESTORE statements by the rules of sqlserver.md §2.6 and §3.6, and remembers what it was sent. */
export function fakeStandby({ copies, sets, standby: { streams } }: Estate, restored = 1) {
  const files = copies.map(copy => ({
    ...copy,
    set: sets.find(({ setId }) => setId === copy.setId)!,
    name: streams.find(({ databaseId }) => databaseId === copy.databaseId)!.databaseName,
  }));
  const state = new Map<string, Database>(
    streams.map(({ databaseName }, index) => [
      databaseName,
      {
        state: 'RESTORING',
        position: { lsn: requireLsn(lsns(index, restored).lastLsn), forkGuid: fork },
        marks: marks.slice(0, restored),
      },
    ]),
  );
  const sent: string[] = [];
  const faults = {
    loseMark: false,
    failNext: undefined as Error | undefined,
    rotten: undefined as string | undefined,
  };
  let locks = 0;

  const log = (name: string, path: string, mark: string | undefined) => {
    const file = files.find(candidate => candidate.path === path)!;
    const database = state.get(name)!;
    const at = BigInt(database.position!.lsn);
    if (BigInt(file.lastLsn) <= at) throw serverError(4326, 'chain');
    if (BigInt(file.firstLsn) > at) throw serverError(4305, 'chain');
    const own = file.set.files.find(candidate => candidate.fileId === file.fileId)!;
    const stops = mark !== undefined && mark === file.set.markName && !faults.loseMark && BigInt(own.markLsn!) >= at;
    const lsn = requireLsn(stops ? String(BigInt(own.markLsn!) + 1n) : file.lastLsn);
    const held = [...new Set([...database.marks, file.set.markName!])];
    state.set(name, { ...database, position: { lsn, forkGuid: fork }, marks: held });
    return mark !== undefined && !stops
      ? [{ number: 4329, severity: 0, state: 1, text: 'before the designated mark' }]
      : [];
  };
  /** A database that is RESTORING begins its sequence again; what it held is given up only WITH REPLACE. */
  const full = (name: string, path: string, replace: boolean) => {
    const file = files.find(candidate => candidate.path === path)!;
    if (!replace) throw serverError(3120, 'chain');
    state.set(name, {
      state: 'RESTORING',
      position: { lsn: requireLsn(file.lastLsn), forkGuid: fork },
      marks: [],
    });
    return [];
  };
  const look = async (members: readonly Member[]) =>
    new Map(members.map(({ databaseId, databaseName }) => [databaseId, seen(state.get(databaseName)!)]));
  const run = (statement: { readonly name: string }, parameters: object) => {
    const { database, path = '', mark, replace = false } = parameters as Sent;
    sent.push(`${statement.name} ${database} ${path} ${mark ?? ''}`.trim());
    const failure = faults.failNext;
    faults.failNext = undefined;
    if (failure !== undefined) throw failure;
    if (path !== '' && path === faults.rotten) throw serverError(3183, 'media');
    if (statement.name === statements.restoreFull.name) return { rows: [], messages: full(database, path, replace) };
    if (statement.name !== statements.recoverDatabase.name) return { rows: [], messages: log(database, path, mark) };
    const before = state.get(database)!;
    if (before.state === 'ONLINE') throw serverError(3153, 'state');
    state.set(database, { ...before, state: 'ONLINE', position: null });
    return { rows: [], messages: [] };
  };
  const instances: Instances = {
    probe: async () => silent,
    look,
    source: async () => {
      throw new Error('The source is gone.');
    },
    inDoubtResolution: async () => 1,
    locked: async (_execution, _instance, _signal, work) => {
      let held = true;
      locks += 1;
      try {
        const line: Locked = {
          look,
          source: async () => {
            throw new Error('The source is gone.');
          },
          exclusive: {
            programName: 'fake',
            holds: () => held,
            release: async () => undefined,
            beside: async () => line.exclusive,
            run: async (statement, parameters) => {
              if (!held) throw new LockLost(statement.name, 'holdfast:fake');
              return run(statement, parameters);
            },
          },
          beside: async () => line,
        };
        return await work(line);
      } finally {
        held = false;
      }
    },
    marks: async ({ databaseName }, mark) => {
      const { marks: held } = state.get(databaseName)!;
      return { holdsMark: held.includes(mark), newest: held.toReversed() };
    },
  };
  return { instances, state, sent, faults, copies, locks: () => locks };
}

function seen({ state, position }: Database): Seen {
  return { state, position };
}

export function serverError(number: number, errorClass: SqlServerError['errorClass']): SqlServerError {
  const text = `error ${String(number)}`;
  return new SqlServerError('RESTORE', {
    errorClass,
    hint: 'fix it',
    number,
    severity: 16,
    code: null,
    text,
    messages: [],
  });
}
