/** Procedures of a destination, in its master, under the names of the spelling that it was set up with (biztalk-dr.md §3.3–§3.8). */
import { hasSpelling, isDestination, namesOf, spellings, type DestinationNames } from './destination-names.ts';
import { importHistory } from './destination-history.ts';
import { createSourceJobs, restoreDatabases, restoreToMark } from './destination-restore.ts';
import { clean, configureProcedure } from './destination-setup.ts';
import { nvarchar, parameter } from '../procedure-parameters.ts';
import type { Database, NativeProcedure, ProcedureContext } from '../contract.ts';

type Step = (context: ProcedureContext, names: DestinationNames) => Promise<number>;

export const destinationProcedures: readonly NativeProcedure[] = [
  ...spellings.flatMap(proceduresOf),
  {
    database: 'master',
    schema: 'dbo',
    name: 'sp_LogShippingClean',
    parameters: [parameter('@SourceID', nvarchar(256))],
    existsIn: isDestination,
    run: context => clean(context, ownNames(context.engine.database('master'))),
  },
];

function proceduresOf(spelling: (typeof spellings)[number]): readonly NativeProcedure[] {
  const names = namesOf[spelling];
  const place = { database: 'master', schema: 'dbo', existsIn: hasSpelling(spelling) };
  const step = (name: string, run: Step): NativeProcedure => ({
    ...place,
    name,
    parameters: [],
    run: context => run(context, names),
  });
  return [
    { ...place, ...configureProcedure(names) },
    step(names.importHistory, importHistory),
    step(names.restoreDatabases, restoreDatabases),
    step(names.restoreToMark, restoreToMark),
    step(names.createJobs, createSourceJobs),
  ];
}

function ownNames(master: Database | undefined): DestinationNames {
  const spelling = spellings.find(each => master !== undefined && hasSpelling(each)(master));
  if (spelling === undefined) throw new Error('the tables of the destination are gone');
  return namesOf[spelling];
}
