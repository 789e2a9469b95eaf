import { ConfigError, readConfig } from './config.ts';
import { stopInOrder } from './lifetime.ts';
import { startService } from './service.ts';

/** `node tools/standin/src/main.ts --port P --data DIR --name SERVER\INST …`: README.md lists the options. */
async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2), process.env);
  const service = await startService(config, error => console.error(error));
  stopInOrder(service, config.parentPid, code => process.exit(code));
  const { port, controlPort, peerPort } = service;
  const { serverName: name } = config;
  console.log(JSON.stringify({ ready: true, name, port, controlPort, peerPort, pid: process.pid }));
}

try {
  await main();
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : (portTaken(error) ?? error));
  process.exit(1);
}

function portTaken(error: unknown): string | undefined {
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  return code === 'EADDRINUSE'
    ? `Port ${String(port)} of 127.0.0.1 is taken: end what listens there, or give another port (0 takes a free one).`
    : undefined;
}
