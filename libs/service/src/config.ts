import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { environmentOverrides } from './config-environment.ts';
import type { ConfigProblem, ConfigTree, Sources } from './config-problem.ts';
import { childSchema, knownKeys, unwrapped } from './config-schema.ts';
import { yamlSection } from './config-yaml.ts';

/** All mistakes of a configuration at once. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  constructor(section: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ path, source, problem, fix }) => `  ${path || section} (${source}): ${problem} ${fix}`,
    );
    super(`The configuration of "${section}" has ${problems.length} problem(s):\n${lines.join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export type ConfigOptions<Schema extends z.ZodObject> = {
  readonly section: string;
  readonly schema: Schema;
  /** One file for all services; only its `section` is read. */
  readonly yamlFile?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile?: (path: string) => string;
};

/**
 * YAML section, then `HOLDFAST_<SECTION>__<KEY>` (nested by `__`, letter case and single underscores do not matter), or the same with
 * `_FILE` for a value that is a file's content. Unknown keys are refused at every level. @throws ConfigError with every mistake.
 */
export function readConfig<Schema extends z.ZodObject>(options: ConfigOptions<Schema>): z.output<Schema> {
  const { section, schema, yamlFile, env, readFile = (path: string) => readFileSync(path, 'utf8') } = options;
  const problems: ConfigProblem[] = [];
  const sources: Sources = new Map();
  const tree: ConfigTree = {};
  if (yamlFile !== undefined) Object.assign(tree, yamlSection({ section, yamlFile, readFile, sources, problems }));
  environmentOverrides({ section, schema, env, readFile, tree, sources, problems });

  const refused = refuseUnknownKeys(schema, tree, [], section, sources);
  problems.push(...refused);
  const parsed = schema.safeParse(tree);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      // A strict schema repeats what was refused above, with less to say.
      if (issue.code === 'unrecognized_keys') continue;
      const path = issue.path.map(String);
      if (problems.some(known => known.path === path.join('.'))) continue;
      problems.push({
        path: path.join('.'),
        source: sourceOf(path, sources),
        problem: sentence(issue.message),
        fix: fixFor(section, path),
      });
    }
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigError(section, problems);
  return parsed.data;
}

function refuseUnknownKeys(
  schema: z.ZodType,
  value: unknown,
  path: readonly string[],
  section: string,
  sources: Sources,
): ConfigProblem[] {
  if (Array.isArray(value)) {
    return value.flatMap((each, index) => refuseBelow(schema, each, [...path, String(index)], section, sources));
  }
  if (typeof value !== 'object' || value === null) return [];
  const known = knownKeys(schema);
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = [...path, key];
    if (known === undefined || known.includes(key)) return refuseBelow(schema, inner, here, section, sources);
    const where = path.length === 0 ? section : path.join('.');
    return [
      {
        path: here.join('.'),
        source: sourceOf(here, sources),
        problem: 'No such key.',
        fix: `Remove it or use one that ${where} has: ${known.join(', ')}.`,
      },
    ];
  });
}

function refuseBelow(
  schema: z.ZodType,
  value: unknown,
  path: readonly string[],
  section: string,
  sources: Sources,
): ConfigProblem[] {
  const child = childSchema(schema, path.at(-1) ?? '');
  return child === undefined ? [] : refuseUnknownKeys(unwrapped(child), value, path, section, sources);
}

function sourceOf(path: readonly string[], sources: Sources): string {
  for (let length = path.length; length > 0; length -= 1) {
    const source = sources.get(path.slice(0, length).join('.'));
    if (source !== undefined) return source;
  }
  return 'nowhere';
}

function fixFor(section: string, path: readonly string[]): string {
  const variable = ['holdfast_' + section, ...path]
    .map(part =>
      part
        .replaceAll('-', '_')
        .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
        .toUpperCase(),
    )
    .join('__');
  return `Set ${[section, ...path].join('.')} in the YAML file or ${variable} in the environment.`;
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
