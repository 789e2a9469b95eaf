import { parseId, type GroupId, type InstanceId, type StandbyId } from '@holdfast/domain';
import { type MarkName, parseMarkName } from '@holdfast/domain/mark';
import type { TargetRequest } from '@holdfast/domain/target';
import type { Estate } from '../estate/estate.ts';
import { publishedPositions } from '../estate/estate.ts';
import { reach } from '../execution/choice.ts';
import type { Declaration, ExecutionView } from '../execution/execution.ts';
import type { StepReason } from '../execution/step.ts';
import type { RecoveryPreview } from '../preview/preview.ts';

/** As the API gives it, not looked at yet. */
export type FailoverInput = {
  readonly idempotencyKey: string;
  readonly groupId: string;
  readonly standbyId: string;
  readonly mode: 'PLANNED' | 'UNPLANNED';
  readonly target: {
    readonly newest?: boolean | null | undefined;
    readonly newestMarkBefore?: string | null | undefined;
    readonly mark?: string | null | undefined;
    readonly recoveryPointId?: string | null | undefined;
  };
  readonly expectedMark?: string | null | undefined;
  readonly declaredUnreachable?: readonly { readonly instanceId: string; readonly reason: string }[] | null | undefined;
  readonly reason: string;
  readonly confirm: string;
};

export type FailoverRequest = {
  readonly idempotencyKey: string;
  readonly mode: 'PLANNED' | 'UNPLANNED';
  readonly groupId: GroupId;
  readonly standbyId: StandbyId;
  readonly target: TargetRequest;
  readonly expectedMark: MarkName | null;
  readonly declared: readonly Declaration[];
  readonly reason: string;
  readonly confirm: string;
};

type Text = { readonly message: string; readonly fix: string };

/** Another mark would be reached now; whoever can read the store adds what it would be like. */
export type Outdated = Text & { readonly refused: 'PreviewOutdated' };

/** Named as in the API, whose types they become. */
export type FailoverRefusal =
  | (Text & { readonly refused: 'InvalidInput'; readonly field: string })
  | (Text & { readonly refused: 'NotAllowed'; readonly rule: string })
  | (Text & { readonly refused: 'NotYetKnown' | 'NotFound'; readonly id: string })
  | (Text & { readonly refused: 'IdempotencyKeyReused' })
  | (Text & { readonly refused: 'ExecutionAlreadyRunning'; readonly execution: ExecutionView })
  | (Outdated & { readonly preview: RecoveryPreview })
  | (Text & {
      readonly refused: 'SourceCannotBeFenced';
      readonly instance: string;
      readonly reasons: readonly StepReason[];
    })
  | (Text & {
      readonly refused: 'SourceNotAccountedFor';
      readonly instance: string;
      readonly evidence: readonly string[];
    })
  | (Text & { readonly refused: 'NothingRestorable'; readonly reasons: readonly StepReason[] })
  | (Text & {
      readonly refused: 'TargetNotReachable';
      readonly nearest: { readonly id: string } | null;
      readonly nearestMarkName: string | null;
    });

export const invalid = (field: string, message: string, fix: string): FailoverRefusal => ({
  refused: 'InvalidInput',
  field,
  message,
  fix,
});

/** The request, or what is wrong with it on the face of it. */
export function parseFailover(input: FailoverInput): FailoverRequest | FailoverRefusal {
  const groupId = parseId<GroupId>(input.groupId);
  const standbyId = parseId<StandbyId>(input.standbyId);
  if (groupId === undefined || standbyId === undefined)
    return invalid(
      groupId === undefined ? 'groupId' : 'standbyId',
      'This is not an id.',
      'Use an id as an earlier answer gave it: a UUID.',
    );
  const blank = (['idempotencyKey', 'reason'] as const).find(field => input[field].trim() === '');
  if (blank !== undefined) return invalid(blank, `${blank} is empty.`, 'Say it; it is kept in the record.');
  const target = parseTarget(input.target);
  if ('refused' in target) return target;
  const expected = input.expectedMark ?? null;
  const expectedMark = expected === null ? null : parseMarkName(expected);
  if (expectedMark === undefined) return notAMark('expectedMark');
  const declared = parseDeclared(input.declaredUnreachable ?? []);
  if ('refused' in declared) return declared;
  const { idempotencyKey, mode, reason, confirm } = input;
  const request = { idempotencyKey, mode, groupId, standbyId, target, expectedMark, declared, reason, confirm };
  return mode === 'PLANNED' ? (checkPlanned(request) ?? request) : request;
}

/** A planned failover makes its own mark, the last one, at sources that are all alive: nothing else can be asked of it. */
function checkPlanned({ target, expectedMark, declared }: FailoverRequest): FailoverRefusal | undefined {
  if (target.kind !== 'NEWEST')
    return invalid('target', 'A planned failover goes to the mark of its own last run.', 'Send newest: true.');
  if (expectedMark !== null)
    return invalid('expectedMark', 'A planned failover makes a new mark, which nobody knows yet.', 'Leave it out.');
  return declared.length === 0
    ? undefined
    : invalid(
        'declaredUnreachable',
        'In a planned failover every source answers.',
        'Leave it out, or fail over UNPLANNED when an instance is gone.',
      );
}

/** A point given by its id has its mark's name by now (preview-commands.ts). */
export function parseTarget(target: FailoverInput['target']): TargetRequest | FailoverRefusal {
  const { newest, newestMarkBefore, mark } = target;
  if (typeof newestMarkBefore === 'string') return { kind: 'NEWEST_MARK_BEFORE', time: newestMarkBefore };
  if (typeof mark === 'string') {
    const name = parseMarkName(mark);
    return name === undefined ? notAMark('target.mark') : { kind: 'MARK', mark: name };
  }
  return newest === true
    ? { kind: 'NEWEST' }
    : invalid('target.newest', 'newest can only be true.', 'Send newest: true, or name a mark or a time.');
}

function parseDeclared(
  declared: readonly { readonly instanceId: string; readonly reason: string }[],
): readonly Declaration[] | FailoverRefusal {
  const parsed: Declaration[] = [];
  for (const { instanceId, reason } of declared) {
    const id = parseId<InstanceId>(instanceId);
    if (id === undefined)
      return invalid(
        'declaredUnreachable.instanceId',
        `"${instanceId}" is not an id.`,
        'Use the id of a SQL Server instance of this group.',
      );
    if (reason.trim() === '')
      return invalid('declaredUnreachable.reason', 'A reason is empty.', 'Say how you know that the instance is gone.');
    parsed.push({ instanceId: id, reason });
  }
  return parsed;
}

function notAMark(field: string): FailoverRefusal {
  return invalid(
    field,
    'This is not the name of a mark.',
    'Use the name exactly as a recovery point gives it: 1 to 32 characters.',
  );
}

/** Against what is known of group and standby, nothing asked outside. */
export function checkFailover(request: FailoverRequest, { group, standby }: Estate): FailoverRefusal | undefined {
  const unfit = checkStandby(request, { standby });
  if (unfit !== undefined) return unfit;
  if (request.confirm !== group.name)
    return invalid('confirm', 'confirm is not the name of the group.', `Type it exactly: ${group.name}`);
  const stranger = request.declared.find(
    ({ instanceId }) => !group.instances.some(instance => instance.instanceId === instanceId),
  );
  if (stranger !== undefined)
    return invalid(
      'declaredUnreachable.instanceId',
      `${stranger.instanceId} is no source instance of ${group.name}.`,
      `Its instances are: ${group.instances.map(({ name, instanceId }) => `${name} (${instanceId})`).join(', ')}.`,
    );
  return undefined;
}

/** Whether a failover to this standby can be thought of at all. */
export function checkStandby(
  request: Pick<FailoverRequest, 'groupId' | 'standbyId'>,
  { standby }: Pick<Estate, 'standby'>,
): FailoverRefusal | undefined {
  if (standby.groupId !== request.groupId) return noSuchStandby(request.standbyId);
  if (standby.mode === 'NATIVE')
    return nothing([
      standbyReason(
        'NATIVE_STANDBY',
        'The standby is restored by the BizTalk jobs; failing over to one is not built yet.',
        'Use a standby in MANAGED mode.',
      ),
    ]);
  if (standby.state === 'RECOVERED')
    return nothing([
      standbyReason(
        'STANDBY_RECOVERED',
        'The databases of this standby were opened before: its chain is over.',
        'Use another standby, or seed this one again.',
      ),
    ]);
  return undefined;
}

/** From the positions that shipping published last: a first word, the execution reads them again before it chooses. */
export function checkTarget(
  request: Pick<FailoverRequest, 'target' | 'expectedMark'>,
  estate: Estate,
): Exclude<FailoverRefusal, Outdated> | Outdated | undefined {
  const reachable = reach(estate, request.target, publishedPositions(estate));
  if (reachable.kind === 'NOTHING') return nothing(reachable.reasons);
  if (reachable.kind === 'NOT_REACHABLE')
    return {
      refused: 'TargetNotReachable',
      message: reachable.reasons[0]?.message ?? 'The mark asked for cannot be reached.',
      fix: reachable.nearest
        ? `Ask for ${reachable.nearest.mark}, the newest mark that can be reached, or for an earlier one.`
        : 'No mark can be reached now.',
      nearest: reachable.nearest ? { id: reachable.nearest.recoveryPointId } : null,
      nearestMarkName: reachable.nearest?.mark ?? null,
    };
  const { mark } = reachable.candidate;
  if (request.expectedMark === null || request.expectedMark === mark) return undefined;
  return {
    refused: 'PreviewOutdated',
    message: `The mark that would be reached now is ${mark}, not ${request.expectedMark}.`,
    fix: 'Decide again with this mark.',
  };
}

/** One source instance against what was declared of it and what it answered. */
export function checkSource(
  instanceName: string,
  declared: Declaration | undefined,
  { answer, evidence }: { readonly answer: 'ANSWERS' | 'REFUSES' | 'SILENT' | 'UNKNOWN'; readonly evidence: string },
): FailoverRefusal | undefined {
  if (answer === 'SILENT' && declared !== undefined) return undefined;
  if (answer === 'ANSWERS' && declared === undefined) return undefined;
  if (answer === 'REFUSES' && declared === undefined)
    return {
      refused: 'SourceCannotBeFenced',
      instance: instanceName,
      message: `${instanceName} is there, but it cannot be taken out of service from here.`,
      fix: 'Two live copies of one group must not exist. Correct what the evidence names, or shut the instance down so that it cannot come back and declare it unreachable.',
      reasons: [
        standbyReason(
          'SOURCE_REFUSES_US',
          `${instanceName} does not let this service in.`,
          'Check its address, the certificate and the login that the credentials of the instance name.',
          evidence,
        ),
      ],
    };
  const refused = 'SourceNotAccountedFor';
  const told = { refused, instance: instanceName, evidence: [evidence] } as const;
  if (answer === 'SILENT')
    return {
      ...told,
      message: `${instanceName} does not answer and nobody declared it gone.`,
      fix: 'Make sure that it cannot come back by itself, then name it in declaredUnreachable with your reason.',
    };
  if (answer === 'ANSWERS' || answer === 'REFUSES')
    return {
      ...told,
      message: `${instanceName} was declared unreachable, but it answers.`,
      fix: 'Leave it out of declaredUnreachable: what answers is fenced. If it must be taken as gone, shut it down so that it cannot come back.',
    };
  return {
    ...told,
    message: `Whether ${instanceName} is gone could not be found out from here.`,
    fix: 'Correct what the evidence names (its address or credentials as this service sees them), then ask again.',
  };
}

export const notYetKnown = (id: string): FailoverRefusal => ({
  refused: 'NotYetKnown',
  id,
  message: `${id} has not been seen here yet.`,
  fix: 'If it was just created, try again in a moment; otherwise check the id.',
});

export const alreadyRunning = (execution: ExecutionView): FailoverRefusal => ({
  refused: 'ExecutionAlreadyRunning',
  execution,
  message: `${execution.groupName} already has an execution that has not ended.`,
  fix: 'Follow that one; only one runs for a group at a time.',
});

export const keyReused = (): FailoverRefusal => ({
  refused: 'IdempotencyKeyReused',
  message: 'This idempotency key came before with other input.',
  fix: 'Use a new key for a new request, the same input for a repetition.',
});

function noSuchStandby(id: string): FailoverRefusal {
  return {
    refused: 'NotFound',
    id,
    message: 'This group has no such standby.',
    fix: "Use the id of one of the group's standbys.",
  };
}

function nothing(reasons: readonly StepReason[]): FailoverRefusal {
  return {
    refused: 'NothingRestorable',
    message: reasons[0]?.message ?? 'No mark can be reached at this standby.',
    fix: reasons[0]?.fix ?? 'Look at the recovery points and at the standby.',
    reasons,
  };
}

function standbyReason(code: string, message: string, fix: string, evidence: string | null = null): StepReason {
  return { code, message, fix, evidence, since: null };
}
