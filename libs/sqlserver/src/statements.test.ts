import { describe, expect, it } from '@jest/globals';
import { renderStatement } from './render.ts';
import { allStatements, statements } from './statements.ts';

describe('the catalogue', () => {
  it.each(allStatements.map(statement => [statement.name, statement] as const))(
    'sends exactly this: %s',
    (_name, statement) => {
      expect(renderStatement(statement)).toMatchSnapshot();
    },
  );

  it.each(allStatements.map(statement => [statement.name, statement] as const))('documents %s', (_name, statement) => {
    expect(statement.documentation).toMatch(/(?:sqlserver|biztalk-dr|design)\.md §|MicrosoftDocs|unverified/);
    expect(['same', 'refused', 'unsafe']).toContain(statement.repeat);
    expect(statement.purpose).not.toBe('');
    // The driver would declare a batch's parameters in front of the text: RESTORE must stand alone in its batch.
    if (statement.channel === 'batch') expect(Object.keys(statement.inputs)).toEqual([]);
  });

  it.each(allStatements.map(statement => [statement.name, statement] as const))(
    'declares the parameters of %s',
    (_name, statement) => {
      const text = statement.text(statement.example);
      const used = new Set([...text.matchAll(/(?<!@)@(\w+)/g)].map(match => match[1]));
      for (const name of Object.keys(statement.inputs)) expect(used).toContain(name);
    },
  );

  it('has one name for each statement', () => {
    const names = allStatements.map(statement => statement.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('converts every LSN on the server', () => {
    for (const statement of allStatements)
      for (const [column, kind] of Object.entries(statement.columns))
        if (kind.startsWith('lsn'))
          expect(`${statement.name}: ${statement.text(statement.example)}`).toMatch(
            new RegExp(`(?:CONVERT\\(varchar\\(25\\), [^\\n]*|LSN) AS ${column}\\b`),
          );
  });

  it('always writes the recovery keyword and the position of a RESTORE', () => {
    const texts = [renderStatement(statements.restoreFull), renderStatement(statements.restoreLog)];
    for (const text of texts) expect(text).toMatch(/ WITH FILE = 1, NORECOVERY/);
    expect(statements.recoverDatabase.text({ database: 'd' })).toBe('RESTORE DATABASE [d] WITH RECOVERY, STATS = 5;');
  });

  it('asks for REPLACE and CHECKSUM only when told to', () => {
    const source = { database: 'd', path: 'D:\\f.bak', position: 2, checksum: false, replace: false };
    expect(statements.restoreFull.text(source)).toBe(
      "RESTORE DATABASE [d] FROM DISK = N'D:\\f.bak' WITH FILE = 2, NORECOVERY, STATS = 5;",
    );
    expect(statements.restoreFull.text({ ...source, replace: true, checksum: true })).toBe(
      "RESTORE DATABASE [d] FROM DISK = N'D:\\f.bak' WITH FILE = 2, NORECOVERY, REPLACE, CHECKSUM, STATS = 5;",
    );
  });

  it('reads 59 header columns from 2022 on, 56 before, and refuses what is older than 2016', () => {
    const columnsOf = (majorVersion: number) => {
      const text = statements.backupHeaders.text({ path: 'D:\\f.bak', majorVersion });
      return /CREATE TABLE #h \((.*)\);/.exec(text)?.[1]?.split(/, (?=[A-Z])/).length;
    };
    expect([13, 15, 16, 17].map(columnsOf)).toEqual([56, 56, 59, 59]);
    expect(() => columnsOf(12)).toThrow('older than 2016');
  });
});
