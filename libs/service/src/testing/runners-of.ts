import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Service } from '../lifecycle.ts';

/** The shell's own health checks; every other one is a runner's. */
const shell = [/^leader$/, /^event (relay|bus)$/, /\.projection$/];

/** The names of the runners that a service has when it is started as its `main` does, in an empty state folder. */
export async function runnersOf(create: (stateFolder: string) => Service): Promise<readonly string[]> {
  const stateFolder = await mkdtemp(join(tmpdir(), 'holdfast-runners-'));
  const service = create(stateFolder);
  try {
    const { url } = await service.start();
    const answer = await fetch(new URL('/readyz', url), { headers: { connection: 'close' } });
    const { checks } = (await answer.json()) as { readonly checks: readonly { readonly name: string }[] };
    return checks.map(({ name }) => name).filter(name => !shell.some(own => own.test(name)));
  } finally {
    await service.stop();
    await rm(stateFolder, { recursive: true, force: true, maxRetries: 5 });
  }
}
