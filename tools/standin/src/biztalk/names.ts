/** Names of marks and files of the Backup job (biztalk-dr.md §2.5, §2.6). */

/** The list of sp_BuildFullMarkName, which is not all that is no letter or digit: `]`, `=`, `?` and a few more stay. */
const replaced = /[ ~!@#$%^&*()\-+{[}|\\:;<>,./]/g;

/** `BTS` at 2007-04-12 00:00:08.497 → `BTS_2007_04_12_00_00_08_497`. The prefix is cut at 8 characters; quotes are removed, not replaced. */
export function fullMarkName(prefix: string, moment: Date): string {
  const stamp = moment.toISOString().slice(0, 23).replace('T', ' ');
  return `${prefix.slice(0, 8)}_${stamp}`.replace(replaced, '_').replace(/['"]/g, '');
}

/** `SQL1\BTS`, `BizTalkMgmtDb` → `SQL1_BTS_BizTalkMgmtDb_Log_<mark>.bak`. The server part is the real instance name, cut at 30 characters. */
export function backupFileName(serverName: string, database: string, kind: 'Full' | 'Log', mark: string): string {
  return `${serverName.replaceAll('\\', '_').slice(0, 30)}_${database}_${kind}_${mark}.bak`;
}
