import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import { join } from 'node:path';
import { build, type BuildOptions, type Metafile } from 'esbuild';
import { type Place, referencePlugin } from './bundle-assets.ts';
import { type BundledApp, bundledApps } from './bundled-apps.ts';
import { licenceOf, renderThirdParty, type ThirdParty } from './licences.ts';

export type Bundle = { readonly app: BundledApp; readonly bytes: number; readonly packages: readonly ThirdParty[] };

/**
 * Not bundled but copied whole beside the bundle, because no bundler sees how they are loaded: a native addon that its user,
 * `@graphql-hive/router-runtime`, imports by a computed name (with the addons of all its platforms; where none fits, the gateway plans in
 * JavaScript), and the Kafka client, of which `libs/messaging` takes inner modules as well.
 */
const copied: readonly string[] = ['@graphql-hive/router-query-planner', 'kafkajs'];

/** Native accelerators that `ws` tries to load and does without. Named, so that a bundle does not depend on what else is installed. */
const leftOut: readonly string[] = ['bufferutil', 'utf-8-validate'];

/** CommonJS packages call `require` for what Node has built in (stack.md §1.3). */
const banner =
  "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);";

/** How every program is made into one file. */
export const bundling = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  banner: { js: banner },
  // A class keeps its name where two modules have one of the same name: names are in logs.
  keepNames: true,
  legalComments: 'none',
  charset: 'utf8',
  logLevel: 'warning',
} as const satisfies BuildOptions;

type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly license?: unknown;
  readonly licenses?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
};

/** Writes `<outFolder>/<app>/` for every app: main.js, its assets, what is copied, package.json and THIRD-PARTY.txt. */
export async function bundleApps(root: string, outFolder: string): Promise<Bundle[]> {
  const ours = await manifestOf(root);
  for (const app of bundledApps) await prepare(join(outFolder, app), app, ours);
  const assetsOf = new Map<Place, readonly Place[]>();
  const { metafile } = await build({
    ...bundling,
    absWorkingDir: root,
    entryPoints: bundledApps.map(app => ({ in: `apps/${app}/src/main.ts`, out: `${app}/main` })),
    outdir: outFolder,
    external: [...copied, ...leftOut],
    plugins: [referencePlugin(root, assetsOf)],
    metafile: true,
  });
  const outputs = Object.values(metafile.outputs);
  return Promise.all(
    bundledApps.map(app => {
      const output = outputs.find(({ entryPoint }) => entryPoint === `apps/${app}/src/main.ts`);
      if (output === undefined) throw new Error(`The bundler wrote nothing for ${app}.`);
      return complete(root, join(outFolder, app), app, output, assetsOf);
    }),
  );
}

/**
 * Empties a bundle's folder, but for the state of a process that was started there without being told another place. Its package.json is
 * there from the beginning and to the end: by it a later build knows that the folder is its own. @throws Error when it is not.
 */
async function prepare(folder: string, app: BundledApp, ours: Manifest): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = `holdfast-${app}`;
  const entries = (await readdir(folder)).filter(entry => entry !== '.holdfast');
  const isOwn = entries.includes('package.json') && (await manifestOf(folder)).name === name;
  if (entries.length > 0 && !isOwn) throw new Error(`${folder} holds something else than a bundle of ${app}.`);
  for (const entry of entries) if (entry !== 'package.json') await rm(join(folder, entry), { recursive: true });
  const manifest = { name, version: ours.version, private: true, license: ours.license, type: 'module' };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

async function complete(
  root: string,
  folder: string,
  app: BundledApp,
  output: Metafile['outputs'][string],
  assetsOf: ReadonlyMap<Place, readonly Place[]>,
): Promise<Bundle> {
  const inputs = Object.keys(output.inputs);
  const assets = new Set(inputs.flatMap(input => assetsOf.get(input) ?? []));
  for (const asset of assets) await cp(join(root, asset), join(folder, asset), { recursive: true });

  const folders = new Set(inputs.flatMap(input => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []));
  const packageFolders = [...folders].map(each => join(root, each));
  for (const name of outside(output)) {
    const from = await packageFolder(root, name);
    await cp(from, join(folder, 'node_modules', name), { recursive: true });
    packageFolders.push(from);
  }
  const packages = await thirdParties(packageFolders);
  await writeFile(join(folder, 'THIRD-PARTY.txt'), renderThirdParty(`holdfast-${app}`, packages));
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  return { app, bytes: output.bytes, packages };
}

/** The packages that a bundle imports from beside it. @throws Error for one that nobody decided about. */
function outside(output: Metafile['outputs'][string]): string[] {
  const imported = new Set(output.imports.filter(({ external }) => external === true).map(({ path }) => path));
  const packages = [...imported].filter(path => !path.startsWith('node:') && !builtinModules.includes(path));
  const unknown = packages.filter(path => ![...copied, ...leftOut].includes(path));
  if (unknown.length > 0) throw new Error(`A bundle imports what is not in it: ${unknown.join(', ')}.`);
  return packages.filter(path => copied.includes(path));
}

async function packageFolder(root: string, name: string): Promise<string> {
  const file = createRequire(join(root, 'apps/gateway/package.json')).resolve(`${name}/package.json`);
  const folder = join(file, '..');
  const { dependencies = {} } = await manifestOf(folder);
  if (Object.keys(dependencies).length > 0)
    throw new Error(`${name} is copied beside the bundle, and what it depends on would be missing there.`);
  return folder;
}

async function manifestOf(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** One package may lie in several folders: once per name and version, in an order that does not depend on the bundler. */
async function thirdParties(folders: readonly string[]): Promise<ThirdParty[]> {
  const found = new Map<string, ThirdParty>();
  for (const folder of folders) {
    const manifest = await manifestOf(folder);
    const { name, version } = manifest;
    const texts = await licenceTexts(folder);
    found.set(`${name} ${version}`, { name, version, licence: licenceOf(manifest), texts });
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

async function licenceTexts(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter(entry => entry.isFile() && /^(licen[cs]e|copying|notice)/i.test(entry.name));
  const names = files.map(({ name }) => name).sort();
  return Promise.all(names.map(async name => (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n')));
}
