/** What a fault of the catalogue is: a description, and parameters with their ranges. An area of the stand-in has its faults in one file. */

export type Parameter = NumberParameter | TextParameter | ChoiceParameter;
/** Whole. Without `default` it must be given; null: without a limit. */
type NumberParameter = {
  readonly type: 'number';
  readonly meaning: string;
  readonly least: number;
  readonly most: number;
  readonly default?: number | null;
};
type TextParameter = { readonly type: 'text'; readonly meaning: string; readonly default?: string };
type ChoiceParameter = {
  readonly type: 'choice';
  readonly meaning: string;
  readonly choices: readonly string[];
  readonly default?: string;
};

export type Definition = {
  readonly description: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
};
export type Definitions = Readonly<Record<string, Definition>>;

type ValueOf<P> = P extends { readonly type: 'number' }
  ? P extends { readonly default: null }
    ? number | null
    : number
  : P extends { readonly choices: readonly (infer Choice)[] }
    ? Choice
    : string;
export type Values<D extends Definition> = {
  readonly [Name in keyof D['parameters']]: ValueOf<D['parameters'][Name]>;
};

/** What the questions of an area read. */
export type Reader<D extends Definitions> = {
  /** undefined while the fault is off. */
  now<Name extends keyof D>(name: Name): Values<D[Name]> | undefined;
  /** `now`, where `applies` says that it strikes here: one hit, and with `times` used up the fault is off. */
  strike<Name extends keyof D>(name: Name, applies?: (values: Values<D[Name]>) => boolean): Values<D[Name]> | undefined;
};

// ---------------------------------------------------------------- parameters that many faults have

export const times = {
  type: 'number',
  meaning: 'so many hits, then it clears itself',
  least: 1,
  most: 1_000_000,
  default: null,
} as const;
export const anyDatabase = { type: 'text', meaning: 'databases', default: '*' } as const;
export const anyPath = { type: 'text', meaning: 'backup devices, by whole path', default: '*' } as const;
export const percentOfContent = {
  type: 'number',
  meaning: 'how much of the content comes through before',
  least: 0,
  most: 100,
} as const;

/** `*` stands for any text, commas separate alternatives, letter case does not count. */
export function matches(pattern: string, text: string): boolean {
  return pattern.split(',').some(each => {
    const parts = each.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`, 'is').test(text);
  });
}
