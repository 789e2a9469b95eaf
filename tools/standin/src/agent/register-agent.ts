import type { ObjectRegistry } from '../contract.ts';
import type { Agent } from './agent.ts';
import { controlProcedures } from './control-procedures.ts';
import { helpProcedures } from './help-procedures.ts';
import { jobProcedures } from './job-procedures.ts';
import { scheduleProcedures } from './schedule-procedures.ts';
import { stepProcedures } from './step-procedures.ts';

/** The Agent's procedures of msdb; its tables come with `Agent.start`. */
export function registerAgent(registry: ObjectRegistry, agent: Agent): void {
  const procedures = [
    ...jobProcedures(agent),
    ...stepProcedures,
    ...scheduleProcedures,
    ...controlProcedures(agent),
    ...helpProcedures(agent),
  ];
  for (const procedure of procedures) registry.procedure(procedure);
}
