import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLifecycle, type Part } from './lifecycle.ts';

function parts(journal: string[], changes: Record<string, Partial<Part>> = {}): Part[] {
  return ['store', 'bus', 'server'].map(name => ({
    name,
    start: () => void journal.push(`+${name}`),
    stop: () => void journal.push(`-${name}`),
    ...changes[name],
  }));
}

describe('a lifecycle', () => {
  it('starts in order, stops in reverse, and once', async () => {
    const journal: string[] = [];
    const lifecycle = createLifecycle(parts(journal));
    await lifecycle.start();
    const [first, second] = await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    expect(journal).toEqual(['+store', '+bus', '+server', '-server', '-bus', '-store']);
    expect(first).toEqual({ stopped: ['server', 'bus', 'store'], hung: [], failed: [] });
    expect(second).toBe(first);
    await expect(lifecycle.start()).rejects.toThrow('stopped');
  });

  it('stops what had started when a part fails to start', async () => {
    const journal: string[] = [];
    const cause = new Error('port taken');
    const lifecycle = createLifecycle(parts(journal, { server: { start: () => Promise.reject(cause) } }));
    await expect(lifecycle.start()).rejects.toMatchObject({
      // The cause says why; saying it here too would show it twice wherever the chain is rendered.
      message: 'server did not start',
      cause,
    });
    expect(journal).toEqual(['+store', '+bus', '-bus', '-store']);
  });

  it('goes on past a part that hangs or fails and reports both', async () => {
    const journal: string[] = [];
    const lifecycle = createLifecycle(
      parts(journal, {
        server: { stop: () => new Promise(() => undefined), stopLimitMs: 5 },
        bus: {
          stop: () => {
            throw new Error('no');
          },
        },
      }),
    );
    await lifecycle.start();
    expect(await lifecycle.stop()).toEqual({
      stopped: ['store'],
      hung: ['server'],
      failed: [{ part: 'bus', problem: 'Error: no' }],
    });
  });

  it('stopped while starting, lets the current part finish and stops it', async () => {
    const journal: string[] = [];
    const gate = Promise.withResolvers<undefined>();
    const reached = Promise.withResolvers<undefined>();
    const lifecycle = createLifecycle(
      parts(journal, {
        bus: {
          start: () => {
            reached.resolve(undefined);
            return gate.promise.then(() => void journal.push('+bus'));
          },
        },
      }),
    );
    const starting = lifecycle.start().catch((error: unknown) => String(error));
    await reached.promise;
    const stopping = lifecycle.stop();
    gate.resolve(undefined);
    await stopping;
    expect(await starting).toContain('Stopped before server');
    expect(journal).toEqual(['+store', '+bus', '-bus', '-store']);
  });
});

describe('runMain', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  const program = (service: string, options = '{}') => `
    import { runMain } from ${JSON.stringify(new URL('./lifecycle.ts', import.meta.url).href)};
    const keepAlive = setInterval(() => {}, 1000);
    await runMain(() => (${service}), ${options});
  `;
  const ordinary = `{
    name: 'x',
    start: async () => ({ url: 'http://x' }),
    stop: async () => { process.stdout.write('stopped'); },
  }`;

  function run(source: string, env: Record<string, string> = {}, ipc = false) {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', source],
      {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
      },
    );
    children.push(child);
    let out = '';
    child.stdout?.on('data', chunk => (out += String(chunk)));
    child.stderr?.on('data', chunk => (out += String(chunk)));
    // 'close' is never told to a parent that has disconnected the channel itself.
    const ends = [once(child, 'exit'), once(child.stdout!, 'end'), once(child.stderr!, 'end')];
    const closed = Promise.all(ends).then(([exit]) => ({
      code: exit?.[0] as unknown,
      out: out.replace(`{"ready":true,"url":"http://x","pid":${child.pid ?? 0}}\n`, 'announced '),
    }));
    const started = new Promise<void>(resolve => child.stdout?.once('data', () => resolve()));
    return { child, closed, started };
  }

  // Windows ends a process for these signals without asking it.
  const posix = process.platform === 'win32' ? it.skip : it;

  posix.each(['SIGTERM', 'SIGINT'] as const)(
    'stops and exits with 0 on %s, a forgotten timer notwithstanding',
    async signal => {
      const { child, closed, started } = run(program(ordinary));
      await started;
      child.kill(signal);
      expect(await closed).toEqual({ code: 0, out: 'announced stopped' });
    },
  );

  it('stops when its IPC parent disconnects', async () => {
    const { child, closed, started } = run(program(ordinary), {}, true);
    await started;
    child.disconnect();
    expect(await closed).toEqual({ code: 0, out: 'announced stopped' });
  });

  it('stops when the process HOLDFAST_PARENT_PID names is gone', async () => {
    const parent = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    children.push(parent);
    const { closed, started } = run(program(ordinary), { HOLDFAST_PARENT_PID: String(parent.pid) });
    await started;
    parent.kill('SIGKILL');
    expect(await closed).toEqual({ code: 0, out: 'announced stopped' });
  });

  it('exits with 1 and the scrubbed reason when starting fails', async () => {
    const { closed } = run(
      program(
        `{ name: 'x', start: async () => { throw new Error('password=hunter2 port taken'); }, stop: async () => {} }`,
      ),
    );
    expect(await closed).toEqual({ code: 1, out: 'Error: password=[hidden] port taken\n' });
  });

  posix('exits with 1 when the stop takes too long', async () => {
    const hanging = ordinary.replace("process.stdout.write('stopped');", 'await new Promise(() => {});');
    const { child, closed, started } = run(program(hanging, '{ stopLimitMs: 20 }'));
    await started;
    child.kill('SIGTERM');
    expect(await closed).toEqual({ code: 1, out: 'announced Error: x did not stop within 20 ms.\n' });
  });

  it('stops and exits with 1 and the reason when the service ends by itself', async () => {
    const ending = ordinary.replace(
      "name: 'x',",
      `name: 'x', ended: AbortSignal.abort(new Error('x was replaced by another leader')),`,
    );
    const { closed } = run(program(ending));
    expect(await closed).toEqual({ code: 1, out: 'announced stoppedError: x was replaced by another leader\n' });
  });

  it('refuses a HOLDFAST_PARENT_PID that is none', async () => {
    const { closed } = run(program(ordinary), { HOLDFAST_PARENT_PID: 'soon' });
    expect(await closed).toMatchObject({ code: 1, out: expect.stringContaining('HOLDFAST_PARENT_PID') });
  });
});
