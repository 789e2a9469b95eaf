// Writes what is generated and git-ignored: resolver types per subgraph and the composed supergraph.
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptResolvers from '@graphql-codegen/typescript-resolvers';
import { composeSupergraph } from '@holdfast/gateway/composition';
import { parse } from 'graphql';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** `holdfast.graphql` in an app's package.json: its context type and the rows its resolvers start from. */
type GraphqlSettings = { context?: string; mappers?: Record<string, string> };
type Manifest = { holdfast?: { graphql?: GraphqlSettings } };

const subgraphs = globSync('apps/*/schema.graphql', { cwd: root })
  .sort()
  .map(file => ({
    name: basename(dirname(file)),
    folder: join(root, dirname(file)),
    sdl: readFileSync(join(root, file), 'utf8'),
  }));

for (const { folder, sdl } of subgraphs) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  write(join(folder, 'generated', 'resolver-types.ts'), await resolverTypes(sdl, manifest.holdfast?.graphql ?? {}));
}

const composed = composeSupergraph(subgraphs.map(({ name, sdl }) => ({ name, sdl })));
if (!composed.ok) throw new Error(`The subgraphs do not compose:\n${composed.errors.join('\n')}`);
write(join(root, 'apps/gateway/generated/supergraph.graphql'), composed.supergraphSdl);

function resolverTypes(sdl: string, settings: GraphqlSettings): Promise<string> {
  const config = {
    federation: true,
    useTypeImports: true,
    enumsAsTypes: true,
    skipTypename: false,
    immutableTypes: true,
    nonOptionalTypename: false,
    avoidOptionals: { field: false, inputValue: false, object: false, defaultValue: true },
    inputMaybeValue: 'T | null | undefined',
    scalars: { DateTime: 'string', Duration: 'string', Bytes: 'string', LSN: 'string', ID: 'string' },
    mappers: settings.mappers ?? {},
    ...(settings.context === undefined ? {} : { contextType: settings.context }),
  };
  return codegen({
    filename: 'resolver-types.ts',
    schema: parse(sdl),
    documents: [],
    config,
    plugins: [{ typescript: {} }, { resolvers: {} }],
    pluginMap: { typescript, resolvers: typescriptResolvers },
  });
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
