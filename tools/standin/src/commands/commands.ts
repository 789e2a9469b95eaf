/** The commands by name. Each is loaded when it is asked for: an instance starts without reading the others. */
import { ConfigError } from '../config.ts';
import type { Command, CommandEntry } from './command.ts';

const entries: Readonly<Record<string, CommandEntry>> = {
  serve: {
    summary: 'run one instance (the default: the word may be left out)',
    load: async () => (await import('./serve.ts')).serve,
  },
  faults: {
    summary: 'list, set and clear the faults of a running instance',
    load: async () => (await import('./faults.ts')).faults,
  },
  fleet: {
    summary: 'run many instances in one process',
    load: async () => (await import('./fleet.ts')).fleet,
  },
};

/** Runs the line: `[command] [options]`, `--help`, `help [command]`, `command --help`. The exit code; undefined: it goes on. */
export async function runLine(line: readonly string[]): Promise<number | undefined> {
  const [first = '', ...rest] = line;
  if (first === 'help' && rest.length > 0) return printHelp(rest[0] ?? '');
  if (first === 'help' || first === '--help' || first === '-h') return print(overview());
  const [name, args] = first.startsWith('-') || first === '' ? ['serve', line] : [first, rest];
  if (args.includes('--help') || args.includes('-h')) return printHelp(name);
  return (await command(name)).run(args);
}

async function command(name: string): Promise<Command> {
  const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (entry === undefined)
    throw new ConfigError([`There is no command "${name}", only ${Object.keys(entries).join(', ')}; see --help.`]);
  return entry.load();
}

async function printHelp(name: string): Promise<number> {
  return print((await command(name)).help);
}

function overview(): string {
  const width = Math.max(...Object.keys(entries).map(name => name.length));
  const rows = Object.entries(entries).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    'npm run standin -- [command] [options]',
    '',
    ...rows,
    '',
    'help COMMAND, or COMMAND --help: its options.',
  ].join('\n');
}

function print(text: string): number {
  console.log(text);
  return 0;
}
