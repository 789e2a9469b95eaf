/** Faults of the connection between client and instance (sqlserver.md §8.3, §8.4, §9.2, §9.4). */
import { matches, times, type Definitions, type Reader } from './definition.ts';

const statement = { type: 'text', meaning: 'texts of batches and procedure calls' } as const;

export const wireFaults = {
  'login-refused': {
    description: 'Logins are 18456.',
    parameters: { login: { type: 'text', meaning: 'names of logins', default: '*' }, times },
  },
  'login-delayed': {
    description: 'The answer to a login comes so much later.',
    parameters: { ms: { type: 'number', meaning: 'milliseconds', least: 1, most: 3_600_000 }, times },
  },
  'connection-refused': {
    description: 'Nobody listens on the TDS port; who is connected stays so.',
    parameters: {},
  },
  'connection-reset': {
    description: 'New connections are reset at once.',
    parameters: { times },
  },
  'connection-stalled': {
    description: 'New connections are accepted and never answered; those stay so until their client gives up.',
    parameters: { times },
  },
  'cut-after-bytes': {
    description: 'A new connection is reset when so many bytes of answers have left.',
    parameters: { bytes: { type: 'number', meaning: 'bytes that still leave', least: 0, most: 1e12 }, times },
  },
  'slow-bytes': {
    description: 'Answers on connections opened meanwhile leave at that pace.',
    parameters: { bytesPerSecond: { type: 'number', meaning: 'bytes in a second', least: 1, most: 1e9 } },
  },
  'slow-statement': {
    description: 'A request waits so long before it is executed; cancel ends it.',
    parameters: { statement, ms: { type: 'number', meaning: 'milliseconds', least: 1, most: 3_600_000 }, times },
  },
  'answer-lost': {
    description: 'A request is executed to its end, then its connection closes instead of the last answer.',
    parameters: { statement, times },
  },
  'connection-cut': {
    description:
      'At so many percent of a BACKUP or RESTORE its connection is lost, and the statement goes on to its end.',
    parameters: {
      percent: { type: 'number', meaning: 'of the statement', least: 0, most: 100 },
      statement: { type: 'text', meaning: 'as sys.dm_exec_requests.command has it', default: '*' },
      times,
    },
  },
  'attention-ignored': {
    description: 'A cancel reaches its request so much later.',
    parameters: { ms: { type: 'number', meaning: 'milliseconds', least: 1, most: 3_600_000 }, times },
  },
} as const satisfies Definitions;

export type WireFaults = ReturnType<typeof wireQuestions>;

export function wireQuestions(faults: Reader<typeof wireFaults>) {
  return {
    /** Asked again whenever a fault is set or cleared. */
    refusesConnections(): boolean {
      return faults.now('connection-refused') !== undefined;
    },
    /** What becomes of a connection that a client opens. */
    accepts(): 'served' | 'reset' | 'stalled' {
      if (faults.strike('connection-reset')) return 'reset';
      return faults.strike('connection-stalled') ? 'stalled' : 'served';
    },
    /** Of a new connection. */
    cutsAfterBytes(): number | undefined {
      return faults.strike('cut-after-bytes')?.bytes;
    },
    /** Asked again while bytes wait. */
    bytesPerSecond(): number | undefined {
      return faults.now('slow-bytes')?.bytesPerSecond;
    },
    refusesLogin(login: string): boolean {
      return faults.strike('login-refused', set => matches(set.login, login)) !== undefined;
    },
    loginDelayMs(): number {
      return faults.strike('login-delayed')?.ms ?? 0;
    },
    /** `text` is made when the fault is set. */
    statementDelayMs(text: () => string): number {
      return faults.strike('slow-statement', set => matches(set.statement, text()))?.ms ?? 0;
    },
    losesAnswer(text: () => string): boolean {
      return faults.strike('answer-lost', set => matches(set.statement, text())) !== undefined;
    },
    cutsAt(command: string, percent: number): boolean {
      const applies = (set: { readonly percent: number; readonly statement: string }): boolean =>
        percent >= set.percent && matches(set.statement, command);
      return faults.strike('connection-cut', applies) !== undefined;
    },
    attentionDelayMs(): number {
      return faults.strike('attention-ignored')?.ms ?? 0;
    },
  };
}
