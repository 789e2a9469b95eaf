import { subgraphNames } from './composition.ts';
import type { AlarmClock } from './alarm-clock.ts';

export type Check = { readonly name: string; readonly ok: boolean; readonly detail: string; readonly since: string };
export type Readiness = { readonly status: 'ready' | 'degraded' | 'not ready'; readonly checks: readonly Check[] };

const probeTimeoutMs = 1_000;

/**
 * Ready means that the supergraph is loaded. A subgraph that does not answer only degrades: the rest of every page still
 * comes, and taking the gateway out of service would take that away, too.
 */
export function readinessOf(
  supergraphSdl: string,
  urls: Readonly<Record<string, string>>,
  loaded: () => boolean,
  clock: AlarmClock,
): () => Promise<Readiness> {
  const known = new Map<string, Check>();
  const record = (name: string, ok: boolean, detail: string): Check => {
    const before = known.get(name);
    const since = before?.ok === ok ? before.since : new Date(clock.now()).toISOString();
    const check = { name, ok, detail, since };
    known.set(name, check);
    return check;
  };
  return async () => {
    const supergraph = record('supergraph', loaded(), loaded() ? 'loaded' : 'not loaded');
    const subgraphs = await Promise.all(
      subgraphNames(supergraphSdl).map(async name => {
        const detail = await probe(urls[name] ?? '');
        return record(`subgraph:${name}`, detail === 'answers', detail);
      }),
    );
    const degraded = subgraphs.some(check => !check.ok);
    const status = !supergraph.ok ? 'not ready' : degraded ? 'degraded' : 'ready';
    return { status, checks: [supergraph, ...subgraphs] };
  };
}

/** Says nothing about addresses: readiness is answered to everyone. */
async function probe(url: string): Promise<string> {
  try {
    const response = await fetch(new URL('/livez', url), { signal: AbortSignal.timeout(probeTimeoutMs) });
    await response.body?.cancel();
    return response.ok ? 'answers' : `answers with status ${response.status}`;
  } catch (error) {
    return error instanceof DOMException && error.name === 'TimeoutError'
      ? `no answer within ${probeTimeoutMs} ms`
      : 'not reachable';
  }
}
