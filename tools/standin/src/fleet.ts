/** Many instances in one process, each with a port, a control port, a folder and a name of its own. One that cannot start leaves the others alone. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, readConfig, type Config } from './config.ts';
import { startService, type Service } from './service.ts';

const placeholder = '{n}';
const most = 1000;
/** Starting is mostly waiting for the disk. */
const atOnce = 8;

export type Started = { readonly config: Config; readonly service: Service };
export type Failed = { readonly config: Config; readonly error: unknown };

export type Fleet = {
  readonly started: readonly Started[];
  readonly failed: readonly Failed[];
  close(): Promise<void>;
  closing(): string;
};

/** The options of one instance and `--instances N`; `{n}` in the name and in folders of --map is the number of the instance, from 1. */
export function readFleet(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): readonly Config[] {
  const at = args.findIndex(arg => arg === '--instances' || arg.startsWith('--instances='));
  const given = args[at]?.includes('=') === true ? args[at].slice('--instances='.length) : args[at + 1];
  const count = at < 0 || given === undefined || !/^[1-9]\d*$/.test(given) ? NaN : Number(given);
  if (!(count <= most)) throw new ConfigError([`--instances must be a number from 1 to ${most}`]);
  const rest = args.filter((_, place) => place !== at && (args[at]?.includes('=') === true || place !== at + 1));
  const one = readConfig(rest, env);
  const mistakes = [
    ...(one.serverName.includes(placeholder) ? [] : [`--name must contain ${placeholder}, the number of the instance`]),
    ...(one.killPoint.dieAt === undefined && one.killPoint.placesFile === undefined
      ? []
      : ['STANDIN_DIE_AT and STANDIN_PLACES are for one instance']),
    ...[one.port, one.controlPort, one.peerPort].flatMap(port =>
      port + count - 1 > 65_535 ? [`${count} ports from ${port} on are not there`] : [],
    ),
  ];
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Array.from({ length: count }, (_, index) => member(one, index));
}

function member(one: Config, index: number): Config {
  const numbered = (text: string): string => text.replaceAll(placeholder, String(index + 1));
  const port = (first: number): number => (first === 0 ? 0 : first + index);
  return {
    ...one,
    serverName: numbered(one.serverName),
    dataFolder: join(one.dataFolder, String(index + 1)),
    pathMap: Object.fromEntries(Object.entries(one.pathMap).map(([from, folder]) => [from, numbered(folder)])),
    port: port(one.port),
    controlPort: port(one.controlPort),
    peerPort: port(one.peerPort),
  };
}

/** `told`: each instance as it is ready, or as it failed. */
export async function startFleet(
  configs: readonly Config[],
  told: { ready(started: Started): void; failed(failed: Failed): void; broken(config: Config, error: unknown): void },
): Promise<Fleet> {
  const started: Started[] = [];
  const failed: Failed[] = [];
  const waiting = [...configs];
  const startNext = async (): Promise<void> => {
    for (let config = waiting.shift(); config !== undefined; config = waiting.shift()) {
      const own = config;
      try {
        for (const folder of Object.values(own.pathMap)) await mkdir(folder, { recursive: true });
        const service = await startService(own, error => told.broken(own, error));
        started.push({ config: own, service });
        told.ready({ config: own, service });
      } catch (error) {
        failed.push({ config: own, error });
        told.failed({ config: own, error });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, startNext));
  const open = new Set(started);
  return {
    started,
    failed,
    close: async () => {
      const ends = await Promise.allSettled(
        started.map(async each => {
          await each.service.close();
          open.delete(each);
        }),
      );
      const errors = ends.flatMap(end => (end.status === 'rejected' ? [end.reason as unknown] : []));
      if (errors.length > 0) throw new AggregateError(errors, `${errors.length} instances did not close in order`);
    },
    closing: () => [...open].map(({ config, service }) => `${config.serverName}: ${service.closing()}`).join('; '),
  };
}
