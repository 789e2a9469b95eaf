import type { Store } from '@holdfast/store';
import { markTarget } from '../execution/execution.ts';
import type { Situation } from '../execution/next-action.ts';
import type { StepText } from '../execution/step.ts';
import type { RestoreTables } from '../tables.ts';
import { loadReferenceFacts } from './reference-store.ts';
import { referenceSteps } from './reference-steps.ts';

/** Written once, from what is known when the databases are verified: what people confirm must not change under them. No server is asked. */
export async function planReferences(
  { execution, estate }: Pick<Situation, 'execution' | 'estate'>,
  { store }: { readonly store: Store<RestoreTables> },
): Promise<{ readonly kind: 'PLANNED'; readonly next: readonly StepText[] }> {
  const facts = await store.read(db => loadReferenceFacts(db, estate));
  return { kind: 'PLANNED', next: referenceSteps({ ...facts, mark: markTarget(execution).mark }) };
}
