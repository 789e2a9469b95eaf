import type { ExecutionResult } from 'graphql';
import type { Replicas } from './replicas.ts';
import { type Verdict, verdictOf } from './subgraph-answers.ts';

export type RequestParts = {
  readonly service: string;
  readonly replicas: Replicas;
  /** One request to one replica, signed for this moment. Failures are results with errors. */
  readonly send: (url: string, limitMs: number) => Promise<ExecutionResult>;
  /** A mutation is sent again only where it certainly did not run: its answer may be what was lost (gateway.md §4 pitfall 2). */
  readonly isRepeatable: boolean;
  /** For all tries together. */
  readonly timeoutMs: number;
  /** How long to ask on while replicas answer that they do not lead yet. */
  readonly takeOverWithinMs: number;
};

const roundsOfQuery = 3;
const pauseMs = 100;

/**
 * The answer of the replica that leads, the one that answered last asked first. A round asks each replica once; after it a query is asked
 * again for what passes by itself, and everything while a take-over is under way. Who used up the whole time once is not asked again.
 */
export async function askReplicas(parts: RequestParts): Promise<ExecutionResult> {
  const { timeoutMs, takeOverWithinMs, isRepeatable } = parts;
  const startedMs = performance.now();
  const passedMs = (): number => performance.now() - startedMs;
  for (let round = 1; ; round += 1) {
    const { result, verdicts } = await askEach(parts, () => timeoutMs - passedMs());
    const last = verdicts.at(-1) ?? 'answered';
    if (last === 'answered' || last === 'timed out' || (last === 'unanswered' && !isRepeatable)) return result;
    const waits = verdicts.includes('not leader') && passedMs() < takeOverWithinMs;
    const again = waits || (isRepeatable && round < roundsOfQuery);
    if (!again || passedMs() + pauseMs >= timeoutMs) return result;
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
}

/** Up to the first replica that gives a usable answer, or after which nobody else may be asked. */
async function askEach(
  { service, replicas, send, isRepeatable }: RequestParts,
  leftMs: () => number,
): Promise<{ result: ExecutionResult; verdicts: readonly Verdict[] }> {
  const verdicts: Verdict[] = [];
  let result: ExecutionResult = {};
  for (const url of replicas.of(service)) {
    const limitMs = leftMs();
    if (verdicts.length > 0 && limitMs <= 0) break;
    result = await send(url, Math.max(Math.floor(limitMs), 1));
    const verdict = verdictOf(result);
    verdicts.push(verdict);
    if (verdict === 'answered') replicas.answered(service, url);
    else replicas.failed(service, url);
    if (verdict === 'answered' || verdict === 'timed out' || (verdict === 'unanswered' && !isRepeatable)) break;
  }
  return { result, verdicts };
}
