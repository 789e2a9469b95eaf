/** `standin faults list | set | clear`: the catalogue of a running instance, over its control port. */
import { parseArgs } from 'node:util';
import { ConfigError } from '../config.ts';
import { rangeOf, type FaultRefusal, type FaultState } from '../faults/fault-switches.ts';
import { readParameters } from '../faults/fault-line.ts';
import type { Definition, Parameter } from '../faults/definition.ts';
import type { Command } from './command.ts';

type Listed = FaultState & Definition;

const refused = 1;

const help = `npm run standin -- faults list  --control-port N [NAME]
npm run standin -- faults set   --control-port N NAME [parameter=value ...]
npm run standin -- faults clear --control-port N NAME | --all

list   all faults, those that are set with their values and hits; of one, its parameters
set    switches a fault on, or gives it other values
clear  switches it off

--control-port N  of a running instance (its ready line has it)
--set             list: those alone that are set

Exit code 1: the instance refused it, or does not answer.`;

export const faults: Command = {
  help,
  run: async args => {
    const { positionals, values } = parse(args);
    const [verb = '', name, ...words] = positionals;
    const control = new Control(portOf(values['control-port']));
    try {
      switch (verb) {
        case 'list':
          assertNoMore(words);
          return await list(control, name, values.set === true);
        case 'set':
          return await set(control, required(name), words);
        case 'clear':
          assertNoMore(words);
          return await clear(control, values.all === true ? undefined : required(name));
        default:
          throw new ConfigError([`faults ${verb}: it is list, set or clear; see --help.`]);
      }
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      console.error(error.message);
      return refused;
    }
  },
};

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'control-port': { type: 'string' }, all: { type: 'boolean' }, set: { type: 'boolean' } },
    });
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}

function portOf(text: string | undefined): number {
  const port = Number(text);
  if (text === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new ConfigError(['--control-port N is missing: the control port of a running instance']);
  return port;
}

function required(name: string | undefined): string {
  if (name === undefined) throw new ConfigError(['which fault? faults list names them']);
  return name;
}

function assertNoMore(words: readonly string[]): void {
  if (words.length > 0) throw new ConfigError([`what is ${words.join(' ')}? see --help.`]);
}

async function list(control: Control, name: string | undefined, setOnly: boolean): Promise<number> {
  const listed = await control.list();
  if (name !== undefined) {
    const one = listed.find(each => each.name === name);
    if (one === undefined) return refuse({ code: 'UNKNOWN_FAULT', message: `There is no fault ${name}.` });
    console.log([`${one.name}: ${stateOf(one)}`, one.description, ...parametersOf(one)].join('\n'));
    return 0;
  }
  const rows = listed.filter(({ set: values }) => !setOnly || values !== null);
  const width = Math.max(0, ...rows.map(each => each.name.length));
  for (const each of rows) console.log(`${each.name.padEnd(width)}  ${stateOf(each)}`);
  return 0;
}

async function set(control: Control, name: string, words: readonly string[]): Promise<number> {
  const malformed = words.filter(word => !/^[A-Za-z0-9]+=/.test(word));
  if (malformed.length > 0) throw new ConfigError([`${malformed.join(' ')}: parameters are parameter=value`]);
  const definition = (await control.list()).find(each => each.name === name);
  return show(await control.set(name, readParameters(definition, words)));
}

async function clear(control: Control, name: string | undefined): Promise<number> {
  if (name !== undefined) return show(await control.clear(name));
  for (const each of (await control.list()).filter(({ set: values }) => values !== null))
    show(await control.clear(each.name));
  return 0;
}

function show(answer: FaultState | FaultRefusal): number {
  if ('code' in answer) return refuse(answer);
  console.log(`${answer.name}: ${stateOf(answer)}`);
  return 0;
}

function refuse({ code, message }: FaultRefusal): number {
  console.error(`${code}: ${message}`);
  return refused;
}

/** `off`, `off, 3 hits`, `on, 0 hits: percent=50 times=none`. */
function stateOf({ set: values, hits }: FaultState): string {
  const struck = hits === 1 ? '1 hit' : `${hits} hits`;
  if (values === null) return hits === 0 ? 'off' : `off, ${struck}`;
  const given = Object.entries(values).map(([name, value]) => `${name}=${value ?? 'none'}`);
  return [`on, ${struck}`, given.join(' ')].filter(part => part !== '').join(': ');
}

function parametersOf({ parameters }: Definition): readonly string[] {
  const width = Math.max(0, ...Object.keys(parameters).map(name => name.length));
  return Object.entries(parameters).map(
    ([name, each]) => `  ${name.padEnd(width)}  ${each.meaning}: ${choiceOf(each)}`,
  );
}

function choiceOf(parameter: Parameter): string {
  if (parameter.default === undefined) return `${rangeOf(parameter)}; must be given`;
  return `${rangeOf(parameter)}; without it ${parameter.default ?? 'no limit'}`;
}

class Unanswered extends Error {}

class Control {
  readonly #address: string;

  constructor(port: number) {
    this.#address = `http://127.0.0.1:${port}/faults`;
  }

  async list(): Promise<readonly Listed[]> {
    return ((await this.#ask('', {})) as { readonly faults: readonly Listed[] }).faults;
  }

  set(name: string, parameters: object): Promise<FaultState | FaultRefusal> {
    return this.#change('', { method: 'POST', body: JSON.stringify({ name, parameters }) });
  }

  clear(name: string): Promise<FaultState | FaultRefusal> {
    return this.#change(`/${encodeURIComponent(name)}`, { method: 'DELETE' });
  }

  async #change(path: string, request: RequestInit): Promise<FaultState | FaultRefusal> {
    const answer = (await this.#ask(path, request)) as FaultState | { readonly error: FaultRefusal };
    return 'error' in answer ? answer.error : answer;
  }

  async #ask(path: string, request: RequestInit): Promise<unknown> {
    try {
      return await (await fetch(`${this.#address}${path}`, request)).json();
    } catch (cause) {
      throw new Unanswered(`No instance answers at ${this.#address}.`, { cause });
    }
  }
}
