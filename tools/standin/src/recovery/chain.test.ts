/** The worked chain of sqlserver.md §2.8, and the rules of §2.6 and §2.7 around it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { collect, makeTable, put, startFixture, type Fixture } from '../engine/engine-fixture.ts';
import { recoveryOf, share, type Recovery } from './recovery-fixture.ts';
import type { RestoreStop } from '../contract.ts';

let fixture: Fixture;
let chain: Recovery;
let next = 0;

const stopAtM: RestoreStop = { kind: 'at mark', mark: 'M' };

async function write(database: string): Promise<void> {
  next += 1;
  const session = fixture.session();
  await put(fixture.engine(), session, chain.table(database), next, `row ${next}`);
  await fixture.engine().detach(session);
}

async function mark(database: string, name: string): Promise<void> {
  next += 1;
  const session = fixture.session();
  const transaction = fixture.engine().begin(session, name);
  transaction.mark(name, undefined);
  await transaction.insert(chain.table(database), [BigInt(next), name]);
  await transaction.commit();
  await fixture.engine().detach(session);
}

async function markLsn(name: string): Promise<bigint> {
  const row = (await chain.values('msdb', 'logmarkhistory')).find(each => each[1] === name);
  const lsn = row?.[4];
  if (typeof lsn !== 'object' || lsn === null || !('unscaled' in lsn)) throw new Error(`no mark ${name}`);
  return lsn.unscaled;
}

async function runs(
  steps: readonly (readonly [kind: 'database' | 'log', file: string])[],
  target: string,
): Promise<readonly (readonly number[])[]> {
  const outcomes: (readonly number[])[] = [];
  for (const [kind, from] of steps) {
    const options = kind === 'log' ? {} : moves(target);
    outcomes.push(await chain.refused(chain.restore({ kind, database: target, from, options })));
  }
  return outcomes;
}

function moves(target: string): {
  readonly move: readonly { readonly logicalName: string; readonly physicalName: string }[];
} {
  return {
    move: [
      { logicalName: 'Src', physicalName: `D:\\Data\\${target}.mdf` },
      { logicalName: 'Src_log', physicalName: `D:\\Data\\${target}.ldf` },
    ],
  };
}

/** F1, L1, C1, L2, D1, F2 with L3 taken while it runs, mark M, L4. */
beforeAll(async () => {
  fixture = await startFixture();
  const engine = fixture.engine();
  chain = recoveryOf(fixture);
  const database = await engine.createDatabase(fixture.session(), 'Src', undefined);
  const maker = fixture.session();
  await makeTable(engine, maker, database);
  await write('Src');
  expect(await chain.refused(chain.backup('Src', 'log', 'too-early.bak'))).toEqual([4214, 3013]);
  await chain.backup('Src', 'database', 'F1.bak');
  await write('Src');
  await chain.backup('Src', 'log', 'L1.bak');
  await write('Src');
  await chain.backup('Src', 'database', 'C1.bak', { copyOnly: true });
  await write('Src');
  await chain.backup('Src', 'log', 'L2.bak');
  await write('Src');
  await chain.backup('Src', 'database', 'D1.bak', { differential: true });
  await write('Src');
  let during: Promise<unknown> | undefined;
  const sink = collect(() => {
    // F2 must end beyond L3.
    during ??= chain.backup('Src', 'log', 'L3.bak').then(() => write('Src'));
    return during.then(() => undefined);
  });
  for (let row = 0; row < 2000; row += 1) await write('Src');
  await engine.backup(
    maker,
    { kind: 'database', database: 'Src', devices: [{ type: 'disk', path: `${share}\\F2.bak` }], options: { stats: 1 } },
    sink,
  );
  expect(during).toBeDefined();
  await mark('Src', 'M');
  await write('Src');
  await chain.backup('Src', 'log', 'L4.bak');
}, 60_000);
afterAll(() => fixture.end());

describe('headers', () => {
  it('begin the first log at the first full, and each log where the one before ended', async () => {
    const [f1, l1, l2, l3, l4] = await Promise.all(
      ['F1', 'L1', 'L2', 'L3', 'L4'].map(name => chain.header(`${name}.bak`)),
    );
    expect(l1?.['FirstLSN']).toBe(f1?.['FirstLSN']);
    expect(l2?.['FirstLSN']).toBe(l1?.['LastLSN']);
    expect(l3?.['FirstLSN']).toBe(l2?.['LastLSN']);
    expect(l4?.['FirstLSN']).toBe(l3?.['LastLSN']);
    expect([l1, l2, l3, l4].map(header => header?.['BeginsLogChain'])).toEqual([true, false, false, false]);
  });

  it('name the full that was the newest when the set was made', async () => {
    const [f1, l1, c1, l2, d1, f2, l3, l4] = await Promise.all(
      ['F1', 'L1', 'C1', 'L2', 'D1', 'F2', 'L3', 'L4'].map(name => chain.header(`${name}.bak`)),
    );
    expect(f1?.['DatabaseBackupLSN']).toBe('0');
    for (const header of [l1, c1, l2, d1, f2, l3]) expect(header?.['DatabaseBackupLSN']).toBe(f1?.['CheckpointLSN']);
    expect(l4?.['DatabaseBackupLSN']).toBe(f2?.['CheckpointLSN']);
    expect(l3?.['CheckpointLSN']).toBe(f2?.['CheckpointLSN']);
    expect(d1?.['DifferentialBaseLSN']).toBe(f1?.['CheckpointLSN']);
    expect(d1?.['DifferentialBaseGUID']).toBe(f1?.['BackupSetGUID']);
    expect(Object.keys(f1 ?? {})).toHaveLength(59);
  });
});

describe('restoring', () => {
  it('F2 then L3 is refused with 4326; L4 to the mark arrives and recovers on a new fork', async () => {
    const first = await runs(
      [
        ['database', 'F2.bak'],
        ['log', 'L3.bak'],
      ],
      'A',
    );
    expect(first).toEqual([[], [4326, 3013]]);
    const sink = await chain.restore({
      database: 'A',
      from: 'L4.bak',
      options: { stop: stopAtM },
      recovery: 'recovery',
    });
    expect(sink.messages.map(message => message.number)).toEqual([4035, 4035, 3014]);
    const restored = fixture.engine().database('A');
    expect(restored?.state).toBe('ONLINE');
    expect(restored?.recoveryForkGuid).not.toBe(fixture.engine().database('Src')?.recoveryForkGuid);
    const rows = await chain.values('A');
    expect(rows.at(-1)?.[1]).toBe('M');
  });

  it('F1 with all logs, F1 with D1 and what follows, C1 with what follows', async () => {
    const all = await chain.values('Src');
    const paths = [
      ['F1', 'L1', 'L2', 'L3', 'L4'],
      ['F1', 'D1', 'L3', 'L4'],
      ['C1', 'L2', 'L3', 'L4'],
    ];
    for (const [index, path] of paths.entries()) {
      const target = `Path${index}`;
      const steps = path.map(name => [/^[FDC]/.test(name) ? 'database' : 'log', `${name}.bak`] as const);
      expect(await runs(steps, target)).toEqual(path.map(() => []));
      await chain.restore({ kind: 'database', database: target, recovery: 'recovery' });
      expect(await chain.values(target)).toEqual(all);
    }
  });

  it('F1 and D1 and L1 is too old, F1 and L2 has a gap, D1 after F2 has another base', async () => {
    expect(
      await runs(
        [
          ['database', 'F1.bak'],
          ['database', 'D1.bak'],
          ['log', 'L1.bak'],
        ],
        'B',
      ),
    ).toEqual([[], [], [4326, 3013]]);
    expect(
      await runs(
        [
          ['database', 'F1.bak'],
          ['log', 'L2.bak'],
        ],
        'C',
      ),
    ).toEqual([[], [4305, 3013]]);
    expect(
      await runs(
        [
          ['database', 'F2.bak'],
          ['database', 'D1.bak'],
        ],
        'D',
      ),
    ).toEqual([[], [3136, 3013]]);
  });

  it('a mark that a log does not hold is information, and the database stays RESTORING in spite of RECOVERY', async () => {
    await runs([['database', 'F1.bak']], 'E');
    for (const from of ['L1.bak', 'L2.bak', 'L3.bak']) {
      const sink = await chain.restore({ database: 'E', from, options: { stop: stopAtM }, recovery: 'recovery' });
      expect(sink.messages.map(message => message.number)).toEqual([4035, 4035, 4329, 3014]);
      expect(fixture.engine().database('E')?.state).toBe('RESTORING');
    }
  });

  it('a log may be repeated, and continued after a stop in it', async () => {
    await runs([['database', 'F2.bak']], 'G');
    await chain.restore({ database: 'G', from: 'L4.bak', options: { stop: { kind: 'before mark', mark: 'M' } } });
    const before = fixture.engine().database('G')?.redoStart?.lsn;
    await chain.restore({ database: 'G', from: 'L4.bak', options: { stop: stopAtM } });
    const at = fixture.engine().database('G')?.redoStart?.lsn;
    expect(at).toBe((before ?? 0n) + 1n);
    await chain.restore({ database: 'G', from: 'L4.bak' });
    await chain.restore({ database: 'G', from: 'L4.bak' });
    const header = await chain.header('L4.bak');
    expect(String(fixture.engine().database('G')?.redoStart?.lsn)).toBe(header['LastLSN']);
    expect(await chain.refused(chain.restore({ database: 'G', from: 'L4.bak', options: { stop: stopAtM } }))).toEqual([
      4335, 3013,
    ]);
    await chain.restore({ kind: 'database', database: 'G', recovery: 'recovery' });
    expect(await chain.values('G')).toEqual(await chain.values('Src'));
  });

  it('the LSN of a mark works like its name, in both forms', async () => {
    const lsn = await markLsn('M');
    const hex = [lsn / 10n ** 15n, (lsn % 10n ** 15n) / 10n ** 5n, lsn % 10n ** 5n].map((part, index) =>
      part.toString(16).padStart(index === 2 ? 4 : 8, '0'),
    );
    for (const [target, text] of [
      ['H', `lsn:${lsn}`],
      ['I', `lsn:0x${hex.join(':')}`],
    ] as const) {
      await runs([['database', 'F2.bak']], target);
      await chain.restore({ database: target, from: 'L4.bak', options: { stop: { kind: 'at mark', mark: text } } });
      expect(fixture.engine().database(target)?.redoStart?.lsn).toBe(lsn + 1n);
    }
  });

  it('a full onto the online source with unsaved log is 3159, a log onto it 3117, onto nothing 3118', async () => {
    await write('Src');
    expect(await chain.refused(chain.restore({ kind: 'database', database: 'Src', from: 'F2.bak' }))).toEqual([
      3159, 3013,
    ]);
    expect(await chain.refused(chain.restore({ database: 'Src', from: 'L4.bak' }))).toEqual([3117, 3013]);
    expect(await chain.refused(chain.restore({ database: 'Nowhere', from: 'L4.bak' }))).toEqual([3118, 3013]);
  });

  it('a mark name on RESTORE DATABASE is 4340 and a full as a log 3135', async () => {
    expect(
      await chain.refused(
        chain.restore({ kind: 'database', database: 'X', from: 'F1.bak', options: { stop: stopAtM } }),
      ),
    ).toEqual([4340, 3013]);
    expect(await chain.refused(chain.restore({ database: 'C', from: 'F1.bak' }))).toEqual([3135, 3013]);
    // The state of the database counts before what the device holds (sqlserver.md §9.1).
    expect(await chain.refused(chain.restore({ database: 'A', from: 'F1.bak' }))).toEqual([3117, 3013]);
  });
});
