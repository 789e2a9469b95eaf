/** How quick the replicas of a service are with each other; all in milliseconds. */
export type LeaseTimes = {
  /** How often one who waits looks; 200 when left out. */
  readonly retryMs: number;
  /** How long a living holder's heartbeat must stand still; 6,000 when left out. */
  readonly replaceAfterMs: number;
  /** When left out a sixth of `replaceAfterMs`, 1,000 at the most: a beat that comes late on a busy machine must not cost the lead. */
  readonly beatEveryMs: number;
};

export function leaseTimes({
  retryMs = 200,
  replaceAfterMs = 6_000,
  beatEveryMs = Math.min(1_000, Math.floor(replaceAfterMs / 6)),
}: Partial<LeaseTimes>): LeaseTimes {
  return { retryMs, replaceAfterMs, beatEveryMs };
}
