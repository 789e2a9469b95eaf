import type { TestServer } from '@holdfast/sqlserver/testing';
import type { Estate } from '../src/estate/estate.ts';
import { estate, groupId, marks, onePlace, type Shape } from './estate-of-two.ts';
import { backUp, createDatabases, mark, open, seed, type Taken } from './two-servers.ts';

/** Makes the estate of two true: its databases, a full and three marked logs at the primary, the standby at the end of the first log. */
export function makeHistory(servers: {
  readonly primary: TestServer;
  readonly standby: TestServer;
  readonly backup: string;
}): Promise<Estate> {
  const { primary, standby, backup } = servers;
  return makeHistoryOf(onePlace, { sources: [primary], standbys: [standby], backup });
}

/** The same for any shape: the servers in the order of its places. */
export async function makeHistoryOf(
  shape: Shape,
  servers: {
    readonly sources: readonly TestServer[];
    readonly standbys: readonly TestServer[];
    readonly backup: string;
  },
): Promise<Estate> {
  const perPlace = await Promise.all(
    shape.places.map((_, place) =>
      historyOf(
        shape.databases.filter(database => database.place === place).map(({ name }) => name),
        {
          source: servers.sources[place]!,
          standby: servers.standbys[place]!,
          backup: servers.backup,
        },
      ),
    ),
  );
  // In the order of the shape's databases, as everything else in the estate.
  const taken = perPlace.map(sets => sets.flat());
  const sets = [0, 1, 2, 3].map(number =>
    shape.databases.map(({ name, place }) => taken[place]!.find(file => file.name === name && file.number === number)!),
  );
  return withReal(estate({ shape }), sets);
}

async function historyOf(
  names: readonly string[],
  servers: { readonly source: TestServer; readonly standby: TestServer; readonly backup: string },
): Promise<readonly (readonly Taken[])[]> {
  const source = await open(servers.source);
  await createDatabases(source, names);
  const sets = [await backUp(source, names, servers.backup, 0, null)];
  for (const [index, name] of marks.entries()) {
    await mark(source, names, name);
    sets.push(await backUp(source, names, servers.backup, index + 1, name));
  }
  await source.close();
  const standby = await open(servers.standby);
  await seed(standby, groupId, sets[0]!, sets[1]!);
  await standby.close();
  return sets;
}

/** The estate in memory with what the servers really wrote. */
function withReal(known: Estate, sets: readonly (readonly Taken[])[]): Estate {
  const files = (number: number) => sets[number]!;
  return {
    ...known,
    sets: known.sets.map((set, number) => ({
      ...set,
      files: set.files.map((file, index) => {
        const { path, header, markLsn } = files(number)[index]!;
        const { familyGuid, firstForkGuid, lastForkGuid, backupSetUuid, firstLsn, lastLsn } = header;
        const forks = { firstForkGuid: firstForkGuid ?? lastForkGuid, lastForkGuid };
        return {
          ...file,
          path,
          markLsn,
          header: { ...file.header!, familyGuid, ...forks, backupSetUuid, firstLsn, lastLsn },
        };
      }),
    })),
    points: known.points.map((point, number) => ({
      ...point,
      databases: point.databases.map((database, index) => ({ ...database, lsn: files(number + 1)[index]!.markLsn })),
    })),
    copies: known.copies.map((copy, at) => {
      const { path, header } = sets.flat()[at]!;
      const { backupSetUuid, firstLsn, lastLsn } = header;
      return { ...copy, path, backupSetUuid, firstLsn, lastLsn };
    }),
    streams: known.streams.map((stream, index) => ({ ...stream, position: files(1)[index]!.header.lastLsn })),
  };
}
