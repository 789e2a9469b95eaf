/** Hands `items` in their order to at most `atOnce` workers, and waits for all of them before it throws what one of them threw. */
export async function sideBySide<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (next: () => Item | undefined) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const next = () => queue.next().value;
  await settled(Array.from({ length: Math.min(atOnce, items.length) }, () => work(next)));
}

/** All of them, whatever becomes of the others; then the first that failed. */
export async function settled<Result>(works: readonly Promise<Result>[]): Promise<readonly Result[]> {
  await Promise.allSettled(works);
  return Promise.all(works);
}

/** After what has arrived by now. */
export function nextTurn(): Promise<undefined> {
  return new Promise(resolve => setImmediate(() => resolve(undefined)));
}
