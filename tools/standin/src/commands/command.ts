/** One word after `npm run standin --`; commands.ts lists them. */
export type Command = {
  /** What `--help` prints for it, with its options. */
  readonly help: string;
  /** `args` without the command's own name. The exit code; undefined: it goes on until it is stopped. Throws ConfigError for a wrong line. */
  run(args: readonly string[]): Promise<number | undefined>;
};

export type CommandEntry = { readonly summary: string; readonly load: () => Promise<Command> };
