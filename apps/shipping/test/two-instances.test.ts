import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  fileCopied,
  groupObserved,
  instanceAddressed,
  recoveryPointJudged,
  setQualified,
  sqlInstanceRegistered,
} from '@holdfast/events';
import { createEmbeddedBus } from '@holdfast/messaging';
import { type Caller, createLogger, discoveredId } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { shippingSchema } from '../src/config.ts';
import { createShipping } from '../src/service.ts';
import type { SetPayload } from './estate.ts';
import { patienceMs, startOthers, until } from './publisher.ts';
import { connect, positionAt, sender, startSource, startStandby } from './source.ts';
import { sentByShipping } from './world.ts';

const reason = process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'needs the stand-in';
const suite = reason === undefined ? describe : describe.skip;
const key = Buffer.from('k'.repeat(32));
const operator: Caller = { sub: 'test', roles: ['operator'], groups: ['*'] };

const sites = [
  {
    source: 'BTSDB1\\BTS',
    standby: 'DRDB1\\BTS',
    names: [
      ...['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'BizTalkRuleEngineDb', 'SSODB'],
      ...['BAMPrimaryImport', 'BAMAlertsApplication', 'BAMAlertsNSMain'],
    ],
  },
  {
    source: 'BTSDB2\\BTS',
    standby: 'DRDB2\\BTS',
    names: ['BizTalkMsgBoxDb2', 'BizTalkDTADb', 'EsbExceptionDb', 'EsbItineraryDb', 'Orders', 'Billing'],
  },
] as const;
const all = sites.flatMap(({ names }) => [...names]);
const parallelRestores = 3;
/** More than one instance takes at once: of so many that wait side by side, two are at the same one. */
const sideBySide = parallelRestores + 1;

type Site = (typeof sites)[number] & {
  readonly folder: string;
  readonly copies: string;
  readonly backupsOf: Awaited<ReturnType<typeof startSource>>;
  server: TestServer;
};
type Stream = { databaseName: string; state: string; position: string | null; heldBack: { id: string } | null };
type Seen = {
  state: string;
  newestCommonMarkName: string | null;
  reasons: { code: string; message: string; evidence: string | null }[];
  agreement: {
    agrees: boolean | null;
    differences: { evidence: string | null }[];
    cheapestRepair: { code: string } | null;
  };
  streams: Stream[];
};

jest.setTimeout(patienceMs);

suite(`a standby of two instances${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-two-instances-'));
  const closers: (() => Promise<unknown>)[] = [];
  const env: Record<string, string> = {};
  const bus = createEmbeddedBus();
  const estates: Site[] = [];
  let others: Awaited<ReturnType<typeof startOthers>>;
  let url: string;
  let standbyId: string;
  let addressVersion = 0;
  /** The first restores, held before they are sent until there are enough of them; undefined once they were let go. */
  let held: (() => void)[] | undefined = [];
  const hook = (checkpoint: string): Promise<void> | undefined => {
    if (held === undefined || !checkpoint.endsWith('/sending')) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    held.push(() => resolve(undefined));
    if (held.length === sideBySide) {
      for (const go of held) go();
      held = undefined;
    }
    return promise;
  };

  const ask = async (text: string, variables: Record<string, unknown>): Promise<Record<string, unknown>> => {
    const client = signedClient({ url, key, subgraph: 'shipping', caller: operator });
    try {
      const { data, errors } = await client.query(text, variables);
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      return data as Record<string, unknown>;
    } finally {
      await client.close();
    }
  };
  const create = async (changes: { dryRun?: boolean; only?: string } = {}): Promise<Record<string, unknown>> => {
    const instances = estates.map(({ standby, source, backupsOf, copies }) => {
      const views = { read: backupsOf.backups, write: copies, standby: 'E:\\Copies' };
      const folders =
        changes.only === undefined || changes.only === source
          ? [{ source: 'D:\\Backup', sourceInstance: source, ...views }]
          : [];
      const instanceId = discoveredId('instance', standby);
      return { instanceId, sourceInstances: [source], transfer: { kind: 'COPY', folders } };
    });
    const groupId = estates[0]!.backupsOf.groupId;
    const input = { idempotencyKey: 'one', groupId, site: 'Cork', instances, dryRun: changes.dryRun ?? false };
    const data = await ask(
      `mutation ($input: CreateStandbyInput!) { createStandby(input: $input) { __typename
        ... on Standby { id } ... on StandbyPreflight { findings { code message evidence } bytesToSeed } ... on Refusal { message } } }`,
      { input },
    );
    return data['createStandby'] as Record<string, unknown>;
  };
  const seen = async (): Promise<Seen> => {
    const fields = `state newestCommonMarkName reasons { code message evidence }
      agreement { agrees differences { evidence } cheapestRepair { code } }
      streams { databaseName state position heldBack { id } }`;
    const data = await ask(`query ($id: ID!) { standby(id: $id) { ${fields} } }`, { id: standbyId });
    return data['standby'] as Seen;
  };
  const positions = (of: Seen) => of.streams.map(({ databaseName, position }) => [databaseName, position]);
  /** Every database rests before the log that holds the mark. */
  const at = (mark: string) =>
    until(`in sync at ${mark}`, async () => {
      const standby = await seen();
      const rests = standby.streams.every(({ heldBack }) => heldBack !== null);
      return rests && standby.state === 'IN_SYNC' && standby.newestCommonMarkName === mark ? standby : undefined;
    });
  const take = async (type: 'FULL' | 'LOG', without?: string): Promise<SetPayload> => {
    const [one, two] = (await Promise.all(estates.map(({ backupsOf }) => backupsOf.take(type, without)))) as [
      SetPayload,
      SetPayload,
    ];
    return { ...one, files: [...one.files, ...two.files] };
  };
  const publish = async (set: SetPayload): Promise<SetPayload & { markName: string }> => {
    await others.publish(setQualified, set);
    if (set.markName !== null)
      await others.publish(recoveryPointJudged, {
        recoveryPointId: discoveredId('recovery-point', set.groupId, set.markName),
        groupId: set.groupId,
        setId: set.setId,
        version: 1,
        markName: set.markName,
        markedAt: set.startedAt,
        verdict: set.state === 'VERIFIED' ? 'SOUND' : 'BROKEN',
        reasons: [],
        databases: [],
      });
    return { ...set, markName: set.markName ?? '' };
  };
  const copiedOf = ({ setId }: SetPayload) => others.heard(fileCopied).filter(event => event.setId === setId);
  const untilCopied = (set: SetPayload, count: number) =>
    until(`${String(count)} files of set ${set.number} copied`, () =>
      copiedOf(set).length === count ? true : undefined,
    );
  const address = async ({ standby, server }: Site) => {
    addressVersion += 1;
    const place = standby.slice(0, 5);
    Object.assign(env, {
      [`${place}_USER`]: server.credentials.user,
      [`${place}_PASSWORD`]: server.credentials.password,
    });
    await others.publish(instanceAddressed, {
      instanceId: discoveredId('instance', standby),
      version: addressVersion,
      serverName: standby,
      address: { ...server.address, userRef: `env:${place}_USER`, passwordRef: `env:${place}_PASSWORD` },
    });
  };
  const lookDirectly = async ({ server, names }: Site) => {
    const ending: (() => Promise<unknown>)[] = [];
    const target = await connect(server, ending);
    const found = [];
    for (const name of names) found.push([name, await positionAt(target, name)]);
    for (const end of ending) await end();
    return found;
  };

  beforeAll(async () => {
    for (const site of sites) {
      const own = join(folder, site.source.slice(0, 6));
      const copies = join(own, 'copies');
      const backupsOf = await startSource(own, site.names, site.source);
      closers.push(backupsOf.close);
      const server = await startStandby(own, copies, { name: site.standby });
      const estate: Site = { ...site, folder: own, copies, backupsOf, server };
      closers.push(() => estate.server.close());
      estates.push(estate);
    }
    others = await startOthers(
      bus,
      [groupObserved, instanceAddressed, sqlInstanceRegistered, setQualified, recoveryPointJudged],
      [fileCopied],
    );
    closers.push(() => others.stop());
    const stateFolder = join(folder, 'state');
    const config = shippingSchema.parse({
      ...{ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 1, parallelRestores },
    });
    const service = createShipping(config, {
      signingKey: key,
      logger: createLogger({ service: 'shipping', level: 'silent' }),
      bus,
      hook,
      env,
    });
    ({ url } = await service.start());
    closers.push(() => service.stop());
    for (const { standby } of sites)
      await others.publish(sqlInstanceRegistered, {
        instanceId: discoveredId('instance', standby),
        version: 1,
        name: standby,
        serverName: standby,
        site: 'Cork',
        productVersion: '16.0.1000.6',
      });
    await others.publish(groupObserved, {
      groupId: estates[0]!.backupsOf.groupId,
      version: 1,
      name: 'Orders',
      site: 'Dublin',
      observedAt: new Date().toISOString(),
      managementDatabaseId: discoveredId('database', 'BizTalkMgmtDb'),
      instances: sites.map(({ source }) => {
        return {
          instanceId: discoveredId('instance', source),
          name: source,
          serverName: source,
          productVersion: '16.0.1',
        };
      }),
      databases: sites.flatMap(({ source, names }) =>
        names.map(name => ({
          databaseId: discoveredId('database', name),
          name,
          role: 'OTHER' as const,
          instanceId: discoveredId('instance', source),
          inBackupJob: true,
          state: 'ONLINE',
          recoveryModel: 'FULL',
        })),
      ),
    });
  });

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
    await bus.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it('looks at both before it is created, and at the folders of each source', async () => {
    await address(estates[0]!);
    const first = await publish(await take('FULL'));
    const forbids = ['STANDBY_UNREACHABLE', 'FOLDER_NOT_MAPPED'];
    // The set and the address come over different topics, in any order.
    const findings = await until('preflight of the first alone', async () => {
      const answer = await create({ dryRun: true, only: 'BTSDB1\\BTS' });
      if (answer['__typename'] !== 'StandbyPreflight' || answer['bytesToSeed'] === '0') return undefined;
      const found = answer['findings'] as { code: string; message: string; evidence: string }[];
      const forbidding = found.filter(({ code }) => forbids.includes(code));
      return forbidding.length === 2 ? forbidding : undefined;
    });
    expect(findings.map(({ message, evidence }) => `${message} ${evidence}`)).toEqual([
      expect.stringContaining('DRDB2\\BTS'),
      expect.stringContaining('BTSDB2\\BTS'),
    ]);
    await address(estates[1]!);
    await until('no findings', async () => {
      const answer = await create({ dryRun: true });
      const codes = (answer['findings'] as { code: string }[]).map(({ code }) => code);
      return codes.every(code => code === 'IN_DOUBT_NOT_SET' || code === 'SPACE_UNKNOWN') ? true : undefined;
    });
    const created = await create();
    expect(created).toMatchObject({ __typename: 'Standby' });
    standbyId = created['id'] as string;

    // The same path at two sources is two folders.
    await untilCopied(first, all.length);
    for (const { backupsOf, copies } of estates) {
      const made = readdirSync(copies).toSorted();
      expect(made).toEqual(readdirSync(backupsOf.backups).toSorted());
      for (const file of made)
        expect(readFileSync(join(copies, file)).equals(readFileSync(join(backupsOf.backups, file)))).toBe(true);
    }
  });

  it('seeds all thirteen, several at a time and never more than allowed', async () => {
    const log = await publish(await take('LOG'));
    const standby = await at(log.markName);
    expect(standby.streams).toHaveLength(all.length);
    expect(standby.agreement).toEqual({ agrees: true, differences: [], cheapestRepair: null });
    expect(held).toBeUndefined();
    for (const estate of estates) {
      const sent = (await sentByShipping(join(estate.folder, 'standby'))).filter(({ text }) =>
        text.startsWith('RESTORE DATABASE'),
      );
      expect(sent.every(({ program }) => program.includes('/beside'))).toBe(true);
      let now = 0;
      const atOnce = sent.map(({ outcome }) => (now += outcome === 'started' ? 1 : -1));
      expect(Math.max(...atOnce)).toBeLessThanOrEqual(parallelRestores);
    }
  });

  it('releases nothing anywhere for a set that lacks one file at one instance, until it is whole', async () => {
    const before = await seen();
    const next = await take('LOG');
    const path = next.files.find(({ databaseName }) => databaseName === 'Orders')!.path;
    const hidden = join(estates[1]!.backupsOf.backups, path.slice('D:\\Backup\\'.length));
    renameSync(hidden, `${hidden}.away`);
    await publish(next);
    await untilCopied(next, all.length - 1);
    const stuck = await until('why', async () => {
      const standby = await seen();
      return standby.reasons.some(({ code }) => code === 'SOURCE_FILE_MISSING') ? standby : undefined;
    });
    expect(positions(stuck)).toEqual(positions(before));
    expect(stuck.newestCommonMarkName).toBe(before.newestCommonMarkName);
    renameSync(`${hidden}.away`, hidden);
    await at(next.markName!);
  });

  it('does not take the mark of a partial set, and bridges it with the next whole one', async () => {
    const before = await seen();
    const partial = await publish({ ...(await take('LOG', 'Billing')), state: 'PARTIAL' });
    await untilCopied(partial, all.length - 1);
    const after = await seen();
    expect(after.newestCommonMarkName).toBe(before.newestCommonMarkName);
    expect(positions(after)).toEqual(positions(before));
    const next = await publish(await take('LOG'));
    await at(next.markName);
  });

  it('rolls nothing on while one instance is down', async () => {
    const [first, second] = estates as [Site, Site];
    const before = await lookDirectly(first);
    await second.server.close();
    const next = await publish(await take('LOG'));
    await until('the first has all of its files', () =>
      copiedOf(next).filter(({ instanceId }) => instanceId === discoveredId('instance', first.standby)).length ===
      first.names.length
        ? true
        : undefined,
    );
    const unknown = await until('it is not known', async () => {
      const standby = await seen();
      return standby.state === 'UNKNOWN' ? standby : undefined;
    });
    expect(unknown.agreement.agrees).toBeNull();
    expect(await lookDirectly(first)).toEqual(before);
    second.server = await startStandby(second.folder, second.copies, { name: second.standby });
    await address(second);
    await at(next.markName);
  });

  it('names who is ahead where somebody rolled one on, and says what mends it', async () => {
    const [, second] = estates as [Site, Site];
    const ending: (() => Promise<unknown>)[] = [];
    const target = await connect(second.server, ending);
    const run = await sender(target, ending);
    const held = readdirSync(second.copies)
      .filter(file => file.startsWith('Orders_LOG'))
      .toSorted()
      .at(-1)!;
    expect(existsSync(join(second.copies, held))).toBe(true);
    await run(`RESTORE LOG [Orders] FROM DISK = N'E:\\Copies\\${held}' WITH NORECOVERY`);
    for (const end of ending.reverse()) await end();
    const apart = await until('no common mark', async () => {
      const standby = await seen();
      return standby.state === 'NO_COMMON_MARK' ? standby : undefined;
    });
    expect(apart.agreement).toMatchObject({ agrees: false, cheapestRepair: { code: 'NEXT_LOG_SET' } });
    expect(apart.agreement.differences[0]?.evidence).toContain('ahead: Orders at DRDB2\\BTS; behind: ');
    expect(apart.newestCommonMarkName).toBeNull();
    const next = await publish(await take('LOG'));
    expect((await at(next.markName)).agreement).toEqual({ agrees: true, differences: [], cheapestRepair: null });
  });
});
