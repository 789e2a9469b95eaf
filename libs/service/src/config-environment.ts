import { parse } from 'yaml';
import type { z } from 'zod';
import type { ConfigProblem, ConfigTree, Sources } from './config-problem.ts';
import { childSchema, isRecord, knownKeys, readsAsText } from './config-schema.ts';
import { safeMessage } from './safe-message.ts';

export type EnvironmentInput = {
  readonly section: string;
  readonly schema: z.ZodType;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
  /** Changed in place. */
  readonly tree: ConfigTree;
  readonly sources: Sources;
  readonly problems: ConfigProblem[];
};

type Target = { readonly path: readonly string[]; readonly schema: z.ZodType; readonly fromFile: boolean };

/** Lays the variables of one section over `tree`. */
export function environmentOverrides(input: EnvironmentInput): void {
  const { section, schema, env, tree, sources, problems } = input;
  const setBy = new Map<string, string>();
  const complain = (name: string, path: string, problem: string, fix: string): void => {
    problems.push({ path, source: name, problem, fix });
  };
  for (const { name, segments } of variablesOf(section, env)) {
    const text = env[name] ?? '';
    const target = findTarget(schema, segments, tree);
    if ('known' in target) {
      complain(
        name,
        segments.join('.').toLowerCase(),
        'No such key.',
        `Unset it, or use one of: ${target.known.join(', ')}.`,
      );
      continue;
    }
    const path = target.path.join('.');
    const other = setBy.get(path);
    if (other !== undefined) {
      complain(name, path, `Set twice, by ${other} too.`, 'Unset one of them.');
      continue;
    }
    setBy.set(path, name);
    const value = valueOf(target, text, input.readFile);
    if ('problem' in value) {
      complain(name, path, value.problem, value.fix);
      continue;
    }
    place(tree, target.path, value.value);
    forget(sources, path);
    sources.set(path, name);
  }
}

/** Shorter paths first, so that a variable for a whole object does not wipe out one for a key in it. */
function variablesOf(section: string, env: EnvironmentInput['env']): { name: string; segments: string[] }[] {
  return Object.keys(env)
    .filter(name => env[name] !== undefined)
    .flatMap(name => {
      const [owner, ...segments] = name.split('__');
      const ours = owner !== undefined && plain(owner) === `holdfast${plain(section)}`;
      return ours && segments.length > 0 ? [{ name, segments }] : [];
    })
    .sort((a, b) => a.segments.length - b.segments.length || (a.name < b.name ? -1 : 1));
}

/** The exact key wins over the reading as `…_FILE`: a schema may well have a key like `supergraphFile`. */
function findTarget(
  schema: z.ZodType,
  segments: readonly string[],
  tree: unknown,
): Target | { known: readonly string[] } {
  const exact = walk(schema, segments, tree);
  const last = segments.at(-1) ?? '';
  const viaFile = /_FILE$/i.test(last);
  const withoutSuffix = [...segments.slice(0, -1), last.replace(/_FILE$/i, '')];
  // Every key fits a record, so there the suffix is always meant.
  if ('path' in exact && !(viaFile && exact.free)) return { path: exact.path, schema: exact.schema, fromFile: false };
  if (!viaFile) return 'path' in exact ? { ...exact, fromFile: false } : exact;
  const inner = walk(schema, withoutSuffix, tree);
  return 'path' in inner ? { path: inner.path, schema: inner.schema, fromFile: true } : inner;
}

type Walked = { path: string[]; schema: z.ZodType; free: boolean } | { known: readonly string[] };

function walk(schema: z.ZodType, segments: readonly string[], tree: unknown): Walked {
  const path: string[] = [];
  let current = schema;
  let value = tree;
  let free = false;
  for (const segment of segments) {
    free = isRecord(current);
    const keys = free && typeof value === 'object' && value !== null ? Object.keys(value) : (knownKeys(current) ?? []);
    const key = keys.find(each => plain(each) === plain(segment)) ?? (free ? segment.toLowerCase() : undefined);
    const child = key === undefined ? undefined : childSchema(current, key);
    if (key === undefined || child === undefined) return { known: keys };
    path.push(key);
    current = child;
    value = typeof value === 'object' && value !== null ? (value as ConfigTree)[key] : undefined;
  }
  return { path, schema: current, free };
}

type Value = { value: unknown } | { problem: string; fix: string };

function valueOf({ schema, fromFile }: Target, text: string, readFile: (path: string) => string): Value {
  if (!fromFile) return scalarOf(schema, text);
  try {
    return scalarOf(schema, readFile(text).replace(/\r?\n$/, ''));
  } catch (error) {
    return {
      problem: `The file it names could not be read (${safeMessage(error)}).`,
      fix: 'Check the path and the rights.',
    };
  }
}

function scalarOf(schema: z.ZodType, text: string): Value {
  if (readsAsText(schema, text)) return { value: text };
  try {
    return { value: parse(text, { prettyErrors: false, logLevel: 'silent' }) as unknown };
  } catch {
    // The library's message may repeat the value.
    return { problem: 'Not readable as a YAML value.', fix: 'Give a number, true, false, or a list such as [a, b].' };
  }
}

function place(tree: ConfigTree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const inner = tree[key];
  const next = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? { ...(inner as ConfigTree) } : {};
  tree[key] = next;
  place(next, rest, value);
}

/** Lines noted for keys inside a replaced value do not hold any more. */
function forget(sources: Sources, path: string): void {
  for (const known of sources.keys()) if (known.startsWith(`${path}.`)) sources.delete(known);
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}
