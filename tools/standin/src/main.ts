import { runLine } from './commands/commands.ts';
import { ConfigError } from './config.ts';

/** `npm run standin -- [command] [options]`; `--help` lists the commands, README.md explains them. */
try {
  const code = await runLine(process.argv.slice(2));
  if (code !== undefined) process.exitCode = code;
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
