import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';

export type LogFiles = {
  /** Takes lines `[name] text`, the shape of a supervised process's lines. */
  write(line: string): void;
  close(): Promise<void>;
};

/** `logs/<name>.log` of a data folder, appended to. */
export function openLogFiles(dataFolder: string): LogFiles {
  const folder = join(dataFolder, 'logs');
  mkdirSync(folder, { recursive: true });
  const streams = new Map<string, WriteStream>();
  const streamOf = (name: string): WriteStream => {
    const known = streams.get(name);
    if (known !== undefined) return known;
    const opened = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
    streams.set(name, opened);
    return opened;
  };
  return {
    write(line) {
      const [, name = 'start', text = line] = /^\[([\w-]+)\] (.*)$/.exec(line) ?? [];
      streamOf(name).write(`${text}\n`);
    },
    async close() {
      await Promise.all([...streams.values()].map(stream => new Promise(resolve => stream.end(resolve))));
    },
  };
}
