import type { GatewayClient } from '../gateway-client.ts';
import type { Union } from '../protect/answers.ts';
import { repeat, type Repeating } from '../workload/repeating.ts';

const lookEveryMs = 200;

type Waiting = { readonly id: string; readonly name: string; readonly state: string };

/** The person of the runbook: confirms each step that waits for one, and says so. */
export function startOperator(client: GatewayClient, executionId: string, say: (line: string) => void): Repeating {
  const round = async (): Promise<void> => {
    const { execution } = await client.ask<{ execution: { version: number; steps: readonly Waiting[] } | null }>(
      'query ($id: ID!) { execution(id: $id) { version steps { id name state } } }',
      { id: executionId },
    );
    const step = execution?.steps.find(({ state }) => state === 'AWAITING_CONFIRMATION');
    if (execution === null || step === undefined) return;
    const input = { executionId, stepId: step.id, expectedVersion: execution.version, note: 'Done by the demo.' };
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
