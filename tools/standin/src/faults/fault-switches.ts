/**
 * The catalogue of faults, and which of them are set: by name, at the start or over the control port while the instance runs. Each behaviour
 * that a fault changes asks one question of `media`, `databases`, `marks`, `jobs` or `wire`; the answer without faults is how SQL Server behaves.
 */
import { databaseFaults, databaseQuestions, type DatabaseFaults } from './database-faults.ts';
import { jobFaults, jobQuestions, type JobFaults } from './job-faults.ts';
import { markFaults, markQuestions, type MarkFaults } from './mark-faults.ts';
import { mediaFaults, mediaQuestions, type MediaFaults } from './media-faults.ts';
import { wireFaults, wireQuestions, type WireFaults } from './wire-faults.ts';
import type { Definition, Parameter, Reader, Values } from './definition.ts';

const catalogue = { ...mediaFaults, ...databaseFaults, ...markFaults, ...jobFaults, ...wireFaults };

type Catalogue = typeof catalogue;
type FaultName = keyof Catalogue;
type Parameters = Readonly<Record<string, number | string | null>>;

export type FaultRefusal = {
  readonly code: 'BAD_REQUEST' | 'UNKNOWN_FAULT' | 'BAD_PARAMETER';
  readonly message: string;
  /** Which one, for BAD_PARAMETER. */
  readonly parameter?: string;
};

/** `set`: null while it is off. `hits`: how often it struck since it was last set, for those that strike; a fault that cleared itself keeps them. */
export type FaultState = { readonly name: string; readonly set: Parameters | null; readonly hits: number };

/** What every layer asks. */
export type Faults = {
  readonly media: MediaFaults;
  readonly databases: DatabaseFaults;
  readonly marks: MarkFaults;
  readonly jobs: JobFaults;
  readonly wire: WireFaults;
  /** Told whenever a fault is set or cleared. */
  onChange(listener: () => void): void;
};

export type FaultRequest = { readonly name: string; readonly parameters?: Readonly<Record<string, unknown>> };

export class FaultSwitches implements Faults, Reader<Catalogue> {
  readonly #set = new Map<FaultName, Parameters>();
  readonly #hits = new Map<FaultName, number>();
  readonly #listeners = new Set<() => void>();
  readonly media: MediaFaults = mediaQuestions(this);
  readonly databases: DatabaseFaults = databaseQuestions(this);
  readonly marks: MarkFaults = markQuestions(this);
  readonly jobs: JobFaults = jobQuestions(this);
  readonly wire: WireFaults = wireQuestions(this);

  list(): readonly (FaultState & Definition)[] {
    return names.map(name => ({ ...this.#stateOf(name), ...catalogue[name] }));
  }

  /** `request`: `{ name, parameters }`. What is set already is replaced, and its hits begin anew. */
  set(request: unknown): FaultState | FaultRefusal {
    if (typeof request !== 'object' || request === null)
      return { code: 'BAD_REQUEST', message: 'The body is a JSON object with name and parameters.' };
    const { name, parameters } = request as { readonly name?: unknown; readonly parameters?: unknown };
    if (!isKnown(name)) return unknown(name);
    const read = readParameters(catalogue[name].parameters, parameters ?? {});
    if ('refusal' in read) return read.refusal;
    this.#set.set(name, read.values);
    this.#hits.delete(name);
    this.#tell();
    return this.#stateOf(name);
  }

  clear(name: string): FaultState | FaultRefusal {
    if (!isKnown(name)) return unknown(name);
    this.#set.delete(name);
    this.#tell();
    return this.#stateOf(name);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  now<Name extends FaultName>(name: Name): Values<Catalogue[Name]> | undefined {
    return this.#set.get(name) as Values<Catalogue[Name]> | undefined;
  }

  strike<Name extends FaultName>(
    name: Name,
    applies: (values: Values<Catalogue[Name]>) => boolean = () => true,
  ): Values<Catalogue[Name]> | undefined {
    const values = this.now(name);
    if (values === undefined || !applies(values)) return undefined;
    const hits = (this.#hits.get(name) ?? 0) + 1;
    this.#hits.set(name, hits);
    if (this.#set.get(name)?.['times'] === hits) this.#set.delete(name);
    return values;
  }

  #stateOf(name: FaultName): FaultState {
    return { name, set: this.#set.get(name) ?? null, hits: this.#hits.get(name) ?? 0 };
  }
}

/** Switches with these set. Throws on what the catalogue refuses. */
export function faultsWith(...requests: readonly FaultRequest[]): FaultSwitches {
  const faults = new FaultSwitches();
  for (const request of requests) {
    const answer = faults.set(request);
    if ('code' in answer) throw new Error(answer.message);
  }
  return faults;
}

/** By name. */
export function definitionOf(name: string): Definition | undefined {
  return isKnown(name) ? catalogue[name] : undefined;
}

const names = Object.keys(catalogue) as FaultName[];

function isKnown(name: unknown): name is FaultName {
  return typeof name === 'string' && Object.hasOwn(catalogue, name);
}

function unknown(name: unknown): FaultRefusal {
  return {
    code: 'UNKNOWN_FAULT',
    message: `${typeof name === 'string' ? name : 'The name'} is not one of ${names.join(', ')}.`,
  };
}

/** Nothing is ignored, and nothing without a default has a value that nobody chose. */
function readParameters(
  known: Readonly<Record<string, Parameter>>,
  given: unknown,
): { readonly values: Parameters } | { readonly refusal: FaultRefusal } {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return { refusal: { code: 'BAD_REQUEST', message: 'parameters is an object.' } };
  const wanted = given as Readonly<Record<string, unknown>>;
  const bad = (parameter: string, message: string) =>
    ({ refusal: { code: 'BAD_PARAMETER', message, parameter } }) as const;
  for (const name of Object.keys(wanted))
    if (!Object.hasOwn(known, name))
      return bad(name, `${name} is not one of ${Object.keys(known).join(', ') || 'its parameters: it has none'}.`);
  const values: Record<string, number | string | null> = {};
  for (const [name, parameter] of Object.entries(known)) {
    const value = wanted[name] ?? parameter.default;
    if (value === null && parameter.default === null) values[name] = null;
    else if (isOf(parameter, value)) values[name] = value;
    else return bad(name, `${name} is ${rangeOf(parameter)}.`);
  }
  return { values };
}

function isOf(parameter: Parameter, value: unknown): value is number | string {
  if (parameter.type === 'number')
    return Number.isInteger(value) && (value as number) >= parameter.least && (value as number) <= parameter.most;
  if (typeof value !== 'string' || value === '') return false;
  return parameter.type === 'text' || parameter.choices.includes(value);
}

/** In words: `a whole number from 0 to 100`. */
export function rangeOf(parameter: Parameter): string {
  if (parameter.type === 'number') return `a whole number from ${parameter.least} to ${parameter.most}`;
  return parameter.type === 'text' ? 'a text' : `one of ${parameter.choices.join(', ')}`;
}
