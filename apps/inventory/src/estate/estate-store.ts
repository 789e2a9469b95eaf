import { resolveSecret, SecretError } from '@holdfast/service';
import { type SqlServer, SqlServerError, openServer } from '@holdfast/sqlserver';
import { observeManagement } from '@holdfast/sqlserver/management';
import { observeDatabases, observeServer } from '@holdfast/sqlserver/observe';
import type { InstanceAddress } from '../instance/instance.ts';
import { namedDatabases, namedServers, type NamedDatabase, sameName, type SeenInstance } from './estate.ts';

/** What the SQL Servers say: read only. Every connection is closed before the answer is given; nothing is kept between two looks. */

export type EstateAccess = { readonly env: Readonly<Record<string, string | undefined>>; readonly clock: () => number };

export type Unreachable =
  | { readonly refused: 'InstanceUnreachable'; readonly instance: string; readonly cause: string; readonly fix: string }
  | {
      readonly refused: 'LoginRefused';
      readonly instance: string;
      readonly number: number | null;
      readonly cause: string;
      readonly fix: string;
    };

export type DiscoveredGroup = {
  /** RFC 3339 UTC, before the first question was sent: a fact is never shown younger than it is. */
  readonly observedAt: string;
  /** As the Management instance calls itself. */
  readonly managementServer: string;
  readonly databases: readonly NamedDatabase[];
  /** Server names of the tables to which there is no way, or whose way did not lead to an instance (`problem`). */
  readonly awaited: readonly { readonly name: string; readonly problem: Unreachable | null }[];
  /** By the names of the tables: the Management instance, and those that were looked at because they were not known. */
  readonly instances: readonly {
    readonly name: string;
    readonly address: InstanceAddress;
    readonly seen: SeenInstance;
  }[];
};

export type Discovery =
  | { readonly group: DiscoveredGroup }
  | Unreachable
  | { readonly refused: 'NotAManagementDatabase'; readonly missing: readonly string[] };

/**
 * The group behind a Management database, and its instances. `wayTo`: the address that somebody gave for a name of the tables. An instance
 * is never looked for under its name alone: our login goes only where somebody sent it. `isKnown`: a name that needs no look here.
 */
export async function discoverGroup(
  access: EstateAccess,
  management: { readonly address: InstanceAddress; readonly database: string },
  wayTo: (name: string) => InstanceAddress | undefined,
  isKnown: (name: string) => boolean = () => false,
): Promise<Discovery> {
  const observedAt = new Date(access.clock()).toISOString();
  const root = await lookAt(access, management.address, async server => {
    const seen = await seeInstance(server);
    return { seen, said: await observeManagement(server, management.database) };
  });
  if ('refused' in root) return root;
  const { seen, said } = root.answer;
  if ('refused' in said) return { refused: 'NotAManagementDatabase', missing: said.missing };
  const { group, messageBoxes, otherDatabases, coveredDatabases } = said;
  const databases = namedDatabases(
    { management: { server: seen.serverName, databaseName: management.database }, group, messageBoxes, otherDatabases },
    coveredDatabases,
  );
  const awaited: DiscoveredGroup['awaited'][number][] = [];
  const instances: DiscoveredGroup['instances'][number][] = [];
  for (const name of namedServers(databases)) {
    if (sameName(name, seen.serverName)) {
      instances.push({ name, address: management.address, seen });
      continue;
    }
    if (isKnown(name)) continue;
    const address = wayTo(name);
    const other = address === undefined ? undefined : await lookAt(access, address, seeInstance);
    if (address === undefined || other === undefined) awaited.push({ name, problem: null });
    else if ('refused' in other) awaited.push({ name, problem: other });
    else instances.push({ name, address, seen: other.answer });
  }
  return { group: { observedAt, managementServer: seen.serverName, databases, awaited, instances } };
}

export async function discoverInstance(
  access: EstateAccess,
  address: InstanceAddress,
): Promise<{ readonly seen: SeenInstance; readonly observedAt: string } | Unreachable> {
  const observedAt = new Date(access.clock()).toISOString();
  const found = await lookAt(access, address, seeInstance);
  return 'refused' in found ? found : { seen: found.answer, observedAt };
}

async function seeInstance(server: SqlServer): Promise<SeenInstance> {
  const { serverName, productVersion } = await observeServer(server);
  const { databases } = await observeDatabases(server);
  return {
    serverName,
    productVersion,
    databases: databases.map(({ name, state, recoveryModel }) => ({ name, state, recoveryModel })),
  };
}

async function lookAt<Answer>(
  { env, clock }: EstateAccess,
  address: InstanceAddress,
  ask: (server: SqlServer) => Promise<Answer>,
): Promise<{ readonly answer: Answer } | Unreachable> {
  const instance =
    address.instanceName === null
      ? `${address.server}:${address.port ?? 1433}`
      : `${address.server}\\${address.instanceName}`;
  let server: SqlServer | undefined;
  try {
    const credentials = {
      user: await resolveSecret(address.userRef, { env }),
      password: await resolveSecret(address.passwordRef, { env }),
    };
    server = await openServer({ address, credentials, applicationName: 'holdfast-inventory', clock });
    return { answer: await ask(server) };
  } catch (error) {
    // A reference that leads nowhere: the login was never tried.
    if (error instanceof SecretError)
      return { refused: 'LoginRefused', instance, number: null, cause: error.message, fix: error.fix };
    if (!(error instanceof SqlServerError)) throw error;
    const { errorClass, hint: fix, number, message: cause } = error;
    if (errorClass === 'login' || errorClass === 'permission')
      return { refused: 'LoginRefused', instance, number, cause, fix };
    if (errorClass === 'lost' || errorClass === 'transient')
      return { refused: 'InstanceUnreachable', instance, cause, fix };
    throw error;
  } finally {
    await server?.close();
  }
}
