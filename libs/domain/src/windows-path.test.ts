import { describe, expect, it } from '@jest/globals';
import { isWindowsPath, joinPath, mapFolder, splitPath } from './windows-path.ts';

const view = (source: string, sourceInstance = 'SQL1\\BTS') => ({ source, sourceInstance });
const views = [
  view('D:\\Backup'),
  view('D:\\Backup\\Logs\\'),
  view('D:\\Backup', 'SQL2'),
  view('\\\\share\\bts'),
  view('/var/opt/mssql/backup'),
];

function map(path: string, sourceInstance = 'SQL1\\BTS') {
  const mapped = mapFolder(views, { sourceInstance, path });
  return mapped.kind === 'MAPPED' ? [views.indexOf(mapped.view), ...mapped.segments] : mapped.why;
}

describe('mapFolder', () => {
  it.each([
    ['D:\\Backup\\a.bak', [0, 'a.bak']],
    ['d:\\BACKUP\\Full\\A.bak', [0, 'Full', 'A.bak']],
    ['D:/Backup/a.bak', [0, 'a.bak']],
    ['D:\\Backup\\\\a.bak', [0, 'a.bak']],
    ['D:\\Backup\\logs\\a.bak', [1, 'a.bak']],
    ['\\\\SHARE\\bts\\a.bak', [3, 'a.bak']],
    ['/var/opt/mssql/backup/a.bak', [4, 'a.bak']],
    ['D:\\Backup2\\a.bak', 'NO_VIEW'],
    ['E:\\Backup\\a.bak', 'NO_VIEW'],
    ['D:\\Backup', 'NO_VIEW'],
    ['\\\\share\\other\\a.bak', 'NO_VIEW'],
    ['D:\\Backup\\..\\Windows\\a.bak', 'NOT_A_FILE_PATH'],
    ['D:\\Backup\\.. \\a.bak', 'NOT_A_FILE_PATH'],
    ['D:\\Backup\\.\\a.bak', 'NOT_A_FILE_PATH'],
    ['/var/opt/mssql/backup/../a.bak', 'NOT_A_FILE_PATH'],
    ['D:\\Backup\\a.bak:stream', 'NOT_A_FILE_PATH'],
    ['D:\\Backup\\a\u0000.bak', 'NOT_A_FILE_PATH'],
    ['D:Backup\\a.bak', 'NOT_A_FILE_PATH'],
    ['a.bak', 'NOT_A_FILE_PATH'],
    ['https://account/container/a.bak', 'NOT_A_FILE_PATH'],
    ['D:\\', 'NOT_A_FILE_PATH'],
    ['', 'NOT_A_FILE_PATH'],
  ])('%p → %p', (path, expected) => {
    expect(map(path)).toEqual(expected);
  });

  it('keeps the folders of two instances apart', () => {
    expect(map('D:\\Backup\\a.bak', 'sql2')).toEqual([2, 'a.bak']);
    expect(map('D:\\Backup\\a.bak', 'SQL3')).toBe('NO_VIEW');
  });
});

describe('paths as text', () => {
  it.each([
    ['D:\\Backup', 'D:\\Backup\\a.bak'],
    ['D:\\Backup\\', 'D:\\Backup\\a.bak'],
    ['\\\\share\\bts', '\\\\share\\bts\\a.bak'],
    ['/var/opt', '/var/opt/a.bak'],
    ['/var/opt/', '/var/opt/a.bak'],
    ['D:\\Backup/x', 'D:\\Backup/x\\a.bak'],
  ])('joins %p', (folder, expected) => {
    expect(joinPath(folder, 'a.bak')).toBe(expected);
  });

  it.each([
    ['D:\\Backup\\a.bak', 'D:\\Backup', 'a.bak'],
    ['/var/opt/a.bak', '/var/opt', 'a.bak'],
    ['D:\\Backup/a.bak', 'D:\\Backup', 'a.bak'],
    ['a.bak', '', 'a.bak'],
  ])('splits %p', (path, folder, name) => {
    expect(splitPath(path)).toEqual({ folder, name });
  });

  it.each([
    ['D:\\x', true],
    ['d:/x', true],
    ['\\\\server\\share', true],
    ['D:x', false],
    ['/var', false],
    ['x', false],
    ['', false],
  ])('%p is a Windows path: %p', (path, expected) => {
    expect(isWindowsPath(path)).toBe(expected);
  });
});
