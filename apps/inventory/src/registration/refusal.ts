import type { NotAllowed } from '@holdfast/service';
import type { Unreachable } from '../estate/estate-store.ts';
import type { Group } from '../group/group.ts';
import type { Instance } from '../instance/instance.ts';
import type { InvalidInput } from './registration.ts';

type CommonRefusal =
  | InvalidInput
  | Unreachable
  | ({ readonly refused: 'NotAllowed' } & NotAllowed)
  | { readonly refused: 'IdempotencyKeyReused' };
export type GroupRefusal =
  | CommonRefusal
  | { readonly refused: 'NotAManagementDatabase'; readonly missing: readonly string[] }
  | { readonly refused: 'InAvailabilityGroup'; readonly databases: readonly string[] }
  | { readonly refused: 'GroupAlreadyRegistered'; readonly group: Group };
export type InstanceRefusal =
  CommonRefusal | { readonly refused: 'SqlInstanceAlreadyRegistered'; readonly instance: Instance };

/** Refusals as the API words them. */
export function groupRefusal(refused: GroupRefusal) {
  switch (refused.refused) {
    case 'NotAManagementDatabase':
      return {
        __typename: 'NotAManagementDatabase' as const,
        message: `The database is no BizTalk Management database: it lacks ${refused.missing.join(', ')}.`,
        fix: 'Name the Management database of the group (BizTalkMgmtDb by default) and a login that may read it.',
        missing: refused.missing,
      };
    case 'InAvailabilityGroup':
      return {
        __typename: 'InAvailabilityGroup' as const,
        message: `Availability groups are not supported, and databases of this group are in one: ${refused.databases.join(', ')}.`,
        fix: 'Take the databases of the group out of it, or protect the group by other means.',
        databaseNames: refused.databases,
      };
    case 'GroupAlreadyRegistered':
      return {
        __typename: 'GroupAlreadyRegistered' as const,
        message: `This Management database belongs to the group "${refused.group.name}", which is registered.`,
        fix: 'Use that group.',
        group: refused.group,
      };
    default:
      return commonRefusal(refused);
  }
}

export function instanceRefusal(refused: InstanceRefusal) {
  switch (refused.refused) {
    case 'SqlInstanceAlreadyRegistered':
      return {
        __typename: 'SqlInstanceAlreadyRegistered' as const,
        message: `${refused.instance.serverName} is registered as "${refused.instance.name}".`,
        fix: 'Use that instance.',
        sqlInstance: refused.instance,
      };
    default:
      return commonRefusal(refused);
  }
}

function commonRefusal(refused: CommonRefusal) {
  switch (refused.refused) {
    case 'NotAllowed':
      return { __typename: 'NotAllowed' as const, message: refused.message, fix: refused.fix, rule: refused.rule };
    case 'InvalidInput':
      return { __typename: 'InvalidInput' as const, message: refused.message, fix: refused.fix, field: refused.field };
    case 'IdempotencyKeyReused':
      return {
        __typename: 'IdempotencyKeyReused' as const,
        message: 'This idempotency key came before with other input.',
        fix: 'Use a new key for a new request; repeat a request with exactly its input.',
      };
    case 'InstanceUnreachable':
      return {
        __typename: 'InstanceUnreachable' as const,
        message: `${refused.instance} could not be reached.`,
        fix: refused.fix,
        instance: refused.instance,
        cause: refused.cause,
      };
    case 'LoginRefused':
      return {
        __typename: 'LoginRefused' as const,
        message: `${refused.instance} refused the login or its rights: ${refused.cause}`,
        fix: refused.fix,
        instance: refused.instance,
        number: refused.number,
      };
  }
}
