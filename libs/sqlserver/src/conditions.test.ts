import { expect, it } from '@jest/globals';
import * as conditions from './conditions.ts';
import { classify, SqlServerError } from './errors.ts';

const { saysDamagedFile, saysFullDisk, saysNotReached } = conditions;

const errorOf = (number: number, message: string, severity = 16) =>
  new SqlServerError('RESTORE LOG', classify({ number, class: severity, state: 1, message }));

it.each([
  [3203, 'Read on "E:\\x.bak" failed: 38(Reached the end of the file.)', 'damaged'],
  [3203, 'Read on "E:\\x.bak" failed: 64(The specified network name is no longer available.)', undefined],
  [3241, "The media family on device 'E:\\x.bak' is incorrectly formed.", 'damaged'],
  [3183, 'RESTORE detected an error on page (1:8) in database "Orders" as read from the backup set.', 'damaged'],
  [3189, 'Damage to the backup set was detected.', 'damaged'],
  [3143, 'The data set on device is not a SQL Server backup set.', 'damaged'],
  [3201, "Cannot open backup device 'E:\\x.bak'. Operating system error 2(…).", undefined],
  [3257, "There is insufficient free space on disk volume 'D:\\' to create the database.", 'full'],
  [3202, 'Write on "D:\\x.ldf" failed: 112(There is not enough space on the disk.)', 'full'],
  [3202, 'Write on "D:\\x.ldf" failed: 59(An unexpected network error occurred.)', undefined],
  [5149, 'MODIFY FILE encountered operating system error 112(…) while attempting to expand the physical file.', 'full'],
  [
    5149,
    'MODIFY FILE encountered operating system error 5(…) while attempting to expand the physical file.',
    undefined,
  ],
  [5123, 'CREATE FILE encountered operating system error 112(…).', 'full'],
  [1802, 'CREATE DATABASE failed. Some file names listed could not be created. Check related errors.', undefined],
  [9002, "The transaction log for database 'Orders' is full due to 'LOG_BACKUP'.", 'full'],
  [1105, "Could not allocate space for object 't' in database 'Orders'.", 'full'],
  [4305, 'The log in this backup set begins at LSN 1, which is too recent to apply to the database.', undefined],
])('%i %s: %s', (number, message, says) => {
  const error = errorOf(number, message);
  expect(saysDamagedFile(error) ? 'damaged' : saysFullDisk(error) ? 'full' : undefined).toBe(says);
  // What a class `media` would mean for a full disk: that the file is at fault.
  if (says === 'full') expect(error.errorClass).toBe('state');
});

it('finds nothing in an error whose connection broke: the outcome is unknown', () => {
  const torn = Object.assign(new Error('x'), { number: 3241, class: 16, state: 1, code: 'ECONNCLOSED' });
  const error = new SqlServerError('RESTORE LOG', classify(torn));
  expect([error.number, error.errorClass, saysDamagedFile(error)]).toEqual([3241, 'lost', false]);
});

it('reads the text of the cause, also where that of the error names something else', () => {
  const [device, full] = ['Write on "D:\\x.ldf" failed: 112(There is not enough space on the disk.)', 'terminating'];
  const cause = { number: 3202, class: 16, state: 1, message: device };
  const closing = { number: 3013, class: 16, state: 1, message: full, precedingErrors: [cause] };
  expect(saysFullDisk(new SqlServerError('RESTORE LOG', classify(closing)))).toBe(true);
});

const asked = [
  'saysNotOpened',
  'saysAlreadyApplied',
  'saysAlreadyRecovered',
  'saysSessionGone',
  'saysUnitGone',
] as const;
it.each([
  [3201, ['saysNotOpened']],
  [4326, ['saysAlreadyApplied']],
  [3153, ['saysAlreadyRecovered']],
  [6106, ['saysSessionGone']],
  [6110, ['saysUnitGone']],
  [6112, []],
  [208, ['saysNoSuchDatabase']],
  [911, ['saysNoSuchDatabase']],
  [22_022, ['saysAgentRefused']],
])('%i is %s', (number, names) => {
  const all = [...asked, 'saysNoSuchDatabase', 'saysAgentRefused'] as const;
  expect(all.filter(name => conditions[name](errorOf(number, 'x')))).toEqual(names);
  expect(all.some(name => conditions[name](Object.assign(new Error('x'), { number })))).toBe(false);
});

it.each([
  [[4322], true],
  [[3014, 4329], true],
  [[4339], true],
  [[3014], false],
  [[], false],
])('information %j says that the point was not reached: %s', (numbers, says) => {
  expect(saysNotReached(numbers.map(number => ({ number, severity: 0, state: 1, text: '' })))).toBe(says);
});
