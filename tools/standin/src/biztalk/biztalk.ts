import { coveredDatabasesView } from './covered-databases.ts';
import { destinationProcedures } from './destination-procedures.ts';
import { managementProcedures } from './management-procedures.ts';
import { setupProcedures } from './setup-procedures.ts';
import { workerProcedures } from './worker-procedures.ts';
import type { Engine, ObjectRegistry } from '../contract.ts';

/**
 * Adds the objects of a BizTalk group: they appear in every database that has the group's tables, so also in a restored one.
 * `EXEC sp_standin_setup_biztalk` makes the tables, `sp_standin_setup_destination` those of a log shipping destination in master.
 */
export function registerBizTalk(registry: ObjectRegistry, engine: Engine): void {
  registry.virtualTable(coveredDatabasesView(engine));
  for (const procedure of [...managementProcedures, ...workerProcedures, ...setupProcedures, ...destinationProcedures])
    registry.procedure(procedure);
}
