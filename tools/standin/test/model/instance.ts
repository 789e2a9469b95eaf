/** The stand-in in this process: T-SQL text in, answers and what can be seen out. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, registerCatalogue } from '../../src/catalogue/catalogue.ts';
import { createEngine } from '../../src/engine/engine.ts';
import { createSession, engineOptions, type TestSession } from '../../src/engine/engine-fixture.ts';
import { createExecutor } from '../../src/sql/executor.ts';
import { recordingSink, type Answer as Received } from '../../src/sql/sql-fixture.ts';
import { randomFrom } from '../random.ts';
import { batchOf, epochMs, lsnQueryOf, momentOf } from './statements.ts';
import type { Engine, Executor } from '../../src/contract.ts';
import type { Answer, Damage, Sight, Step, StepOf } from './steps.ts';

/** Something that steps can be done to and looked at. */
export type Instance = {
  perform(step: Step): Promise<Answer>;
  /** `locked`: whose rows cannot be read now. */
  sight(locked: ReadonlySet<string>): Promise<Sight>;
  /** `database mark`, sorted. */
  marks(): Promise<readonly string[]>;
};

/** One engine, on which many schedules follow each other under prefixes of their own. */
export type Host = {
  open(prefix: string): Instance;
  /** Drops what a schedule left. */
  clear(prefix: string): Promise<void>;
  close(): Promise<void>;
};

/** Most of the time goes into files that nobody needs after a crash: where Linux keeps files in memory they cost a third. */
const memoryDisk = '/dev/shm';

/** Those that say how a restore went on (sqlserver.md §2.3). */
const tellingInfos = new Set([4322, 4329]);

class StandIn {
  readonly #folder: string;
  #engine: Engine;
  #executor: Executor;
  #session: TestSession;
  #second: TestSession;
  #nowMs = epochMs;
  readonly #options: Parameters<typeof createEngine>[0];

  static async start(): Promise<StandIn> {
    const folder = await mkdtemp(join(existsSync(memoryDisk) ? memoryDisk : tmpdir(), 'standin-model-'));
    for (const name of ['data', 'share', 'instance']) await mkdir(join(folder, name));
    const random = randomFrom(1);
    let now = (): number => epochMs;
    const options = engineOptions(folder, { clock: () => new Date(now()), random, hasty: true });
    const standIn = new StandIn(folder, options, await createEngine(options));
    now = () => standIn.#nowMs;
    return standIn;
  }

  private constructor(folder: string, options: Parameters<typeof createEngine>[0], engine: Engine) {
    this.#folder = folder;
    this.#options = options;
    this.#engine = engine;
    [this.#executor, this.#session, this.#second] = connect(engine);
  }

  file(name: string): string {
    return join(this.#folder, 'share', name);
  }

  dataFile(name: string): string {
    return join(this.#folder, 'data', name);
  }

  files(): Promise<readonly string[]> {
    return readdir(join(this.#folder, 'share'));
  }

  at(moment: Date): void {
    this.#nowMs = moment.getTime();
  }

  async run(text: string, second = false): Promise<Received> {
    const { sink, answer } = recordingSink();
    await this.#executor.batch(second ? this.#second : this.#session, text, sink);
    return answer;
  }

  async rows(text: string): Promise<readonly (readonly unknown[])[]> {
    const { sets, errors } = await this.run(text);
    if (errors.length > 0) throw new Error(`${text}: ${errors.map(each => `${each.number} ${each.text}`).join('; ')}`);
    return sets.at(-1)?.rows ?? [];
  }

  async restart(meanwhile?: () => Promise<void>): Promise<void> {
    await this.#engine.close();
    await meanwhile?.();
    this.#engine = await createEngine(this.#options);
    [this.#executor, this.#session, this.#second] = connect(this.#engine);
  }

  async close(): Promise<void> {
    await this.#engine.close();
    await rm(this.#folder, { recursive: true });
  }
}

function connect(engine: Engine): [Executor, TestSession, TestSession] {
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  const executor = createExecutor(engine, registry, { write: () => undefined });
  return [executor, createSession(engine, 51, 'master'), createSession(engine, 52, 'master')];
}

export async function startHost(): Promise<Host> {
  const standIn = await StandIn.start();
  return {
    open: prefix => new PrefixedInstance(standIn, prefix),
    clear: async prefix => {
      await standIn.run('IF @@TRANCOUNT > 0 ROLLBACK', true);
      for (const [name] of await standIn.rows(`SELECT name FROM sys.databases WHERE name LIKE '${prefix}%'`))
        await standIn.run(`DROP DATABASE ${String(name)}`);
      for (const file of await standIn.files()) if (file.startsWith(prefix)) await rm(standIn.file(file));
    },
    close: () => standIn.close(),
  };
}

class PrefixedInstance implements Instance {
  readonly #standIn: StandIn;
  readonly #prefix: string;

  constructor(standIn: StandIn, prefix: string) {
    this.#standIn = standIn;
    this.#prefix = prefix;
  }

  async perform(step: Step): Promise<Answer> {
    this.#standIn.at(momentOf(step.second));
    const batch = batchOf(step, this.#prefix, await this.#lsn(step));
    if (batch !== undefined) {
      const { errors, infos } = await this.#standIn.run(batch, step.kind === 'begin' || step.kind === 'end');
      const telling = infos.map(({ number }) => number).filter(number => tellingInfos.has(number));
      return { errors: errors.map(({ number }) => number), infos: telling };
    }
    if (step.kind === 'restart') await this.#standIn.restart();
    if (step.kind === 'lose' || step.kind === 'find') await this.#standIn.restart(() => this.#moveDataFile(step));
    if (step.kind === 'damage') await damage(this.#file(step.file), step.how, step.position);
    if (step.kind === 'swap') await this.#swap(this.#file(step.file), this.#file(step.other));
    return { errors: [], infos: [] };
  }

  async sight(locked: ReadonlySet<string>): Promise<Sight> {
    const found = await this.#standIn.rows(
      `SELECT name, IIF(is_in_standby = 1 AND state_desc = 'ONLINE', 'STANDBY', state_desc) FROM sys.databases WHERE name LIKE '${this.#prefix}%' ORDER BY name`,
    );
    const sight: Record<string, string> = {};
    for (const [name, state] of found) {
      const short = String(name).slice(this.#prefix.length);
      sight[short] = String(state);
      if ((state !== 'ONLINE' && state !== 'STANDBY') || locked.has(short)) continue;
      const rows = await this.#standIn.rows(`SELECT id, v FROM ${String(name)}.dbo.t ORDER BY id`);
      sight[short] = [state, ...rows.map(([id, v]) => `${String(id)}=${String(v)}`)].join(' ');
    }
    return sight;
  }

  async marks(): Promise<readonly string[]> {
    const rows = await this.#standIn.rows(
      `SELECT database_name, mark_name FROM msdb.dbo.logmarkhistory WHERE database_name LIKE '${this.#prefix}%'`,
    );
    return rows.map(([name, mark]) => `${String(name).slice(this.#prefix.length)} ${String(mark)}`).sort();
  }

  async #lsn(step: Step): Promise<string> {
    const query = lsnQueryOf(step, this.#prefix);
    const found = query === undefined ? [['']] : await this.#standIn.rows(query);
    if (found.length !== 1) throw new Error(`${String(query)}: ${found.length} rows`);
    return String(found[0]?.[0]);
  }

  #file(name: string): string {
    return this.#standIn.file(`${this.#prefix}${name}.bak`);
  }

  #moveDataFile({ kind, database }: StepOf<'lose' | 'find'>): Promise<void> {
    const path = this.#standIn.dataFile(`${this.#prefix}${database}.mdf`);
    return kind === 'lose' ? rename(path, `${path}.lost`) : rename(`${path}.lost`, path);
  }

  async #swap(one: string, two: string): Promise<void> {
    await rename(one, `${one}.aside`);
    await rename(two, one);
    await rename(`${one}.aside`, two);
  }
}

type Frame = { readonly type: string; readonly at: number; readonly end: number };

/** Header of a frame in a backup file: type, length, checksum. */
const frameHeaderBytes = 9;
const magicBytes = 8;

async function damage(path: string, how: Damage, position: number): Promise<void> {
  if (how === 'lose') return rm(path);
  if (how === 'empty') return truncate(path, 0);
  if (how === 'text') return writeFile(path, 'this is no backup at all');
  const bytes = await readFile(path);
  const frames = framesOfSet(bytes, position);
  const end = frames.find(({ type }) => type === 'E');
  if (end === undefined) throw new Error(`${path} has no set ${position}`);
  if (how === 'unfinish') return truncate(path, end.at);
  if (how === 'tear') return truncate(path, end.at + Math.floor((end.end - end.at) / 2));
  const content = frames.filter(({ type }) => type === 'D' || type === 'L');
  const hit = content[Math.floor(content.length / 2)];
  if (hit === undefined) throw new Error(`set ${position} of ${path} has no content`);
  const at = Math.floor((hit.at + frameHeaderBytes + hit.end) / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  return writeFile(path, bytes);
}

function framesOfSet(bytes: Buffer, position: number): readonly Frame[] {
  const frames: Frame[] = [];
  let set = 0;
  for (let at = magicBytes; at + frameHeaderBytes <= bytes.length;) {
    const type = String.fromCharCode(bytes[at] ?? 0);
    const end = at + frameHeaderBytes + bytes.readUInt32LE(at + 1);
    if (type === 'S') set += 1;
    if (set === position) frames.push({ type, at, end });
    at = end;
  }
  return frames;
}
