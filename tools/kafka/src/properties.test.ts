import { describe, expect, it } from '@jest/globals';
import { renderServerProperties, type ServerSettings } from './properties.ts';

const settings: ServerSettings = {
  security: 'plaintext',
  acl: false,
  port: 9092,
  controllerPort: 9093,
  innerPort: 9094,
  dataFolder: '/srv/kafka',
  brokerPassword: undefined,
  keystore: '/srv/keystore.pem',
};

const propertiesOf = (more: Partial<ServerSettings>): Record<string, string> =>
  Object.fromEntries(
    renderServerProperties({ ...settings, ...more })
      .trimEnd()
      .split('\n')
      .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

describe('server.properties', () => {
  it.each([
    ['plaintext', 'PLAINTEXT://127.0.0.1:9092'],
    ['sasl', 'SASL://127.0.0.1:9092'],
    ['sasl-tls', 'SASL://127.0.0.1:9094,TLS://127.0.0.1:9092'],
  ] as const)('listens on this machine alone: %s', (security, listeners) =>
    expect(propertiesOf({ security, brokerPassword: 'x' })).toMatchObject({
      listeners: `${listeners},CONTROLLER://127.0.0.1:9093`,
      'advertised.listeners': listeners,
    }),
  );

  it('knows users and rights only where they are asked for', () => {
    const [plain, secured] = [propertiesOf({}), propertiesOf({ security: 'sasl', acl: true, brokerPassword: 'x' })];
    const keys = ['sasl.enabled.mechanisms', 'authorizer.class.name'];
    expect(keys.filter(key => key in plain)).toEqual([]);
    expect(keys.filter(key => key in secured)).toEqual(keys);
  });

  it('is written as Java reads it', () =>
    expect(propertiesOf({ dataFolder: 'C:\\Büro\\kafka' })).toMatchObject({ 'log.dirs': 'C:/B\\u00fcro/kafka' }));
});
