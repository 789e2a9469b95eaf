import { execFile } from 'node:child_process';

/** How a program ended that was started to be waited for. `output` is standard output, then standard error. */
export type ProgramEnd =
  | { readonly kind: 'ENDED'; readonly code: number; readonly output: string }
  | { readonly kind: 'MISSING' }
  /** It had not ended within the limit, and was killed. */
  | { readonly kind: 'LATE'; readonly output: string };

export type ProgramOptions = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limitMs: number;
  readonly folder?: string;
};

const mostBytes = 16 * 1024 * 1024;

/** Runs a program without a shell. @throws Error when it could not be started, was ended by a signal or printed more than 16 MB. */
export function runProgram(file: string, args: readonly string[], options: ProgramOptions): Promise<ProgramEnd> {
  const { env, limitMs, folder } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      [...args],
      {
        env: { ...env },
        timeout: limitMs,
        killSignal: 'SIGKILL',
        maxBuffer: mostBytes,
        windowsHide: true,
        ...(folder === undefined ? {} : { cwd: folder }),
      },
      (error, stdout, stderr) => {
        const output = `${stdout}\n${stderr}`.trim();
        if (error === null) resolve({ kind: 'ENDED', code: 0, output });
        else if (error.code === 'ENOENT') resolve({ kind: 'MISSING' });
        else if (typeof error.code === 'number') resolve({ kind: 'ENDED', code: error.code, output });
        else if (error.killed === true && error.signal === 'SIGKILL') resolve({ kind: 'LATE', output });
        else reject(new Error(`${file} could not be run: ${error.message}`, { cause: error }));
      },
    );
    child.stdin?.end();
  });
}

export function lastLinesOf(text: string, count: number): readonly string[] {
  return text.trimEnd().split(/\r?\n/).slice(-count);
}
