/** `help biztalk`: the procedures that make a BizTalk group, with their parameters as the code has them. */
import { destinationParameters } from '../biztalk/destination-setup.ts';
import { spellings } from '../biztalk/destination-names.ts';
import { roleTables } from '../biztalk/group-tables.ts';
import { setupProcedures } from '../biztalk/setup-procedures.ts';
import { paddingProcedure } from '../catalogue/padding-procedure.ts';
import type { NativeProcedure, ProcedureParameter } from '../computed-objects.ts';

const readings = destinationParameters.map(({ name }) => name).filter(name => name !== '@spelling');

/** What each does. A procedure without a row here is printed with its parameters alone. */
const meanings: Readonly<Record<string, readonly string[]>> = {
  sp_standin_setup_biztalk: [
    "The group's tables in the Management database, and in each database that is named. All of this instance must exist;",
    '@…Server: where one of another instance lies (prepare it there).',
  ],
  sp_standin_prepare_database: [
    `What the backup job needs in one database. @role: ${[...roleTables.keys()].join(', ')}.`,
  ],
  sp_standin_add_message_box: ['Another message box of the group.'],
  sp_standin_cover_database: ['A row of adm_OtherBackupDatabases; @default: its DefaultDatabaseName.'],
  sp_standin_create_backup_job: [
    'The Agent job of four steps, disabled (sp_update_job enables it), every 15 minutes. Without @path its steps keep',
    '<destination path> and fail.',
  ],
  sp_standin_add_host_instance: [
    'A host instance; its computer and host are made when they are missing. @hostType: 1 in process, 2 isolated.',
  ],
  sp_standin_setup_destination: [
    'The log shipping destination: tables (dropped and made anew) and procedures in master. @spelling: names of the public',
    `sources, ${spellings.map(each => `'${each}'`).join(' or ')}; ${readings.join(', ')}: readings, see README.md. Then`,
    'bts_ConfigureBizTalkLogShipping as documented (it needs the server option Ad Hoc Distributed Queries).',
  ],
  sp_standin_pad_database: [
    'Gives a database a size that its rows do not have: @bytes of each full backup, @logBytes of each log backup. Not in a transaction.',
  ],
};

const example = `CREATE DATABASE BizTalkMgmtDb; CREATE DATABASE BizTalkMsgBoxDb; CREATE DATABASE SSODB
EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @messageBox = N'BizTalkMsgBoxDb', @sso = N'SSODB'
EXEC sp_standin_create_backup_job @management = N'BizTalkMgmtDb', @path = N'D:\\Backup'
EXEC msdb.dbo.sp_start_job @job_name = N'Backup BizTalk Server (BizTalkMgmtDb)'`;

export function bizTalkTopic(): string {
  return [
    "What BizTalk's configuration program does on a real server is done here by procedures, for sysadmin, from any database, each in one transaction:",
    ...[...setupProcedures, paddingProcedure].map(describe),
    `A group of three databases, and its first backup:\n\n${example}`,
  ].join('\n\n');
}

function describe({ name, parameters }: NativeProcedure): string {
  const lines = [...(meanings[name] ?? []), ...wrapped(parameters.map(wordsOf))];
  return [name, ...lines.map(line => `  ${line}`)].join('\n');
}

/** `@management`, which must be given; `@server = NULL`, which need not. */
function wordsOf({ name, default: otherwise }: ProcedureParameter): string {
  if (otherwise === undefined) return name;
  if (typeof otherwise === 'string') return `${name} = '${otherwise}'`;
  return `${name} = ${otherwise === null ? 'NULL' : String(Number(otherwise))}`;
}

const widest = 110;

function wrapped(words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const [at, word] of words.entries()) {
    const text = at === words.length - 1 ? word : `${word},`;
    const line = lines.at(-1);
    if (line === undefined || line.length + text.length >= widest) lines.push(text);
    else lines[lines.length - 1] = `${line} ${text}`;
  }
  return lines;
}
