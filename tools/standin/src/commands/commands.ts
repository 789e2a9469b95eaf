/** The commands by name. Each is loaded when it is asked for: an instance starts without reading the others. */
import { ConfigError } from '../config.ts';
import type { Command, CommandEntry } from './command.ts';
import { helpRows } from './help-rows.ts';
import { topics } from './topics.ts';

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

export const commandNames = Object.keys(entries);
export const topicNames = Object.keys(topics);

/** Runs the line: `[command] [options]`, `--help`, `help [command or topic]`, `command --help`. The exit code; undefined: it goes on. */
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
    throw new ConfigError([
      `There is no command "${name}", only ${commandNames.join(', ')}; topics of help are ${topicNames.join(', ')}: see --help, help ${topicOr(name)}.`,
    ]);
  return entry.load();
}

/** Who typed a topic as a command is told how it is asked for. */
function topicOr(name: string): string {
  return Object.hasOwn(topics, name) ? name : 'COMMAND';
}

async function printHelp(name: string): Promise<number> {
  const topic = Object.hasOwn(topics, name) ? topics[name] : undefined;
  return print(topic === undefined ? (await command(name)).help : await topic.text());
}

function overview(): string {
  return `npm run standin -- [command] [options]

A stand-in for SQL Server with a BizTalk group: databases, transactions with marks, BACKUP and RESTORE, msdb, SQL Server Agent and linked servers for
any TDS client; faults that are set and cleared, and a clock that is moved, over HTTP. Commands:

${summaries(entries)}

To begin: an instance whose login is sa, its files in .holdfast/one, its password in a variable (or in a file: --password-file FILE); then any client.

  mkdir -p .holdfast/backup
  STANDIN_PASSWORD=secret npm run standin -- --data .holdfast/one --name ONE --port 14330 --map 'D:\\Backup=.holdfast/backup'
  tsql -H 127.0.0.1 -p 14330 -U sa -P secret
  sqlcmd -S tcp:127.0.0.1,14330 -U sa -P secret -C

help COMMAND, or COMMAND --help, has its options; help TOPIC:

${summaries(topics)}`;
}

/** Both tables of the overview stand in the same columns. */
function summaries(named: Readonly<Record<string, { readonly summary: string }>>): string {
  const width = Math.max(...[...commandNames, ...topicNames].map(name => name.length));
  return helpRows(Object.fromEntries(Object.entries(named).map(([name, { summary }]) => [name, summary])), width);
}

function print(text: string): number {
  console.log(text);
  return 0;
}
