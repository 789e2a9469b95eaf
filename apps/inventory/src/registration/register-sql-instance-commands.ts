import type { InstanceId } from '@holdfast/domain';
import { sqlInstanceRegistered } from '@holdfast/events';
import { allows, type Caller, parseSecretRef, resolveSecret, SecretError } from '@holdfast/service';
import { findEarlierRequest, type IdempotentRequest, rememberRequest } from '@holdfast/service/host';
import { addressProblem, windowsAccount } from '@holdfast/sqlserver';
import { coveredNames } from '../database/database-store.ts';
import { sameName } from '../estate/estate.ts';
import { discoverInstance } from '../estate/estate-store.ts';
import type { InventoryDependencies } from '../group/group-commands.ts';
import { allGroups } from '../group/group-store.ts';
import { recordInstance } from '../instance/instance-commands.ts';
import type { Instance } from '../instance/instance.ts';
import { findInstance, instanceId, saveInstanceName } from '../instance/instance-store.ts';
import type { InstanceRefusal } from './refusal.ts';
import {
  accountProblem,
  type ConnectionInput,
  type ConnectionRules,
  type InvalidInput,
  keyProblem,
  parseConnection,
  strayDatabase,
  textProblem,
} from './registration.ts';

export const connectionRules: ConnectionRules = {
  // A login is named by reference: its text is not known here.
  addressProblem: address => addressProblem(address, ''),
  referenceProblem(reference) {
    const parsed = parseSecretRef(reference);
    return 'problem' in parsed ? parsed : undefined;
  },
};

/** Whether each login is of the kind that was declared for it. Its text goes no further. */
export async function accountsProblem(
  { env }: Pick<InventoryDependencies, 'env'>,
  connections: readonly { readonly field: string; readonly connection: ConnectionInput }[],
): Promise<InvalidInput | undefined> {
  for (const { field, connection } of connections) {
    try {
      const user = await resolveSecret(connection.userRef, { env });
      const problem = accountProblem(connection, field, { isWindowsAccount: windowsAccount(user) !== undefined });
      if (problem !== undefined) return problem;
    } catch (error) {
      // A reference that leads nowhere is refused with the instance that it was for, when that is looked at.
      if (!(error instanceof SecretError)) throw error;
    }
  }
  return undefined;
}

export type RegisterSqlInstanceInput = {
  readonly idempotencyKey: string;
  readonly name: string;
  readonly site: string;
  readonly connection: ConnectionInput;
};

export async function registerSqlInstance(
  deps: InventoryDependencies,
  caller: Caller,
  input: RegisterSqlInstanceInput,
): Promise<{ readonly instance: Instance } | InstanceRefusal> {
  const refusal = allows(caller, 'administer');
  if (refusal !== undefined) return { refused: 'NotAllowed', ...refusal };
  const problem =
    textProblem('name', input.name, 128) ??
    textProblem('site', input.site, 64) ??
    keyProblem(input.idempotencyKey) ??
    strayDatabase(input.connection, 'connection');
  if (problem !== undefined) return problem;
  const address = parseConnection(input.connection, 'connection', connectionRules);
  if ('refused' in address) return address;
  const request: IdempotentRequest = { caller, key: input.idempotencyKey, mutation: 'registerSqlInstance', input };
  const earlier = await deps.store.read(db => findEarlierRequest(db, request));
  if (earlier === 'other input') return { refused: 'IdempotencyKeyReused' };
  if (earlier !== undefined)
    return { instance: await deps.store.read(db => requireInstance(db, earlier.resultId as InstanceId)) };

  const undeclared = await accountsProblem(deps, [{ field: 'connection', connection: input.connection }]);
  if (undeclared !== undefined) return undeclared;
  const found = await discoverInstance(deps, address, await deps.store.read(coveredNames));
  if ('refused' in found) return found;
  const id = instanceId(found.seen.serverName);
  return deps.store.transaction(async tx => {
    const again = await findEarlierRequest(tx, request);
    if (again === 'other input') return { refused: 'IdempotencyKeyReused' };
    if (again !== undefined) return { instance: await requireInstance(tx, again.resultId as InstanceId) };
    const taken = await findInstance(tx, id);
    if (taken !== undefined) {
      // Another name of a server that is known: asked for by a group's tables it is news, otherwise a second registration.
      const isAwaited = (await allGroups(tx)).some(({ awaitedInstances }) =>
        awaitedInstances.some(({ name }) => sameName(name, input.name.trim())),
      );
      if (!isAwaited) return { refused: 'SqlInstanceAlreadyRegistered', instance: taken };
      await saveInstanceName(tx, id, input.name.trim());
      await rememberRequest(tx, request, id);
      return { instance: taken };
    }
    const instance = await recordInstance(deps, tx, {
      ...found,
      id,
      name: input.name.trim(),
      address,
      site: input.site.trim(),
    });
    await saveInstanceName(tx, id, instance.name);
    const { version, name, serverName, site, productVersion } = instance;
    await deps.outbox.append(tx, sqlInstanceRegistered, {
      instanceId: id,
      version,
      name,
      serverName,
      site,
      productVersion,
    });
    await rememberRequest(tx, request, id);
    return { instance };
  });
}

async function requireInstance(db: Parameters<typeof findInstance>[0], id: InstanceId): Promise<Instance> {
  const instance = await findInstance(db, id);
  if (instance === undefined) throw new Error(`The instance of an earlier request is gone: ${id}`);
  return instance;
}
