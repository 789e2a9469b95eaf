// What tests import as `@jest/globals`. A module that several test files import keeps these for good, so every use looks up what serves the
// file of the moment.
import { pathToFileURL } from 'node:url';
import { ModuleMocker } from 'jest-mock';

let served;
let testPath;

export function serve(globals, path) {
  served = globals;
  testPath = path;
}

/** `test` or `afterAll`, and what is below them, as `test.skip.each`. */
function relay(path, check) {
  const look = keys => keys.reduce((value, key) => value[key], served);
  return new Proxy(() => undefined, {
    apply(_target, _self, args) {
      check?.(path[0]);
      return Reflect.apply(look(path), look(path.slice(0, -1)), args);
    },
    get: (_target, key) => relay([...path, key], check),
  });
}

/** A module that tests share is evaluated for the first of them only: the others would go without what it registers at its top level. */
function calledByTestFile(name) {
  const { stack } = new Error();
  if (stack.includes(pathToFileURL(testPath).href)) return;
  throw new Error(
    `${name}() at the top level of a shared module is heard in one test file only: export a function that calls it.`,
  );
}

export const afterAll = relay(['afterAll'], calledByTestFile);
export const afterEach = relay(['afterEach'], calledByTestFile);
export const beforeAll = relay(['beforeAll'], calledByTestFile);
export const beforeEach = relay(['beforeEach'], calledByTestFile);
export const describe = relay(['describe'], calledByTestFile);
export const it = relay(['it'], calledByTestFile);
export const test = relay(['test'], calledByTestFile);
export const expect = relay(['expect']);

const mocker = new ModuleMocker(globalThis);

export const jest = {
  spyOn: mocker.spyOn.bind(mocker),
  /** For the tests of this file. */
  setTimeout(ms) {
    globalThis[Symbol.for('TEST_TIMEOUT_SYMBOL')] = ms;
    return jest;
  },
};
