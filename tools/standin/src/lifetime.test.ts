import { spawn } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { whenGone } from './lifetime.ts';

it('tells when a process is gone, and not before', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  let gone = false;
  const told = new Promise<void>(resolve =>
    whenGone(child.pid ?? 0, () => {
      gone = true;
      resolve();
    }),
  );
  await new Promise(resolve => child.once('spawn', resolve));
  expect(gone).toBe(false);
  child.kill('SIGKILL');
  // The timer alone keeps no process alive, so something else must while we wait.
  const wait = setInterval(() => undefined, 1000);
  await told;
  clearInterval(wait);
});
