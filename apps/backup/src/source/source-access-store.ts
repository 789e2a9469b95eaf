import type { GroupId, InstanceId } from '@holdfast/domain';
import { type Clock, resolveSecret, SecretError } from '@holdfast/service';
import { findHold, holdMessage } from '@holdfast/service/source-hold';
import { traceStatements } from '@holdfast/service/tracing';
import { openServer, type SqlServer, SqlServerError } from '@holdfast/sqlserver';
import type { Store } from '@holdfast/store';
import type { KnownAddress, KnownGroup } from '../estate/estate.ts';
import type { BackupTables } from '../tables.ts';

/** Where the ways to the source's instances come from. */
export type SourceAccess = {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly addresses: ReadonlyMap<InstanceId, KnownAddress>;
  /** @@SERVERNAME of each: what people know it by. */
  readonly serverNames: ReadonlyMap<InstanceId, string>;
  /** Before anything is sent. @throws SourceHeld when the source is not ours to ask. */
  ensureFree(): Promise<void>;
  /** A named place where the process may die with a connection open. */
  checkpoint(name: string): Promise<void>;
};

type Reads = {
  readonly store: Store<BackupTables>;
  readonly clock: Clock;
  readonly env: SourceAccess['env'];
};

/** The way to a group's source: closed while an execution holds it. */
export function accessTo(
  { store, clock, env }: Reads,
  group: KnownGroup,
  addresses: SourceAccess['addresses'],
  checkpoint: SourceAccess['checkpoint'],
): SourceAccess {
  return {
    addresses,
    serverNames: new Map(group.instances.map(each => [each.instanceId as InstanceId, each.serverName])),
    clock,
    env,
    checkpoint,
    ensureFree: async () => {
      const hold = await store.read(db => findHold(db, group.groupId as GroupId));
      if (hold !== undefined) throw new SourceHeld(holdMessage(hold));
    },
  };
}

export async function withInstance<Answer>(
  access: SourceAccess,
  instanceId: InstanceId,
  ask: (server: SqlServer) => Promise<Answer>,
): Promise<Answer> {
  const { addresses, clock, env } = access;
  const known = addresses.get(instanceId);
  if (known === undefined) throw new SourceUnknown('How to reach it has not been published by inventory yet.');
  await access.ensureFree();
  const { userRef, passwordRef, ...address } = known.address;
  const credentials = {
    user: await resolveSecret(userRef, { env }),
    password: await resolveSecret(passwordRef, { env }),
  };
  const applicationName = 'holdfast-backup';
  const server = traceStatements(await openServer({ address, credentials, applicationName, clock }));
  try {
    return await ask(server);
  } finally {
    await server.close();
  }
}

/** An instance whose address is not here yet. */
export class SourceUnknown extends Error {
  override readonly name = 'SourceUnknown';
}

/** The source belongs to somebody else for now. */
export class SourceHeld extends Error {
  override readonly name = 'SourceHeld';
}

/** One instance that does not answer is a problem with its name, not the end of the look. */
export async function orProblem<Answer>(
  { serverNames }: SourceAccess,
  instanceId: InstanceId,
  ask: () => Promise<Answer>,
): Promise<{ readonly answer: Answer } | { readonly problem: string }> {
  try {
    return { answer: await ask() };
  } catch (error) {
    const server = serverNames.get(instanceId) ?? instanceId;
    if (error instanceof SourceUnknown || error instanceof SecretError)
      return { problem: `${server}: ${error.message}` };
    if (error instanceof SqlServerError) return { problem: `${server}: ${error.message} ${error.hint}` };
    throw error;
  }
}
