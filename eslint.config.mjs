import nx from '@nx/eslint-plugin';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

// Who may import whom: design.md §2. Every rule says why and what to do instead.
// The rules only hold when ESLint runs through Nx: without a project graph the boundary rule passes in silence.

const layer = (name, may, allowed) => ({
  sourceTag: `layer:${name}`,
  onlyDependOnLibsWithTags: may.map(other => `layer:${other}`),
  ...(allowed ? { allowedExternalImports: allowed } : {}),
});

const depConstraints = (...forTests) => [
  layer('domain', ['domain'], [...forTests]),
  layer('contract', ['contract', 'domain'], ['zod', ...forTests]),
  layer('driver', ['driver', 'domain']),
  layer('platform', ['platform']),
  layer('app', ['domain', 'contract', 'driver', 'platform']),
  layer('host', ['domain', 'contract', 'driver', 'platform', 'app']),
  layer('system-test', ['domain', 'contract', 'tool']),
  layer('tool', ['tool', 'domain', 'contract']),
  // The stand-in imports nothing of ours: it is reached over TCP only.
  layer('standin', []),
  layer('workspace', ['workspace', 'contract', 'app']),
];

const io = 'A noun file is pure: move the I/O to a file ending -store, -commands or -runner.';
const pureNounRules = {
  'no-restricted-imports': [
    'error',
    {
      patterns: [
        { group: ['node:*'], message: io },
        {
          // Quoting is pure, and done by one function everywhere.
          regex: '^@holdfast/(store|messaging|service|sqlserver)(?!/text$)',
          message: io,
          allowTypeImports: true,
        },
      ],
    },
  ],
};

const forTestsOnly = 'Entry points /testing, /memory and /injury serve tests; production code must not reach them.';

export default [
  { ignores: ['**/node_modules/**', '**/dist/**', '**/generated/**', '**/reports/**', '.nx/**', '.holdfast/**'] },
  ...tseslint.configs.strictTypeChecked.map(config => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    // One program for all projects: their options are the same, and what they import is loaded once.
    languageOptions: { parserOptions: { project: 'tsconfig.base.json', tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx, 'import-x': importX },
    settings: {
      // Without resolver and extensions set, import-x/no-cycle sees no cycle at all.
      'import-x/extensions': ['.ts'],
      'import-x/resolver': { node: { extensions: ['.ts', '.mjs', '.js'] } },
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      '@nx/enforce-module-boundaries': ['error', { depConstraints: depConstraints() }],
      'import-x/no-cycle': 'error',
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['@holdfast/*/testing', '@holdfast/*/memory', '@holdfast/*/injury'], message: forTestsOnly },
          ],
        },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Read the environment in config.ts or main.ts, once.' },
        { object: 'process', property: 'exit', message: 'Let errors travel up and set process.exitCode in main.ts.' },
      ],
      'max-lines': ['error', { max: 500 }],
      'max-lines-per-function': ['error', { max: 90, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/require-await': 'off',
      // The compiler refuses enums (erasableSyntaxOnly), and those of libraries are not assigned to: a sixth of the time of all rules.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/only-throw-error': 'error',
    },
  },
  {
    // The suffix is the permission to do I/O (style.md §4).
    files: ['apps/*/src/*/**/*.ts'],
    ignores: [
      '**/*-store.ts',
      '**/*-commands.ts',
      '**/*-runner.ts',
      '**/*.test.ts',
      'apps/{gateway,all-in-one,system-tests}/**',
    ],
    rules: pureNounRules,
  },
  {
    files: ['libs/domain/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['node:*', '@holdfast/*'], message: 'domain imports nothing: pass the fact or the function in.' },
          ],
        },
      ],
    },
  },
  {
    files: [
      '**/config.ts',
      '**/main.ts',
      'examples/**/*.ts',
      'libs/service/src/lifecycle.ts',
      'tools/**/*.ts',
      'apps/system-tests/**/*.ts',
      '**/*.test.ts',
      '**/test/**/*.ts',
      '**/testing/**/*.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['**/*.test.ts', '**/test/**/*.ts', '**/testing.ts', '**/testing/**/*.ts', 'apps/system-tests/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { depConstraints: depConstraints('@jest/globals', 'fast-check', 'cloudevents', 'node:*') },
      ],
      'max-lines': ['error', { max: 800 }],
      'max-lines-per-function': 'off',
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
];
