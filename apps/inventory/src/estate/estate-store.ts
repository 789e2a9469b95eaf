import { resolveSecret, SecretError } from '@holdfast/service';
import { traceStatements } from '@holdfast/service/tracing';
import { type SqlServer, SqlServerError, openServer } from '@holdfast/sqlserver';
import { observeManagement } from '@holdfast/sqlserver/management';
import type { InstanceAddress } from '../instance/instance.ts';
import { type GroupTables, namedServers, sameName, type SeenInstance } from './estate.ts';
import { seeInstance, seeTables } from './facts-store.ts';

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
  readonly tables: GroupTables;
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

export type GroupSearch = {
  readonly management: { readonly address: InstanceAddress; readonly database: string };
  /** The address that somebody gave for a name of the tables. */
  readonly wayTo: (name: string) => InstanceAddress | undefined;
  /** A name that needs no look here. */
  readonly isKnown?: (name: string) => boolean;
  /** Names of databases in the jobs of other groups: asked after where this group meets them. */
  readonly covered: readonly string[];
};

/**
 * The group behind a Management database, and its instances. An instance is never looked for under its name alone: our login goes only
 * where somebody sent it.
 */
export async function discoverGroup(access: EstateAccess, search: GroupSearch): Promise<Discovery> {
  const { management, wayTo, isKnown = () => false } = search;
  const observedAt = new Date(access.clock()).toISOString();
  const root = await lookAt(access, management.address, async server => {
    const said = await observeManagement(server, management.database);
    if ('refused' in said) return said;
    const covered = [...said.coveredDatabases.map(({ databaseName }) => databaseName), ...search.covered];
    const seen = await seeInstance(server, covered);
    const place = { server: seen.serverName, databaseName: management.database };
    return { seen, covered, tables: await seeTables(server, place, said) };
  });
  if ('refused' in root) return root;
  if ('refused' in root.answer) return { refused: 'NotAManagementDatabase', missing: root.answer.missing };
  const { seen, covered, tables } = root.answer;
  const awaited: DiscoveredGroup['awaited'][number][] = [];
  const instances: DiscoveredGroup['instances'][number][] = [];
  for (const name of namedServers(tables.databases)) {
    if (sameName(name, seen.serverName)) {
      instances.push({ name, address: management.address, seen });
      continue;
    }
    if (isKnown(name)) continue;
    const address = wayTo(name);
    const other =
      address === undefined ? undefined : await lookAt(access, address, server => seeInstance(server, covered));
    if (address === undefined || other === undefined) awaited.push({ name, problem: null });
    else if ('refused' in other) awaited.push({ name, problem: other });
    else instances.push({ name, address, seen: other.answer });
  }
  return { group: { observedAt, managementServer: seen.serverName, tables, awaited, instances } };
}

/** `covered`: as in `seeInstance`. */
export async function discoverInstance(
  access: EstateAccess,
  address: InstanceAddress,
  covered: readonly string[],
): Promise<{ readonly seen: SeenInstance; readonly observedAt: string } | Unreachable> {
  const observedAt = new Date(access.clock()).toISOString();
  const found = await lookAt(access, address, server => seeInstance(server, covered));
  return 'refused' in found ? found : { seen: found.answer, observedAt };
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
    const applicationName = 'holdfast-inventory';
    server = traceStatements(await openServer({ address, credentials, applicationName, clock }));
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
