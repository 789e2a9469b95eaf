import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  copiesFolder,
  type Estate,
  failoverInput,
  noRecorder,
  type Protected,
  protectEstate,
  seededRandom,
  smallGroup,
  startBackupJob,
  startEstate,
  startLoad,
} from '@holdfast/demo';
import { brokersOf, startBroker } from '@holdfast/run';
import { untilCopied } from './copies-pace.ts';
import {
  freezeBetweenWrites,
  prepareReplicas,
  type Replica,
  type ReplicatedServices,
  type ServiceName,
  until,
  wholeWorkMs,
} from './replicas.ts';
import { subgraphs } from './services.ts';
import { type Doings, wake } from './witness.ts';

/** A leader is frozen while its steps stand at these places, is replaced, and wakes up when its work was done by another. */
export type Round = {
  readonly service: ServiceName;
  readonly places: readonly string[];
  /** The lease tells the old one nothing: what stops it are the store and the servers. */
  readonly isBlind: boolean;
  /** Where whoever replaces it is to stand in its turn. */
  readonly then?: { readonly places: readonly string[]; readonly isBlind: boolean };
  /** Whether whoever came after it has done its work. */
  done(stage: Stage, frozenAt: number): Promise<boolean>;
};

export type Played = { readonly round: Round; readonly doings: Doings; readonly output: string };

/** The small group under protection, over a real Kafka, with two places for each service. */
export type Stage = {
  readonly brokers: string;
  readonly services: ReplicatedServices;
  readonly estate: Estate;
  readonly registered: Protected;
  readonly played: readonly Played[];
  /** What `/readyz` calls the runners of each service. */
  readonly runners: ReadonlyMap<ServiceName, readonly string[]>;
  leader(service: ServiceName): Replica;
  /** Undefined while nobody answers, as between two leaders. */
  readonly ask: <Answer>(query: string, variables: Readonly<Record<string, unknown>>) => Promise<Answer | undefined>;
  /** Plays one round; whoever leads then goes on leading. */
  play(round: Round): Promise<void>;
  /** Load and backup job end. */
  endWork(): Promise<void>;
  /** Resolves with the execution's id. */
  startFailover(wishes: Parameters<typeof failoverInput>[2], key: string): Promise<string>;
  end(): Promise<void>;
};

/** Quick looks; a fact is too old for a verdict after ten of them, which is what the runner `news` waits for. */
const settings = {
  HOLDFAST_INVENTORY__OBSERVE_EVERY_SECONDS: '0.5',
  HOLDFAST_BACKUP__OBSERVE_EVERY_SECONDS: '0.5',
  HOLDFAST_SHIPPING__OBSERVE_EVERY_SECONDS: '0.5',
  HOLDFAST_RESTORE__LOOK_EVERY_MS: '500',
  HOLDFAST_RESTORE__WATCH_SOURCES_EVERY_MS: '500',
};
/** Not copied yet, and the job waits. */
const mostSets = 6;
const ofTheShell = /^(?:leader|event bus|event relay|.*\.projection)$/;

/** `first`: the leaders that the services start with are those of these rounds. */
export async function setStage(seed: number, first: readonly Round[]): Promise<Stage> {
  const undo: (() => Promise<unknown>)[] = [];
  const end = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return await set(seed, first, undo, end);
  } catch (error) {
    await end();
    throw error;
  }
}

async function set(
  seed: number,
  first: readonly Round[],
  undo: (() => Promise<unknown>)[],
  end: () => Promise<void>,
): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-broker-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const broker = await startBroker({ dataFolder: folder, log: () => undefined });
  undo.push(() => broker.stop());
  const brokers = brokersOf(broker);
  const services = await prepareReplicas({ brokers, placesPerService: 2, env: settings });
  undo.push(() => services.remove());
  const cast = new Cast(services);
  for (const service of subgraphs)
    cast.begin(
      first.find(round => round.service === service),
      service,
    );
  const [estate] = await Promise.all([
    startEstate(services.folder, smallGroup, () => undefined),
    Promise.all(subgraphs.map(service => cast.leader(service).leads())),
  ]);
  undo.push(() => estate.stop());
  await services.startGateway();
  const { group, ports, primaries } = estate;
  const registered = await protectEstate(await services.client(), { dataFolder: services.folder, group, ports });
  const load = startLoad({
    servers: primaries,
    connections: 1,
    pauseMs: 100,
    random: seededRandom(seed),
    journal: noRecorder,
    run: String(seed),
  });
  const copies = group.map(({ standby }) => copiesFolder(services.folder, standby));
  // While leaders stand still nobody takes up what the job makes: on a busy machine more than those who come after them can make up for.
  const mayRun = (signal: AbortSignal): Promise<void> =>
    untilCopied({ dataFolder: services.folder, group, mostSets }, signal);
  const job = startBackupJob({ address: primaries[0].address, everyMs: 1_500, mayRun });
  let ended: Promise<unknown> | undefined;
  const endWork = async (): Promise<void> => {
    await (ended ??= Promise.all([load.stop(), job.stop()]));
  };
  undo.push(endWork);
  const runners = new Map<ServiceName, readonly string[]>();
  for (const service of subgraphs) {
    const checks = await cast.leader(service).checks();
    runners.set(
      service,
      checks.map(({ name }) => name).filter(name => !ofTheShell.test(name)),
    );
  }
  const played: Played[] = [];
  const ask = async <Answer>(
    query: string,
    variables: Readonly<Record<string, unknown>>,
  ): Promise<Answer | undefined> => {
    const client = await services.client();
    return client.ask<Answer>(query, variables).catch(() => undefined);
  };
  const stage: Stage = {
    brokers,
    services,
    estate,
    registered,
    played,
    runners,
    leader: service => cast.leader(service),
    ask,
    async play(round) {
      const [old, next] = await cast.replace(round, frozenAt => round.done(stage, frozenAt));
      const scene = { services, estate, copies };
      played.push({ round, doings: await wake(scene, old, next), output: old.app.output() });
    },
    endWork,
    async startFailover(wishes, key) {
      let id: string | undefined;
      let last: unknown;
      const accepted = async (): Promise<boolean> => {
        last = await ask<{ startFailover: { id?: string } }>(
          `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
            __typename ... on Execution { id } ... on Refusal { message } } }`,
          { input: failoverInput(registered, key, wishes) },
        );
        id = (last as { startFailover: { id?: string } } | undefined)?.startFailover.id;
        return id !== undefined;
      };
      await until('the failover is accepted', accepted, () => `${JSON.stringify(last)}\n${services.lastLines()}`);
      return id ?? '';
    },
    end,
  };
  return stage;
}

/** Who leads, and who comes next. */
class Cast {
  readonly #services: ReplicatedServices;
  readonly #leaders = new Map<ServiceName, Replica>();

  constructor(services: ReplicatedServices) {
    this.#services = services;
  }

  leader(service: ServiceName): Replica {
    const found = this.#leaders.get(service);
    if (found === undefined) throw new Error(`${service} was never started.`);
    return found;
  }

  begin(round: Round | undefined, service: ServiceName): void {
    const { places = [], isBlind = false } = round ?? {};
    this.#leaders.set(service, this.#services.launch(service, { place: 0, holdAt: places, isBlind }));
  }

  /** Resolves with the frozen one and its successor once `isDone`. */
  async replace(round: Round, isDone: (frozenAt: number) => Promise<boolean>): Promise<[Replica, Replica]> {
    const { service, places, isBlind, then } = round;
    const old = this.leader(service);
    const role = { place: 1 - old.place, holdAt: then?.places ?? [], isBlind: then?.isBlind ?? false };
    const launch = (): Replica => this.#services.launch(service, role);
    // Nobody waits for one that shows its claim to nobody: its successor comes when it is frozen.
    const isSeen = !isBlind && !role.isBlind;
    const waiting = isSeen ? launch() : undefined;
    await waiting?.listening();
    await old.held(places);
    const frozenAt = Date.now();
    await freezeBetweenWrites(this.#services.storeOf(service), old.app.pid);
    const next = waiting ?? launch();
    this.#leaders.set(service, next);
    await next.leads();
    const why = (): string => this.#services.lastLines();
    await until(`the work of ${places.join(' and ')} is done`, () => isDone(frozenAt), why, wholeWorkMs);
    return [old, next];
  }
}
