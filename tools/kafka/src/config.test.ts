import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readKafkaCommand } from './config.ts';

describe('the command line', () => {
  it('says what to do', () => {
    expect(readKafkaCommand(['serve', '--data', 'x', '--port', '9092', '--security', 'sasl', '--acl'])).toEqual({
      command: 'serve',
      dataFolder: resolve('x'),
      port: 9092,
      security: 'sasl',
      acl: true,
    });
    expect(readKafkaCommand(['start'])).toMatchObject({ port: undefined, security: 'plaintext', acl: false });
    expect(readKafkaCommand(['status', '--json'])).toMatchObject({ json: true });
    expect(readKafkaCommand(['lock'])).toEqual({ command: 'lock' });
  });

  it.each([
    [[], 'Say which'],
    [['restart'], 'There is no "restart"'],
    [['start', '--port', 'x'], '--port is a number'],
    [['start', '--port', '65536'], '--port is a number'],
    [['start', '--security', 'tls'], '--security is plaintext, sasl, sasl-tls'],
    [['start', '--acl'], '--acl goes with'],
    [['stop', '--json'], '--json'],
    [['lock', '--data', 'x'], '--data'],
  ])('is refused by name: %j', (args, message) => expect(() => readKafkaCommand(args)).toThrow(message));
});
