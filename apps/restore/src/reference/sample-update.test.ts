import { describe, expect, it } from '@jest/globals';
import { onePlace, type Shape, twoPlaces } from '../../test/estate-of-two.ts';
import { groupWithRoles } from '../../test/known-references.ts';
import type { Estate } from '../estate/estate.ts';
import { sampleUpdate } from './sample-update.ts';

type Database = Estate['group']['databases'][number];

/** The databases of the shape with these names, changed. */
function known(
  names: readonly string[],
  change: (database: Database) => Partial<Database> = () => ({}),
  shape: Shape = twoPlaces,
): Estate {
  const estate = groupWithRoles(
    { ...shape, databases: shape.databases.filter(({ name }) => names.includes(name)) },
    source => source.toLowerCase(),
  );
  const databases = estate.group.databases.map(database => ({ ...database, ...change(database) }));
  return { ...estate, group: { ...estate.group, databases } };
}

describe('SampleUpdateInfo.xml', () => {
  it('maps what the tables hold, letter by letter, to where it is now', () => {
    const { xml, gaps } = sampleUpdate(
      known(['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'BizTalkMsgBoxDb2', 'BizTalkDTADb', 'SSODB', 'Orders']),
    );
    expect(gaps).toEqual([]);
    expect(xml).toBe(String.raw`<UpdateConfiguration>
  <MessageBoxDB oldDBName="BizTalkMsgBoxDb" oldDBServer="btsdb1\bts" newDBName="BizTalkMsgBoxDb" newDBServer="DRDB1\BTS" IsMaster="1" />
  <MessageBoxDB oldDBName="BizTalkMsgBoxDb2" oldDBServer="btsdb2\bts" newDBName="BizTalkMsgBoxDb2" newDBServer="DRDB2\BTS" IsMaster="0" />
  <TrackingDB oldDBName="BizTalkDTADb" oldDBServer="btsdb2\bts" newDBName="BizTalkDTADb" newDBServer="DRDB2\BTS" />
  <ManagementDB oldDBName="BizTalkMgmtDb" oldDBServer="btsdb1\bts" newDBName="BizTalkMgmtDb" newDBServer="DRDB1\BTS" />
  <OtherDatabases>
    <Database Name="SSO" oldDBName="SSODB" oldDBServer="btsdb1\bts" newDBName="SSODB" newDBServer="DRDB1\BTS" />
    <Database Name="Orders" oldDBName="Orders" oldDBServer="btsdb2\bts" newDBName="Orders" newDBServer="DRDB2\BTS" />
  </OtherDatabases>
</UpdateConfiguration>
`);
  });

  it('has the parts of BAM, and names those that no table of the group holds, and the Rule Engine', () => {
    const { xml, gaps } = sampleUpdate(
      known(['BizTalkMgmtDb', 'BizTalkRuleEngineDb', 'BAMPrimaryImport', 'BAMAlertsApplication', 'BAMAlertsNSMain']),
    );
    expect(xml).toBe(String.raw`<UpdateConfiguration>
  <ManagementDB oldDBName="BizTalkMgmtDb" oldDBServer="btsdb1\bts" newDBName="BizTalkMgmtDb" newDBServer="DRDB1\BTS" />
  <!-- Rule engine: BizTalkRuleEngineDb was at btsdb1\bts and is at DRDB1\BTS; the name of its element is in no source. Take its lines, which are commented out there, from the SampleUpdateInfo.xml that BizTalk installed beside the scripts. -->
  <BAM>
    <DeploymentUnit Name="OldPrimaryImportDatabase">
      <Property Name="ServerName">btsdb1\bts</Property>
      <Property Name="DatabaseName">BAMPrimaryImport</Property>
    </DeploymentUnit>
    <DeploymentUnit Name="PrimaryImportDatabase">
      <Property Name="ServerName">DRDB1\BTS</Property>
      <Property Name="DatabaseName">BAMPrimaryImport</Property>
    </DeploymentUnit>
  <!-- DeploymentUnit ArchivingDatabase is left out: the group's tables do not name the database. Read it from bm.exe get-config and add the unit with the server where it is restored; leave it out if BAM has none. -->
  <!-- DeploymentUnit AnalysisDatabase is left out: the group's tables do not name the database. Read it from bm.exe get-config and add the unit with the server where it is restored; leave it out if BAM has none. -->
  <!-- DeploymentUnit StarSchemaDatabase is left out: the group's tables do not name the database. Read it from bm.exe get-config and add the unit with the server where it is restored; leave it out if BAM has none. -->
    <DeploymentUnit Name="Alert">
      <Property Name="DBServer">DRDB1\BTS</Property>
      <Property Name="InstanceDatabaseName">BAMAlertsNSMain</Property>
    </DeploymentUnit>
  </BAM>
  <OtherDatabases>
    <Database Name="BAM Alerts Application DB" oldDBName="BAMAlertsApplication" oldDBServer="btsdb1\bts" newDBName="BAMAlertsApplication" newDBServer="DRDB1\BTS" />
    <Database Name="BAM Alerts Instance DB" oldDBName="BAMAlertsNSMain" oldDBServer="btsdb1\bts" newDBName="BAMAlertsNSMain" newDBServer="DRDB1\BTS" />
  </OtherDatabases>
</UpdateConfiguration>
`);
    expect(gaps.map(({ code, message }) => `${code} ${message.split(/[: ]/)[0] ?? ''}`)).toEqual([
      'UPDATE_FILE_GAP Rule',
      'UPDATE_FILE_GAP DeploymentUnit',
      'UPDATE_FILE_GAP DeploymentUnit',
      'UPDATE_FILE_GAP DeploymentUnit',
    ]);
  });

  it('takes an archive that the job covers for what it is', () => {
    const { xml, gaps } = sampleUpdate(
      known(['BizTalkMgmtDb', 'BAMPrimaryImport', 'Orders'], ({ name }) =>
        name === 'Orders' ? { role: 'BAM_ARCHIVE' } : {},
      ),
    );
    expect(xml).toContain(String.raw`    <DeploymentUnit Name="ArchivingDatabase">
      <Property Name="ServerName">DRDB2\BTS</Property>
      <Property Name="DatabaseName">Orders</Property>`);
    expect(gaps).toHaveLength(2);
  });

  it('lets no name break the file, and calls a custom database as the table of the group does', () => {
    const odd = `A "B" & <C> 'D' --> --`;
    const { xml } = sampleUpdate(
      known(['BizTalkMgmtDb', 'Orders'], ({ name }) =>
        name === 'Orders' ? { name: odd, storedServer: 'a&b\\"x"', otherName: 'Orders & <more>' } : {},
      ),
    );
    expect(xml).toContain(
      String.raw`<Database Name="Orders &amp; &lt;more&gt;" oldDBName="A &quot;B&quot; &amp; &lt;C&gt; 'D' --&gt; --" oldDBServer="a&amp;b\&quot;x&quot;" newDBName="A &quot;B&quot; &amp; &lt;C&gt; 'D' --&gt; --" newDBServer="DRDB2\BTS" />`,
    );
    const { xml: withGap } = sampleUpdate(
      known(['BizTalkMgmtDb', 'Orders'], ({ name }) => (name === 'Orders' ? { name: odd, role: 'RULE_ENGINE' } : {})),
    );
    const comments = withGap.match(/<!--.*-->/g) ?? [];
    expect(comments).toHaveLength(1);
    expect(comments[0]?.slice(4, -3)).not.toContain('--');
  });

  it('guesses nothing: a spelling that was not read, a database that is not here, one that nobody can place', () => {
    const full = known(['BizTalkMgmtDb', 'Orders', 'Billing'], ({ name }) => {
      if (name === 'BizTalkMgmtDb') return { storedServer: null };
      return name === 'Orders' ? { role: 'OTHER' } : {};
    });
    const streams = full.standby.streams.filter(({ databaseName }) => databaseName !== 'Billing');
    const { xml, gaps } = sampleUpdate({ ...full, standby: { ...full.standby, streams } });
    expect(xml).toContain(String.raw`<ManagementDB oldDBName="BizTalkMgmtDb" oldDBServer="BTSDB1\BTS"`);
    expect(xml).not.toContain('<Database ');
    expect(gaps.map(({ message }) => message)).toEqual([
      expect.stringContaining("How the group's tables spell the server of BizTalkMgmtDb was not read"),
      expect.stringContaining('Orders (btsdb2\\bts) is left out'),
      expect.stringContaining('Database for Billing (btsdb2\\bts) is left out'),
    ]);
  });

  it('has neither tracking nor a second message box where there is none', () => {
    expect(sampleUpdate(known(['BizTalkMgmtDb', 'BizTalkMsgBoxDb'], undefined, onePlace)).xml.match(/<\w+/g)).toEqual([
      '<UpdateConfiguration',
      '<MessageBoxDB',
      '<ManagementDB',
      '<OtherDatabases',
    ]);
  });
});
