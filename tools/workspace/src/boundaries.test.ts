import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const boundary = '@nx/enforce-module-boundaries';
const restricted = 'no-restricted-imports';

/** One forbidden import of each kind, and the rule that must refuse it. */
const forbidden = [
  {
    what: 'app → app',
    file: 'apps/inventory/src/zz-app.ts',
    code: "export * from '@holdfast/gateway/composition';",
    rule: boundary,
  },
  {
    what: 'app → app by path',
    file: 'apps/inventory/src/zz-path.ts',
    code: "export * from '../../gateway/src/composition.ts';",
    rule: boundary,
  },
  {
    what: 'lib → app',
    file: 'libs/service/src/zz-up.ts',
    code: "export * from '@holdfast/gateway/composition';",
    rule: boundary,
  },
  {
    what: 'platform → domain',
    file: 'libs/store/src/zz-domain.ts',
    code: "export * from '@holdfast/domain';",
    rule: boundary,
  },
  {
    what: 'noun file → platform lib',
    file: 'apps/inventory/src/group/zz.ts',
    code: "export * from '@holdfast/store';",
    rule: restricted,
  },
  {
    what: 'noun file → node:*',
    file: 'apps/inventory/src/group/zz-node.ts',
    code: "export * from 'node:fs';",
    rule: restricted,
  },
  {
    what: 'domain → node:*',
    file: 'libs/domain/src/zz-node.ts',
    code: "export * from 'node:crypto';",
    rule: restricted,
  },
  { what: 'domain → npm', file: 'libs/domain/src/zz-npm.ts', code: "export * from 'zod';", rule: boundary },
  {
    what: 'product → tools',
    file: 'apps/inventory/src/zz-tool.ts',
    code: "export * from '@holdfast/zz-standin';",
    rule: boundary,
  },
  {
    what: 'test entry point in production',
    file: 'apps/inventory/src/zz-testing.ts',
    code: "export * from '@holdfast/store/testing';",
    rule: restricted,
  },
  {
    what: 'cycle inside a project',
    file: 'libs/service/src/zz-cycle-a.ts',
    code: "export { b } from './zz-cycle-b.ts';\nexport const a = 1;",
    rule: 'import-x/no-cycle',
  },
];
const allowed = { file: 'apps/inventory/src/group/zz-store.ts', code: "export * from '@holdfast/store';" };

type Report = { filePath: string; messages: { ruleId: string | null; message: string }[] }[];

describe('import boundaries', () => {
  let copy: string;
  let report: Report;

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'holdfast-boundaries-'));
    for (const entry of [
      'package.json',
      'package-lock.json',
      'nx.json',
      'tsconfig.base.json',
      'eslint.config.mjs',
      'apps',
      'libs',
      'tools',
    ])
      cpSync(join(root, entry), join(copy, entry), { recursive: true, filter: path => !path.includes('node_modules') });
    linkModules();
    // Stands for the stand-in with its real tag, whether or not it exists in this tree.
    write(
      'tools/zz-standin/package.json',
      JSON.stringify({
        name: '@holdfast/zz-standin',
        type: 'module',
        exports: { '.': './src/index.ts' },
        nx: { tags: ['layer:standin'] },
      }),
    );
    write('tools/zz-standin/src/index.ts', 'export const standin = 1;');
    write('libs/service/src/zz-cycle-b.ts', "export { a } from './zz-cycle-a.ts';\nexport const b = 1;");
    for (const { file, code } of [...forbidden, allowed]) write(file, `${code}\n`);
    report = lint([...forbidden.map(({ file }) => file), allowed.file]);
  }, 120_000);

  afterAll(() => {
    rmSync(copy, { recursive: true, force: true });
  });

  it.each(forbidden)('$what is refused', ({ file, rule }) => {
    expect(rulesBrokenBy(file)).toContain(rule);
  });

  it('leaves an allowed import alone', () => {
    expect(rulesBrokenBy(allowed.file)).toEqual([]);
  });

  function rulesBrokenBy(file: string): (string | null)[] {
    const found = report.find(({ filePath }) => filePath === join(copy, file));
    if (found === undefined) throw new Error(`${file} was not linted`);
    return found.messages.map(({ ruleId }) => ruleId);
  }

  /** The installed packages, but our own projects from the copy: an import by name must not lead out of it. */
  function linkModules(): void {
    mkdirSync(join(copy, 'node_modules', '@holdfast'), { recursive: true });
    const packages = readdirSync(join(root, 'node_modules')).filter(name => name !== '@holdfast');
    for (const name of packages)
      symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name), 'junction');
    for (const folder of globSync('{apps,libs,tools}/*', { cwd: copy }))
      symlinkSync(join(copy, folder), join(copy, 'node_modules', '@holdfast', basename(folder)), 'junction');
  }

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }

  function lint(files: string[]): Report {
    // Nx tells its tasks which workspace they belong to; the copy is another one.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NX_|FORCE_COLOR)/.test(name)));
    env['NX_DAEMON'] = 'false';
    // The boundary rule reads the cached project graph; without one it passes in silence.
    const graph = spawnSync(process.execPath, ['node_modules/nx/dist/bin/nx.js', 'show', 'projects'], {
      cwd: copy,
      env,
      encoding: 'utf8',
    });
    if (graph.status !== 0) throw new Error(graph.stderr);
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['node_modules/eslint/bin/eslint.js', '--format', 'json', ...files],
      {
        cwd: copy,
        env,
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    if (!stdout.startsWith('[')) throw new Error(stderr);
    return JSON.parse(stdout) as Report;
  }
});
