import type { Estate } from '../estate/estate.ts';

/** A restore that an execution of the group has done. Times RFC 3339 UTC. */
export type TimedRestore = {
  readonly executionId: string;
  readonly instance: string;
  readonly fileId: string;
  readonly startedAt: string;
  readonly finishedAt: string;
};

/** Instances work beside each other: the one with most to read decides. */
export function secondsFor(
  parts: readonly { readonly instance: string; readonly bytes: bigint }[],
  speed: number | null,
): number | null {
  if (speed === null) return null;
  const perInstance = [...Map.groupBy(parts, ({ instance }) => instance).values()];
  return Math.max(0, ...perInstance.map(own => Number(own.reduce((sum, { bytes }) => sum + bytes, 0n)) / speed));
}

/** What one instance restored in a second, from its first restore to its last, with all that ran beside each other and all repetitions. */
export function bytesPerSecond({ sets }: Pick<Estate, 'sets'>, timed: readonly TimedRestore[]): number | null {
  const sizes = new Map(
    sets.flatMap(({ files }) => files.map(({ fileId, header }) => [fileId, Number(header?.size ?? 0)] as const)),
  );
  const windows = [...Map.groupBy(timed, ({ executionId, instance }) => `${executionId} ${instance}`).values()];
  const milliseconds = windows.reduce((sum, own) => {
    const begun = Math.min(...own.map(({ startedAt }) => Date.parse(startedAt)));
    return sum + Math.max(...own.map(({ finishedAt }) => Date.parse(finishedAt))) - begun;
  }, 0);
  const bytes = timed.reduce((sum, { fileId }) => sum + (sizes.get(fileId) ?? 0), 0);
  return bytes > 0 && milliseconds > 0 ? (bytes / milliseconds) * 1000 : null;
}
