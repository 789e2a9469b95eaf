/**
 * Ends distributed transactions that a crash or a lost connection left open between two instances. Each round does both halves, so that one
 * direction of reach is enough: a participant asks the coordinators of its in-doubt parts, a coordinator tells its commits to participants that
 * have not acknowledged them. Of parts that somebody ended meanwhile (KILL of a unit of work) each side hears what the other did. Everything may be repeated: an outcome never changes, and settling or acknowledging twice does nothing.
 */
import { PeerConnection, PeerLost } from './peer-connection.ts';
import { SqlError } from '../messages.ts';
import type { DistributedId } from '../engine/branch.ts';
import type { Branches } from '../engine/branches.ts';
import type { PeerDirectory } from '../engine/options.ts';

export type ResolverOptions = {
  readonly branches: Branches;
  readonly directory: PeerDirectory;
  readonly serverName: string;
  /** Resolves when the next round is due, or at once when `signal` is aborted. */
  readonly pause: (signal: AbortSignal) => Promise<void>;
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
};

const visitTimeoutMs = 10_000;

export type Resolver = { stop(): Promise<void> };

/** The first round comes at once: after a crash locks wait for it. */
export function startResolver(options: ResolverOptions): Resolver {
  const stopping = new AbortController();
  const running = (async () => {
    // Whatever is new is most likely just being committed; only what was there a round ago needs help.
    let before = open(options.branches);
    while (!stopping.signal.aborted) {
      await round(options, before, stopping.signal);
      before = open(options.branches);
      await options.pause(stopping.signal);
    }
  })().catch(options.report);
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

function open(branches: Branches): ReadonlySet<string> {
  const asked = waitingFor(branches).map(({ decision }) => decision);
  const told = branches.unacknowledged().map(({ decision, instance }) => `${decision} ${instance}`);
  return new Set([...asked, ...told]);
}

/** Of these the coordinator's word is missing here. */
function waitingFor(branches: Branches): readonly DistributedId[] {
  return [...branches.inDoubt(), ...branches.unheard()];
}

type Step = (connection: PeerConnection) => Promise<void>;

async function round(options: ResolverOptions, old: ReadonlySet<string>, stopping: AbortSignal): Promise<void> {
  const { branches, serverName } = options;
  const work = new Map<string, Step[]>();
  const plan = (instance: string, step: Step): void => void work.set(instance, [...(work.get(instance) ?? []), step]);
  for (const { decision, coordinator } of waitingFor(branches)) {
    if (old.has(decision)) plan(coordinator, connection => ask(branches, connection, decision, serverName));
  }
  for (const { decision, instance } of branches.unacknowledged()) {
    if (old.has(`${decision} ${instance}`))
      plan(instance, connection => tell(branches, connection, decision, instance));
  }
  await Promise.all([...work].map(([instance, steps]) => visit(options, instance, steps, stopping)));
}

/** An instance that does not answer in time must not keep the next round from the others. */
async function visit(
  { directory, report }: ResolverOptions,
  instance: string,
  steps: readonly Step[],
  stopping: AbortSignal,
): Promise<void> {
  try {
    const connection = await PeerConnection.open(directory, instance);
    const close = (): void => connection.close();
    const timer = setTimeout(close, visitTimeoutMs);
    stopping.addEventListener('abort', close, { once: true });
    try {
      for (const step of steps) await step(connection);
    } finally {
      clearTimeout(timer);
      stopping.removeEventListener('abort', close);
      close();
    }
  } catch (error) {
    // Not there (yet), or with a database that it cannot open: the next round asks again.
    if (!(error instanceof PeerLost || error instanceof SqlError)) report(error);
  }
}

async function ask(
  branches: Branches,
  connection: PeerConnection,
  decision: string,
  serverName: string,
): Promise<void> {
  const { outcome } = await connection.call<'outcome'>({ kind: 'outcome', decision });
  if (outcome === 'undecided' || outcome === 'not mine') return;
  const resolved = await branches.settle(decision, outcome);
  if (resolved !== undefined) {
    await connection.call<'acknowledge'>({ kind: 'acknowledge', decision, instance: serverName, resolved });
    // Last: until then the question is asked again.
    await branches.heard(decision, outcome);
  } else if (outcome === 'committed')
    await connection.call<'acknowledge'>({ kind: 'acknowledge', decision, instance: serverName });
}

async function tell(branches: Branches, connection: PeerConnection, decision: string, instance: string): Promise<void> {
  const { done, resolved } = await connection.call<'settle'>({ kind: 'settle', decision, outcome: 'committed' });
  if (resolved !== undefined) await branches.resolvedElsewhere(decision, instance, resolved);
  if (done) branches.acknowledged(decision, instance);
}
