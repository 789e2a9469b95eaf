import {
  eventCodec,
  fileCopied,
  groupObserved,
  instanceAddressed,
  recoveryPointJudged,
  setQualified,
  standbyChanged,
  standbyClaimed,
  standbyReleased,
  standbyYielded,
  streamMoved,
} from '@holdfast/events';
import {
  type Bus,
  createConsumer,
  createOutbox,
  createRelay,
  eventLogOf,
  messagingMigrations,
  type MessagingTables,
  on,
} from '@holdfast/messaging';
import { type Caller, createLogger, newId, type Service } from '@holdfast/service';
import type { InstanceId } from '@holdfast/domain';
import type { CheckpointHook } from '@holdfast/service/runner';
import { signedClient } from '@holdfast/service/testing';
import { temporaryStore } from '@holdfast/store/testing';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { restoreSchema } from '../src/config.ts';
import type { Estate } from '../src/estate/estate.ts';
import { createRestore } from '../src/service.ts';
import { failoverInput, groupId, manager, marks, sourceId, standbyId, standbyInstanceId } from './estate-of-two.ts';

type Servers = { readonly primary: TestServer; readonly standby: TestServer };
/** An instance as it is known to the service, and what answers for it. */
export type Known = { readonly instanceId: InstanceId; readonly name: string; readonly server: TestServer };
type Client = ReturnType<typeof signedClient>;

const key = Buffer.from('k'.repeat(32));

/** Nobody listens there. */
export const nobody: TestServer = {
  address: { server: '127.0.0.1', port: 1, instanceName: null, encrypt: false, trustServerCertificate: false },
  credentials: { user: 'u', password: 'p' },
  real: false,
  pid: null,
  close: async () => undefined,
};

/** The other three services, as far as restore sees them: they publish `known`, and shipping answers a claim. */
export async function othersOn(bus: Bus, known: Estate, servers: Servers | readonly Known[]) {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  const { store } = temporary;
  const clock = Date.now;
  const outbox = createOutbox({ service: 'others', codec: eventCodec, clock, newId });
  const publishes = [groupObserved, instanceAddressed, setQualified, standbyChanged];
  await bus.register({
    name: 'others',
    topics: [...new Set(publishes.map(({ topic }) => topic))],
    log: eventLogOf(store),
  });
  const relay = createRelay({ store, bus, service: 'others', publishes, clock });
  await relay.start();
  const claimed: string[] = [];
  const released: string[] = [];
  const shipping = createConsumer<MessagingTables>({
    store,
    bus,
    name: 'shipping.test',
    codec: eventCodec,
    clock,
    subscriptions: [
      on(standbyClaimed, (tx, { executionId }) => {
        claimed.push(executionId);
        const yieldedAt = new Date(clock()).toISOString();
        return outbox.append(tx, standbyYielded, { standbyId, groupId, executionId, yieldedAt });
      }),
      on(standbyReleased, async (_tx, { outcome }) => void released.push(outcome)),
    ],
  });
  await shipping.start();
  await store.transaction(async tx => {
    await outbox.append(tx, groupObserved, known.group);
    for (const { instanceId, name, server } of knownOf(servers)) {
      const references = { userRef: `env:${name}_USER`, passwordRef: `env:${name}_PASSWORD` };
      await outbox.append(tx, instanceAddressed, {
        instanceId,
        version: 1,
        serverName: name,
        address: { ...server.address, ...references },
      });
    }
    await outbox.append(tx, standbyChanged, known.standby);
    for (const set of known.sets) await outbox.append(tx, setQualified, set);
    for (const point of known.points) await outbox.append(tx, recoveryPointJudged, point);
    for (const copy of known.copies) await outbox.append(tx, fileCopied, copy);
    for (const stream of known.streams) await outbox.append(tx, streamMoved, stream);
  });
  const close = async () => {
    await shipping.stop();
    await relay.stop();
    await temporary.remove();
  };
  return { claimed, released, close };
}

/** The service whole, with its state in `stateFolder`. */
export async function startRestore(
  bus: Bus,
  servers: Servers | readonly Known[],
  { stateFolder, hook }: { readonly stateFolder: string; readonly hook?: CheckpointHook },
): Promise<{ readonly service: Service; readonly url: string }> {
  const env = Object.fromEntries(
    knownOf(servers).flatMap(({ name, server: { credentials } }) => [
      [`${name}_USER`, credentials.user],
      [`${name}_PASSWORD`, credentials.password],
    ]),
  );
  const config = restoreSchema.parse({
    stateFolder,
    signingKey: 'env:UNUSED',
    probeTimeoutMs: 60_000,
    lookEveryMs: 100,
  });
  const logger = createLogger({ service: 'restore', level: 'silent' });
  const service = createRestore(config, { signingKey: key, logger, bus, env, ...(hook === undefined ? {} : { hook }) });
  const { url } = await service.start();
  return { service, url };
}

function knownOf(servers: Servers | readonly Known[]): readonly Known[] {
  if (!('primary' in servers)) return servers;
  return [
    { instanceId: sourceId, name: 'primary', server: servers.primary },
    { instanceId: standbyInstanceId, name: 'standby', server: servers.standby },
  ];
}

export function clientOf(url: string, caller: Caller = manager): Client {
  return signedClient({ url, key, subgraph: 'restore', caller });
}

/** What a caller sees of a request: the execution, or what refuses it. */
export type Answer = {
  readonly __typename: string;
  readonly id?: string;
  readonly state?: string;
  readonly execution?: { readonly id: string };
  readonly message?: string;
  readonly fix?: string;
};

/** @throws Error when the answer is no result but an error. */
export async function askFailover(client: Client, changes: Parameters<typeof failoverInput>[0]): Promise<Answer> {
  const { data, errors } = await client.query(
    `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
      __typename ... on Execution { id state version groupName steps { name state } } ... on Refusal { message fix }
      ... on ExecutionAlreadyRunning { execution { id } } } }`,
    { input: failoverInput(changes) },
  );
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data?.['startFailover'] as Answer;
}

type Asked = { readonly state: string; readonly steps: readonly { readonly id: string; readonly state: string }[] };

/** The people after the recovery: says yes to the step that waits for them in what the caller saw, if one does. */
export async function confirmAsked(client: Client, executionId: string | undefined, { state, steps }: Asked) {
  const stepId = steps.find(step => step.state === 'AWAITING_CONFIRMATION')?.id;
  if (state !== 'REFERENCING' || stepId === undefined) return;
  const { data, errors } = await client.query(
    'mutation ($input: StepInput!) { confirmStep(input: $input) { __typename ... on Refusal { message } } }',
    { input: { executionId, stepId } },
  );
  const { __typename } = (data?.['confirmStep'] ?? {}) as { readonly __typename?: string };
  // Seen late: it was said already.
  if (__typename !== 'Execution' && __typename !== 'StepNotWaiting') throw new Error(JSON.stringify(errors ?? data));
}

/**
 * Until everything that the others published has come here: it then depends on the source alone whether a failover may begin. Nobody is declared
 * where all are silent; where `living` answers, it is declared: either way the answer is a refusal, and nothing begins.
 */
export async function untilKnown(client: Client, living?: InstanceId): Promise<void> {
  const limit = Date.now() + 60_000;
  const declaredUnreachable = living === undefined ? [] : [{ instanceId: living, reason: 'not at all' }];
  for (;;) {
    const { __typename } = await askFailover(client, { expectedMark: marks.at(-1), declaredUnreachable });
    if (__typename === 'SourceNotAccountedFor') return;
    if (Date.now() > limit) throw new Error(`still ${__typename}`);
  }
}
