/** Faults that are switched on and off by name while the instance runs, over the control port. All are off when it starts. */
import type { RestorePace } from './engine/options.ts';

type Parameter = { readonly meaning: string; readonly least: number; readonly most: number };
type FaultName = keyof typeof catalogue;
type Parameters = Readonly<Record<string, number>>;

const catalogue = {
  'restore-pace': {
    description: 'RESTORE of a database or log takes time as on a real server; only the session that sent it waits.',
    parameters: {
      bytesPerSecond: { meaning: 'log rolled forward, or data backup read, in a second', least: 1, most: 1e12 },
      msPerStatement: { meaning: 'what each RESTORE takes besides, a recovery too', least: 0, most: 3_600_000 },
    },
  },
} as const satisfies Record<
  string,
  { readonly description: string; readonly parameters: Readonly<Record<string, Parameter>> }
>;

export type FaultRefusal = {
  readonly code: 'BAD_REQUEST' | 'UNKNOWN_FAULT' | 'BAD_PARAMETER';
  readonly message: string;
  /** Which one, for BAD_PARAMETER. */
  readonly parameter?: string;
};

/** `set`: null while it is off. */
export type FaultState = { readonly name: string; readonly set: Parameters | null };

export class FaultSwitches {
  readonly #set = new Map<FaultName, Parameters>();

  list(): readonly (FaultState & (typeof catalogue)[FaultName])[] {
    return names.map(name => ({ ...this.#stateOf(name), ...catalogue[name] }));
  }

  /** `request`: `{ name, parameters }`, each parameter a whole number. What is set already is replaced. */
  set(request: unknown): FaultState | FaultRefusal {
    if (typeof request !== 'object' || request === null)
      return { code: 'BAD_REQUEST', message: 'The body is a JSON object with name and parameters.' };
    const { name, parameters } = request as { readonly name?: unknown; readonly parameters?: unknown };
    if (!isKnown(name)) return unknown(name);
    const refusal = refuseParameters(catalogue[name].parameters, parameters ?? {});
    if (refusal !== undefined) return refusal;
    this.#set.set(name, parameters as Parameters);
    return this.#stateOf(name);
  }

  clear(name: string): FaultState | FaultRefusal {
    if (!isKnown(name)) return unknown(name);
    this.#set.delete(name);
    return this.#stateOf(name);
  }

  restorePace(): RestorePace | undefined {
    return this.#set.get('restore-pace') as RestorePace | undefined;
  }

  #stateOf(name: FaultName): FaultState {
    return { name, set: this.#set.get(name) ?? null };
  }
}

const names = Object.keys(catalogue) as FaultName[];

function isKnown(name: unknown): name is FaultName {
  return names.some(known => known === name);
}

function unknown(name: unknown): FaultRefusal {
  return {
    code: 'UNKNOWN_FAULT',
    message: `${typeof name === 'string' ? name : 'The name'} is not one of ${names.join(', ')}.`,
  };
}

/** All of them must be given: none is ignored, and none has a value that nobody chose. */
function refuseParameters(known: Readonly<Record<string, Parameter>>, given: unknown): FaultRefusal | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return { code: 'BAD_REQUEST', message: 'parameters is an object.' };
  const values = given as Readonly<Record<string, unknown>>;
  const bad = (parameter: string, message: string): FaultRefusal => ({ code: 'BAD_PARAMETER', message, parameter });
  for (const name of Object.keys(values))
    if (!Object.hasOwn(known, name)) return bad(name, `${name} is not one of ${Object.keys(known).join(', ')}.`);
  for (const [name, { least, most }] of Object.entries(known)) {
    const value = values[name];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      return bad(name, `${name} is a whole number from ${least} to ${most}.`);
  }
  return undefined;
}
