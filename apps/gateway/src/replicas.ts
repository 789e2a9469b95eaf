/**
 * The addresses of each service's replicas, the one to ask first at the front. One of them leads and answers, the others say that they
 * do not (`NOT_LEADER`); who leads changes with a crash, so nothing but an answer tells.
 */
export type Replicas = {
  /** In the order in which to ask now. */
  of(service: string): readonly string[];
  /** It has answered: the next request goes there first. */
  answered(service: string, url: string): void;
  /** It refused, was not reachable or kept silent: asked last from now on. */
  failed(service: string, url: string): void;
};

export function createReplicas(subgraphs: Readonly<Record<string, readonly string[]>>): Replicas {
  const order = new Map(Object.entries(subgraphs));
  const move = (service: string, url: string, place: (rest: readonly string[]) => readonly string[]): void => {
    const rest = order.get(service)?.filter(each => each !== url) ?? [];
    order.set(service, place(rest));
  };
  return {
    of: service => order.get(service) ?? [],
    answered(service, url) {
      if (order.get(service)?.[0] !== url) move(service, url, rest => [url, ...rest]);
    },
    failed: (service, url) => move(service, url, rest => [...rest, url]),
  };
}
