import { backupJobName } from '@holdfast/domain/biztalk';
import { quoteScriptName, quoteScriptText } from '@holdfast/sqlserver/text';
import { pairsOf, type Place, standbyPlaces } from '../estate/instance-pair.ts';
import { creation, type Login, loginDifference } from '../estate/login-difference.ts';
import type { StepText } from '../execution/step.ts';
import { isBackupJob, isMessageCleanup, jobsAt, managementOf, placeOf, type ReferenceFacts } from './facts.ts';
import { jobScript, switchJob } from './job-script.ts';

// What an SQL administrator does at the standby instances: steps 8, 9, 17 and 20 of biztalk-dr.md §4.3.

const actor = 'SQL administrator (sysadmin)';

const unreadJobs = (sources: readonly string[]) =>
  `-- The Agent jobs of ${sources.join(' and ')} were never read. Look for the scripts that were made of them, at least of the Backup job: job` +
  ' definitions are msdb data and are in no BizTalk backup. Create them with @enabled = 0.';

/** 8. The jobs of the source are not part of any restore; made before step 10, which rewrites two of their steps. */
export function jobSteps(facts: ReferenceFacts): readonly StepText[] {
  return standbyPlaces(facts).flatMap(place => {
    const known = jobsAt(place, facts);
    if (known.jobs.length === 0 && known.unread.length === 0) return [];
    return [
      {
        work: { kind: 'REFERENCE', topic: 'JOBS' },
        name: `Create the Agent jobs at ${place.name}, disabled`,
        actor,
        where: place.name,
        why: 'Jobs are in msdb, which no BizTalk backup covers. They have to be there before the references are rewritten, and must not run before BizTalk does.',
        command: [
          ...(known.unread.length === 0 ? [] : [unreadJobs(known.unread)]),
          ...(known.jobs.length === 0 ? [] : [jobScript(known)]),
        ].join('\n'),
        expected:
          known.jobs.length === 0
            ? 'Every BizTalk job of the source is in msdb.dbo.sysjobs, with enabled = 0.'
            : `msdb.dbo.sysjobs holds, with enabled = 0: ${known.jobs.map(({ name }) => name).join(', ')}.`,
        undo: null,
      },
    ];
  });
}

/** 8. Jobs that were there before may be at work already. */
export function quietSteps(facts: ReferenceFacts): readonly StepText[] {
  return standbyPlaces(facts).map(place => {
    const { jobs } = jobsAt(place, facts);
    return {
      work: { kind: 'REFERENCE', topic: 'QUIET' },
      name: `Keep the BizTalk Agent jobs at ${place.name} disabled`,
      actor,
      where: place.name,
      why: 'A job that runs against a group whose references still point elsewhere does harm. They stay disabled until the services run.',
      command: [
        ...jobs.map(job => switchJob(job, false)),
        'SELECT name, enabled FROM msdb.dbo.sysjobs ORDER BY name;',
      ].join('\n'),
      expected: 'In the list of jobs, every BizTalk job has enabled = 0.',
      undo: null,
    };
  });
}

/** 9. What readiness compares; no step where nothing differs. */
export function loginSteps(facts: ReferenceFacts): readonly StepText[] {
  return standbyPlaces(facts).flatMap(place => {
    const commands = pairsOf(facts)
      .filter(({ standby }) => standby.instanceId === place.instanceId)
      .flatMap(({ source }) => loginCommands(source, place, facts));
    if (commands.length === 0) return [];
    return [
      {
        work: { kind: 'REFERENCE', topic: 'LOGINS' },
        name: `Create the logins at ${place.name}`,
        actor,
        where: place.name,
        why: 'Users in the restored databases find their logins by SID alone; without them BizTalk cannot log in. Local accounts must exist first.',
        command: [...new Set(commands)].join('\n'),
        expected:
          'Each login is in sys.server_principals with the SID of the source. Passwords are yours to put in: none was ever read.',
        undo: 'DROP LOGIN for what was created here.',
      },
    ];
  });
}

function loginCommands(source: Place, standby: Place, { logins }: ReferenceFacts): readonly string[] {
  const there = logins.get(source.instanceId)?.logins ?? null;
  const here = logins.get(standby.instanceId)?.logins ?? null;
  if (there === null || here === null) {
    const unread = [...(there === null ? [source.name] : []), ...(here === null ? [standby.name] : [])];
    return [
      `-- The logins of ${unread.join(' and ')} were never read: compare them by hand, with the accounts that the BizTalk configuration names.`,
    ];
  }
  const { missing, differing } = loginDifference(there, here);
  return [
    ...(missing.length === 0 ? [] : [`-- Missing; they are at ${source.name}:`, ...sorted(missing).map(creation)]),
    ...(differing.length === 0
      ? []
      : [
          `-- Another SID than at ${source.name}: drop the login here if nothing else uses it and create it so, or ALTER USER … WITH LOGIN in each database.`,
          ...sorted(differing).map(creation),
        ]),
  ];
}

function sorted(logins: readonly Login[]): readonly Login[] {
  return [...logins].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** 9. */
export function consistencySteps(facts: ReferenceFacts): readonly StepText[] {
  return standbyPlaces(facts).map(place => {
    const names = facts.standby.streams
      .filter(({ instanceId }) => instanceId === place.instanceId)
      .map(({ databaseName }) => databaseName)
      .sort();
    return {
      work: { kind: 'REFERENCE', topic: 'CONSISTENCY' },
      name: `Check users and recovery model at ${place.name}`,
      actor,
      where: place.name,
      why: 'A user without a login cannot log in; a database that is not in FULL recovery cannot be backed up by the Backup job.',
      command: [
        `SELECT name, state_desc, recovery_model_desc FROM sys.databases WHERE name IN (${names.map(quoteScriptText).join(', ')});`,
        ...names.map(name => `USE ${quoteScriptName(name)}; ${orphans}`),
        `-- Optional: ${names.map(name => `DBCC CHECKDB (${quoteScriptText(name)});`).join(' ')}`,
      ].join('\n'),
      expected: 'Every database is ONLINE and in FULL recovery; no orphans.',
      undo: 'None is needed: create the logins that are missing.',
    };
  });
}

// sqlserver.md §5.5.
const orphans =
  'SELECT p.name FROM sys.database_principals p LEFT JOIN sys.server_principals s ON p.sid = s.sid' +
  " WHERE s.sid IS NULL AND p.authentication_type_desc = 'INSTANCE';";

/** 17. By the list of the source, never "all jobs". */
export function enableJobSteps(facts: ReferenceFacts): readonly StepText[] {
  return standbyPlaces(facts).flatMap(place => {
    const { jobs, unread, sources } = jobsAt(place, facts);
    const wanted = jobs.filter(job => job.enabled && !isMessageCleanup(job) && !isBackupJob(job, facts));
    if (jobs.length === 0 && unread.length === 0) return [];
    return [
      {
        work: { kind: 'REFERENCE', topic: 'ENABLE_JOBS' },
        name: `Enable the Agent jobs at ${place.name}`,
        actor,
        where: place.name,
        why: 'Those that were enabled at the source, except MessageBox_Message_Cleanup, which is disabled by design, and except the Backup job, which comes last.',
        command: [
          ...(unread.length === 0
            ? []
            : [
                `-- The jobs of ${unread.join(' and ')} were never read: look for the record of which were enabled there. Never MessageBox_Message_Cleanup.`,
              ]),
          ...sources.map(({ name, observedAt }) => `-- Enabled at ${name} when it was seen at ${observedAt}.`),
          ...(wanted.length === 0 && unread.length === 0 ? ['-- None was enabled there but those two.'] : []),
          ...wanted.map(job => switchJob(job, true)),
        ].join('\n'),
        expected: 'The states of the jobs match the record.',
        undo: wanted.length === 0 ? 'Disable them again.' : wanted.map(job => switchJob(job, false)).join('\n'),
      },
    ];
  });
}

/** 20. */
export function protectionStep(facts: ReferenceFacts): StepText {
  const management = managementOf(facts);
  const where = placeOf(management.databaseId, facts)?.name ?? 'the instance of the management database';
  const job = { name: backupJobName(management.name) };
  return {
    work: { kind: 'REFERENCE', topic: 'PROTECTION' },
    name: 'Protect the group again',
    actor,
    where,
    why: 'The group has no standby now, and the Backup job still carries the old path and names.',
    command: [
      `-- 1. Edit the steps of "${job.name}": a new path on a new backup server, and no old names.`,
      '-- 2. The next run takes a full backup:',
      `EXEC ${quoteScriptName(management.name)}.dbo.sp_ForceFullBackup;`,
      '-- 3. Enable it:',
      switchJob(job, true),
      '-- 4. Configure a new destination: register the group at its new place, then createStandby.',
    ].join('\n'),
    expected: 'The first complete full and log set.',
    undo: null,
  };
}
