import type { GatewayClient } from '../gateway-client.ts';
import type { Union } from '../protect/answers.ts';
import { repeat, type Repeating } from '../workload/repeating.ts';

const lookEveryMs = 100;

/** What the person reads before saying yes. */
export type Waiting = {
  readonly state: string;
  readonly passedPointOfNoReturn: boolean;
  readonly step: {
    readonly id: string;
    readonly name: string;
    readonly why: string;
    readonly command: string;
    readonly expected: string;
  };
};

type Seen = Omit<Waiting, 'step'> & {
  readonly version: number;
  readonly steps: readonly (Waiting['step'] & { readonly state: string })[];
};

/** The person of the runbook: confirms each step that waits for one, and says so. `look`: taken at what waits, before the yes. */
export function startOperator(
  client: GatewayClient,
  executionId: string,
  say: (line: string) => void,
  look: (waiting: Waiting) => Promise<void> = () => Promise.resolve(),
): Repeating {
  const round = async (): Promise<void> => {
    const { execution } = await client.ask<{ execution: Seen | null }>(
      `query ($id: ID!) { execution(id: $id) {
        version state passedPointOfNoReturn steps { id name why command expected state } } }`,
      { id: executionId },
    );
    const step = execution?.steps.find(({ state }) => state === 'AWAITING_CONFIRMATION');
    if (execution === null || step === undefined) return;
    const { version, state, passedPointOfNoReturn } = execution;
    await look({ state, passedPointOfNoReturn, step });
    const input = { executionId, stepId: step.id, expectedVersion: version, note: 'Done by the demo.' };
    const { confirmStep } = await client.ask<{ confirmStep: Union }>(
      'mutation ($input: StepInput!) { confirmStep(input: $input) { __typename ... on Refusal { message fix } } }',
      { input },
    );
    // Somebody has moved it since: the next look says where it stands.
    if (confirmStep.__typename === 'VersionConflict' || confirmStep.__typename === 'StepNotWaiting') return;
    if (confirmStep.__typename !== 'Execution')
      throw new Error(`${step.name}: ${confirmStep.__typename}: ${confirmStep.message ?? ''} ${confirmStep.fix ?? ''}`);
    say(`  confirmed: ${step.name}`);
  };
  return repeat(round, lookEveryMs, (error, stopping) => {
    if (!stopping) throw error;
  });
}
