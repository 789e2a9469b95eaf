import { mkdirSync, symlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { lastingPorts } from '@holdfast/run';
import { createGatewayClient } from '@holdfast/demo';
import { audience, identityProvider, issuer } from './client.ts';
import { launchApp, type RunningApp } from './process.ts';
import { subgraphs } from './services.ts';

export type ServiceName = (typeof subgraphs)[number];

/** One process of a service; several of them share its store. */
export type Replica = {
  readonly service: ServiceName;
  readonly place: number;
  readonly app: RunningApp;
  /** Whether it has ended, however. */
  hasEnded(): boolean;
  /** Until its port is open; what it says of itself is asked there. */
  listening(): Promise<void>;
  /** It leads its store and answers. */
  leads(): Promise<void>;
  isLeading(): Promise<boolean>;
  /** What `/readyz` says. */
  checks(): Promise<readonly Check[]>;
  /** Until a step stands at each of these places. */
  held(places: readonly string[]): Promise<void>;
  isHeldAt(place: string): boolean;
};

export type Check = { readonly name: string; readonly ok: boolean; readonly detail: string };

export type LaunchOptions = {
  /** Which of the service's addresses it answers at; those that run at the same time have different ones. */
  readonly place: number;
  /** Where a step is held (HOLDFAST_TEST_HOLD_AT). */
  readonly holdAt?: readonly string[];
  /** It sees no claim but its own and always believes that it leads: the store and the servers alone can stop it. */
  readonly isBlind?: boolean;
};

export type ReplicatedServices = {
  readonly folder: string;
  launch(service: ServiceName, options: LaunchOptions): Replica;
  /** Starts the gateway, which knows every place of every service. */
  startGateway(): Promise<void>;
  client(): Promise<ReturnType<typeof createGatewayClient>>;
  /** The file of its store. */
  storeOf(service: ServiceName): string;
  /** What every process printed last. */
  lastLines(): string;
  /** Ends all, frozen ones too, and removes the folder. */
  remove(): Promise<void>;
};

export type ReplicatedOptions = {
  /** `host:port`; left out: an embedded bus for each. */
  readonly brokers?: string;
  readonly placesPerService: number;
  /** How long a leader may be silent. Whoever freezes none waits for nothing: a busy machine must not replace one either. 3 when left out. */
  readonly replaceAfterSeconds?: number;
  /** Further settings, as the environment names them. */
  readonly env?: Readonly<Record<string, string>>;
};

export const limitMs = 90_000;
/** For what comes after much work of others, a standby's seeding for example: a busy machine takes minutes for it. */
export const wholeWorkMs = 300_000;

/** Asks until it is so. @throws Error with what was waited for and `why`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  why: () => string,
  forMs = limitMs,
): Promise<void> {
  const limit = AbortSignal.timeout(forMs);
  while (!(await isSo())) {
    if (limit.aborted) throw new Error(`Waited in vain: ${what}.\n${why()}`);
    await pause(50);
  }
}

/** Nothing runs yet: each replica is launched by itself, on the one state folder of all. */
export async function prepareReplicas(options: ReplicatedOptions): Promise<ReplicatedServices> {
  const { brokers, placesPerService, replaceAfterSeconds = 3, env = {} } = options;
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-replicas-'));
  const identity = await identityProvider();
  const files = { issuer: join(folder, 'issuer.pem'), key: join(folder, 'signing.key'), state: join(folder, 'state') };
  await mkdir(files.state);
  await writeFile(files.issuer, identity.publicKeyPem);
  await writeFile(files.key, 's'.repeat(48));
  const free = await lastingPorts(subgraphs.length * placesPerService + 1);
  const gatewayPort = free.at(-1) ?? 0;
  const portOf = (service: ServiceName, place: number): number =>
    free[subgraphs.indexOf(service) * placesPerService + place] ?? 0;
  const launched: RunningApp[] = [];
  let blind = 0;
  const stateOf = (service: ServiceName, isBlind: boolean): string => {
    if (!isBlind) return files.state;
    blind += 1;
    return join(folder, `blind-${service}-${String(blind)}`);
  };
  return {
    folder,
    launch(service, { place, holdAt = [], isBlind = false }) {
      const state = stateOf(service, isBlind);
      const prefix = `HOLDFAST_${service.toUpperCase()}__`;
      const settings: Record<string, string> = {
        ...env,
        [`${prefix}HTTP__PORT`]: String(portOf(service, place)),
        [`${prefix}SIGNING_KEY`]: `file:${files.key}`,
        [`${prefix}STATE_FOLDER`]: state,
        [`${prefix}LEASE__REPLACE_AFTER_SECONDS`]: String(replaceAfterSeconds),
        ...(brokers === undefined ? {} : { [`${prefix}KAFKA__BROKERS`]: brokers }),
        ...(holdAt.length === 0 ? {} : { HOLDFAST_TEST_HOLD_AT: holdAt.join(',') }),
      };
      if (isBlind) shareStore(files.state, state, service);
      const app = launchApp(service, portOf(service, place), settings);
      launched.push(app);
      return replicaOf(service, place, app);
    },
    async startGateway() {
      const addresses = subgraphs.map(service => [
        `HOLDFAST_GATEWAY__SUBGRAPHS__${service.toUpperCase()}`,
        Array.from({ length: placesPerService }, (_, place) => urlAt(portOf(service, place))).join(','),
      ]);
      const gateway = launchApp('gateway', gatewayPort, {
        ...(Object.fromEntries(addresses) as Record<string, string>),
        // A frozen replica keeps silent for so long.
        HOLDFAST_GATEWAY__LIMITS__UPSTREAM_TIMEOUT_MS: '3000',
        HOLDFAST_GATEWAY__HTTP__PORT: String(gatewayPort),
        HOLDFAST_GATEWAY__SIGNING_KEY: `file:${files.key}`,
        HOLDFAST_GATEWAY__AUTH__ISSUER: issuer,
        HOLDFAST_GATEWAY__AUTH__AUDIENCE: audience,
        HOLDFAST_GATEWAY__AUTH__PUBLIC_KEY_FILE: files.issuer,
      });
      launched.push(gateway);
      await gateway.ready();
    },
    client: async () =>
      createGatewayClient(
        urlAt(gatewayPort),
        await identity.token(['admin', 'operator', 'recovery-manager', 'approver']),
      ),
    storeOf: service => join(files.state, `${service}.db`),
    lastLines: () => launched.map(app => `--- ${String(app.pid)}\n${app.output().slice(-1_500)}`).join('\n'),
    async remove() {
      // With -9, which ends frozen ones as well.
      await Promise.all(launched.map(app => app.stop('SIGKILL')));
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A folder of its own with nothing but the way to the one store. */
function shareStore(from: string, to: string, service: ServiceName): void {
  mkdirSync(to);
  // SQLite follows the link: log and locks lie beside the real file.
  symlinkSync(join(from, `${service}.db`), join(to, `${service}.db`));
}

function urlAt(port: number): string {
  return `http://127.0.0.1:${String(port)}/graphql`;
}

function replicaOf(service: ServiceName, place: number, app: RunningApp): Replica {
  const checks = async (): Promise<readonly Check[]> => {
    const answer = await fetch(new URL('/readyz', app.url), { headers: { connection: 'close' } }).catch(
      () => undefined,
    );
    return answer === undefined ? [] : ((await answer.json()) as { readonly checks: readonly Check[] }).checks;
  };
  const isHeldAt = (where: string): boolean => app.output().includes(JSON.stringify({ heldAt: where }));
  const isLeading = async (): Promise<boolean> =>
    (await checks()).some(({ name, ok, detail }) => name === 'leader' && ok && detail.startsWith('leads under token'));
  const untilSo = (what: string, isSo: () => boolean | Promise<boolean>, forMs = limitMs): Promise<void> => {
    const orEnded = async (): Promise<boolean> => {
      if (await isSo()) return true;
      if (!isAlive(app.pid)) throw new Error(`${service} ended before this: ${what}.\n${app.output()}`);
      return false;
    };
    return until(`${service} ${what}`, orEnded, () => app.output(), forMs);
  };
  return {
    service,
    place,
    app,
    hasEnded: () => !isAlive(app.pid),
    listening: () => untilSo('listens', () => app.output().includes('"ready":true')),
    leads: () => untilSo('leads', isLeading),
    isLeading,
    checks,
    held: places => untilSo(`stands at ${places.join(' and ')}`, () => places.every(isHeldAt), wholeWorkMs),
    isHeldAt,
  };
}

/** Within a transaction it would keep the store locked: whoever sees its claim then ends it, and who does not waits for ever. */
export async function freezeBetweenWrites(store: string, pid: number): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  for (;;) {
    process.kill(pid, 'SIGSTOP');
    if (isFree(store)) return;
    process.kill(pid, 'SIGCONT');
    if (limit.aborted) throw new Error(`${store} is always locked.`);
    await pause(20);
  }
}

function isFree(store: string): boolean {
  const db = new DatabaseSync(store, { timeout: 0 });
  try {
    db.exec('begin immediate; rollback');
    return true;
  } catch {
    return false;
  } finally {
    db.close();
  }
}

/** Of a child of ours, which stays a zombie until its end was seen. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
