/** sys.servers and the procedures that keep it (learn.microsoft.com: sys.servers, sp_addlinkedserver, sp_serveroption and their neighbours). */
import { parseResultColumns } from '../engine/table-text.ts';
import { fail, unsupported } from '../messages.ts';
import { nvarchar, parameter } from '../procedure-parameters.ts';
import { assertAdministrator } from '../rights.ts';
import type { Engine, LinkedServer, NativeProcedure, ProcedureContext, VirtualTable } from '../contract.ts';
import { moment, shape, view, type Values } from './view.ts';

/** What sys.servers shows for the product "SQL Server"; the driver behind it depends on the version. */
const PROVIDER = 'SQLNCLI';

export function linkedServerViews(engine: Engine): readonly VirtualTable[] {
  return [
    view(
      'sys.servers',
      `server_id int not null, name sysname not null, product sysname not null, provider sysname not null, data_source nvarchar(4000),
       location nvarchar(4000), provider_string nvarchar(4000), catalog nvarchar(128), connect_timeout int, query_timeout int,
       is_linked bit not null, is_remote_login_enabled bit not null, is_rpc_out_enabled bit not null, is_data_access_enabled bit not null,
       is_collation_compatible bit not null, uses_remote_collation bit not null, collation_name nvarchar(128), lazy_schema_validation bit not null,
       is_system bit not null, is_publisher bit not null, is_subscriber bit, is_distributor bit, is_nonsql_subscriber bit,
       is_remote_proc_transaction_promotion_enabled bit, modify_date datetime not null, is_rda_server bit`,
      () => [local(engine), ...engine.linked.list().map(linked)],
    ),
  ];
}

/** The same of every server here; the time of the last change is not kept. */
const fixed: Values = {
  provider: PROVIDER,
  connect_timeout: 0n,
  query_timeout: 0n,
  is_collation_compatible: false,
  uses_remote_collation: true,
  lazy_schema_validation: false,
  is_system: false,
  is_publisher: false,
  is_subscriber: false,
  is_distributor: false,
  is_nonsql_subscriber: false,
  modify_date: moment(new Date(0)),
  is_rda_server: false,
};

/** Options of the instance's own row: unverified. */
function local({ serverName }: Engine): Values {
  return {
    ...fixed,
    server_id: 0n,
    name: serverName,
    product: 'SQL Server',
    data_source: serverName,
    is_linked: false,
    is_remote_login_enabled: true,
    is_rpc_out_enabled: true,
    is_data_access_enabled: false,
    is_remote_proc_transaction_promotion_enabled: false,
  };
}

function linked(server: LinkedServer): Values {
  return {
    ...fixed,
    server_id: BigInt(server.id),
    name: server.name,
    product: server.product,
    data_source: server.dataSource,
    is_linked: true,
    is_remote_login_enabled: server.rpc,
    is_rpc_out_enabled: server.rpcOut,
    is_data_access_enabled: server.dataAccess,
    is_remote_proc_transaction_promotion_enabled: true,
  };
}

export const linkedServerProcedures: readonly NativeProcedure[] = [
  {
    schema: 'sys',
    name: 'sp_addlinkedserver',
    parameters: [
      parameter('@server', nvarchar(128)),
      parameter('@srvproduct', nvarchar(128), null),
      parameter('@provider', nvarchar(128), null),
      parameter('@datasrc', nvarchar(4000), null),
      parameter('@location', nvarchar(4000), null),
      parameter('@provstr', nvarchar(4000), null),
      parameter('@catalog', nvarchar(128), null),
    ],
    run: addLinkedServer,
  },
  {
    schema: 'sys',
    name: 'sp_dropserver',
    parameters: [parameter('@server', nvarchar(128)), parameter('@droplogins', nvarchar(10), null)],
    run: dropServer,
  },
  {
    schema: 'sys',
    name: 'sp_serveroption',
    parameters: [
      parameter('@server', nvarchar(128)),
      parameter('@optname', nvarchar(35)),
      parameter('@optvalue', nvarchar(128)),
    ],
    run: serverOption,
  },
  {
    schema: 'sys',
    name: 'sp_addlinkedsrvlogin',
    parameters: [
      parameter('@rmtsrvname', nvarchar(128)),
      parameter('@useself', nvarchar(8), 'true'),
      parameter('@locallogin', nvarchar(128), null),
      parameter('@rmtuser', nvarchar(128), null),
      parameter('@rmtpassword', nvarchar(128), null),
    ],
    run: addLinkedServerLogin,
  },
  { schema: 'sys', name: 'sp_linkedservers', parameters: [], run: linkedServers },
  {
    schema: 'sys',
    name: 'sp_testlinkedserver',
    parameters: [parameter('@servername', nvarchar(128))],
    run: testLinkedServer,
  },
];

async function addLinkedServer(context: ProcedureContext): Promise<number> {
  assertAdministrator(context.session);
  outsideTransaction(context, 'sys.sp_addlinkedserver');
  const name = text(context, '@server') ?? '';
  const provider = text(context, '@provider');
  const product = text(context, '@srvproduct') ?? (provider === undefined ? SQL_SERVER : undefined);
  const unknown = ['@location', '@provstr', '@catalog'].find(each => text(context, each) !== undefined);
  const source = text(context, '@datasrc');
  if (product?.toLowerCase() === SQL_SERVER.toLowerCase()) {
    if ((provider ?? source ?? unknown) !== undefined) throw fail(15428, product);
  } else requireProvider(product, provider);
  if (unknown !== undefined) throw unsupported(`sp_addlinkedserver ${unknown}`);
  if (isThis(context, name) || context.engine.linked.find(name) !== undefined) throw fail(15028, name);
  await context.engine.linked.add({ name, product, dataSource: source ?? name });
  return 0;
}

/** Without a product and a provider it is another SQL Server under its network name (learn.microsoft.com: sp_addlinkedserver). */
const SQL_SERVER = 'SQL Server';

function requireProvider(product: string | undefined, provider: string | undefined): asserts product is string {
  if (product === undefined) throw fail(15429, '(null)');
  if (provider === undefined) throw fail(15427, product);
  if (provider.toUpperCase() !== PROVIDER) throw unsupported(`the provider ${provider} of a linked server`);
}

async function dropServer(context: ProcedureContext): Promise<number> {
  assertAdministrator(context.session);
  const server = known(context, '@server');
  const logins = text(context, '@droplogins')?.toLowerCase();
  if (logins !== undefined && logins !== 'droplogins') throw fail(15600, 'sys.sp_dropserver');
  await context.engine.linked.drop(server.name);
  return 0;
}

const options = ['rpc', 'rpc out', 'data access'] as const;

async function serverOption(context: ProcedureContext): Promise<number> {
  assertAdministrator(context.session);
  const server = known(context, '@server');
  const name = text(context, '@optname')?.toLowerCase() ?? '';
  const on = switched(text(context, '@optvalue'), 'sys.sp_serveroption');
  const option = options.find(each => each === name);
  // A remote procedure always joins the transaction here.
  if (name === 'remote proc transaction promotion' && on) return 0;
  if (option === undefined) throw unsupported(`sp_serveroption ${name}`);
  await context.engine.linked.set(server.name, option, on);
  return 0;
}

function switched(value: string | undefined, procedure: string): boolean {
  const word = value?.toLowerCase();
  if (word === 'true' || word === 'on') return true;
  if (word === 'false' || word === 'off') return false;
  throw fail(15600, procedure);
}

/** The instances of a group trust each other: everyone is the same login there. A mapping to another login is refused. */
function addLinkedServerLogin(context: ProcedureContext): Promise<number> {
  assertAdministrator(context.session);
  outsideTransaction(context, 'sys.sp_addlinkedsrvlogin');
  known(context, '@rmtsrvname');
  if (!switched(text(context, '@useself') ?? 'true', 'sys.sp_addlinkedsrvlogin'))
    throw unsupported("sp_addlinkedsrvlogin with another login than the caller's (@useself = 'false')");
  return Promise.resolve(0);
}

const listColumns =
  parseResultColumns(`SRV_NAME sysname, SRV_PROVIDERNAME nvarchar(128), SRV_PRODUCT nvarchar(128), SRV_DATASOURCE nvarchar(4000),
  SRV_PROVIDERSTRING nvarchar(4000), SRV_LOCATION nvarchar(4000), SRV_CAT nvarchar(128)`);
/** CurCmd of a SELECT (unverified). */
const selectCommand = 193;

/** The instance itself is listed too (unverified). */
function linkedServers({ engine, sink }: ProcedureContext): Promise<number> {
  const own = { name: engine.serverName, product: 'SQL Server', dataSource: engine.serverName };
  const rows = shape(
    listColumns,
    [own, ...engine.linked.list()].map(({ name, product, dataSource }) => ({
      SRV_NAME: name,
      SRV_PROVIDERNAME: PROVIDER,
      SRV_PRODUCT: product,
      SRV_DATASOURCE: dataSource,
    })),
  );
  sink.columns(listColumns);
  for (const row of rows) sink.row(row);
  sink.done({ command: selectCommand, rowCount: BigInt(rows.length) });
  return Promise.resolve(0);
}

/** No permission is checked; what keeps the server from being reached is the error. */
async function testLinkedServer(context: ProcedureContext): Promise<number> {
  const { name, dataAccess } = known(context, '@servername');
  await context.engine.linked.ask(context.session, name, {
    database: 'master',
    text: 'SELECT 1 AS reached',
    parameters: [],
    kind: dataAccess ? 'query' : 'procedure',
  });
  return 0;
}

function outsideTransaction({ session }: ProcedureContext, procedure: string): void {
  if (session.transaction !== undefined) throw fail(15002, procedure);
}

function isThis({ engine }: ProcedureContext, name: string): boolean {
  return engine.serverName.toLowerCase() === name.toLowerCase();
}

function known(context: ProcedureContext, parameterName: string): LinkedServer {
  const name = text(context, parameterName) ?? '';
  const server = context.engine.linked.find(name);
  if (server !== undefined) return server;
  throw isThis(context, name) ? unsupported("options of the instance's own row of sys.servers") : fail(15015, name);
}

function text(context: ProcedureContext, name: string): string | undefined {
  const value = context.argument(name);
  return typeof value === 'string' ? value : undefined;
}
