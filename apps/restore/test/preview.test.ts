import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { estate, failoverInput, groupId, lsns, marks, standbyId } from './estate-of-two.ts';
import { clientOf, nobody, othersOn, startRestore } from './whole-service.ts';

const closing: (() => Promise<void>)[] = [];
const folder = mkdtempSync(join(tmpdir(), 'holdfast-preview-'));
let client: ReturnType<typeof clientOf>;

const previewFields = `target { id } markName markedAt dataLoss { atLeast atMost } duration
  databases { database { id } databaseName instance position statements bytes }
  blockers { code } unclaimedSets { name files why { code } } ifReseeded { markName duration bytes }`;

type Answered = Record<string, Record<string, unknown> | null>;

async function ask(text: string, variables: Record<string, unknown>): Promise<Answered> {
  const { data, errors } = await client.query(text, variables);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data as Answered;
}

async function preview(input: Record<string, unknown> = {}) {
  const { recoveryPreview } = await ask(
    `query ($input: RecoveryPreviewInput!) { recoveryPreview(input: $input) {
      __typename ... on Refusal { message fix } ... on RecoveryPreview { ${previewFields} }
      ... on TargetNotReachable { nearest { id } nearestMarkName } } }`,
    { input: { groupId, standbyId, target: { newest: true }, ...input } },
  );
  return recoveryPreview;
}

beforeAll(async () => {
  const bus = createEmbeddedBus();
  closing.push(() => bus.close());
  const servers = { primary: nobody, standby: nobody };
  const others = await othersOn(bus, estate(), servers);
  closing.push(() => others.close());
  const { service, url } = await startRestore(bus, servers, { stateFolder: join(folder, 'state') });
  closing.push(() => service.stop());
  client = clientOf(url);
  closing.push(() => client.close());
  const limit = Date.now() + 30_000;
  // The streams come last, each after the other.
  for (;;) {
    const known = await preview();
    const positions = (known?.['databases'] ?? []) as { readonly position: string | null }[];
    if (positions.length > 0 && positions.every(({ position }) => position !== null)) return;
    if (Date.now() > limit) throw new Error(`still ${JSON.stringify(known)}`);
  }
}, 60_000);
afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe('over the API', () => {
  it('a preview is answered with its scalars', async () => {
    const { recoveryPointId } = estate().points[2]!;
    expect(await preview()).toMatchObject({
      __typename: 'RecoveryPreview',
      target: { id: recoveryPointId },
      markName: marks[2],
      markedAt: '2026-11-21T04:30:00.000Z',
      dataLoss: { atLeast: 'PT0S', atMost: expect.stringMatching(/^P/) },
      duration: null,
      databases: [
        { databaseName: 'BizTalkMgmtDb', instance: 'STANDBY', position: lsns(0, 1).lastLsn, bytes: '2048' },
        { databaseName: 'BizTalkMsgBoxDb', statements: expect.arrayContaining([expect.stringContaining(marks[2]!)]) },
      ],
      blockers: [],
      unclaimedSets: [],
      ifReseeded: null,
    });
    expect(await preview({ target: { mark: marks[0] }, lost: ['SOURCE_SITE', 'BACKUP_SHARE'] })).toMatchObject({
      __typename: 'TargetNotReachable',
      nearest: { id: recoveryPointId },
      nearestMarkName: marks[2],
    });
  });

  it('a failover that is tried answers the same preview, and an outdated one carries it', async () => {
    const start = async (changes: Record<string, unknown>) => {
      const { startFailover } = await ask(
        `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
          __typename ... on RecoveryPreview { ${previewFields} } ... on PreviewOutdated { preview { markName } } } }`,
        { input: { ...failoverInput(), ...changes } },
      );
      return startFailover;
    };
    const { dataLoss: _until, ...same } = (await preview())!;
    expect(await start({ dryRun: true })).toMatchObject(same);
    expect(await start({ expectedMark: marks[1] })).toEqual({
      __typename: 'PreviewOutdated',
      preview: { markName: marks[2] },
    });
    const { executions } = await ask('query { executions { nodes { id } } }', {});
    expect(executions).toEqual({ nodes: [] });
  });

  it('readiness belongs to the group', async () => {
    const { _entities } = await ask(
      `query ($of: [_Any!]!) { _entities(representations: $of) { ... on BizTalkGroup {
        readiness { verdict reasons { code message fix } observation { observedAt freshness age error } } } } }`,
      { of: [{ __typename: 'BizTalkGroup', id: groupId }] },
    );
    const [{ readiness }] = _entities as unknown as [{ readiness: Record<string, unknown> }];
    expect(readiness).toMatchObject({
      verdict: expect.stringMatching(/^(DEGRADED|UNKNOWN)$/),
      observation: { observedAt: '2026-11-21T04:31:00.000Z', freshness: expect.any(String), error: null },
    });
    expect((readiness['reasons'] as { code: string }[]).map(({ code }) => code)).toContain('LOGINS_UNCHECKED');
  });
});
