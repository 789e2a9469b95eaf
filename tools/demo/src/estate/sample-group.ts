/** The sample estate on paper: which instances there are, which databases, and where their files lie in the servers' own words. */

export const groupName = 'Sample group';

export const management = 'BizTalkMgmtDb';
export const messageBox = 'BizTalkMsgBoxDb';

/** All databases of the group. */
export const databases = [management, messageBox] as const;

/** `name`: @@SERVERNAME. `folder`: below `estate/`, and the name of its process. */
export type SampleInstance = { readonly name: string; readonly folder: string };

export const primary: SampleInstance = { name: 'PRIMARY\\BTS', folder: 'primary' };
export const standby: SampleInstance = { name: 'STANDBY\\BTS', folder: 'standby' };

/** Where the backup job writes, as the primary sees it. */
export const backupPath = '\\\\backup\\bts';
/** Where the standby finds our copies, as the standby sees it. */
export const copiesPath = 'E:\\Copies';
/** Where database files lie; the same at both sites, because BizTalk supports no MOVE (biztalk-dr.md §1.10). */
export const dataPath = 'D:\\Data';
export const logPath = 'L:\\Logs';

/** Prefix of mark and file names, as the job ships with it (biztalk-dr.md §2.1). */
export const markPrefix = 'BTS';
