import { describe, expect, it } from '@jest/globals';
import { connection, pageArguments } from './connection.ts';

const rows = Array.from({ length: 5 }, (_, index) => ({ name: `ü${index}`, id: `id-${index}` }));
type Row = (typeof rows)[number];
const cursorOf = ({ name, id }: Row) => [name, id];

describe('page arguments', () => {
  it('default to 50 from the start', () => {
    expect(pageArguments({})).toEqual({ first: 50, after: null });
    expect(pageArguments({ first: null, after: null })).toEqual({ first: 50, after: null });
    expect(pageArguments({ first: 200 }).first).toBe(200);
  });

  it.each([0, -1, 201, 1.5, Number.NaN])('refuse first: %d, naming the limit', first => {
    expect(() => pageArguments({ first })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('200'),
        extensions: expect.objectContaining({ code: 'BAD_USER_INPUT', limit: 200 }),
      }),
    );
  });

  it.each([
    '',
    'x',
    '!!',
    Buffer.from('{}').toString('base64url'),
    Buffer.from('[{}]').toString('base64url'),
    Buffer.from('[1, 2]').toString('base64url'),
    Buffer.from('[]').toString('base64url'),
  ])('refuse the cursor %j', after => {
    expect(() => pageArguments({ after })).toThrow(
      expect.objectContaining({ extensions: expect.objectContaining({ code: 'BAD_USER_INPUT', field: 'after' }) }),
    );
  });
});

describe('a connection', () => {
  it('walks all rows once, page by page', () => {
    const seen: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 5; pages += 1) {
      const page = pageArguments({ first: 2, after });
      const from = page.after === null ? 0 : rows.findIndex(({ id }) => id === page.after?.[1]) + 1;
      const result: ReturnType<typeof connection<Row>> = connection(
        rows.slice(from, from + page.first + 1),
        page,
        rows.length,
        cursorOf,
      );
      seen.push(...result.nodes.map(({ id }) => id));
      expect(result.totalCount).toBe(5);
      expect(result.pageInfo.hasPreviousPage).toBe(pages > 0);
      after = result.pageInfo.endCursor;
      if (!result.pageInfo.hasNextPage) break;
    }
    expect(seen).toEqual(rows.map(({ id }) => id));
  });

  it('is empty without rows', () => {
    expect(connection<Row>([], { first: 2, after: null }, undefined, cursorOf)).toEqual({
      edges: [],
      nodes: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
      totalCount: null,
    });
  });
});
