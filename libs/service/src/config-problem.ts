/** `path` is dotted below the section; `source` is a file and line, a variable's name, or `nowhere`. No text holds a value. */
export type ConfigProblem = {
  readonly path: string;
  readonly source: string;
  readonly problem: string;
  readonly fix: string;
};

/** Where each path of the merged configuration came from. */
export type Sources = Map<string, string>;
export type ConfigTree = { [key: string]: unknown };
