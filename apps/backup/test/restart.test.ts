import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { createLogger, type Service } from '@holdfast/service';
import type { CheckpointHook } from '@holdfast/service/runner';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { openStore } from '@holdfast/store';
import { backupSchema } from '../src/config.ts';
import { createBackup } from '../src/service.ts';
import type { BackupTables } from '../src/tables.ts';
import { lastEvents, ledgerEnd } from './ledger-end.ts';
import { startOthers } from './others.ts';
import { type Source, startSource } from './source.ts';

const reason = whyNoTestServer(process.env);
const suite = reason === undefined ? describe : describe.skip;
const [wholeMark, lostMark] = ['BTS_2026_11_21_04_00_00_100', 'BTS_2026_11_21_04_00_00_200'] as const;

suite(`the backup service, stopped and started${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let source: Source;
  const removals: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    source = await startSource(process.env);
    removals.push(() => source.close());
    await source.fullSet(1);
    await source.logSet(2, wholeMark);
    await source.logSet(3, lostMark, [source.group.databases[1]!.name]);
  }, 60_000);
  afterAll(async () => {
    for (const remove of removals.reverse()) await remove();
  }, 60_000);

  /** A service on this folder; the history is due once, however often it is started. */
  function service(stateFolder: string, bus: ReturnType<typeof createEmbeddedBus>, hook: CheckpointHook): Service {
    const config = backupSchema.parse({ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 3_600 });
    const logger = createLogger({ service: 'backup', level: 'silent' });
    return createBackup(config, { signingKey: Buffer.from('k'.repeat(32)), bus, env: source.env, logger, hook });
  }

  /**
   * Runs until everything is learnt. `stops`: the first incarnation is stopped at its first checkpoint, the second at its second, and so on.
   * Gives how many there were, where the ledger ended and what a reader heard.
   */
  async function run(stops: boolean) {
    const stateFolder = mkdtempSync(join(tmpdir(), 'holdfast-backup-restart-'));
    const bus = createEmbeddedBus();
    const others = await startOthers(bus, { group: source.group, addresses: [source.address] });
    let incarnations = 0;
    try {
      for (let done = false; !done;) {
        incarnations += 1;
        let passed = 0;
        let stopping: Promise<void> | undefined;
        const started = service(stateFolder, bus, () => {
          passed += 1;
          // Not awaited: the stop waits for the step that passes here.
          if (stops && passed === incarnations) stopping = started.stop();
        });
        await started.start();
        for (;;) {
          done = lastEvents(others.heard).size === 5 && others.heard.some(isVerdictOnLost);
          if (stopping !== undefined || done) break;
          await pause(10);
        }
        await (stopping ?? started.stop());
      }
      const store = openStore<BackupTables>({ file: join(stateFolder, 'backup.db') });
      const end = await ledgerEnd(store);
      const known = await store.read(async db => ({
        groups: await db.selectFrom('known_group').select('version').execute(),
        addresses: await db.selectFrom('known_address').select('version').execute(),
      }));
      await store.close();
      return { incarnations, end, known, heard: others.heard.map(({ data }) => data) };
    } finally {
      await others.stop();
      await bus.close();
      rmSync(stateFolder, { recursive: true, force: true });
    }
  }

  const isVerdictOnLost = ({ data }: { data: Record<string, unknown> }) =>
    data['markName'] === lostMark && data['verdict'] === 'BROKEN';

  it('goes on where it was and ends in the same', async () => {
    const undisturbed = await run(false);
    const stopped = await run(true);
    expect(undisturbed.incarnations).toBe(1);
    // The look and the examination each pass four checkpoints at least.
    expect(stopped.incarnations).toBeGreaterThan(3);
    expect(stopped.end).toEqual(undisturbed.end);
    expect(stopped.known).toEqual({ groups: [{ version: 1 }], addresses: [{ version: 1 }] });
    expect(stopped.known).toEqual(undisturbed.known);
    // `lastEvents` has refused what came twice or out of order.
    const last = (heard: typeof stopped.heard) =>
      [...lastEvents(heard.map(data => ({ type: '', data }))).entries()].map(([id, { version }]) => [id, version]);
    expect(last(stopped.heard).sort()).toEqual(last(undisturbed.heard).sort());
  }, 60_000);
});
