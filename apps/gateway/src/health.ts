import { z } from 'zod';
import { subgraphNames } from './composition.ts';
import type { AlarmClock } from './alarm-clock.ts';

export type Check = { readonly name: string; readonly ok: boolean; readonly detail: string; readonly since: string };
export type Readiness = { readonly status: 'ready' | 'degraded' | 'not ready'; readonly checks: readonly Check[] };

const probeTimeoutMs = 1_000;

/** As much of a service's readiness as says whether it leads (libs/service). */
const answerOfService = z.object({ checks: z.array(z.object({ name: z.string(), ok: z.boolean() })) });

/**
 * Ready means that the supergraph is loaded. A subgraph that does not answer only degrades: the rest of every page still
 * comes, and taking the gateway out of service would take that away, too.
 */
export function readinessOf(
  supergraphSdl: string,
  urls: Readonly<Record<string, readonly string[]>>,
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
        const replicas = await Promise.all((urls[name] ?? []).map(probe));
        return record(`subgraph:${name}`, replicas.includes(leads), detailOf(replicas));
      }),
    );
    const degraded = subgraphs.some(check => !check.ok);
    const status = !supergraph.ok ? 'not ready' : degraded ? 'degraded' : 'ready';
    return { status, checks: [supergraph, ...subgraphs] };
  };
}

const leads = 'leads';

/** Replicas by their place in the configuration: nothing about addresses, readiness is answered to everyone. */
function detailOf(replicas: readonly string[]): string {
  const [only] = replicas;
  if (replicas.length === 1 && only !== undefined) return only === leads ? 'answers' : only;
  return replicas.map((each, index) => `replica ${index + 1} ${each}`).join(', ');
}

async function probe(url: string): Promise<string> {
  try {
    const response = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(probeTimeoutMs) });
    const answer = answerOfService.safeParse(await response.json().catch(() => undefined));
    // A leader that is not ready for another reason still leads, and its own readiness says what is wrong.
    if (!answer.success) return `answers with status ${response.status}`;
    return answer.data.checks.some(({ name, ok }) => name === 'leader' && !ok) ? 'waits to lead' : leads;
  } catch (error) {
    return error instanceof DOMException && error.name === 'TimeoutError'
      ? `gave no answer within ${probeTimeoutMs} ms`
      : 'is not reachable';
  }
}
