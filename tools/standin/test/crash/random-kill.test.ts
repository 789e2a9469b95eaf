/**
 * A mixed workload killed from outside at any instant, its starts too, again and again on the same files: nothing acknowledged is lost, nothing is
 * half there, msdb and the files agree.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { EndedAtStart, startInstance, type Instance } from './instance.ts';
import { observe, type Facts } from './observation.ts';
import { copyOf, file, makeTemplate, removeWorld } from './template.ts';
import { randomFrom } from '../random.ts';
import { emptyLedger, follow, work, type Ledger } from './workload.ts';

const everywhere = process.env['HOLDFAST_TESTS'] === 'long';
const seed = Number(process.env['STANDIN_SEED'] ?? Date.now() % 1_000_000);
/** Worlds of so many rounds each: a look at a world reads every backup in it. */
const worlds = everywhere ? 16 : 1;
const rounds = everywhere ? 8 : 4;
/** BACKUP and RESTORE take long enough to be killed within. */
const paces = ['slow-backup msPerPercent=1', 'restore-pace bytesPerSecond=2000000 msPerStatement=60'];

const betweenLooksMs = 5;
let kills = 0;
/** How often a kill cut something short. */
const cut = new Map<string, number>();
const countCut = (what: string): void => void cut.set(what, (cut.get(what) ?? 0) + 1);

async function ids(instance: Instance, database: string): Promise<readonly number[]> {
  return (await instance.rows(`SELECT id FROM ${database}.dbo.t WHERE id > 1000 ORDER BY id`)).map(row =>
    Number(row['id']),
  );
}

/** What is wrong with the instance after its restart. */
async function check(instance: Instance, world: string, ledger: Ledger): Promise<void> {
  const { facts, complaints } = await observe(instance, world);
  const [app, box] = [new Set(await ids(instance, 'App')), new Set(await ids(instance, 'Box'))];
  const marks = `SELECT mark_name + ' in ' + database_name AS told FROM msdb.dbo.logmarkhistory WHERE mark_name LIKE 'w%'`;
  expect({
    complaints,
    lost: [...ledger.acknowledged].filter(id => !app.has(id)),
    fromNowhere: [...app].filter(id => !ledger.sent.has(id)),
    inOneOnly: [...ledger.marked].filter(id => app.has(id) !== box.has(id)),
    files: unexplained(facts, ledger),
    databases: [...ledger.databases].filter(
      ([name, state]) => state !== undefined && facts.has(`database ${name}`) !== (state === 'there'),
    ),
    again: facts.get('content of Again') ?? againAsRestored,
    marks: (await instance.rows(marks)).map(row => row['told']).sort(),
  }).toEqual({
    complaints: [],
    lost: [],
    fromNowhere: [],
    inOneOnly: [],
    files: [],
    databases: [],
    again: againAsRestored,
    marks: [...ledger.marked]
      .filter(id => app.has(id))
      .flatMap(id => [`w${id} in App`, `w${id} in Box`])
      .sort(),
  });
}

/** The template's full of App: its first 60 rows. */
const againAsRestored = 't; 60 1830 180000';

/** A backup that was acknowledged has a whole file with its row; any other file belongs to a BACKUP that a kill cut short, and a row to a whole file. */
function unexplained(facts: Facts, { tried, made }: Ledger): readonly string[] {
  const missing = [...made].filter(name => facts.get(`file ${name}.bak`) !== 'whole' || !facts.has(`msdb ${name}.bak`));
  const strange = [...facts.keys()].flatMap(fact => {
    const name = /^(?:file|msdb) (w-.*)\.bak$/.exec(fact)?.[1];
    return name === undefined || tried.has(name) ? [] : [fact];
  });
  return [...missing, ...strange];
}

type Entry = { readonly text: string; readonly outcome: string };

function logOf(world: string): readonly Entry[] {
  const lines = readFileSync(join(world, 'instance', 'log', 'statements.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1);
  return lines.map(line => JSON.parse(line) as Entry);
}

/** Every answered statement with its end, every row with the start of the statement that made it. */
async function checkStatementLog(instance: Instance, world: string, ledger: Ledger): Promise<void> {
  const entries = logOf(world);
  const ended = new Set(entries.filter(entry => entry.outcome === 'ok').map(entry => entry.text));
  const begun = new Set(entries.filter(entry => entry.outcome === 'started').map(entry => entry.text));
  const last = (batch: string): string => batch.split('; ').at(-1) ?? '';
  expect(ledger.answered.filter(batch => !batch.startsWith('IF ') && !ended.has(last(batch)))).toEqual([]);
  const inserts = new Set(
    [...begun].flatMap(text => /^INSERT App\.dbo\.t VALUES \((\d+),/.exec(text)?.[1] ?? []).map(Number),
  );
  expect((await ids(instance, 'App')).filter(id => !inserts.has(id))).toEqual([]);
}

/** Counts the statements of `from` on that began and did not end. */
function noteCut(entries: readonly Entry[]): void {
  const open: string[] = [];
  for (const { text, outcome } of entries) {
    if (outcome === 'started') open.push(text);
    else open.splice(open.lastIndexOf(text), 1);
  }
  for (const text of open)
    countCut(
      text
        .split(' ')
        .slice(0, 2)
        .join(' ')
        .replace(/ App.*/, ''),
    );
}

/** A start that is killed so soon, perhaps just after it. */
async function killedStart(world: string, afterMs: number): Promise<void> {
  const killing = new AbortController();
  const starting = startInstance(world, { signal: killing.signal }).catch((failure: unknown) => failure);
  await Promise.race([delay(afterMs), starting]);
  killing.abort();
  const outcome = await starting;
  kills += 1;
  if (outcome instanceof EndedAtStart && outcome.signal !== 'SIGKILL') throw outcome;
  // Ready, and gone before the driver was connected: a failure of its own kind.
  if (outcome instanceof Error) countCut('the start');
  else await (outcome as Instance).kill();
}

async function oneWorld(template: string, random: () => number): Promise<void> {
  const world = copyOf(template);
  let running: Instance | undefined;
  const start = async (faults: readonly string[] = []): Promise<Instance> => {
    running = await startInstance(world, { faults });
    return running;
  };
  try {
    const ledger = emptyLedger();
    for (let round = 0; round < rounds; round += 1) await oneRound(world, start, ledger, random, round % 2 === 1);
    // Over all the crashes the chain has no hole: what followed by log alone is what was followed.
    const instance = await start();
    await instance.run(`BACKUP LOG App TO ${file('w-log-last')} WITH CHECKSUM`);
    ledger.logs.push('w-log-last');
    await follow(statement => instance.run(statement), ledger);
    await instance.run('RESTORE DATABASE Copy WITH RECOVERY');
    expect(await ids(instance, 'Copy')).toEqual(await ids(instance, 'App'));
  } finally {
    // Also when it failed: the process would keep this one from ending.
    await running?.kill();
    removeWorld(world);
  }
}

type Start = (faults?: readonly string[]) => Promise<Instance>;

async function oneRound(
  world: string,
  start: Start,
  ledger: Ledger,
  random: () => number,
  killsStart: boolean,
): Promise<void> {
  const begun = performance.now();
  const victim = await start(paces);
  const startMs = performance.now() - begun;
  const before = logOf(world).length;
  const answered = ledger.answered.length;
  const ended = new AbortController();
  const working = work(victim.port, ledger, random)
    .catch((failure: unknown) => failure)
    .finally(() => ended.abort());
  // On a busy machine most of a kill's time would pass before there is anything to cut short.
  while (ledger.answered.length === answered && !ended.signal.aborted) await delay(betweenLooksMs);
  await delay(30 + random() * (everywhere ? 1500 : 500));
  await victim.kill();
  kills += 1;
  expect(await working).toBeUndefined();
  noteCut(logOf(world).slice(before));
  if (killsStart) await killedStart(world, startMs * (0.4 + 0.7 * random()));
  const instance = await start();
  await check(instance, world, ledger);
  await checkStatementLog(instance, world, ledger);
  await instance.kill();
}

afterAll(() => {
  const told = [...cut].map(([what, count]) => `${what} ${count}`).sort();
  process.stdout.write(`random kills: STANDIN_SEED=${seed}, ${kills} kills, within: ${told.join(', ')}\n`);
});

it(
  `keeps its word through kills at any instant, ${worlds} worlds of ${rounds} rounds (STANDIN_SEED=${seed})`,
  async () => {
    const random = randomFrom(seed);
    const template = await makeTemplate();
    for (let each = 0; each < worlds; each += 1) await oneWorld(template, random);
    removeWorld(template);
    if (everywhere)
      expect([...cut.keys()]).toEqual(
        expect.arrayContaining(['BACKUP DATABASE', 'BACKUP LOG', 'RESTORE DATABASE', 'RESTORE LOG', 'the start']),
      );
  },
  everywhere ? 3_600_000 : 300_000,
);
