import type { StepText } from '../execution/step.ts';
import { type GroupDatabase, placeOf, type ReferenceFacts, withRole } from './facts.ts';

// Steps 14 and 19 of biztalk-dr.md §4.3, with what its §4.6 to §4.8 say about them; none for a group without BAM.

const roles: readonly GroupDatabase['role'][] = [
  'BAM_PRIMARY_IMPORT',
  'BAM_ALERTS_APPLICATION',
  'BAM_ALERTS_INSTANCE',
  'BAM_STAR_SCHEMA',
  'BAM_ARCHIVE',
  'BAM_ANALYSIS',
];

/** 14. */
export function bamSteps(facts: ReferenceFacts): readonly StepText[] {
  const known = withRole(facts, ...roles);
  if (known.length === 0) return [];
  const placed = known.map(database => {
    const now = placeOf(database.databaseId, facts);
    return now === undefined ? `${database.name} was not restored here` : `${database.name} is at ${now.name}`;
  });
  return [
    {
      work: { kind: 'REFERENCE', topic: 'BAM' },
      name: 'Restore the BAM side and its references',
      actor: 'BAM, SSIS and Analysis Services administrator',
      where: 'the BAM, Integration Services and Analysis Services servers',
      why: 'The backup job leaves these databases out as a rule. Copies newer than Primary Import make holes in the archive.',
      command: [
        `Known: ${placed.join('; ')}. Look up the others with bm.exe get-config, and their backups.`,
        `The event bus is stopped, and packages BAM_DM_* and BAM_AN_* stay disabled. Restore BAMArchive, BAMStarSchema, BAMAnalysis and BizTalkAnalysisDb as one set, from the last data maintenance run before ${facts.mark}.`,
        'bm.exe get-config -filename:X.xml -server:… -database:…, edit ArchivingDatabase, StarSchemaDatabase and AnalysisDatabase, then bm.exe update-config -FileName:X.xml',
        String.raw`…\BAMPortal\BAMManagementService\Web.Config and …\BAMPortal\BAMQueryService\Web.Config: BamServer, BamDatabase. …\Tracking\bm.exe.config: DefaultServer, DefaultDatabase.`,
        'Connections and variables of the packages BAM_AN_* and BAM_DM_*; data sources of the cubes; adm_Group.TrackAnalysisServerName and TrackAnalysisDBName.',
      ].join('\n'),
      expected: 'bm.exe get-config shows the new names.',
      undo: null,
    },
  ];
}

/** 19. */
export function bamFrontSteps(facts: ReferenceFacts): readonly StepText[] {
  if (withRole(facts, ...roles).length === 0) return [];
  const hasAlerts = withRole(facts, 'BAM_ALERTS_APPLICATION', 'BAM_ALERTS_INSTANCE').length > 0;
  const [alerts] = withRole(facts, 'BAM_ALERTS_INSTANCE');
  const server = (alerts && placeOf(alerts.databaseId, facts)?.name) ?? '<new>';
  return [
    {
      work: { kind: 'REFERENCE', topic: 'BAM_FRONT' },
      name: 'Bring back alerts, portal and workbooks of BAM',
      actor: 'local administrator of the portal host, BAM administrator',
      where: 'the portal host and the servers of the alerts',
      why: 'Portal, alerts and workbooks hold connections of their own; completions after the mark are lost, so some activities stay incomplete.',
      command: [
        ...(hasAlerts
          ? [
              'Alerts, on every server under GeneratorServerName, ProviderServerName and DistributorServerName of the BAM configuration: net stop NS$BamAlerts; nscontrol unregister -name BamAlerts;',
              `nscontrol register -name BamAlerts -server ${server} -service -serviceusername "<user>" -servicepassword "<password>"; on the portal host the same without -service; net start NS$BamAlerts; bm.exe update-config.`,
            ]
          : []),
        String.raw`Portal: cd %windir%\system32\inetsrv; appcmd restore backup "<name>"; on another machine enter the identity of BAMAppPool again; start the pool.`,
        'LiveData: each *_LiveData.xls, BAM → BAM DB Connection.',
        'Incomplete activities: SELECT ActivityID FROM bam_<Activity>_Active WHERE IsComplete = 0; complete those that external systems say are finished.',
      ].join('\n'),
      expected: hasAlerts ? 'The portal page opens; a test alert arrives.' : 'The portal page opens.',
      undo: null,
    },
  ];
}
