import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { missingForKafka } from '@holdfast/run';
import { caughtUp, confirmWhatWaits, executionOf, hasMark } from '../harness/looks.ts';
import { type ServiceName, until, wholeWorkMs } from '../harness/replicas.ts';
import { seed } from '../harness/sample-group.ts';
import { subgraphs } from '../harness/services.ts';
import { setStage, type Stage } from '../harness/takeover.ts';

const isLong = process.env['HOLDFAST_TESTS'] === 'long';
const reason = isLong ? missingForKafka(process.env) : 'only with HOLDFAST_TESTS=long';
const describeWithBroker = reason === undefined ? describe : describe.skip;
const why = reason === undefined ? '' : ` (skipped: ${reason})`;

type Rebuilt = {
  readonly rebuilt: Readonly<Record<string, number>>;
  readonly sha256Before: string;
  readonly sha256After: string;
  readonly deadLetters: number;
};
type Outcome = { readonly code: number | null; readonly printed: readonly string[]; readonly errors: string };

const root = fileURLToPath(new URL('../../../../', import.meta.url));
let stage: Stage;

/** One rebuild, as an operator starts it; without `brokers` on the embedded bus. */
async function run(app: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', `apps/${app}/src/main.ts`, ...args], {
    cwd: root,
    env: { HOLDFAST_PARENT_PID: String(process.pid), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', text => (output += String(text)));
  child.stderr.on('data', text => (errors += String(text)));
  await once(child, 'close');
  return { code: child.exitCode, printed: output.split('\n').filter(line => line !== ''), errors };
}

function rebuild(service: ServiceName, brokers = stage.brokers): Promise<Outcome> {
  const { folder } = stage.services;
  const settings = {
    HTTP__PORT: '0',
    SIGNING_KEY: `file:${join(folder, 'signing.key')}`,
    STATE_FOLDER: join(folder, 'state'),
    ...(brokers !== '' && { KAFKA__BROKERS: brokers }),
  };
  const section = `HOLDFAST_${service.toUpperCase()}__`;
  return run(
    service,
    ['--rebuild'],
    Object.fromEntries(Object.entries(settings).map(([key, value]) => [section + key, value])),
  );
}

/** Every row of every table that is neither a projection nor the consumer's own memory of what it has read. */
function ownState(service: ServiceName, projections: readonly string[]): Record<string, string[]> {
  const db = new DatabaseSync(stage.services.storeOf(service), { readOnly: true });
  try {
    const tables = db.prepare(`select name from sqlite_schema where type = 'table' order by name`).all();
    const memory = new Set(['inbox', 'consumer_position', 'leader_fence', 'relay_position', ...projections]);
    return Object.fromEntries(
      tables
        .map(({ name }) => String(name))
        .filter(name => !memory.has(name) && !name.startsWith('sqlite_'))
        .map(name => [
          name,
          db
            .prepare(`select * from ${name}`)
            .all()
            .map(row => JSON.stringify(row))
            .sort(),
        ]),
    );
  } finally {
    db.close();
  }
}

/** To its end, with the people who confirm their steps. */
async function failOver(): Promise<void> {
  const id = await stage.startFailover(undefined, 'unplanned');
  let state = '';
  const isThrough = async (): Promise<boolean> => {
    await confirmWhatWaits(stage, id);
    state = (await executionOf(stage, id))?.state ?? state;
    return state === 'COMPLETED';
  };
  await until('the failover is complete', isThrough, () => `${state}\n${stage.services.lastLines()}`);
}

describeWithBroker(`projections read again from the first event, after real traffic (seed ${seed})${why}`, () => {
  beforeAll(async () => {
    stage = await setStage(seed, []);
    const why = (): string => stage.services.lastLines();
    await until('the standby has a mark', () => hasMark(stage), why, wholeWorkMs);
    await until('the standby is in sync', () => caughtUp(stage), why, wholeWorkMs);
    await stage.estate.killPrimaries();
    // With it the standby is claimed, yielded and released: what a rebuild of shipping must not do again.
    await failOver();
  }, 900_000);
  afterAll(async () => stage.end(), 60_000);

  it('is refused by name while the service leads its store', async () => {
    const { code, printed, errors } = await rebuild('shipping');
    expect([code, printed]).toEqual([1, []]);
    expect(errors).toMatch(/STILL_LED: shipping is led by pid \d+ since 20/);
  });

  it('makes the same rows of the same events, and nothing else', async () => {
    for (const service of subgraphs) expect(await stage.leader(service).app.stop()).toBe(0);
    for (const service of subgraphs) {
      const first = await rebuild(service);
      expect([first.code, first.printed.length]).toEqual([0, 1]);
      const outcome = JSON.parse(first.printed[0] ?? '') as Rebuilt;
      const tables = Object.keys(outcome.rebuilt);
      expect(outcome).toMatchObject({ service, sha256After: outcome.sha256Before, deadLetters: 0 });
      const own = ownState(service, tables);
      // Again: by now nothing of the live time is left in the projections.
      const second = JSON.parse((await rebuild(service)).printed[0] ?? '') as Rebuilt;
      expect(second).toEqual(outcome);
      expect(ownState(service, tables)).toEqual(own);
      if (service !== 'inventory') expect(Math.max(...Object.values(outcome.rebuilt))).toBeGreaterThan(0);
    }
  }, 600_000);

  it('is refused by name without the log of the others, which all of them in one process have', async () => {
    const alone = await rebuild('shipping', '');
    expect([alone.code, alone.printed]).toEqual([1, []]);
    expect(alone.errors).toContain('NO_LOG: shipping alone has no log of the other services');
    const kafka = JSON.parse((await rebuild('shipping')).printed[0] ?? '') as Rebuilt;
    const together = await run('all-in-one', ['--data', stage.services.folder, '--rebuild', 'shipping'], {});
    expect(together.errors).not.toContain('NO_LOG');
    expect(JSON.parse(together.printed[0] ?? '')).toEqual(kafka);
  }, 300_000);
});
