import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Asked, Said, ServiceSettings } from './service.ts';

type Answer<At extends Said['at']> = Extract<Said, { at: At }>;

/** A service over all the processes that it is, one after the other. */
export class ServiceLife {
  readonly settings: ServiceSettings;
  /** What its processes said on standard error, and ends that nobody asked for. */
  readonly complaints: string[] = [];
  readonly #progress: (time: number, applied: Readonly<Record<string, number>>) => void;
  #child: ChildProcess | undefined;
  #closed: Promise<void> = Promise.resolve();
  #started: Promise<void> = Promise.resolve();
  #waiting: { readonly resolve: (said: Said) => void; readonly reject: (error: Error) => void }[] = [];
  #isEnding = false;

  constructor(settings: ServiceSettings, progress: (time: number, applied: Readonly<Record<string, number>>) => void) {
    this.settings = settings;
    this.#progress = progress;
  }

  /** Resolves when the process is there; `started` when it works. */
  start(): void {
    const script = join(import.meta.dirname, 'service.ts');
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', script, JSON.stringify(this.settings)],
      { stdio: 'pipe' },
    );
    const { name } = this.settings;
    const started = Promise.withResolvers<undefined>();
    this.#child = child;
    this.#isEnding = false;
    this.#started = started.promise;
    this.#started.catch(() => undefined); // Told by `complaints`.
    this.#closed = new Promise(resolve => {
      child.once('close', (code, signal) => {
        const how = `${name} ended with ${signal ?? String(code)}`;
        if (!this.#isEnding || (code !== 0 && signal !== 'SIGKILL')) this.complaints.push(how);
        started.reject(new Error(how));
        for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error(how));
        resolve();
      });
    });
    // Asked of a process that is gone: the end is told by `close`.
    child.stdin.on('error', () => undefined);
    createInterface(child.stderr).on('line', line => this.complaints.push(`${name}: ${line}`));
    createInterface(child.stdout).on('line', line => {
      const said = JSON.parse(line) as Said;
      if (said.at === 'started') started.resolve(undefined);
      else if (said.at === 'progress') this.#progress(said.time, said.applied);
      else this.#waiting.shift()?.resolve(said);
    });
  }

  get started(): Promise<void> {
    return this.#started;
  }

  async ask<At extends Said['at']>(asked: Exclude<Asked, 'end'>, at: At): Promise<Answer<At>> {
    const { promise, resolve, reject } = Promise.withResolvers<Said>();
    this.#waiting.push({ resolve, reject });
    this.#child?.stdin?.write(`${asked}\n`);
    const said = await promise;
    if (said.at !== at) throw new Error(`${this.settings.name} answered ${said.at} to ${asked}`);
    return said as Answer<At>;
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** kill -9, frozen or not. */
  async kill(): Promise<void> {
    this.#isEnding = true;
    this.#child?.kill('SIGKILL');
    await this.#closed;
  }

  /** In order: it leaves its group and closes its store. One that does not within the limit is a complaint. */
  async end(limitMs = 20_000): Promise<void> {
    await this.#started;
    this.#isEnding = true;
    this.#child?.stdin?.write('end\n');
    const limit = setTimeout(() => {
      this.complaints.push(`${this.settings.name} did not end within ${limitMs} ms`);
      this.#child?.kill('SIGKILL');
    }, limitMs);
    await this.#closed;
    clearTimeout(limit);
  }
}
