/** BizTalk computers, hosts and host instances of a group (biztalk-dr.md §1.1, §1.5): what joining a computer and adding a host instance leaves. */
import { fail, unsupported } from '../messages.ts';
import { isManagement, numberOf, quoted, textOf, typedText } from './group-context.ts';
import { int, nvarchar, parameter } from '../procedure-parameters.ts';
import type { ProcedureContext } from '../contract.ts';
import type { TypedValue } from '../values.ts';

const inProcess = 1;
const isolated = 2;

export const hostInstanceParameters = [
  parameter('@management', nvarchar(128)),
  parameter('@host', nvarchar(80)),
  parameter('@hostType', int),
  parameter('@computer', nvarchar(63)),
];

/** Computer, host and their mapping are made when missing. A second instance of a host on one computer is 2627. */
export async function addHostInstance(context: ProcedureContext): Promise<number> {
  const management = context.engine.database(textOf(context, '@management'));
  if (management === undefined) throw fail(911, textOf(context, '@management'));
  if (!isManagement(management))
    throw unsupported(`a host instance in ${management.name}, which is no Management database`);
  const [host, computer] = [textOf(context, '@host'), textOf(context, '@computer')];
  const type = numberOf(context, '@hostType');
  if (type !== inProcess && type !== isolated)
    throw unsupported(`@hostType ${type ?? 'NULL'} (${inProcess}: in process, ${isolated}: isolated)`);
  const within = `${quoted(management.name)}.dbo`;
  const given: Readonly<Record<string, TypedValue>> = {
    host: typedText(host, 80),
    computer: typedText(computer, 63),
    type: { type: int, value: BigInt(type) },
    instance: typedText(`Microsoft BizTalk Server ${host} ${computer}`, 256),
  };
  const [other] = await context.query(
    `SELECT HostType FROM ${within}.adm_Host WHERE Name = @host AND HostType <> @type`,
    given,
  );
  if (other !== undefined) throw unsupported(`@hostType ${type} of the host ${host}, which has another type`);
  await context.query(
    `IF NOT EXISTS (SELECT 1 FROM ${within}.adm_Server WHERE Name = @computer)
       INSERT INTO ${within}.adm_Server (Name) VALUES (@computer);
     IF NOT EXISTS (SELECT 1 FROM ${within}.adm_Host WHERE Name = @host)
       INSERT INTO ${within}.adm_Host (GroupId, Name, HostType) VALUES (1, @host, @type);
     IF NOT EXISTS (SELECT 1 FROM ${within}.adm_Server2HostMapping m JOIN ${within}.adm_Server s ON s.Id = m.ServerId
         JOIN ${within}.adm_Host h ON h.Id = m.HostId WHERE s.Name = @computer AND h.Name = @host)
       INSERT INTO ${within}.adm_Server2HostMapping (ServerId, HostId, IsMapped)
         SELECT s.Id, h.Id, -1 FROM ${within}.adm_Server s CROSS JOIN ${within}.adm_Host h WHERE s.Name = @computer AND h.Name = @host;
     INSERT INTO ${within}.adm_HostInstance (Svr2HostMappingId, Name, ConfigurationState, DisableHostInstance)
       SELECT m.Id, @instance, 1, 0 FROM ${within}.adm_Server2HostMapping m JOIN ${within}.adm_Server s ON s.Id = m.ServerId
         JOIN ${within}.adm_Host h ON h.Id = m.HostId WHERE s.Name = @computer AND h.Name = @host;`,
    given,
  );
  return 0;
}
