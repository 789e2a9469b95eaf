import { activityViews } from './activity-views.ts';
import { databaseViews } from './database-views.ts';
import { linkedServerProcedures, linkedServerViews } from './linked-servers.ts';
import { objectViews } from './object-views.ts';
import { paddingProcedure } from './padding-procedure.ts';
import { serverOptionProcedures, serverOptionViews } from './server-options.ts';
import { serverFunctions, serverViews } from './server-views.ts';
import { systemProcedures } from './system-procedures.ts';
import type { CatalogueRegistry } from './catalogue-registry.ts';
import type { Engine } from '../contract.ts';

export { createRegistry } from './catalogue-registry.ts';

/** Adds the catalogue views, dynamic management views and system procedures. */
export function registerCatalogue(registry: CatalogueRegistry, engine: Engine): void {
  const views = [
    ...databaseViews(engine),
    ...activityViews(engine),
    ...objectViews(registry),
    ...serverViews(engine),
    ...linkedServerViews(engine),
    ...serverOptionViews(engine),
  ];
  for (const view of views) registry.virtualTable(view);
  for (const fn of serverFunctions(engine)) registry.virtualFunction(fn);
  for (const procedure of [...systemProcedures, ...linkedServerProcedures, ...serverOptionProcedures, paddingProcedure])
    registry.procedure(procedure);
}
