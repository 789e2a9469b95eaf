import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import { type GroupDatabase, withSeenStates } from '../database/database.ts';
import { type NamedDatabase, sameName, type SeenDatabase } from '../estate/estate.ts';
import type { DiscoveredGroup } from '../estate/estate-store.ts';
import type { AwaitedInstance } from '../group/group.ts';
import type { InstanceAddress } from '../instance/instance.ts';

export type InvalidInput = {
  readonly refused: 'InvalidInput';
  readonly field: string;
  readonly message: string;
  readonly fix: string;
};

export type ConnectionInput = {
  readonly server: string;
  readonly port?: number | null | undefined;
  readonly instanceName?: string | null | undefined;
  readonly database?: string | null | undefined;
  readonly authentication: 'SQL_LOGIN' | 'NTLM';
  readonly userRef: string;
  readonly passwordRef: string;
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
};

/** What is judged elsewhere, by those who know addresses and references. */
export type ConnectionRules = {
  addressProblem(address: InstanceAddress): { readonly message: string; readonly fix: string } | undefined;
  referenceProblem(reference: string): { readonly problem: string; readonly fix: string } | undefined;
};

/** The address, or the first thing that is wrong with it. `field`: where the connection stands in the input. */
export function parseConnection(
  input: ConnectionInput,
  field: string,
  rules: ConnectionRules,
): InstanceAddress | InvalidInput {
  for (const key of ['userRef', 'passwordRef'] as const) {
    const problem = rules.referenceProblem(input[key]);
    if (problem !== undefined) return invalid(`${field}.${key}`, `${key} ${problem.problem}.`, problem.fix);
  }
  const { server, encrypt, trustServerCertificate, userRef, passwordRef } = input;
  const address = {
    server,
    port: input.port ?? null,
    instanceName: input.instanceName ?? null,
    encrypt,
    trustServerCertificate,
    userRef,
    passwordRef,
  };
  const problem = rules.addressProblem(address);
  return problem === undefined ? address : invalid(field, problem.message, problem.fix);
}

/** Whether the login behind `userRef` is of the kind that was declared: a Windows account is one wherever it is used. */
export function accountProblem(
  { authentication }: ConnectionInput,
  field: string,
  user: { readonly isWindowsAccount: boolean },
): InvalidInput | undefined {
  if (user.isWindowsAccount === (authentication === 'NTLM')) return undefined;
  return user.isWindowsAccount
    ? invalid(
        `${field}.authentication`,
        'userRef leads to a Windows account, but SQL_LOGIN was declared.',
        'Declare NTLM, or let userRef lead to a SQL login.',
      )
    : invalid(
        `${field}.userRef`,
        'userRef leads to no Windows account, but NTLM was declared.',
        'Let it lead to DOMAIN\\account, or declare SQL_LOGIN.',
      );
}

/** Undefined when the text is there and not longer than `max` characters. */
export function textProblem(field: string, text: string, max: number): InvalidInput | undefined {
  if (text.trim() === '') return invalid(field, `${field} is empty.`, 'Give a name that people recognise.');
  if (text.length > max)
    return invalid(field, `${field} has ${text.length} characters; at most ${max} fit.`, 'Shorten it.');
  return undefined;
}

export function keyProblem(key: string): InvalidInput | undefined {
  return textProblem('idempotencyKey', key, 200);
}

export function strayDatabase({ database }: ConnectionInput, field: string): InvalidInput | undefined {
  if (database === undefined || database === null) return undefined;
  return invalid(
    `${field}.database`,
    'A database has no meaning here.',
    'Leave it out: only the management connection names one.',
  );
}

export function invalid(field: string, message: string, fix: string): InvalidInput {
  return { refused: 'InvalidInput', field, message, fix };
}

/** An instance of the group's tables with the id of the server behind it. `databases`: null when it was not looked at. */
export type ResolvedInstance = {
  readonly id: InstanceId;
  readonly name: string;
  readonly serverName: string;
  readonly databases: readonly SeenDatabase[] | null;
};

/**
 * The group's databases as facts. A database keeps the id it has: first by name and instance, else by its name alone when no other
 * database of the group bears it, so that a failover to another server does not make it a new one.
 */
export function memberDatabases(
  groupId: GroupId,
  named: readonly NamedDatabase[],
  instances: readonly ResolvedInstance[],
  known: readonly GroupDatabase[],
  mintId: (name: string, serverName: string) => DatabaseId,
): GroupDatabase[] {
  const members = new Map<DatabaseId, GroupDatabase>();
  for (const { server, databaseName, otherName, role, inBackupJob } of named) {
    const instance = instances.find(({ name }) => sameName(name, server));
    // On an instance that nobody has seen nothing can be said about it.
    if (instance === undefined) continue;
    const namesakes = known.filter(({ name }) => sameName(name, databaseName));
    const before =
      namesakes.find(({ instanceId }) => instanceId === instance.id) ??
      (namesakes.length === 1 ? namesakes[0] : undefined);
    const id = before?.id ?? mintId(databaseName, instance.serverName);
    const { state, recoveryModel } = before?.instanceId === instance.id ? before : unseen;
    const member = {
      id,
      groupId,
      name: databaseName,
      role,
      instanceId: instance.id,
      inBackupJob,
      state,
      recoveryModel,
      storedServer: server,
      otherName,
    };
    const first = members.get(id);
    // Two spellings of one server name one database (biztalk-dr.md §1.3): where a table places it, that one says its role.
    if (first !== undefined)
      members.set(id, {
        ...first,
        inBackupJob: first.inBackupJob || inBackupJob,
        otherName: first.otherName ?? otherName,
      });
    else members.set(id, instance.databases === null ? member : withSeenStates(member, instance.databases));
  }
  return [...members.values()];
}

const unseen = { state: null, recoveryModel: null };

/** What is known of the instances to which there was no way, by the databases that the tables place there. */
export function awaitedInstances({ tables: { databases }, awaited }: Pick<DiscoveredGroup, 'tables' | 'awaited'>) {
  return awaited.map(({ name, problem }): AwaitedInstance => {
    const there = databases.filter(({ server }) => sameName(server, name));
    return {
      name,
      databaseNames: there.map(({ databaseName }) => databaseName),
      problem: problem === null ? null : `${problem.instance}: ${problem.cause}`,
    };
  });
}
