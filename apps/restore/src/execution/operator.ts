import { type ExecutionId, parseId } from '@holdfast/domain';
import { type ExecutionView, isFinished } from './execution.ts';
import { isOpen, type Step, type StepId, type StepReason } from './step.ts';

type Text = { readonly message: string; readonly fix: string };

/** Named as in the API, whose types they become. */
export type OperatorRefusal =
  | (Text & { readonly refused: 'InvalidInput'; readonly field: string })
  | (Text & { readonly refused: 'NotAllowed'; readonly rule: string })
  | (Text & { readonly refused: 'NotFound'; readonly id: string })
  | (Text & { readonly refused: 'PointOfNoReturnPassed'; readonly execution: ExecutionView })
  | (Text & { readonly refused: 'StepNotWaiting'; readonly state: Step['state'] })
  | (Text & { readonly refused: 'VersionConflict'; readonly version: number });

export type StepInput = {
  readonly executionId: string;
  readonly stepId: string;
  readonly expectedVersion?: number | null | undefined;
  readonly note?: string | null | undefined;
};
export type SkipInput = Omit<StepInput, 'note'> & { readonly reason: string };
export type CancelInput = { readonly executionId: string; readonly reason: string };

const invalid = (field: string, message: string, fix: string): OperatorRefusal => ({
  refused: 'InvalidInput',
  field,
  message,
  fix,
});

export const noSuch = (id: string, what: string): OperatorRefusal => ({
  refused: 'NotFound',
  id,
  message: `There is no such ${what}.`,
  fix: 'Use an id as an earlier answer gave it.',
});

export function parseExecutionId(text: string): ExecutionId | OperatorRefusal {
  return (
    parseId<ExecutionId>(text) ?? invalid('executionId', 'This is not an id.', 'Use an id that startFailover gave.')
  );
}

export function checkReason(reason: string): OperatorRefusal | undefined {
  return reason.trim() === '' ? invalid('reason', 'reason is empty.', 'Say it; it is kept in the record.') : undefined;
}

/** 'CANCELLED': it is so, or will be without more being done. */
export function checkCancel(execution: ExecutionView): OperatorRefusal | 'CANCELLED' | undefined {
  if (execution.passedPointOfNoReturn)
    return {
      refused: 'PointOfNoReturnPassed',
      execution,
      message: 'The first database was told to open: the standby cannot go back to shipping any more.',
      fix: isFinished(execution)
        ? 'The execution has ended. To go back to the old site, protect the new one and fail over from it.'
        : 'Let it end. To go back to the old site, protect the new one and fail over from it.',
    };
  if (execution.state === 'CANCELLED' || execution.ending !== null) return 'CANCELLED';
  if (!isFinished(execution)) return undefined;
  return invalid(
    'executionId',
    'This execution has failed: there is nothing left to cancel.',
    'What it did to sources that answered, and how each is undone, is said in its steps.',
  );
}

/** The step of the request, when its version and state allow it to be settled by a person. */
export function findStep(
  execution: ExecutionView,
  { stepId, expectedVersion }: Pick<StepInput, 'stepId' | 'expectedVersion'>,
): Step | OperatorRefusal {
  const step = execution.steps.find(candidate => candidate.stepId === (stepId as StepId));
  if (step === undefined) return noSuch(stepId, 'step of this execution');
  if (expectedVersion != null && expectedVersion !== execution.version)
    return {
      refused: 'VersionConflict',
      version: execution.version,
      message: `The execution is at version ${String(execution.version)}, not ${String(expectedVersion)}.`,
      fix: 'Look at it again, then decide with its version.',
    };
  return step;
}

export function checkConfirm({ state }: Step): OperatorRefusal | undefined {
  return state === 'AWAITING_CONFIRMATION'
    ? undefined
    : notWaiting(
        state,
        'This step does not wait for a confirmation.',
        'Confirm the step that is AWAITING_CONFIRMATION.',
      );
}

/** Only what may be missing without harm to the databases that are opened. */
export function checkSkip({ state, work, name }: Step): OperatorRefusal | undefined {
  if (!isOpen(state)) return notWaiting(state, 'This step is over.', 'Only a step that is not done can be skipped.');
  const rule = skipRules[work.kind];
  if (rule === undefined) return undefined;
  return {
    refused: 'NotAllowed',
    rule: `safety:${rule}`,
    message: `"${name}" cannot be skipped.`,
    fix: 'Remove what stands in its way, or cancel the execution while nothing is open yet.',
  };
}

/** The rule that forbids it; what is not here can be skipped by name. */
const skipRules: Partial<Record<Step['work']['kind'], string>> = {
  PROBE: 'two-live-copies',
  DISABLE_JOB: 'torn-set',
  AWAIT_IDLE: 'torn-set',
  SET_OFFLINE: 'two-live-copies',
  CLAIM: 'one-writer',
  CHOOSE: 'one-mark',
  OFFER: 'one-mark',
  RESTORE: 'one-mark',
  CHECK: 'one-mark',
  RECOVER: 'one-mark',
  VERIFY: 'one-mark',
};

function notWaiting(state: Step['state'], message: string, fix: string): OperatorRefusal {
  return { refused: 'StepNotWaiting', state, message, fix };
}

/** What a person said about a step stays with it. */
export function spoken(code: 'CONFIRMED' | 'SKIPPED', by: string, words: string, since: string): StepReason {
  const did = code === 'CONFIRMED' ? 'confirmed' : 'skipped';
  return {
    code,
    message: words === '' ? `${by} ${did} this step.` : `${by} ${did} this step: ${words}`,
    fix: 'Nothing has to be done.',
    evidence: null,
    since,
  };
}
