import { expect, it } from '@jest/globals';
import { busyWarning, machineFacts } from './machine.ts';

it('warns of a busy machine', () => {
  expect(busyWarning({ cores: 2, loadAtStart: 0.39 })).toBeUndefined();
  expect(busyWarning({ cores: 2, loadAtStart: 0.4 })).toContain('load 0.4 on 2 cores');
  expect(busyWarning({ cores: 2, loadAtStart: undefined })).toBeUndefined();
});

it('says what it runs on', () => {
  expect(machineFacts()).toMatchObject({ cores: expect.any(Number), node: process.version });
});
