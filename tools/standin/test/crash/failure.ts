/** The number of an error that the driver rejected with: the cause, not the 3013 or 5069 that follows it (sqlserver.md §8.3). NaN when the connection was lost. */
export function causeOf(failure: unknown): number {
  const { number, precedingErrors } = failure as {
    number?: unknown;
    precedingErrors?: readonly { number?: unknown }[];
  };
  const cause = precedingErrors?.[0]?.number ?? number;
  return typeof cause === 'number' ? cause : Number.NaN;
}
