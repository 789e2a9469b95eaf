/** BACKUP and RESTORE: what is refused before the engine looks at anything. */
import { fail, failTerminating, isFailure } from '../messages.ts';
import type { Statement } from './ast.ts';
import { backupStatement, restoreInformationStatement, restoreStatement } from './recovery-options.ts';
import type { Run } from './session-state.ts';

type RecoverySyntax = Extract<Statement, { kind: 'backup' | 'restore' | 'restore information' }>;

/** 3021 comes before anything that the engine would look at (sqlserver.md §9.1). Whatever is wrong with the options, 3013 follows. */
export async function recover(run: Run, syntax: RecoverySyntax): Promise<void> {
  const { engine, session, sink } = run;
  if (syntax.kind === 'restore information') {
    return engine.restoreInformation(
      session,
      checked(syntax, () => restoreInformationStatement(run, syntax)),
      sink,
    );
  }
  if (syntax.kind === 'backup') {
    return engine.backup(
      session,
      checked(syntax, () => outsideTransaction(run, () => backupStatement(run, syntax))),
      sink,
    );
  }
  return engine.restore(
    session,
    checked(syntax, () => outsideTransaction(run, () => restoreStatement(run, syntax))),
    sink,
  );
}

function outsideTransaction<T>(run: Run, make: () => T): T {
  if (run.session.transaction !== undefined || run.state.inserting) throw fail(3021);
  return make();
}

/** The names that 3013 uses (sqlserver.md §2.1). */
function terminatingName(syntax: RecoverySyntax): string {
  if (syntax.kind !== 'restore information') return `${syntax.kind.toUpperCase()} ${syntax.what.toUpperCase()}`;
  if (syntax.what === 'verifyonly') return 'VERIFY DATABASE';
  return syntax.what === 'filelistonly' ? 'RESTORE FILELIST' : `RESTORE ${syntax.what.toUpperCase()}`;
}

function checked<T>(syntax: RecoverySyntax, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!isFailure(error) || error.messages.some(each => each.number === 50000)) throw error;
    throw failTerminating(terminatingName(syntax), error);
  }
}
