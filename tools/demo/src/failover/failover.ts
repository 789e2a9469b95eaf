import { groupName } from '../estate/sample-group.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { outcomeOf, type Union, until } from '../protect/answers.ts';
import type { Protected } from '../protect/protect.ts';
import type { Ending } from '../ending.ts';

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
  readonly sources: readonly { readonly instanceName: string; readonly outcome: string }[];
  readonly steps: readonly ExecutionStep[];
};

const acceptLimitMs = 30_000;
const endStates = ['COMPLETED', 'FAILED', 'CANCELLED'];

/** What is said of the source: which instances are declared gone, or that all of them are fenced in peace. */
export type SourceWishes = { readonly mode: Ending['mode']; readonly dead: readonly { readonly name: string }[] };

/**
 * Asks for the failover of the group to the newest mark: never by name, Holdfast has to find it. Resolves with the execution's id, for the
 * same key always with the same one.
 */
export async function requestFailover(
  client: GatewayClient,
  registered: Protected,
  idempotencyKey: string,
  wishes: SourceWishes = { mode: 'UNPLANNED', dead: registered.sources },
): Promise<string> {
  const input = failoverInput(registered, idempotencyKey, wishes);
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
export function failoverInput(
  { groupId, standbyId, sources }: Protected,
  idempotencyKey: string,
  { mode, dead }: SourceWishes = { mode: 'UNPLANNED', dead: sources },
) {
  const gone = sources.filter(({ name }) => dead.some(each => each.name === name));
  return {
    idempotencyKey,
    groupId,
    standbyId,
    mode,
    target: { newest: true },
    declaredUnreachable: gone.map(({ id }) => ({ instanceId: id, reason: 'The demo killed it.' })),
    reason: mode === 'PLANNED' ? 'The demo moves to its other site.' : 'The demo loses its primary site.',
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
      state markName markedAt sources { instanceName outcome } steps { name state startedAt finishedAt reasons { code message fix } } } }`,
    { id },
    ({ execution }) => {
      onState(execution);
      return endStates.includes(execution.state);
    },
    limitMs,
  );
  return last;
}
