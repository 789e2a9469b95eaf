import {
  databasesOf,
  type Estate,
  type Holdfast,
  type Protected,
  protectEstate,
  startEstate,
  startHoldfast,
  wholeGroup,
} from '@holdfast/demo';
import { setTimeout as pause } from 'node:timers/promises';

export const databases = databasesOf(wholeGroup);

export type ProtectedEstate = {
  readonly folder: string;
  readonly estate: Estate;
  readonly holdfast: Holdfast;
  readonly registered: Protected;
  stop(): Promise<void>;
};

/**
 * The sample group under Holdfast's protection, in a folder of its own; Holdfast looks at it every second when that is left out, as in the demo. `registered`: of an
 * estate that was protected in this folder before.
 */
export async function startProtectedEstate(
  folder: string,
  {
    restAtMark,
    registered,
    observeEverySeconds = 1,
  }: { readonly restAtMark: boolean; readonly registered?: Protected; readonly observeEverySeconds?: number },
): Promise<ProtectedEstate> {
  const log = (): undefined => undefined;
  const estate = await startEstate(folder, wholeGroup, log);
  let holdfast: Holdfast | undefined;
  const stop = async (): Promise<void> => {
    await holdfast?.stop();
    await estate.stop();
  };
  try {
    holdfast = await startHoldfast(folder, log, { observeEverySeconds });
    const addresses = { dataFolder: folder, group: wholeGroup, ports: estate.ports };
    const known = registered ?? (await protectEstate(holdfast.client(), addresses, { restAtMark }));
    return { folder, estate, holdfast, registered: known, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What RESTOREs take at a stand-in: as long as they run, or with its fault `restore-pace` what they take on a slow server. */
export type Pace = { readonly bytesPerSecond: number; readonly msPerStatement: number } | undefined;

/** @throws Error with the stand-in's own words. */
export async function setPace(controlUrl: string, pace: Pace): Promise<void> {
  const answer =
    pace === undefined
      ? await fetch(`${controlUrl}/faults/restore-pace`, { method: 'DELETE' })
      : await fetch(`${controlUrl}/faults`, {
          method: 'POST',
          body: JSON.stringify({ name: 'restore-pace', parameters: pace }),
        });
  if (!answer.ok) throw new Error(`The pace was refused: ${await answer.text()}`);
}

/** Waits until the standby is in sync and says that it can stop at a newer mark than `after`; answers that mark. */
export async function untilNewMark(
  { holdfast, registered }: ProtectedEstate,
  after: string,
  limitMs = 90_000,
): Promise<string> {
  let last: unknown;
  return until(
    limitMs,
    () => `The standby did not follow: ${JSON.stringify(last)}`,
    async () => {
      const { standby } = await holdfast
        .client()
        .ask<{ standby: { state: string; newestCommonMarkName: string | null } | null }>(
          `query ($id: ID!) { standby(id: $id) { state newestCommonMarkName } }`,
          { id: registered.standbyId },
        );
      last = standby;
      const mark = standby?.newestCommonMarkName ?? '';
      return standby?.state === 'IN_SYNC' && mark > after ? mark : undefined;
    },
  );
}

/** Looks until there is something. @throws Error at the limit. */
export async function until<T>(
  limitMs: number,
  words: () => string,
  look: () => Promise<T | undefined>,
  everyMs = 50,
): Promise<T> {
  const limit = AbortSignal.timeout(limitMs);
  while (!limit.aborted) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await pause(everyMs);
  }
  throw new Error(`${words()} (waited ${limitMs} ms)`);
}
