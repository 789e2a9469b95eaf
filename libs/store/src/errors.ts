/**
 * What to make of a failing store. `constraint` is the caller's to handle; `superseded` says that a newer leader has the store: nothing of
 * the caller's was or will be committed, its process is to end; the others are the operator's. `lost`: the connection ended, nothing of the
 * transaction is committed; `unknown`: it ended inside a commit, and nobody could be asked what became of it.
 */
export type StoreErrorClass =
  | 'busy'
  | 'full'
  | 'read-only'
  | 'corrupt'
  | 'cannot-open'
  | 'constraint'
  | 'superseded'
  | 'lost'
  | 'unknown'
  | 'other';

export class StoreError extends Error {
  readonly kind: StoreErrorClass;
  constructor(kind: StoreErrorClass, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StoreError';
    this.kind = kind;
  }
}

// SQLite's primary result codes (sqlite.org/rescode.html).
const kinds: Record<number, StoreErrorClass> = {
  5: 'busy',
  6: 'busy',
  8: 'read-only',
  11: 'corrupt',
  13: 'full',
  14: 'cannot-open',
  19: 'constraint',
  26: 'corrupt',
};

/** The typed form of what node:sqlite throws; anything else is returned as it is. */
export function storeError(error: unknown, what: string): unknown {
  if (!Error.isError(error) || !('errcode' in error) || typeof error.errcode !== 'number') return error;
  const kind = kinds[error.errcode & 0xff] ?? 'other';
  return new StoreError(kind, `${what}: ${error.message}`, error);
}
