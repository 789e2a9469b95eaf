import { setTimeout } from 'node:timers/promises';
import type { TestBroker } from '../broker.ts';
import type { ServiceLife } from './life.ts';
import type { BrokerProxy } from './proxy.ts';
import type { Random } from './random.ts';
import { moveBack } from './service.ts';

export type Fault = {
  readonly kind: FaultKind;
  readonly target: string;
  /** The services whose flow it stops. */
  readonly concerned: readonly string[];
  /** Milliseconds since the epoch: the injury, and when its cause was gone. */
  readonly startedAt: number;
  readonly endedAt: number;
};
export type FaultKind = keyof typeof injuries;

export type World = {
  readonly broker: TestBroker;
  readonly services: readonly [Injured, ...Injured[]];
  /** In milliseconds, both ends included. */
  readonly lengths: { readonly brokerFrozen: readonly [number, number]; readonly other: readonly [number, number] };
  /** Another process of a service's group, on its store or on one of its own. Not started yet. */
  readonly rivalOf: (service: Injured, store: 'same' | 'own') => ServiceLife;
};
export type Injured = { readonly life: ServiceLife; readonly proxy: BrokerProxy };

type Injury = (world: World, injured: Injured, random: Random) => Promise<void>;

/** What each does until its cause is gone; what follows is for the services. */
const injuries = {
  'broker killed': async ({ broker }) => {
    await broker.kill();
    await broker.start();
  },
  'broker frozen': async ({ broker, lengths }, _, random) => {
    broker.freeze();
    await setTimeout(random.between(...lengths.brokerFrozen));
    broker.thaw();
  },
  'service killed': async (_, { life }) => {
    await life.kill();
    life.start();
  },
  'service frozen': async ({ lengths }, { life }, random) => {
    life.freeze();
    await setTimeout(random.between(...lengths.other));
    life.thaw();
  },
  'connections cut': async ({ lengths }, { proxy }, random) => {
    proxy.cut();
    await setTimeout(random.between(0, lengths.other[0]));
    proxy.heal();
  },
  'connections half open': async ({ lengths }, { proxy }, random) => {
    proxy.halfOpen();
    await setTimeout(random.between(...lengths.other) / 2);
    proxy.heal();
  },
  'answers lost': async ({ lengths }, { proxy }, random) => {
    proxy.loseAnswers(random.between(1, 6));
    await setTimeout(lengths.other[0] / 2);
    proxy.heal();
  },
  'everything delayed': async ({ lengths }, { proxy }, random) => {
    proxy.delay(random.between(50, 600));
    await setTimeout(random.between(...lengths.other));
    proxy.heal();
  },
  'delivered again': async (_, { life }, random) => {
    await (random.between(0, 1) === 0 ? life.kill() : life.end());
    await moveBack(life.settings.storeFile, random.between(1, 200));
    life.start();
  },
  'rival on the same store': async (world, injured, random) => {
    await rival(world, world.rivalOf(injured, 'same'), random);
  },
  'rival on its own store': async (world, injured, random) => {
    await rival(world, world.rivalOf(injured, 'own'), random);
  },
} satisfies Record<string, Injury>;

export const faultKinds = Object.keys(injuries) as FaultKind[];

/** It takes partitions from the service and gives them back: in order, or killed while it has them. */
async function rival({ lengths }: World, life: ServiceLife, random: Random): Promise<void> {
  life.start();
  await life.started;
  await setTimeout(random.between(...lengths.other) + 1_000);
  await (random.between(0, 1) === 0 ? life.kill() : life.end());
}

/** Injures one service, or the broker and so all of them. */
export async function injure(kind: FaultKind, world: World, random: Random): Promise<Fault> {
  const injured = random.oneOf(world.services);
  const { name, names } = injured.life.settings;
  const hitsAll = kind.startsWith('broker');
  // A process that has just been started is let begin: one that is killed at once would only be the same fault twice.
  if (!hitsAll) await injured.life.started;
  const startedAt = Date.now();
  const injury: Injury = injuries[kind];
  await injury(world, injured, random);
  return {
    kind,
    target: hitsAll ? 'broker' : name,
    concerned: hitsAll ? names : [name],
    startedAt,
    endedAt: Date.now(),
  };
}

/** Every kind once, in any order, then again. */
export function* drawnKinds(random: Random): Generator<FaultKind, never> {
  for (;;) yield* random.shuffled(faultKinds);
}
