import { randomUUID } from 'node:crypto';
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

/** Fails the group over to the newest mark: never by name, Holdfast has to find it. Resolves with the execution's last state. */
export async function failOver(
  client: GatewayClient,
  { groupId, standbyId, sourceId }: Protected,
  limitMs: number,
): Promise<Execution> {
  const input = {
    idempotencyKey: randomUUID(),
    groupId,
    standbyId,
    mode: 'UNPLANNED',
    target: { newest: true },
    declaredUnreachable: [{ instanceId: sourceId, reason: 'The demo killed it.' }],
    reason: 'The demo loses its primary.',
    confirm: groupName,
  };
  const answer = await until(acceptLimitMs, async () => {
    const { startFailover } = await client.ask<{ startFailover: Union }>(
      `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
        __typename ... on Execution { id } ... on Refusal { message fix } } }`,
      { input },
    );
    return startFailover.__typename === 'NotYetKnown' ? undefined : startFailover;
  });
  const { execution } = await client.follow<{ execution: Execution }>(
    `subscription ($id: ID!) { execution(id: $id) {
      state markName markedAt steps { name state startedAt finishedAt reasons { code message fix } } } }`,
    { id: outcomeOf(answer, 'Execution') },
    ({ execution: { state } }) => endStates.includes(state),
    limitMs,
  );
  return execution;
}
