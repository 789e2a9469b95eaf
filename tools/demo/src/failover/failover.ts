import { groupName } from '../estate/sample-group.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { outcomeOf, type Union, until } from '../protect/answers.ts';
import type { Protected } from '../protect/protect.ts';

export type ExecutionStep = {
  readonly name: string;
  readonly state: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly reasons: readonly { readonly code: string; readonly message: string; readonly fix: string }[];
};

export type Execution = {
  readonly state: string;
  readonly markName: string | null;
  readonly markedAt: string | null;
  readonly steps: readonly ExecutionStep[];
};

const acceptLimitMs = 30_000;
const endStates = ['COMPLETED', 'FAILED', 'CANCELLED'];

/**
 * Asks for the failover of the group to the newest mark: never by name, Holdfast has to find it. Resolves with the execution's id, for the
 * same key always with the same one.
 */
export async function requestFailover(
  client: GatewayClient,
  registered: Protected,
  idempotencyKey: string,
): Promise<string> {
  const input = failoverInput(registered, idempotencyKey);
  const answer = await until(acceptLimitMs, async () => {
    const { startFailover } = await client.ask<{ startFailover: Union }>(
      `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
        __typename ... on Execution { id } ... on Refusal { message fix } } }`,
      { input },
    );
    return startFailover.__typename === 'NotYetKnown' ? undefined : startFailover;
  });
  return outcomeOf(answer, 'Execution');
}

/** `StartFailoverInput`. */
export function failoverInput({ groupId, standbyId, sourceIds }: Protected, idempotencyKey: string) {
  return {
    idempotencyKey,
    groupId,
    standbyId,
    mode: 'UNPLANNED',
    target: { newest: true },
    declaredUnreachable: sourceIds.map(instanceId => ({ instanceId, reason: 'The demo killed it.' })),
    reason: 'The demo loses its primary site.',
    confirm: groupName,
  };
}

/** Resolves with the execution's last state. */
export async function followExecution(
  client: GatewayClient,
  id: string,
  limitMs: number,
  onState: (execution: Execution) => void = () => undefined,
): Promise<Execution> {
  const { execution: last } = await client.follow<{ execution: Execution }>(
    `subscription ($id: ID!) { execution(id: $id) {
      state markName markedAt steps { name state startedAt finishedAt reasons { code message fix } } } }`,
    { id },
    ({ execution }) => {
      onState(execution);
      return endStates.includes(execution.state);
    },
    limitMs,
  );
  return last;
}
