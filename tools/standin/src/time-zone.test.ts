import { describe, expect, it } from '@jest/globals';
import { startBizTalkFixture } from './biztalk/biztalk-fixture.ts';
import { utcOffsetMinutes } from './time-zone.ts';

describe('the offset of a zone', () => {
  it.each([
    ['UTC', '2026-03-01', 0],
    ['Australia/Brisbane', '2026-03-01', 600],
    ['Asia/Kolkata', '2026-03-01', 330],
    ['America/St_Johns', '2026-01-01', -210],
    ['Europe/Berlin', '2026-01-01', 60],
    ['Europe/Berlin', '2026-07-01', 120],
    ['Mars/Olympus', '2026-01-01', undefined],
  ])('%s on %s: %s', (zone, day, minutes) => {
    expect(utcOffsetMinutes(zone, new Date(day))).toBe(minutes);
  });
});

describe('an instance ten hours ahead of UTC', () => {
  it('shows its own time except where UTC is asked for, and takes its fulls by either', async () => {
    // Nine in the morning there is eleven at night of the day before.
    const fixture = await startBizTalkFixture('2026-03-02T09:00:00Z', ['BizTalkMgmtDb'], { utcOffsetMinutes: 600 });
    try {
      const times = `SELECT CONVERT(nvarchar(30), GETDATE(), 126) AS here, CONVERT(nvarchar(30), GETUTCDATE(), 126) AS utc,
        CONVERT(nvarchar(40), SYSDATETIMEOFFSET()) AS both, DATEDIFF(hour, SYSUTCDATETIME(), SYSDATETIME()) AS ahead`;
      expect(await fixture.rows(times)).toEqual([
        {
          here: '2026-03-02T09:00:00',
          utc: '2026-03-01T23:00:00',
          both: '2026-03-02 09:00:00.0000000 +10:00',
          ahead: 10n,
        },
      ]);
      await fixture.rows("EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb'");
      const schedule = (local: 0 | 1): Promise<unknown> =>
        fixture.rows(
          `EXEC BizTalkMgmtDb.dbo.sp_BackupAllFull_Schedule 'd', 'BTS', '\\\\share\\bts', 0, NULL, ${local}`,
        );
      const names = async (): Promise<readonly unknown[]> =>
        (
          await fixture.rows('SELECT BackupFileName AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory ORDER BY BackupId')
        ).map(({ n }) => /Full_BTS_(\d{4}_\d\d_\d\d_\d\d)/.exec(String(n))?.[1]);
      await schedule(0);
      fixture.setClock('2026-03-02T09:59:00Z');
      await schedule(0);
      expect(await names()).toEqual(['2026_03_01_23']);
      // Midnight of UTC is ten in the morning there (biztalk-dr.md §2.2).
      fixture.setClock('2026-03-02T10:00:00Z');
      await schedule(0);
      expect(await names()).toEqual(['2026_03_01_23', '2026_03_02_00']);
      fixture.setClock('2026-03-02T11:00:00Z');
      await schedule(1);
      expect(await names()).toHaveLength(2);
      fixture.setClock('2026-03-03T00:00:00Z');
      await schedule(0);
      expect(await names()).toHaveLength(2);
      await schedule(1);
      expect(await names()).toEqual(['2026_03_01_23', '2026_03_02_00', '2026_03_03_00']);
    } finally {
      await fixture.end();
    }
  });
});
