import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { untilAskedToEnd } from '../src/end.ts';
import { writeAnnouncement } from '../src/announcement.ts';
import { startProcess } from '../src/process.ts';

/** What a supervised process may do, one way per name. */
const ways: Record<string, () => Promise<void>> = {
  /** Announces itself, answers, ends when asked. */
  async good() {
    const asked = untilAskedToEnd({ env: process.env });
    let asks = 0;
    const server = createServer((_, response) => {
      asks += 1;
      // Listening is not yet being ready.
      response.writeHead(asks < 3 ? 503 : 200).end();
    }).listen(0, '127.0.0.1', () => {
      const address = server.address();
      writeAnnouncement({ pid: process.pid, port: typeof address === 'object' ? address?.port : 0 });
      console.log('{"ready":"not an announcement"}');
      console.error('a line on standard error');
    });
    console.error(`ends: ${await asked}`);
    process.exit(0);
  },
  async fails() {
    console.error('the disk is missing');
    process.exitCode = 3;
  },
  async silent() {
    setInterval(() => undefined, 1_000);
  },
  /** Ignores being asked. */
  async stubborn() {
    process.on('SIGTERM', () => console.error('no'));
    writeAnnouncement({});
    setInterval(() => undefined, 1_000);
  },
  /** A parent: starts a good one and tells its id. */
  async parent() {
    const child = await startProcess({
      name: 'grandchild',
      main: fileURLToPath(import.meta.url),
      args: ['good'],
      log: line => console.error(line),
    });
    writeAnnouncement({ grandchild: child.pid });
    setInterval(() => undefined, 1_000);
  },
  /** As npm does: starts the program through a shell, with its own output, which so announces itself. */
  async launcher() {
    spawn(`"${process.execPath}" "${fileURLToPath(import.meta.url)}" good`, {
      env: { ...process.env, HOLDFAST_PARENT_PID: '', npm_lifecycle_event: 'start' },
      stdio: 'inherit',
      shell: true,
    });
  },
};

await ways[process.argv[2] ?? '']?.();
