import { StoreError, type StoreErrorClass } from './errors.ts';

// sqlserver.md §1.4 (911 … 945), §2.5 (1205), §9.2 (3906, 4060, 18456); the others: learn.microsoft.com, database engine errors.
const kinds: Readonly<Record<number, StoreErrorClass>> = {
  515: 'constraint',
  547: 'constraint',
  823: 'corrupt',
  824: 'corrupt',
  911: 'cannot-open',
  922: 'cannot-open',
  924: 'cannot-open',
  926: 'corrupt',
  927: 'cannot-open',
  942: 'cannot-open',
  945: 'cannot-open',
  1105: 'full',
  1205: 'busy',
  1222: 'busy',
  2601: 'constraint',
  2627: 'constraint',
  3906: 'read-only',
  4060: 'cannot-open',
  9002: 'full',
  18456: 'cannot-open',
};

// The connection ended, or nobody knows what became of what was sent on it (sqlserver.md §8.3, §8.4).
const lostCodes = new Set([
  'ESOCKET',
  'ECONNCLOSED',
  'ENOTOPEN',
  'EINVALIDSTATE',
  'ECLOSE',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEOUT',
  'ETIMEDOUT',
]);

/** Messages of the server, first cause first, and the driver's own code, wherever the driver put them. */
function partsOf(error: unknown): { readonly numbers: readonly number[]; readonly codes: readonly string[] } {
  const numbers: number[] = [];
  const codes: string[] = [];
  const visit = (part: unknown, depth: number): void => {
    if (typeof part !== 'object' || part === null || depth > 4) return;
    const { number, code, precedingErrors, originalError, info, cause } = part as Readonly<Record<string, unknown>>;
    if (Array.isArray(precedingErrors))
      for (const each of precedingErrors as readonly unknown[]) visit(each, depth + 1);
    if (typeof number === 'number') numbers.push(number);
    if (typeof code === 'string') codes.push(code);
    for (const inner of [originalError, info, cause]) visit(inner, depth + 1);
  };
  visit(error, 0);
  return { numbers, codes };
}

/** The number of the server's error, whatever the driver wrapped it in. */
export function errorNumber(error: unknown): number | undefined {
  return partsOf(error).numbers[0];
}

/** The typed form of what the driver throws. */
export function sqlServerStoreError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const { numbers, codes } = partsOf(error);
  const message = `${what}: ${Error.isError(error) ? error.message : String(error)}`;
  if (codes.includes('EABORT'))
    return new StoreError(
      'other',
      'The transaction was rolled back by an earlier error; nothing of it can be committed.',
      error,
    );
  const known = numbers.find(number => kinds[number] !== undefined);
  // A code that says that the connection went away outranks a number: 596 is followed by one.
  const isLost = codes.some(code => lostCodes.has(code)) || numbers.includes(596);
  const kind = isLost ? 'lost' : known === undefined ? 'other' : (kinds[known] ?? 'other');
  return new StoreError(kind, message, error);
}
