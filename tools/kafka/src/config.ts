import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { securities, type Security } from './properties.ts';

type OfFolder = { readonly dataFolder: string };
type OfBroker = OfFolder & { readonly port: number | undefined; readonly security: Security; readonly acl: boolean };

export type KafkaCommand =
  | ({ readonly command: 'serve' | 'start' } & OfBroker)
  | ({ readonly command: 'status'; readonly json: boolean } & OfFolder)
  | ({ readonly command: 'stop' } & OfFolder)
  | { readonly command: 'prepare' | 'measure' | 'lock' };

const usage = 'serve | start | stop | status | prepare | measure | lock';
const usualFolder = fileURLToPath(new URL('../../../.holdfast/kafka', import.meta.url));
const data = { type: 'string', default: usualFolder } as const;

/** @throws Error that names what is wrong. */
export function readKafkaCommand([command, ...args]: readonly string[]): KafkaCommand {
  switch (command) {
    case 'serve':
    case 'start': {
      const { values } = parseArgs({
        args,
        options: {
          data,
          port: { type: 'string' },
          security: { type: 'string', default: 'plaintext' },
          acl: { type: 'boolean', default: false },
        },
      });
      const { port, security, acl } = values;
      if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535))
        throw new Error(`--port is a number from 0 to 65535, not "${port}".`);
      const known = securities.find(each => each === security);
      if (known === undefined) throw new Error(`--security is ${securities.join(', ')}, not "${security}".`);
      if (acl && known === 'plaintext') throw new Error('--acl goes with --security sasl or sasl-tls.');
      const chosen = port === undefined || Number(port) === 0 ? undefined : Number(port);
      return { command, dataFolder: resolve(values.data), port: chosen, security: known, acl };
    }
    case 'status': {
      const { values } = parseArgs({ args, options: { data, json: { type: 'boolean', default: false } } });
      return { command, dataFolder: resolve(values.data), json: values.json };
    }
    case 'stop':
      return { command, dataFolder: resolve(parseArgs({ args, options: { data } }).values.data) };
    case 'prepare':
    case 'measure':
    case 'lock':
      parseArgs({ args, options: {} });
      return { command };
    case undefined:
    default:
      throw new Error(command === undefined ? `Say which: ${usage}.` : `There is no "${command}": ${usage}.`);
  }
}
