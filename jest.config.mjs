import { fileURLToPath } from 'node:url';

const here = path => fileURLToPath(new URL(path, import.meta.url));

// One configuration for every project; Nx passes --rootDir. A project's totals land in reports/tests/<project>.json.
export default {
  // Tests run in Node itself, which strips types; no virtual machine, nothing transformed.
  runtime: here('tools/workspace/jest/runtime.mjs'),
  testEnvironment: here('tools/workspace/jest/environment.mjs'),
  transform: {},
  testMatch: ['<rootDir>/src/**/*.test.ts', '<rootDir>/test/**/*.test.ts', '<rootDir>/conformance/**/*.test.ts'],
  reporters: ['default', here('tools/workspace/jest/totals-reporter.mjs')],
  // Says that a test hangs, not how long it takes: waits end sooner by themselves and say what they saw.
  testTimeout: 120_000,
  maxWorkers: 2,
};
