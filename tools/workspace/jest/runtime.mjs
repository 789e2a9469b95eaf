import { createRequire, registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { serve } from './globals.mjs';

const require = createRequire(import.meta.url);
const globals = new URL('globals.mjs', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@jest/globals' ? { url: globals, shortCircuit: true } : next(specifier, context),
});

/**
 * Jest's runtime without its virtual machine: a test file runs in Node itself, by Node's own loader and stripping of types, as the product
 * does. What it imports stays loaded for the next file of the same worker, where a machine of its own loads everything again for each.
 * Holds what circus and the runner call; anything else of Jest's own runtime (mocks of modules, coverage) is not there.
 */
export default class Runtime {
  requireModule = require;
  #testPath;

  constructor(_config, _environment, _resolver, _transformer, _sources, coverage, testPath, globalConfig) {
    if (globalConfig.watch || globalConfig.watchAll)
      throw new Error('A module is loaded once, so tests cannot watch: leave out --watch.');
    if (coverage.collectCoverage) throw new Error('Jest cannot collect coverage here: use NODE_V8_COVERAGE=folder.');
    this.#testPath = testPath;
  }

  /** Only circus asks, for the module that holds the tests of a file: each file gets one of its own. */
  requireInternalModule(path) {
    delete require.cache[path];
    return require(path);
  }

  setGlobalsForRuntime(given) {
    serve(given, this.#testPath);
  }

  unstable_shouldLoadAsEsm() {
    return true;
  }

  unstable_importModule(path) {
    return import(pathToFileURL(path).href);
  }

  getSourceMaps() {
    return new Map();
  }

  getAllCoverageInfoCopy() {}
  enterTestCode() {}
  leaveTestCode() {}
  teardown() {}
}
