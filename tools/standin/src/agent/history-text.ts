/**
 * What the Agent writes into sysjobhistory.message and into program names. The wording is that of histories which clients of real servers print
 * (independent-client); where it has no such witness the line says unverified.
 */
import type { Message } from '../contract.ts';

const messageLength = 4000;

export type StepOutcome = 'succeeded' | 'failed' | 'cancelled';

/** `Executed as user: sa. Divide by zero error encountered. [SQLSTATE 22012] (Error 8134).  The step failed.` */
export function stepMessage(user: string, messages: readonly Message[], outcome: StepOutcome): string {
  const end =
    outcome === 'cancelled'
      ? 'The step was cancelled (stopped) as the result of a stop job request.'
      : `The step ${outcome}.`;
  const body = [`Executed as user: ${user}.`, messages.map(messageText).join('  ')].filter(part => part !== '');
  const separator = messages.length > 0 ? '.  ' : ' ';
  const start = body.join(' ').slice(0, messageLength - end.length - separator.length);
  return `${start}${separator}${end}`;
}

/**
 * SQLSTATE is the driver's mapping of the number. Those of 207, 208, 547, 1205, 2627 and 8152 are in histories of real servers; the others follow
 * from what the states mean (learn.microsoft.com: ODBC error codes). All other numbers are 42000.
 */
const states: ReadonlyMap<number, string> = new Map([
  ...[515, 547, 2601, 2627].map(number => [number, '23000'] as const),
  ...[2628, 8152].map(number => [number, '22001'] as const),
  [8115, '22003'],
  [8134, '22012'],
  [1205, '40001'],
  [2714, '42S01'],
  [208, '42S02'],
  [2705, '42S21'],
  [207, '42S22'],
]);

function messageText({ number, severity, text }: Message): string {
  if (severity <= 10) return `${text} [SQLSTATE 01000] (Message ${number})`;
  return `${text} [SQLSTATE ${states.get(number) ?? '42000'}] (Error ${number})`;
}

export type Place = { readonly id: number; readonly name: string };

/** Of the row with step 0. Between the sentences stand two blanks. */
export function outcomeMessage(
  outcome: StepOutcome,
  run: { readonly source: string; readonly lastStep: Place | undefined; readonly by: string | undefined },
): string {
  return [
    outcome === 'cancelled' ? `The job was stopped prior to completion by ${run.by ?? ''}.` : `The job ${outcome}.`,
    `The Job was invoked by ${run.source}.`,
    ...(run.lastStep === undefined ? [] : [`The last step to run was step ${run.lastStep.id} (${run.lastStep.name}).`]),
  ].join('  ');
}

/** Unverified. */
export function ownerMissingMessage(owner: string, job: string): string {
  return `The job failed.  The owner (${owner}) of job ${job} does not have server access.`;
}

/** Unverified. */
export function connectFailedMessage(server: string): string {
  return `Unable to connect to SQL Server '${server}'.  The step failed.`;
}

/** `SQLAgent - TSQL JobStep (Job 0x987703D39E09E841950749BC11AE9431 : Step 1)`: the id in the order of its bytes. */
export function stepProgramName(jobId: string, stepId: number): string {
  const [a = '', b = '', c = '', ...rest] = jobId.split('-');
  const bytes = [a, b, c].map(part => Buffer.from(part, 'hex').reverse().toString('hex')).concat(rest);
  return `SQLAgent - TSQL JobStep (Job 0x${bytes.join('').toUpperCase()} : Step ${stepId})`;
}
