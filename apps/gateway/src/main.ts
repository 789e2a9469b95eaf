import { readConfig, runMain } from '@holdfast/service';
import { gatewaySchema } from './config.ts';
import { createGateway } from './service.ts';

await runMain(() => {
  const { env } = process;
  const yamlFile = env['HOLDFAST_CONFIG'];
  const file = yamlFile === undefined ? {} : { yamlFile };
  return createGateway(readConfig({ section: 'gateway', schema: gatewaySchema, env, ...file }), { env });
});
