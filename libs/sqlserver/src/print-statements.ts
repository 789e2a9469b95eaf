/** Prints every statement of the catalogue with its example values, separated by GO lines, as a script a server could run. */
import { renderStatement } from './render.ts';
import { allStatements } from './statements.ts';

process.stdout.write(
  allStatements.map(statement => `-- ${statement.name}\n${renderStatement(statement)}\nGO\n`).join(''),
);
