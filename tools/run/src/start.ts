import { join } from 'node:path';
import type { StartConfig } from './config.ts';
import { curlLine } from './curl.ts';
import { startHoldfast } from './holdfast.ts';
import { type LogFiles, openLogFiles } from './log-files.ts';
import { renderExit, type RunningProcess, startProcess } from './process.ts';
import { programs } from './programs.ts';

export type Started = {
  /** What to tell the person who started it. */
  readonly greeting: string;
  /** Rejects when the estate ends by itself. Holdfast is started again. */
  readonly failed: Promise<never>;
  /** Newest first: Holdfast stops before the servers that it talks to. */
  stop(): Promise<void>;
};

/** What `npm start` does: the estate, Holdfast, and the estate put under its protection; what it finds in the data folder it goes on with. */
export async function start(config: StartConfig, say: (line: string) => void): Promise<Started> {
  const { dataFolder, estate } = config;
  const logs = openLogFiles(dataFolder);
  const log = (line: string): void => logs.write(line);
  const running: Stoppable[] = [];
  const stop = async (): Promise<void> => {
    for (const each of running.toReversed()) await each.stop();
    await logs.close();
  };
  try {
    const tell = (line: string): void => {
      say(line);
      log(line);
    };
    say(estate === 'demo' ? 'Starting the sample estate and Holdfast …' : 'Starting Holdfast …');
    // Side by side: neither needs the other to start.
    const [servers, holdfast] = await kept(
      running,
      estate === 'demo'
        ? startProcess({ name: 'estate', main: programs.estate, args: ['--data', dataFolder], log })
        : undefined,
      startHoldfast(config, { say: tell, log }),
    );
    // Without an estate nothing but Holdfast can end, and that is started again.
    const failed = servers === undefined ? new Promise<never>(() => undefined) : untilEnded(servers, dataFolder);
    // Read by the caller; until then it must not count as unhandled.
    failed.catch(() => undefined);
    const { url, token, brokers } = holdfast;
    let sample: Sample | undefined;
    if (estate === 'demo') {
      say('Registering the sample group and its standby …');
      sample = await protectEstate(dataFolder, url, token, log);
    }
    return { greeting: greetingOf(config, { url, token, brokers, sample }), failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Stoppable = { stop(): Promise<unknown> };

/** Waits for both, and keeps what runs to be stopped, also when the other one failed. */
async function kept<First extends Stoppable | undefined, Second extends Stoppable>(
  running: Stoppable[],
  first: Promise<First> | First,
  second: Promise<Second>,
): Promise<[First, Second]> {
  for (const started of await Promise.allSettled([first, second]))
    if (started.status === 'fulfilled' && started.value !== undefined) running.push(started.value);
  return Promise.all([first, second]);
}

/** Over the gateway, by a process of its own that ends when it is done; what is registered already stays. */
async function protectEstate(
  dataFolder: string,
  url: string,
  token: string | undefined,
  log: LogFiles['write'],
): Promise<Sample> {
  if (token === undefined)
    throw new Error('gateway.auth names an identity provider: start with --estate none and register your own group.');
  const protecting = await startProcess({
    name: 'protect',
    main: programs.protect,
    args: ['--data', dataFolder, '--url', url],
    env: { HOLDFAST_TOKEN: token },
    log,
  });
  const exit = await protecting.exited;
  const { groupId, standbyId } = protecting.announcement;
  if (exit.code !== 0 || typeof groupId !== 'string' || typeof standbyId !== 'string')
    throw new Error(`The sample group could not be registered: ${join(dataFolder, 'logs', 'protect.log')}`);
  return { groupId, standbyId };
}

async function untilEnded({ name, exited }: RunningProcess, dataFolder: string): Promise<never> {
  const exit = await exited;
  const file = join(dataFolder, 'logs', `${name}.log`);
  throw new Error(`${name} ended by itself (${renderExit(exit)}); ${file} says why.`);
}

/** The sample group under its protection. */
type Sample = { readonly groupId: string; readonly standbyId: string };

function questionsAbout(sample: Sample | undefined): readonly (readonly [title: string, query: string])[] {
  const state =
    '{ groups { nodes { name site readiness { verdict reasons { code } } databases { nodes { name role state } } observation { freshness } } } }';
  const loss =
    '{ groups { nodes { name rpo { taken { markName age } shipped { markName age } restorable { markName age } proven { reason { message } } } } } }';
  const standby = '{ standbys { groupName state newestCommonMarkName streams { databaseName state position } } }';
  const last =
    sample === undefined
      ? (['the standby', standby] as const)
      : (['where a failover would land now', previewOf(sample)] as const);
  return [['the state of the group', state], ['what would be lost', loss], last];
}

function previewOf({ groupId, standbyId }: Sample): string {
  const input = `groupId: "${groupId}", standbyId: "${standbyId}", target: { newest: true }`;
  return `{ recoveryPreview(input: { ${input} }) {
    __typename ... on RecoveryPreview { markName markedAt dataLoss { atLeast atMost } databases { databaseName bytes } blockers { code } }
    ... on Refusal { message fix } } }`;
}

export type Ready = {
  readonly url: string;
  /** Undefined: an identity provider gives it out. */
  readonly token: string | undefined;
  readonly brokers?: string | undefined;
  readonly sample: Sample | undefined;
};

export function greetingOf(
  { dataFolder, estate }: StartConfig,
  { url, token, brokers, sample }: Ready,
  platform: NodeJS.Platform = process.platform,
): string {
  const lines = ['', 'Holdfast is ready.', `  gateway  ${url}`];
  if (token === undefined) lines.push('  token    from the identity provider that gateway.auth names');
  else lines.push(`  token    ${token}`);
  if (brokers !== undefined) lines.push(`  kafka    ${brokers} (examples/README.md reads its events)`);
  lines.push(`  data     ${dataFolder} (remove it to start anew)`, '');
  if (token !== undefined)
    for (const [title, query] of questionsAbout(sample))
      lines.push(`# ${title}`, curlLine(url, token, query, platform), '');
  if (estate === 'none')
    lines.push('No estate was started: register your group with the mutation registerGroup (README.md).');
  lines.push('Ctrl-C stops everything.');
  return lines.join('\n');
}
