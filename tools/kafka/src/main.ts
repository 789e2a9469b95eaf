import { readKafkaCommand } from './config.ts';
import { runCommand } from './commands.ts';
import { KafkaError } from './errors.ts';

/** 3: Java or Maven is missing; the message names the command that brings them. */
const exitCodeOf = (error: unknown): number =>
  error instanceof KafkaError && error.code === 'MISSING_PROGRAM' ? 3 : 1;

try {
  process.exit(await runCommand(readKafkaCommand(process.argv.slice(2)), process.env));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(exitCodeOf(error));
}
