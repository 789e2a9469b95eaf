import { type DatabaseId, type GroupId, type InstanceId, parseId, type StandbyId } from '@holdfast/domain';
import type { CreateStandbyInput, ReseedStandbyInput } from '../../generated/resolver-types.ts';
import type { ReseedResult, ReseedStandby } from '../stream/reseed-commands.ts';
import type { Refusal } from './finding.ts';
import type { PauseResult } from './pause-commands.ts';
import type { CreateStandby, CreateStandbyResult } from './standby-commands.ts';

// Between the API's words and the command's: no decision here.

type InvalidInput = {
  readonly __typename: 'InvalidInput';
  readonly message: string;
  readonly fix: string;
  readonly field: string;
};

/** The command, or the refusal of an input that cannot be read. */
export function requestOf(input: CreateStandbyInput): CreateStandby | InvalidInput {
  const groupId = parseId<GroupId>(input.groupId);
  if (groupId === undefined) return notAnId('groupId', input.groupId);
  const refused = keyProblem(input.idempotencyKey);
  if (refused !== undefined) return refused;
  const instances: CreateStandby['instances'][number][] = [];
  for (const [index, { instanceId: text, sourceInstances, transfer }] of input.instances.entries()) {
    const instanceId = parseId<InstanceId>(text);
    if (instanceId === undefined) return notAnId(`instances.${String(index)}.instanceId`, text);
    const folders = transfer.folders.map(folder => ({ ...folder, write: folder.write ?? null }));
    instances.push({ instanceId, sourceInstances, kind: transfer.kind, folders });
  }
  const { idempotencyKey, site, mode, restAtMark, dryRun } = input;
  return { idempotencyKey, groupId, site, mode, restAtMark, dryRun, instances };
}

function keyProblem(key: string): InvalidInput | undefined {
  if (key.trim() !== '' && key.length <= 200) return undefined;
  return {
    __typename: 'InvalidInput',
    field: 'idempotencyKey',
    message: 'idempotencyKey must have 1 to 200 characters.',
    fix: 'Use a fresh UUID for every new request.',
  };
}

function notAnId(field: string, text: string): InvalidInput {
  const fix = 'Use an id as an earlier answer gave it: a UUID.';
  return { __typename: 'InvalidInput', field, message: `"${text}" is not an id.`, fix };
}

export function answerOf(result: CreateStandbyResult) {
  switch (result.kind) {
    case 'CREATED':
      return { __typename: 'Standby' as const, ...result.standby };
    case 'PREFLIGHT':
      return {
        __typename: 'StandbyPreflight' as const,
        findings: result.findings,
        bytesToSeed: result.bytesToSeed,
      };
    case 'REFUSED':
      return refusalOf(result.finding);
    case 'NotAllowed':
      return { __typename: 'NotAllowed' as const, message: result.message, fix: result.fix, rule: result.rule };
    case 'IdempotencyKeyReused':
      return { __typename: 'IdempotencyKeyReused' as const, message: result.message, fix: result.fix };
    case 'InvalidInput':
      return { __typename: 'InvalidInput' as const, message: result.message, fix: result.fix, field: result.field };
    case 'NotYetKnown':
      return { __typename: 'NotYetKnown' as const, message: result.message, fix: result.fix, id: result.id };
    case 'ModeNotAvailable':
      return { __typename: 'ModeNotAvailable' as const, message: result.message, fix: result.fix, mode: result.mode };
  }
}

function refusalOf(finding: Refusal) {
  const { message, fix } = finding.reason;
  switch (finding.kind) {
    case 'InstanceUnreachable':
      return {
        __typename: 'InstanceUnreachable' as const,
        message,
        fix,
        instance: finding.instance,
        cause: finding.cause,
      };
    case 'OlderSqlServer':
      return { __typename: 'OlderSqlServer' as const, message, fix, source: finding.source, standby: finding.standby };
    case 'DatabaseAlreadyOnline':
      return {
        __typename: 'DatabaseAlreadyOnline' as const,
        message,
        fix,
        database: finding.database,
        instance: finding.instance,
      };
    case 'InvalidInput':
      return {
        __typename: 'InvalidInput' as const,
        message: `${message} ${finding.reason.evidence ?? ''}`,
        fix,
        field: finding.field,
      };
  }
}

/** The command, or the refusal of an input that cannot be read. */
export function reseedOf(input: ReseedStandbyInput): ReseedStandby | InvalidInput {
  const standbyId = parseId<StandbyId>(input.standbyId);
  if (standbyId === undefined) return notAnId('standbyId', input.standbyId);
  const refused = keyProblem(input.idempotencyKey);
  if (refused !== undefined) return refused;
  const databases: DatabaseId[] = [];
  for (const [index, text] of (input.databases ?? []).entries()) {
    const databaseId = parseId<DatabaseId>(text);
    if (databaseId === undefined) return notAnId(`databases.${String(index)}`, text);
    databases.push(databaseId);
  }
  const { idempotencyKey, reason, confirm, dryRun } = input;
  return { idempotencyKey, standbyId, databases: input.databases == null ? null : databases, reason, confirm, dryRun };
}

export function changeOf(result: PauseResult | ReseedResult) {
  switch (result.kind) {
    case 'CHANGED':
      return { __typename: 'Standby' as const, ...result.standby };
    case 'PREVIEW': {
      const { mark, bytes, findings, databases } = result;
      return {
        __typename: 'StandbyReseedPreview' as const,
        newestCommonMarkName: mark,
        bytesToRestore: bytes,
        findings,
        databases: databases.map(({ stream, full, files, position, bytes: bytesToRestore }) => ({
          database: { id: stream.databaseId },
          databaseName: stream.databaseName,
          position,
          full: { id: full.setId },
          logs: files.length - 1,
          bytesToRestore,
        })),
      };
    }
    case 'InstanceUnreachable': {
      const { instance, reason } = result;
      const { message, fix, evidence } = reason;
      return { __typename: 'InstanceUnreachable' as const, message, fix, instance, cause: evidence ?? message };
    }
    case 'DatabaseAlreadyOnline': {
      const { database, instance, reason } = result;
      const { message, fix } = reason;
      return { __typename: 'DatabaseAlreadyOnline' as const, message, fix, database, instance };
    }
    case 'NotAllowed':
    case 'NotFound':
    case 'InvalidInput':
    case 'ExecutionHoldsStandby':
    case 'NoValidFull':
    case 'IdempotencyKeyReused': {
      const { kind, ...refusal } = result;
      return { __typename: kind, ...refusal } as Refused<typeof result>;
    }
  }
}

/** A refusal under the API's name for it. */
type Refused<R> = R extends { readonly kind: infer K } ? Omit<R, 'kind'> & { readonly __typename: K } : never;
