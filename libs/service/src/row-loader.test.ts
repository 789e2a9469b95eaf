import { expect, it } from '@jest/globals';
import { rowLoader } from './row-loader.ts';

it('asks once for all keys, in whatever order the rows come, and has nothing for a key without a row', async () => {
  const asked: (readonly string[])[] = [];
  const loader = rowLoader(
    async keys => {
      asked.push(keys);
      return [
        { id: 'b', size: 2 },
        { id: 'a', size: 1 },
      ];
    },
    ({ id }) => id,
  );
  expect(await Promise.all(['a', 'gone', 'b', 'a'].map(key => loader.load(key)))).toEqual([
    { id: 'a', size: 1 },
    undefined,
    { id: 'b', size: 2 },
    { id: 'a', size: 1 },
  ]);
  expect(asked).toEqual([['a', 'gone', 'b']]);
});

it('asks for no more at once than a statement takes', async () => {
  const asked: number[] = [];
  const loader = rowLoader(
    keys => {
      asked.push(keys.length);
      return Promise.resolve(keys.map(id => ({ id })));
    },
    ({ id }) => id,
  );
  const keys = Array.from({ length: 2_500 }, (_, n) => `key ${n}`);
  expect(await loader.loadMany(keys)).toEqual(keys.map(id => ({ id })));
  expect(asked).toEqual([1_000, 1_000, 500]);
});
