import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { ContenderOptions, ContenderSays } from './contender.ts';

const program = fileURLToPath(new URL('./contender.ts', import.meta.url));
type What = ContenderSays['what'];

/** A contender's process and what it has said. */
export class Contender {
  readonly child: ChildProcess;
  readonly said: ContenderSays[] = [];
  readonly exit: Promise<unknown[]>;
  #news = Promise.withResolvers<undefined>();

  constructor(options: ContenderOptions) {
    const flags = ['--disable-warning=ExperimentalWarning', program];
    this.child = spawn(process.execPath, [...flags, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.exit = once(this.child, 'exit');
    const lines = createInterface({ input: this.child.stdout! });
    lines.on('line', line => {
      this.said.push(JSON.parse(line) as ContenderSays);
      this.#tell();
    });
    void this.exit.then(() => this.#tell());
  }

  get pid(): number {
    return this.child.pid!;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  find<Sought extends What>(what: Sought) {
    return this.said.find((line): line is Extract<ContenderSays, { what: Sought }> => line.what === what);
  }

  /** What it says first of this kind. @throws Error when it ends without. */
  async says<Sought extends What>(what: Sought): Promise<Extract<ContenderSays, { what: Sought }>> {
    for (;;) {
      const line = this.find(what);
      if (line !== undefined) return line;
      if (this.hasEnded) throw new Error(`It ended without "${what}": ${JSON.stringify(this.said)}`);
      await this.#news.promise;
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  #tell(): void {
    this.#news.resolve(undefined);
    this.#news = Promise.withResolvers<undefined>();
  }
}

/** A state folder and the contenders on it. */
export class Contest {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-lead-'));
  readonly #contenders: Contender[] = [];
  readonly #times: Pick<ContenderOptions, 'beatEveryMs' | 'replaceAfterMs'>;

  constructor(times: Pick<ContenderOptions, 'beatEveryMs' | 'replaceAfterMs'>) {
    this.#times = times;
  }

  enter(options: Partial<ContenderOptions> = {}): Contender {
    const contender = new Contender({ folder: this.folder, ...this.#times, ...options });
    this.#contenders.push(contender);
    return contender;
  }

  /** The tokens in the order in which they were committed. */
  written(): number[] {
    return this.#ask('select fencing_token from written order by seq').map(row => Number(row['fencing_token']));
  }

  /** The newest row, or undefined before the first. */
  last(): { readonly seq: number; readonly token: number } | undefined {
    const [row] = this.#ask('select seq, fencing_token from written order by seq desc limit 1');
    return row && { seq: Number(row['seq']), token: Number(row['fencing_token']) };
  }

  #ask(text: string): Record<string, unknown>[] {
    const db = new DatabaseSync(join(this.folder, 'test.db'), { timeout: 1_000 });
    try {
      return db.prepare(text).all();
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    for (const contender of this.#contenders) contender.signal('SIGKILL');
    await Promise.all(this.#contenders.map(({ exit }) => exit));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
