// The compiler's errors and ESLint's, of everything, from one program: as two commands each would read and check all types for itself.
// Run by Nx, whose project graph the rule about boundaries needs.
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import ts from 'typescript';

process.chdir(fileURLToPath(new URL('../../../', import.meta.url)));
const host = {
  getCanonicalFileName: name => name,
  getCurrentDirectory: ts.sys.getCurrentDirectory,
  getNewLine: () => '\n',
};
const parsed = ts.getParsedCommandLineOfConfigFile(
  'tsconfig.base.json',
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: diagnostic => {
      throw new Error(ts.formatDiagnostic(diagnostic, host));
    },
  },
);
const program = ts.createProgram({
  rootNames: parsed.fileNames,
  options: parsed.options,
  configFileParsingDiagnostics: parsed.errors,
});
const wrong = ts.getPreEmitDiagnostics(program);
process.stdout.write(ts.formatDiagnosticsWithColorAndContext(wrong, host));

const eslint = new ESLint({
  overrideConfig: {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: null, programs: [program] } },
  },
});
const results = await eslint.lintFiles(['apps', 'examples', 'libs', 'tools']);
const formatter = await eslint.loadFormatter('stylish');
process.stdout.write(await formatter.format(results));
const complaints = results.reduce((sum, { errorCount, warningCount }) => sum + errorCount + warningCount, 0);
console.log(`${program.getRootFileNames().length} sources compiled, ${results.length} files linted`);
process.exitCode = wrong.length + complaints > 0 ? 1 : 0;
