import { expect, it } from '@jest/globals';
import { shared } from './shared.ts';

it('gives nobody what was begun before they asked, and all who wait the same', async () => {
  const begun: PromiseWithResolvers<number>[] = [];
  const ask = shared((_key: string) => {
    begun.push(Promise.withResolvers<number>());
    return begun.at(-1)!.promise;
  });
  const first = ask('a');
  const [second, third] = [ask('a'), ask('a')];
  expect(begun).toHaveLength(1);
  begun[0]!.resolve(1);
  expect(await first).toBe(1);
  const fourth = ask('a');
  expect(begun).toHaveLength(2);
  begun[1]!.resolve(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  begun[2]!.resolve(3);
  expect(await fourth).toBe(3);
});

it('goes on after a failure, and keeps keys apart', async () => {
  let fails = true;
  const ask = shared(async (key: string) => {
    if (fails) throw new Error(key);
    return key;
  });
  await expect(ask('a')).rejects.toThrow('a');
  fails = false;
  expect(await Promise.all([ask('a'), ask('b')])).toEqual(['a', 'b']);
});
