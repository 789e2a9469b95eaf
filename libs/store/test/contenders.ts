import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { SqlSession } from '../src/sql-server.ts';
import type { StoreLocation } from '../src/store.ts';
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

/** A store and the contenders for it. */
export class Contest {
  readonly #location: StoreLocation;
  #server: SqlSession | undefined;
  readonly #contenders: Contender[] = [];
  readonly #times: Pick<ContenderOptions, 'beatEveryMs' | 'replaceAfterMs'>;

  constructor(location: StoreLocation, times: Pick<ContenderOptions, 'beatEveryMs' | 'replaceAfterMs'>) {
    this.#location = location;
    this.#times = times;
  }

  enter(options: Partial<ContenderOptions> = {}): Contender {
    const contender = new Contender({ location: this.#location, ...this.#times, ...options });
    this.#contenders.push(contender);
    return contender;
  }

  /** The tokens in the order in which they were committed. */
  async written(): Promise<number[]> {
    const rows = await this.#ask('select fencing_token from written order by seq');
    return rows.map(row => Number(row['fencing_token']));
  }

  /** The newest row, or undefined before the first. */
  async last(): Promise<{ readonly seq: number; readonly token: number } | undefined> {
    const [row] = await this.#ask(
      'file' in this.#location
        ? 'select seq, fencing_token from written order by seq desc limit 1'
        : 'select top (1) seq, fencing_token from written with (readpast) order by seq desc',
    );
    return row && { seq: Number(row['seq']), token: Number(row['fencing_token']) };
  }

  async #ask(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    if ('sqlServer' in this.#location) {
      this.#server ??= await SqlSession.open(this.#location.sqlServer, 'holdfast store tests');
      return (await this.#server.batch(text)).rows;
    }
    const db = new DatabaseSync(this.#location.file, { timeout: 1_000 });
    try {
      return db.prepare(text).all();
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    for (const contender of this.#contenders) contender.signal('SIGKILL');
    await Promise.all(this.#contenders.map(({ exit }) => exit));
    this.#server?.close();
  }
}
