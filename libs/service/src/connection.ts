import { apiError } from './errors.ts';

/** The sort key of a row, in the order of the list's ORDER BY; opaque to clients. */
export type CursorKey = readonly (string | number | null)[];

/** `first` rows after `after` (null: from the start). Ask the store for `first + 1` rows: the extra one says that there is a next page. */
export type Page = { readonly first: number; readonly after: CursorKey | null };

export type Edge<Row> = { readonly cursor: string; readonly node: Row };
export type PageInfo = {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly startCursor: string | null;
  readonly endCursor: string | null;
};
export type Connection<Row> = {
  readonly edges: readonly Edge<Row>[];
  readonly nodes: readonly Row[];
  readonly pageInfo: PageInfo;
  readonly totalCount: number | null;
};

export const defaultPageSize = 50;
export const maxPageSize = 200;

/** The arguments of a Relay connection. @throws GraphQLError BAD_USER_INPUT that names the limit or says that the cursor is not ours. */
export function pageArguments(args: {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}): Page {
  const first = args.first ?? defaultPageSize;
  if (!Number.isInteger(first) || first < 1 || first > maxPageSize) {
    throw apiError('BAD_USER_INPUT', `first must be between 1 and ${maxPageSize}; it was ${first}.`, {
      fix: `Ask for at most ${maxPageSize} and continue with after: pageInfo.endCursor.`,
      field: 'first',
      limit: maxPageSize,
    });
  }
  return { first, after: args.after === undefined || args.after === null ? null : parseCursor(args.after) };
}

/** One page. `rows` may hold one row more than `page.first`; it is not shown but makes `hasNextPage` true. */
export function connection<Row>(
  rows: readonly Row[],
  page: Page,
  totalCount: number | undefined,
  cursorOf: (row: Row) => CursorKey,
): Connection<Row> {
  const nodes = rows.slice(0, page.first);
  const edges = nodes.map(node => ({ cursor: renderCursor(cursorOf(node)), node }));
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: rows.length > page.first,
      // As Relay allows for forward paging: a cursor was given, so rows before it existed.
      hasPreviousPage: page.after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount: totalCount ?? null,
  };
}

function renderCursor(key: CursorKey): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

function parseCursor(cursor: string): CursorKey {
  const key = jsonOrUndefined(Buffer.from(cursor, 'base64url').toString('utf8'));
  // Rendering it again refuses what base64url decoding forgives: stray characters, other JSON spellings.
  if (!isCursorKey(key) || renderCursor(key) !== cursor) {
    throw apiError('BAD_USER_INPUT', 'after is not a cursor of this list.', {
      fix: 'Use pageInfo.endCursor of the page before, unchanged.',
      field: 'after',
    });
  }
  return key;
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isCursorKey(value: unknown): value is CursorKey {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(part => part === null || typeof part === 'string' || typeof part === 'number')
  );
}
