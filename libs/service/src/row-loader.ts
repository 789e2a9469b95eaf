import DataLoader from 'dataloader';
import { mostInList } from '@holdfast/store';

/** Loads rows by key for one operation: what is asked for at once is one question, or a few, and a key without a row is undefined. */
export function rowLoader<Key extends string, Row>(
  find: (keys: readonly Key[]) => Promise<readonly Row[]>,
  keyOf: (row: Row) => Key,
): DataLoader<Key, Row | undefined> {
  return new DataLoader(
    async keys => {
      const found = new Map((await find(keys)).map(row => [keyOf(row), row]));
      return keys.map(key => found.get(key));
    },
    { maxBatchSize: mostInList },
  );
}
