/**
 * One piece of work for all who ask at the same time. Nobody gets what was begun before they asked: it may be older than what they have just
 * done. So those who come while one is under way share the next.
 */
export function shared<Key, Result>(work: (key: Key) => Promise<Result>): (key: Key) => Promise<Result> {
  const running = new Map<Key, { readonly current: Promise<Result>; next: Promise<Result> | undefined }>();
  const begin = (key: Key): Promise<Result> => {
    const current = work(key).finally(() => {
      if (running.get(key)?.current === current) running.delete(key);
    });
    running.set(key, { current, next: undefined });
    return current;
  };
  return key => {
    const now = running.get(key);
    if (now === undefined) return begin(key);
    now.next ??= now.current.then(
      () => begin(key),
      () => begin(key),
    );
    return now.next;
  };
}
