import { existingBrokers } from '@holdfast/run';
import type { KafkaCommand } from './config.ts';
import { type BrokerStatus, readStatus, startDetached, stopDetached } from './detached.ts';
import { install } from './installation.ts';
import type { Environment } from './java.ts';
import { measure } from './measure.ts';
import { serve } from './serve.ts';
import { writeLock } from './write-lock.ts';

type StartCommand = Extract<KafkaCommand, { command: 'serve' | 'start' }>;

const log = (line: string): void => console.error(line);

/** Returns the exit code. @throws KafkaError. */
export async function runCommand(command: KafkaCommand, env: Environment): Promise<number> {
  switch (command.command) {
    case 'serve': {
      const { port, ...options } = command;
      await serve({ ...options, ...(port === undefined ? {} : { port }), env, log });
      return 0;
    }
    case 'start':
      return start(command, env);
    case 'stop':
      console.log((await stopDetached(command.dataFolder)) ? 'Stopped.' : `No broker runs on ${command.dataFolder}.`);
      return 0;
    case 'status': {
      const status = await readStatus(command.dataFolder);
      console.log(command.json ? JSON.stringify(status) : renderStatus(status));
      return status.state === 'RUNNING' ? 0 : 1;
    }
    case 'prepare':
      await install({ env, log });
      return 0;
    case 'measure':
      console.log(await measure(env));
      return 0;
    case 'lock':
      log(`lock.json names ${await writeLock(env)} jars.`);
      return 0;
  }
}

async function start(command: StartCommand, env: Environment): Promise<number> {
  const known = existingBrokers(env);
  if (known !== undefined) {
    console.log(`KAFKA_BROKERS is set: ${known} is used, and no broker is started.`);
    return 0;
  }
  const { started, status } = await startDetached({ ...command, env, log });
  console.log(started ? renderStatus(status) : `Nothing started. ${renderStatus(status)}`);
  return status.state === 'RUNNING' ? 0 : 1;
}

function renderStatus(status: BrokerStatus): string {
  if (status.state === 'STOPPED') return `No broker runs on ${status.dataFolder}.`;
  const { state, brokers, security, pid, dataFolder, logFile, username, passwordFile, caFile, guest } = status;
  const says = state === 'RUNNING' ? 'runs' : 'does not answer';
  const lines = [
    `The broker of ${dataFolder} ${says}.`,
    `  brokers   ${brokers} (${security})`,
    `  process   ${pid}`,
    `  log       ${logFile}`,
  ];
  if (username !== undefined) lines.push(`  user      ${username}, password in ${passwordFile ?? ''}`);
  if (guest !== undefined) lines.push(`  no rights ${guest.username}, password in ${guest.passwordFile}`);
  if (caFile !== undefined) lines.push(`  authority ${caFile}`);
  return lines.join('\n');
}
