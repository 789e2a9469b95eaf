import type { Estate } from '../estate/estate.ts';
import type { StepReason } from '../execution/step.ts';
import { type GroupDatabase, managementOf, placeOf, withRole } from './facts.ts';

type Known = Pick<Estate, 'group' | 'standby'>;

export type SampleUpdate = {
  readonly xml: string;
  /** What the file does not say, and where to find it. Each is a comment in the file as well. */
  readonly gaps: readonly StepReason[];
};

/** A line of the file, or what is missing in its place. */
type Entry = { readonly line: string } | { readonly gap: string; readonly fix: string };

/**
 * SampleUpdateInfo.xml (biztalk-dr.md §4.5): old is what the group's tables hold, letter by letter, because the scripts look for exactly that; new
 * is where the database is restored. What no source names is a comment and never a guess.
 */
export function sampleUpdate(known: Known): SampleUpdate {
  const entries = [
    ...withRole(known, 'MESSAGE_BOX_MASTER', 'MESSAGE_BOX')
      .sort(masterFirst)
      .flatMap(box => moved('MessageBoxDB', box, known, { IsMaster: box.role === 'MESSAGE_BOX_MASTER' ? '1' : '0' })),
    ...withRole(known, 'TRACKING').flatMap(database => moved('TrackingDB', database, known)),
    ...moved('ManagementDB', managementOf(known), known),
    ...withRole(known, 'RULE_ENGINE').map(database => ruleEngineGap(database, known)),
    ...bamEntries(known),
    { line: '<OtherDatabases>' },
    ...otherDatabases(known).map(indented),
    { line: '</OtherDatabases>' },
  ];
  const lines = entries.map(entry => ('line' in entry ? entry.line : comment(`${entry.gap} ${entry.fix}`)));
  return {
    xml: ['<UpdateConfiguration>', ...lines.map(line => `  ${line}`), '</UpdateConfiguration>', ''].join('\n'),
    gaps: entries.flatMap(entry =>
      'gap' in entry
        ? [{ code: 'UPDATE_FILE_GAP', message: entry.gap, fix: entry.fix, evidence: null, since: null }]
        : [],
    ),
  };
}

function masterFirst(a: GroupDatabase, b: GroupDatabase): number {
  return (
    Number(b.role === 'MESSAGE_BOX_MASTER') - Number(a.role === 'MESSAGE_BOX_MASTER') || (a.name < b.name ? -1 : 1)
  );
}

function moved(
  element: string,
  database: GroupDatabase,
  known: Known,
  more: Readonly<Record<string, string>> = {},
): readonly Entry[] {
  const place = placeOf(database.databaseId, known);
  if (place === undefined) return [notHere(element, database, known)];
  const old = oldServer(database, known);
  const attributes = {
    ...(element === 'Database' ? more : {}),
    oldDBName: database.name,
    oldDBServer: old.server,
    newDBName: database.name,
    newDBServer: place.name,
    ...(element === 'Database' ? {} : more),
  };
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`);
  return [...old.gaps, { line: `<${element}${written.join('')} />` }];
}

/** As the group's tables have it. Where that was not read, the name of the instance stands for it, and the file says so. */
function oldServer(
  { name, storedServer, instanceId }: GroupDatabase,
  { group }: Known,
): { readonly server: string; readonly gaps: readonly Entry[] } {
  if (storedServer != null) return { server: storedServer, gaps: [] };
  const server = group.instances.find(instance => instance.instanceId === instanceId)?.name ?? instanceId;
  return {
    server,
    gaps: [
      {
        gap: `How the group's tables spell the server of ${name} was not read; ${server} is how the group calls the instance.`,
        fix: 'Compare oldDBServer with adm_Group, adm_MessageBox and adm_OtherBackupDatabases: it must be the same, letter by letter.',
      },
    ],
  };
}

function notHere(element: string, database: GroupDatabase, known: Known): Entry {
  return {
    gap: `${element} for ${database.name} (${oldServer(database, known).server}) is left out: it was not restored at this standby.`,
    fix: 'Add it with the server where it is now; with the same old and new values if it has not moved.',
  };
}

function ruleEngineGap(database: GroupDatabase, known: Known): Entry {
  const now = placeOf(database.databaseId, known)?.name ?? 'a server that is not known here';
  return {
    gap: `Rule engine: ${database.name} was at ${oldServer(database, known).server} and is at ${now}; the name of its element is in no source.`,
    fix: 'Take its lines, which are commented out there, from the SampleUpdateInfo.xml that BizTalk installed beside the scripts.',
  };
}

function bamEntries(known: Known): readonly Entry[] {
  const [primaryImport] = withRole(known, 'BAM_PRIMARY_IMPORT');
  const [alerts] = withRole(known, 'BAM_ALERTS_INSTANCE');
  const units = [
    ...(primaryImport === undefined
      ? []
      : [
          ...unit('OldPrimaryImportDatabase', oldServer(primaryImport, known).server, primaryImport.name),
          ...unitNow('PrimaryImportDatabase', primaryImport, known),
          ...bamParts(known),
        ]),
    ...(alerts === undefined ? [] : unitNow('Alert', alerts, known, ['DBServer', 'InstanceDatabaseName'])),
  ];
  if (units.length === 0) return [];
  return [{ line: '<BAM>' }, ...units.map(indented), { line: '</BAM>' }];
}

/** The backup job leaves them out as a rule, and no table of the group names them (biztalk-dr.md §1.2). */
function bamParts(known: Known): readonly Entry[] {
  const parts = [
    ['ArchivingDatabase', 'BAM_ARCHIVE'],
    ['AnalysisDatabase', 'BAM_ANALYSIS'],
    ['StarSchemaDatabase', 'BAM_STAR_SCHEMA'],
  ] as const;
  return parts.flatMap(([name, role]): readonly Entry[] => {
    const [database] = withRole(known, role);
    if (database !== undefined) return unitNow(name, database, known);
    return [
      {
        gap: `DeploymentUnit ${name} is left out: the group's tables do not name the database.`,
        fix: 'Read it from bm.exe get-config and add the unit with the server where it is restored; leave it out if BAM has none.',
      },
    ];
  });
}

function unitNow(
  name: string,
  database: GroupDatabase,
  known: Known,
  properties?: readonly [string, string],
): readonly Entry[] {
  const place = placeOf(database.databaseId, known);
  return place === undefined
    ? [notHere(`DeploymentUnit ${name}`, database, known)]
    : unit(name, place.name, database.name, properties);
}

function unit(
  name: string,
  server: string,
  database: string,
  [serverProperty, databaseProperty]: readonly [string, string] = ['ServerName', 'DatabaseName'],
): readonly Entry[] {
  return [
    `<DeploymentUnit Name="${name}">`,
    `  <Property Name="${serverProperty}">${escaped(server)}</Property>`,
    `  <Property Name="${databaseProperty}">${escaped(database)}</Property>`,
    '</DeploymentUnit>',
  ].map(line => ({ line }));
}

/** Names of the three known ones as §4.5 has them; a custom database by its DefaultDatabaseName. */
const otherNames: Partial<Record<GroupDatabase['role'], string>> = {
  SSO: 'SSO',
  BAM_ALERTS_APPLICATION: 'BAM Alerts Application DB',
  BAM_ALERTS_INSTANCE: 'BAM Alerts Instance DB',
};

function otherDatabases(known: Known): readonly Entry[] {
  const others = withRole(known, 'SSO', 'BAM_ALERTS_APPLICATION', 'BAM_ALERTS_INSTANCE', 'CUSTOM', 'OTHER');
  return others
    .filter(({ databaseId }) => databaseId !== known.group.managementDatabaseId)
    .flatMap((database): readonly Entry[] => {
      const { role, name, otherName } = database;
      const listed = otherNames[role] ?? otherName ?? (role === 'CUSTOM' ? name : undefined);
      if (listed !== undefined) return moved('Database', database, known, { Name: listed });
      return [
        {
          gap: `${name} (${oldServer(database, known).server}) is left out: what it is to the group is not known.`,
          fix: 'If adm_OtherBackupDatabases lists it, add a Database line with its DefaultDatabaseName.',
        },
      ];
    });
}

function indented(entry: Entry): Entry {
  return 'line' in entry ? { line: `  ${entry.line}` } : entry;
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
]);

/** Also what a reader of attributes would turn into a blank. */
function escaped(value: string): string {
  return value.replaceAll(
    /[&<>"\t\r\n]/g,
    character => entities.get(character) ?? `&#${String(character.charCodeAt(0))};`,
  );
}

/** Two hyphens would end it early or are not allowed in it. */
function comment(words: string): string {
  return `<!-- ${words.replaceAll(/-(?=-)/g, '- ')} -->`;
}
