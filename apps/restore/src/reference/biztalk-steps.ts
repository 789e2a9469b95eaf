import type { StepText } from '../execution/step.ts';
import { managementOf, placeOf, type ReferenceFacts, withRole } from './facts.ts';
import { sampleUpdate } from './sample-update.ts';

// What is done on BizTalk servers: steps 10 to 13, 15, 16, 18, 21 and 22 of biztalk-dr.md §4.3. BAM has a file of its own.

const administrator = 'BizTalk administrator';
/** From a 32-bit prompt the scripts change the wrong view of the registry (biztalk-dr.md §7.3, F-51). */
const prompt = String.raw`a 64-bit prompt (%SystemDrive%\windows\System32\cmd.exe)`;
/** Two documents name two folders (biztalk-dr.md §9, row 15). */
const folder = String.raw`…\Bins32\Schema\Restore (or …\Schema\Restore: where the script is)`;

/** Every BizTalk computer; null stands for all of them while none is known. */
function computersOf({ group }: ReferenceFacts): readonly (string | null)[] {
  const computers = group.platform?.computers ?? [];
  return computers.length === 0 ? [null] : computers;
}

function place(computer: string | null): string {
  return computer ?? 'every BizTalk server';
}

const ifGone = 'If this computer was lost with the old site, skip the step and say so.';

/** 10. */
export function databaseReferencesStep(facts: ReferenceFacts): StepText {
  const { xml, gaps } = sampleUpdate(facts);
  return {
    work: { kind: 'REFERENCE', topic: 'DATABASE_REFERENCES', document: xml },
    name: 'Update the references in the databases',
    actor: administrator,
    where: 'one BizTalk server',
    why: 'The tables of the group, and two steps of its jobs, still name the old servers. Done once for the group, before anything of BizTalk starts.',
    command: [
      `In ${folder}: save the text below as SampleUpdateInfo.xml, then from ${prompt}:`,
      'cscript UpdateDatabase.vbs SampleUpdateInfo.xml',
      'SQL Server 2016 and newer: set conn.Provider = "MSOLEDBSQL" in the script first (driver 18.x).',
      '',
      xml,
    ].join('\n'),
    expected:
      'No script error; adm_Group, adm_MessageBox and adm_OtherBackupDatabases show only new names; the steps of TrackedMessages_Copy_… and' +
      ' Operations_OperateOnInstances_OnMaster_… are rewritten.',
    undo: 'Run it again with the inverse XML: old and new exchanged (derived, not documented).',
    reasons: gaps,
  };
}

/** 11. */
export function registrySteps(facts: ReferenceFacts): readonly StepText[] {
  return computersOf(facts).map(computer => ({
    work: { kind: 'REFERENCE', topic: 'REGISTRY' },
    name: `Update the references in the registry of ${place(computer)}`,
    actor: administrator,
    where: place(computer),
    why: `Where the management database is, each BizTalk server knows from its own registry: without this its services start against the old server. ${ifGone}`,
    command: [
      `Copy the SampleUpdateInfo.xml of the databases to ${folder}, then from ${prompt}:`,
      'cscript UpdateRegistry.vbs SampleUpdateInfo.xml',
    ].join('\n'),
    expected: `The registry shows the new management database: ${newManagement(facts)}.`,
    undo: 'Run it again with the inverse XML.',
  }));
}

function newManagement(facts: ReferenceFacts): string {
  const { name, databaseId } = managementOf(facts);
  return `${name} at ${placeOf(databaseId, facts)?.name ?? 'its new server'}`;
}

/** 12. */
export function masterSecretStep({ group }: ReferenceFacts): StepText {
  const ssoServer = group.platform?.ssoServer ?? null;
  return {
    work: { kind: 'REFERENCE', topic: 'MASTER_SECRET' },
    name: 'Restore the master secret',
    actor: 'SSO and Windows administrator',
    where: 'the new master secret server',
    why: 'Without the secret no BizTalk service starts, and what is in the SSO database cannot be read.',
    command: [
      `Look up: the file of the secret's backup, who holds its password, and which server held the secret (gi_SecretServer in SSOX_GlobalInfo${ssoServer === null ? '' : `; the group's SSO server was ${ssoServer}`}).`,
      'If the master secret server changes, first promote the new one, with this in file.xml:',
      '<sso><globalInfo><secretServer>NAME</secretServer></globalInfo></sso>',
      'ssomanage -updatedb file.xml',
      'Restart ENTSSO, then:',
      'ssoconfig -restoreSecret <file>',
    ].join('\n'),
    expected: '"The operation completed successfully", and no SSO errors in the event log.',
    undo: 'Promote the old server back.',
  };
}

/** 13. */
export function ssoNameStep({ group }: ReferenceFacts): StepText {
  const ssoServer = group.platform?.ssoServer ?? null;
  return {
    work: { kind: 'REFERENCE', topic: 'SSO_NAME' },
    name: 'Set the name of the SSO server',
    actor: administrator,
    where: 'one BizTalk server',
    why: 'The group keeps the name of its SSO server. Skip it if that did not change.',
    command: `Group Properties → SSO Server name: the new server.${ssoServer === null ? '' : ` It was ${ssoServer}.`}`,
    expected: 'The console shows the new name.',
    undo: null,
  };
}

/** 15. */
export function serviceSteps(facts: ReferenceFacts): readonly StepText[] {
  const hasRules = withRole(facts, 'RULE_ENGINE').length > 0;
  return computersOf(facts).map(computer => ({
    work: { kind: 'REFERENCE', topic: 'SERVICES' },
    name: `Start the services of ${place(computer)}`,
    actor: administrator,
    where: place(computer),
    why: `References and secret are there, so BizTalk can start. ${ifGone}`,
    command: [
      `Set the services from Disabled to Automatic: ENTSSO, ${hasRules ? 'RuleEngineUpdateService, ' : ''}host instances. Then:`,
      'net start ENTSSO',
      ...(hasRules ? ['net start RuleEngineUpdateService'] : []),
      ...hostLines(computer, facts),
      'Restart WMI (Windows Management Instrumentation).',
    ].join('\n'),
    expected: 'The services are Running; no SSO errors.',
    undo: 'Stop them.',
  }));
}

function hostLines(computer: string | null, { group: { platform } }: ReferenceFacts): readonly string[] {
  const isolated = new Set((platform?.hosts ?? []).flatMap(({ name, kind }) => (kind === 'ISOLATED' ? [name] : [])));
  const own = (platform?.hostInstances ?? []).filter(
    instance => computer !== null && instance.computer.toLowerCase() === computer.toLowerCase(),
  );
  if (own.length === 0) return ['net start BTSSvc$<HostName> for every host instance of the server'];
  return own.flatMap(({ host, enabled }) => {
    if (isolated.has(host)) return [`${host} is an isolated host: it runs in IIS.`];
    if (enabled === false) return [`${host} was disabled there: leave it.`];
    return [`net start BTSSvc$${host}`];
  });
}

/** 16. */
export function consoleSteps(facts: ReferenceFacts): readonly StepText[] {
  return computersOf(facts).map(computer => ({
    work: { kind: 'REFERENCE', topic: 'CONSOLE' },
    name: `Connect the console of ${place(computer)}`,
    actor: administrator,
    where: place(computer),
    why: `The administration console still shows the group at its old server. ${ifGone}`,
    command: `Remove BizTalk Group, then Connect to Existing Group: ${newManagement(facts)}.`,
    expected: 'The group hub opens.',
    undo: null,
  }));
}

/** 18. */
export const applicationsStep: StepText = {
  work: { kind: 'REFERENCE', topic: 'APPLICATIONS' },
  name: 'Install the applications and enable processing',
  actor: 'application team, BizTalk administrator',
  where: 'every BizTalk server',
  why: 'Artefacts are where they were in the databases; files, bindings of this site and what was enabled are not.',
  command:
    'Look up: the MSI of each application, the configuration MSI with the bindings of this site, and the list of what was enabled at the source.\n' +
    'Run the application MSI on each server; the configuration MSI on one server if locations differ; then enable receive locations, send ports,' +
    ' orchestrations and host instances from the list.',
  expected: 'A test message, end to end.',
  undo: 'Stop the applications.',
};

/** 21. */
export function reconciliationStep({ mark }: ReferenceFacts): StepText {
  return {
    work: { kind: 'REFERENCE', topic: 'RECONCILIATION' },
    name: 'Reconcile what was lost or done twice',
    actor: 'application team',
    where: 'the applications and those they talk to',
    why: `What was committed after ${mark} is lost, and what was sent after it may come twice.`,
    command: 'Compare with external logs; resubmit or terminate.',
    expected: 'Signed off by the application team.',
    undo: null,
  };
}

/** 22. */
export const otherApplicationsStep: StepText = {
  work: { kind: 'REFERENCE', topic: 'OTHER_APPLICATIONS' },
  name: 'Recover the other applications',
  actor: 'application team',
  where: 'wherever parts of the solution are that are not BizTalk',
  why: 'A BizTalk group alone is seldom the whole solution.',
  command: 'By their own plan.',
  expected: 'Signed off by the application team.',
  undo: 'By their own plan.',
};
