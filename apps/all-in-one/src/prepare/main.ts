import { writeSync } from 'node:fs';
import { readAllInOneConfig } from '../config.ts';
import { audience, ensureKeys, issuer, issueToken, keyFiles } from './keys.ts';

/**
 * `node apps/all-in-one/src/prepare/main.ts --data DIR` makes what the five need that share a data folder as processes of their own, and
 * prints one line of JSON: where it is, and a token. Neither identity nor token when the configuration names an identity provider.
 */
async function main(): Promise<void> {
  const { dataFolder, gateway, ...services } = readAllInOneConfig(process.argv.slice(2), process.env);
  await ensureKeys(dataFolder);
  const files = keyFiles(dataFolder);
  const local =
    gateway.auth === undefined
      ? {
          auth: { issuer, audience, publicKeyFile: files.issuerPublic },
          token: await issueToken(files, Date.now()),
        }
      : {};
  const sections = Object.fromEntries(
    (['inventory', 'backup', 'shipping', 'restore'] as const).map(name => {
      const { signingKey, stateFolder } = services[name];
      return [name, { signingKey, stateFolder }];
    }),
  );
  const announcement = {
    ready: true,
    sections: { ...sections, gateway: { signingKey: gateway.signingKey } },
    ...local,
  };
  writeSync(1, `${JSON.stringify(announcement)}\n`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
