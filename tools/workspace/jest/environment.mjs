import { fileURLToPath } from 'node:url';

const { exit, env } = process;
const { console } = globalThis;
const first = { ...env };

/** The process itself, without a context of its own. What a test file and its runner change of it is put back at its end. */
export default class Environment {
  global = globalThis;

  setup() {
    // The runner maps positions back to sources; here they are those of the sources.
    Error.prepareStackTrace = undefined;
  }

  /** Jest shows a file by its path, where Node names it by its URL; what stands between a test and circus is no place to look at. */
  handleTestEvent({ name, test }) {
    if (name !== 'test_done') return;
    for (const error of test.errors.flat())
      if (typeof error?.stack === 'string')
        error.stack = error.stack
          .replaceAll(/^.*\/tools\/workspace\/jest\/.*\n?/gm, '')
          .replaceAll(/file:\/\/\S+?(?=:\d)/g, url => fileURLToPath(url));
  }

  teardown() {
    process.exit = exit;
    globalThis.console = console;
    for (const name of Object.keys(env)) if (!(name in first)) delete env[name];
    Object.assign(env, first);
    // By these names circus hands its state from one of its modules to another.
    for (const name of ['TEST_TIMEOUT_SYMBOL', 'EVENT_HANDLERS']) delete globalThis[Symbol.for(name)];
  }

  getVmContext() {
    return null;
  }
}
