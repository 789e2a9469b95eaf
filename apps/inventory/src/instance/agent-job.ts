export type AgentJobPurpose =
  | 'BACKUP'
  | 'DTA_PURGE'
  | 'MESSAGE_BOX_CLEANUP'
  | 'MONITOR'
  | 'LOG_SHIPPING_HISTORY'
  | 'LOG_SHIPPING_RESTORE'
  | 'LOG_SHIPPING_MARK'
  | 'OTHER';

type KnownJob = { readonly words: string; readonly purpose: AgentJobPurpose; readonly expectedEnabled: boolean | null };

// biztalk-dr.md §1.8. The three destination jobs stand in the documents with and without hyphens and with more words in between.
const shipping: readonly KnownJob[] = [
  { words: 'get backup history', purpose: 'LOG_SHIPPING_HISTORY', expectedEnabled: true },
  { words: 'restore database', purpose: 'LOG_SHIPPING_RESTORE', expectedEnabled: true },
  // Started by an operator at a failover, never by a schedule: its switch says nothing.
  { words: 'restore to mark', purpose: 'LOG_SHIPPING_MARK', expectedEnabled: null },
];

/** First words of the names of the group's own jobs; what follows names a database. */
const own: readonly KnownJob[] = [
  { words: 'backup biztalk server', purpose: 'BACKUP', expectedEnabled: true },
  // An archive of tracking, no part of the chain: whether it runs is for its owners to say.
  { words: 'dta purge and archive', purpose: 'DTA_PURGE', expectedEnabled: null },
  { words: 'monitor biztalk server', purpose: 'MONITOR', expectedEnabled: true },
  // Disabled by design: another job starts it, and nobody else may.
  { words: 'messagebox message cleanup', purpose: 'MESSAGE_BOX_CLEANUP', expectedEnabled: false },
  ...[
    'cleanupbtfexpiredentriesjob',
    'messagebox deadprocesses cleanup',
    'messagebox message managerefcountlog',
    'messagebox parts cleanup',
    'messagebox updatestats',
    'operations operateoninstances onmaster',
    'purgesubscriptionsjob',
    'trackedmessages copy',
    'rules database cleanup',
    'delalerthistjob',
  ].map(words => ({ words, purpose: 'OTHER' as const, expectedEnabled: true })),
];

const unknownJob = { purpose: 'OTHER', expectedEnabled: null } as const;

/**
 * What a job is for, by the words of its name: names embed those of databases, and the documents spell some of them in several ways.
 * `expectedEnabled`: how BizTalk wants its switch, null where that is left to people.
 */
export function purposeOf(jobName: string): Pick<KnownJob, 'purpose' | 'expectedEnabled'> {
  const words = jobName
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  const isShipping = /\bbts\b/.test(words) && words.includes('log shipping');
  const known = isShipping
    ? shipping.find(job => words.includes(job.words))
    : own.find(job => words === job.words || words.startsWith(`${job.words} `));
  const { purpose, expectedEnabled } = known ?? unknownJob;
  return { purpose, expectedEnabled };
}
