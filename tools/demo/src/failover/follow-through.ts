import type { GatewayClient } from '../gateway-client.ts';
import { type Execution, followExecution } from './failover.ts';
import { startOperator, type Waiting } from './operator.ts';

export type FollowThrough = {
  readonly limitMs: number;
  readonly say?: (line: string) => void;
  /** Taken at what waits for a person, before the yes. */
  readonly look?: (waiting: Waiting) => Promise<void>;
  readonly onState?: (shown: Pick<Execution, 'state' | 'markName'>) => void;
};

/** States in which every database is open and verified; what is left is for people. */
const verifiedStates = ['REFERENCING', 'COMPLETED'];

export function isVerified({ state }: Pick<Execution, 'state'>): boolean {
  return verifiedStates.includes(state);
}

/** Follows an execution to its end with a person at its side, who confirms every step that waits for one. */
export async function followThrough(
  client: GatewayClient,
  executionId: string,
  { limitMs, say = () => undefined, look, onState }: FollowThrough,
): Promise<Execution> {
  const operator = startOperator(client, executionId, say, look);
  let last: Execution | undefined;
  const onEach = (execution: Execution): void => {
    last = execution;
    onState?.(execution);
  };
  const followed = followExecution(client, executionId, limitMs, onEach).catch((error: unknown) => {
    if (last === undefined) throw error;
    throw new Error([`The failover stands at ${last.state}.`, ...complaintsOf(last)].join('\n'), { cause: error });
  });
  try {
    return await Promise.race([followed, operator.failed]);
  } finally {
    await Promise.allSettled([operator.stop()]);
  }
}

/** What its steps complain of, those that ended well included; what a person said of one is no complaint. */
export function complaintsOf({ steps }: Execution): readonly string[] {
  return steps.flatMap(step =>
    step.reasons
      .filter(({ code }) => code !== 'CONFIRMED')
      .map(({ code, message, fix }) => `${step.name}: ${code}: ${message} ${fix}`),
  );
}
