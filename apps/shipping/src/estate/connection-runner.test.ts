import { classify, SqlServerError } from '@holdfast/sqlserver';
import { expect, it } from '@jest/globals';
import { saysDamaged, saysFull } from './connection-runner.ts';

it.each([
  [3203, 'Read on "E:\\x.bak" failed: 38(Reached the end of the file.)', 'damaged'],
  [3203, 'Read on "E:\\x.bak" failed: 64(The specified network name is no longer available.)', undefined],
  [3241, "The media family on device 'E:\\x.bak' is incorrectly formed.", 'damaged'],
  [3183, 'RESTORE detected an error on page (1:8) in database "Orders" as read from the backup set.', 'damaged'],
  [3189, 'Damage to the backup set was detected.', 'damaged'],
  [3201, "Cannot open backup device 'E:\\x.bak'. Operating system error 2(…).", undefined],
  [3257, "There is insufficient free space on disk volume 'D:\\' to create the database.", 'full'],
  [3202, 'Write on "D:\\x.ldf" failed: 112(There is not enough space on the disk.)', 'full'],
  [3202, 'Write on "D:\\x.ldf" failed: 59(An unexpected network error occurred.)', undefined],
  [4305, 'The log in this backup set begins at LSN 1, which is too recent to apply to the database.', undefined],
])('%i %s: %s', (number, message, says) => {
  const error = new SqlServerError('RESTORE LOG', classify({ number, class: 16, state: 1, message }));
  expect(saysDamaged(error) ? 'damaged' : saysFull(error) ? 'full' : undefined).toBe(says);
});
