import { expect, it } from '@jest/globals';
import { message } from '../messages.ts';
import { stepMessage } from './history-text.ts';

it.each([
  [message(8134), 'Divide by zero error encountered. [SQLSTATE 22012] (Error 8134)'],
  [message(208, 'dbo.t'), "Invalid object name 'dbo.t'. [SQLSTATE 42S02] (Error 208)"],
  [message(3013, 'BACKUP LOG'), 'BACKUP LOG is terminating abnormally. [SQLSTATE 42000] (Error 3013)'],
  [message(15457, 'remote access', 1, 0), '[SQLSTATE 01000] (Message 15457)'],
])('gives each message the SQLSTATE of its number: %j', (each, text) => {
  expect(stepMessage('sa', [each], 'failed')).toContain(text);
});
