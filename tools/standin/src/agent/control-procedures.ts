/** sp_start_job and sp_stop_job: both return at once (sqlserver.md §4.3). */
import { fail, message } from '../messages.ts';
import { guid, int, parameter, sysname } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext } from '../contract.ts';
import type { Agent } from './agent.ts';
import { findJob, inTransaction, mayTouch, refuseOthers, stringArgument } from './job-arguments.ts';
import { jobTable, numberOf, ofJob, sameText, select, textOf, type Values } from './job-store.ts';

const down = 'SQLServerAgent is not currently running so it cannot be notified of this action.';

export function controlProcedures(agent: Agent): readonly NativeProcedure[] {
  return [
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_start_job',
      parameters: [
        parameter('@job_name', sysname, null),
        parameter('@job_id', guid, null),
        parameter('@error_flag', int, 1n),
        parameter('@server_name', sysname, null),
        parameter('@step_name', sysname, null),
        parameter('@output_flag', int, 1n),
      ],
      run: context => startJob(context, agent),
    },
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_stop_job',
      parameters: [
        parameter('@job_name', sysname, null),
        parameter('@job_id', guid, null),
        parameter('@originating_server', sysname, null),
        parameter('@server_name', sysname, null),
      ],
      run: context => stopJob(context, agent),
    },
  ];
}

async function startJob(context: ProcedureContext, agent: Agent): Promise<number> {
  refuseOthers(context, 'sp_start_job', { '@error_flag': [1n], '@server_name': [null], '@output_flag': [1n] });
  const { session, engine } = context;
  const { job, steps, servers } = await inTransaction(context, async transaction => {
    const found = await findJob(context, transaction);
    const ofIt = ofJob(textOf(found, 'job_id'));
    return {
      job: found,
      steps: await select(transaction, jobTable(engine, 'sysjobsteps'), ofIt),
      servers: await select(transaction, jobTable(engine, 'sysjobservers'), ofIt),
    };
  });
  const [jobId, name] = [textOf(job, 'job_id'), textOf(job, 'name')];
  if (!mayTouch(context, job)) throw fail(14393);
  if (servers.length === 0) throw fail(14256, name, jobId);
  // Unverified that a start is refused with this number.
  if (steps.length === 0) throw fail(14528, name);
  const firstStepId = firstStep(context, steps);
  if (!agent.running) throw fail(22022, down);
  const running = agent.runOf(jobId);
  if (running !== undefined) {
    const request = `SQLServerAgent Error: Request to run job ${name} (from User ${session.login.name})`;
    const source = running.request.source.replace(/ \(.*/, '');
    throw fail(22022, `${request} refused because the job is already running from a request by ${source}.`);
  }
  const source = `User ${session.login.name}`;
  const request = { jobId, source, sourceCode: 4, requestedAt: engine.clock(), firstStepId } as const;
  if (!engine.faults.jobs.losesStart(name)) agent.begin(request);
  context.raise(message(14243, name));
  return 0;
}

function firstStep(context: ProcedureContext, steps: readonly Values[]): number | undefined {
  const name = stringArgument(context, '@step_name');
  if (name === undefined) return undefined;
  const step = steps.find(each => sameText(textOf(each, 'step_name'), name));
  if (step === undefined) throw fail(14262, '@step_name', name);
  return numberOf(step, 'step_id');
}

async function stopJob(context: ProcedureContext, agent: Agent): Promise<number> {
  refuseOthers(context, 'sp_stop_job', { '@originating_server': [null], '@server_name': [null] });
  const job = await inTransaction(context, transaction => findJob(context, transaction));
  const [jobId, name, user] = [textOf(job, 'job_id'), textOf(job, 'name'), context.session.login.name];
  if (!mayTouch(context, job)) throw fail(14393);
  if (!agent.running) throw fail(22022, down);
  const run = agent.runOf(jobId);
  if (run === undefined) {
    const request = `SQLServerAgent Error: Request to stop job ${name} (from User ${user})`;
    throw fail(22022, `${request} refused because the job is not currently running.`);
  }
  run.cancel(`User ${user}`);
  context.raise(message(14254, name));
  return 0;
}
