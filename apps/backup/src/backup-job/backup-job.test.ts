import { describe, expect, it } from '@jest/globals';
import { exposureOf, intervalOf, type JobConfiguration, type JobFacts, parseSteps, toldBasis } from './backup-job.ts';

const compression = 'exec [dbo].[sp_SetBackupCompression] @bCompression = 0';
const clear = 'exec [dbo].[sp_DeleteBackupHistory] @DaysToKeep=14';
const full = "exec [dbo].[sp_BackupAllFull_Schedule] 'd','BTS','\\\\share\\bts',0,null";
const log = "exec [dbo].[sp_MarkAll] 'BTS','\\\\share\\bts'";
const parse = (...commands: readonly (string | null)[]) => parseSteps(commands.map(command => ({ command })));
const shipped: JobConfiguration = {
  configured: true,
  markPrefix: 'BTS',
  path: '\\\\share\\bts',
  frequencyLetter: 'd',
  fullFrequency: 'DAILY',
  forcesFullAfterFailure: false,
  fullUsesLocalTime: false,
  logUsesLocalTime: false,
};

describe('the steps of the job', () => {
  it.each<[string, readonly (string | null)[], Partial<JobConfiguration>]>([
    ['as shipped, with a path', [compression, full, log, clear], {}],
    ['three, as older versions have them', [full, log, clear], {}],
    ['in another order and with an empty one', [null, log, compression, full], {}],
    [
      'never configured',
      [
        "exec [dbo].[sp_BackupAllFull_Schedule] 'd','BTS','<destination path>',0,null",
        "exec [dbo].[sp_MarkAll] 'BTS','<destination path>'",
      ],
      { configured: false, path: null },
    ],
    [
      'configured in one of the two',
      [full, "exec [dbo].[sp_MarkAll] 'BTS','<destination path>'"],
      { configured: false, path: null },
    ],
    ['the log step missing', [full], { configured: false, markPrefix: null, path: null, logUsesLocalTime: null }],
    [
      'the full step missing',
      [log],
      {
        configured: false,
        frequencyLetter: null,
        fullFrequency: null,
        forcesFullAfterFailure: null,
        fullUsesLocalTime: null,
      },
    ],
    ['an empty path', [full, "exec sp_MarkAll 'BTS',''"], { configured: false, path: null }],
    [
      'all six parameters',
      ["EXEC dbo.sp_BackupAllFull_Schedule 'W','BTS','D:\\Backup',1,23,1", "EXECUTE sp_MarkAll 'BTS','D:\\Backup',1"],
      {
        path: 'D:\\Backup',
        frequencyLetter: 'W',
        fullFrequency: 'WEEKLY',
        forcesFullAfterFailure: true,
        fullUsesLocalTime: true,
        logUsesLocalTime: true,
      },
    ],
    [
      'parameters by name, comments between, another database before the name',
      [
        "exec BizTalkMgmtDb.dbo.sp_BackupAllFull_Schedule @Frequency = 'm' /* monthly, 'd' would be daily */, @BackupPath = N'D:\\O''Neil', -- where\n @MarkName='X', @ForceFullBackupAfterPartialSetFailure = 1",
        "declare @r int; exec @r = BizTalkMgmtDb..sp_MarkAll @BackupPath = N'D:\\O''Neil', @MarkName = 'X';",
      ],
      {
        markPrefix: 'X',
        path: "D:\\O'Neil",
        frequencyLetter: 'm',
        fullFrequency: 'MONTHLY',
        forcesFullAfterFailure: true,
      },
    ],
    [
      'what is longer is cut as the server cuts it',
      [full, `exec sp_MarkAll 'LONGPREFIX','${'p'.repeat(130)}'`],
      { markPrefix: 'LONGPREF', path: 'p'.repeat(128) },
    ],
    [
      'a letter that the procedure refuses',
      [full.replace("'d'", "'x'"), log],
      { frequencyLetter: 'x', fullFrequency: null },
    ],
    [
      'variables say nothing',
      ["exec sp_BackupAllFull_Schedule 'd','BTS','D:\\B',@force,null,@local", "exec sp_MarkAll 'BTS','D:\\B'"],
      { path: 'D:\\B', forcesFullAfterFailure: null, fullUsesLocalTime: null },
    ],
    [
      'a call in a comment is none',
      ['-- ' + full, log],
      {
        configured: false,
        frequencyLetter: null,
        fullFrequency: null,
        forcesFullAfterFailure: null,
        fullUsesLocalTime: null,
      },
    ],
  ])('%s', (_what, commands, change) => {
    expect(parse(...commands)).toEqual({ ...shipped, ...change });
  });
});

describe('the interval of the schedules', () => {
  const daily = { enabled: true, frequencyType: 4, frequencyInterval: 1, subdayType: 4, subdayInterval: 15 };
  it.each([
    ['as shipped, a quarter of an hour', [daily], 900],
    ['in seconds', [{ ...daily, subdayType: 2, subdayInterval: 20 }], 20],
    ['in hours', [{ ...daily, subdayType: 8, subdayInterval: 2 }], 7_200],
    ['once a day', [{ ...daily, subdayType: 1, subdayInterval: 0 }], 86_400],
    ['the shortest of several', [{ ...daily, subdayInterval: 30 }, daily], 900],
    ['of those that are on', [daily, { ...daily, enabled: false, subdayInterval: 1 }], 900],
    ['none that repeats every day', [{ ...daily, frequencyType: 64 }], null],
    ['none at all', [], null],
  ])('%s', (_what, schedules, expected) => {
    expect(intervalOf(schedules)).toBe(expected);
  });
});

describe('the exposure', () => {
  it.each([
    ['by the default flag, until the next period', shipped, 'FAILED_FULL_COUNTS_AS_DONE', 'next day'],
    [
      'longer with a longer period',
      { ...shipped, fullFrequency: 'YEARLY' as const },
      'FAILED_FULL_COUNTS_AS_DONE',
      'next year',
    ],
    ['none with the flag', { ...shipped, forcesFullAfterFailure: true }, undefined, ''],
    ['not known from a variable', { ...shipped, forcesFullAfterFailure: null }, undefined, ''],
    ['no full at all', { ...shipped, fullFrequency: null, frequencyLetter: 'x' }, 'FULL_NEVER_RUNS', 'refuses'],
    ['not said of a job without configuration', { ...shipped, configured: false }, undefined, ''],
  ])('%s', (_what, configuration, code, words) => {
    const exposure = exposureOf(configuration);
    expect(exposure?.code).toBe(code);
    expect(exposure?.message ?? '').toContain(words);
  });
});

describe('the time in which a new set is written', () => {
  const facts = (change: Partial<JobConfiguration>) =>
    ({ configuration: { ...shipped, ...change } }) as unknown as JobFacts;
  it.each([
    ['UTC, by the default', 'LOG', facts({}), facts({}), 'UTC'],
    [
      'local, by the step of its own type',
      'LOG',
      facts({ logUsesLocalTime: true }),
      facts({ logUsesLocalTime: true }),
      'LOCAL',
    ],
    [
      'whatever the other step says',
      'FULL',
      facts({ logUsesLocalTime: true }),
      facts({ logUsesLocalTime: true }),
      'UTC',
    ],
    ['unknown when the step became another', 'LOG', facts({}), facts({ logUsesLocalTime: true }), null],
    [
      'unknown when it is a variable',
      'FULL',
      facts({ fullUsesLocalTime: null }),
      facts({ fullUsesLocalTime: null }),
      null,
    ],
    ['unknown without a look before it', 'LOG', null, facts({}), null],
    ['unknown without a look after it', 'LOG', facts({}), null, null],
  ] as const)('%s', (_what, type, before, after, expected) => {
    expect(toldBasis(type, before, after)).toBe(expected);
  });
});
