import { readFileSync } from 'node:fs';
import yaml from 'yaml';

/** What our own checks read of a service of docker-compose.yml; everything else in it is docker's. */
export type ComposeService = {
  readonly image: string;
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly args: Readonly<Record<string, string>>;
  };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  /** `127.0.0.1:host:container`. */
  readonly ports?: readonly string[];
  /** `name:folder` or `name:folder:ro`. */
  readonly volumes?: readonly string[];
  readonly secrets?: readonly (string | { readonly source: string; readonly target: string })[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly profiles?: readonly string[];
};

export type ComposeFile = {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets: Readonly<Record<string, { readonly environment?: string; readonly file?: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

const variable = /\$(?:(\$)|\{([A-Z_]+)(?:(:\?)[^}]*|(-)([^}]*))?\})/g;

/** The variables that a compose file takes from outside, in its texts and as sources of secrets. */
export function variablesOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const inTexts = [...text.matchAll(variable)].flatMap(([, , name]) => (name === undefined ? [] : [name]));
  const { secrets } = yaml.parse(text, { merge: true }) as ComposeFile;
  const ofSecrets = Object.values(secrets).flatMap(({ environment }) =>
    environment === undefined ? [] : [environment],
  );
  return [...new Set([...inTexts, ...ofSecrets])];
}

/** The file with its variables filled in: `$$` and the forms `${NAME}`, `${NAME:?why}` and `${NAME-otherwise}`, as docker reads them. */
export function readCompose(file: string, values: Readonly<Record<string, string>>): ComposeFile {
  const filled = (text: string): string =>
    text.replace(variable, (...[, dollar, name, required, , otherwise]: (string | undefined)[]) => {
      if (dollar !== undefined || name === undefined) return '$';
      const value = values[name];
      if (required !== undefined && (value ?? '') === '') throw new Error(`${name} is not set.`);
      return value ?? otherwise ?? '';
    });
  const fill = (node: unknown): unknown => {
    if (typeof node === 'string') return filled(node);
    if (Array.isArray(node)) return node.map(fill);
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, fill(inner)]));
  };
  return fill(yaml.parse(readFileSync(file, 'utf8'), { merge: true })) as ComposeFile;
}
