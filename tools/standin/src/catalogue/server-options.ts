/** sys.configurations and sp_configure (learn.microsoft.com: sys.configurations, sp_configure, RECONFIGURE). */
import { foldText } from '../engine/compare.ts';
import { parseResultColumns } from '../engine/table-text.ts';
import { fail, message } from '../messages.ts';
import { int, nvarchar, parameter } from '../procedure-parameters.ts';
import { assertAdministrator } from '../rights.ts';
import type { Engine, NativeProcedure, ProcedureContext, ServerOption, VirtualTable } from '../contract.ts';
import { view } from './view.ts';

export function serverOptionViews({ serverOptions }: Engine): readonly VirtualTable[] {
  return [
    view(
      'sys.configurations',
      `configuration_id int not null, name nvarchar(35) not null, value int, minimum int, maximum int, value_in_use int,
       description nvarchar(255) not null, is_dynamic bit not null, is_advanced bit not null`,
      () =>
        serverOptions.known.map(({ name, minimum, maximum, advanced, restart }, index) => ({
          configuration_id: BigInt(100 + index),
          name,
          value: BigInt(serverOptions.configured(name)),
          minimum: BigInt(minimum),
          maximum: BigInt(maximum),
          value_in_use: BigInt(serverOptions.inUse(name)),
          description: name,
          is_dynamic: !restart,
          is_advanced: advanced,
        })),
    ),
  ];
}

export const serverOptionProcedures: readonly NativeProcedure[] = [
  {
    schema: 'sys',
    name: 'sp_configure',
    parameters: [parameter('@configname', nvarchar(35), null), parameter('@configvalue', int, null)],
    run: configure,
  },
];

const columns = parseResultColumns('name nvarchar(35), minimum int, maximum int, config_value int, run_value int');
/** CurCmd of a SELECT (unverified). */
const selectCommand = 193;

async function configure(context: ProcedureContext): Promise<number> {
  const { serverOptions } = context.engine;
  const [name, value] = [context.argument('@configname'), context.argument('@configvalue')];
  const shown = serverOptions.known.filter(isShown(context.engine));
  if (typeof name !== 'string') {
    show(context, shown);
    return 0;
  }
  const option = optionCalled(name, shown);
  if (typeof value !== 'bigint') {
    show(context, [option]);
    return 0;
  }
  // ALTER SETTINGS: sysadmin has it, and serveradmin, which no login here has. Before the value is looked at (inferred).
  assertAdministrator(context.session);
  if (value < BigInt(option.minimum) || value > BigInt(option.maximum)) throw fail(15129, String(value), option.name);
  const before = serverOptions.configured(option.name);
  await serverOptions.configure(option.name, Number(value));
  context.sink.info(message(15457, option.name, before, Number(value)));
  return 0;
}

/** By its name, or by a part of it that no other one shown has. */
function optionCalled(name: string, shown: readonly ServerOption[]): ServerOption {
  const wanted = foldText(name);
  const [option, another] = shown.filter(each => foldText(each.name).includes(wanted));
  const exact = shown.find(each => foldText(each.name) === wanted);
  if (exact === undefined && another !== undefined) throw fail(15124, name);
  const found = exact ?? option;
  if (found === undefined) throw fail(15123, name);
  return found;
}

/** Advanced options are there once 'show advanced options' is in use. */
function isShown({ serverOptions }: Engine): (option: ServerOption) => boolean {
  const all = serverOptions.inUse('show advanced options') === 1;
  return ({ advanced }) => all || !advanced;
}

function show({ sink, engine }: ProcedureContext, options: readonly ServerOption[]): void {
  sink.columns(columns);
  for (const { name, minimum, maximum } of options.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { serverOptions } = engine;
    const values = [minimum, maximum, serverOptions.configured(name), serverOptions.inUse(name)];
    sink.row([name, ...values.map(BigInt)]);
  }
  sink.done({ command: selectCommand, rowCount: BigInt(options.length) });
}
