/** Faults as words of a command line: `--fault NAME`, `--fault NAME=VALUE` and the parameters of `standin faults set`. */
import { definitionOf, FaultSwitches, type FaultRequest } from './fault-switches.ts';
import type { Definition } from './definition.ts';

type Parameters = Readonly<Record<string, unknown>>;

/**
 * Each `NAME`, `NAME=VALUE` for a fault whose first parameter that is, or `NAME parameter=value …`; an object `{ name, parameters }` in a file. A
 * later one of a name wins; further databases of an availability group add up.
 */
export function readFaults(value: unknown, mistakes: string[]): readonly FaultRequest[] {
  const named: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  const switches = new FaultSwitches();
  const requests = new Map<string, FaultRequest>();
  for (const each of named) {
    const request = typeof each === 'object' && each !== null ? (each as FaultRequest) : readFault(String(each));
    const answer = switches.set(request);
    if ('code' in answer) mistakes.push(`fault "${wordsOf(each)}": ${answer.message}`);
    else requests.set(request.name, joined(requests.get(request.name), request));
  }
  return [...requests.values()];
}

function joined(before: FaultRequest | undefined, request: FaultRequest): FaultRequest {
  const [first, second] = [before?.parameters?.['database'], request.parameters?.['database']];
  if (request.name !== 'availability-group' || typeof first !== 'string' || typeof second !== 'string') return request;
  return { name: request.name, parameters: { database: `${first},${second}` } };
}

function wordsOf(fault: unknown): string {
  return typeof fault === 'string' ? fault : JSON.stringify(fault);
}

function readFault(text: string): FaultRequest {
  const [, name = '', value] = /^([a-z0-9-]+)=(.*)$/s.exec(text) ?? [];
  if (value === undefined) {
    const [word = '', ...rest] = text.trim().split(/\s+/);
    return { name: word, parameters: readParameters(definitionOf(word), rest) };
  }
  const definition = definitionOf(name);
  const [first] = Object.keys(definition?.parameters ?? {});
  return { name, parameters: readParameters(definition, [`${first ?? 'value'}=${value}`]) };
}

/** `parameter=value` each. Numbers become numbers where the fault has one; what is wrong stays as it is, for the catalogue to refuse. */
export function readParameters(definition: Definition | undefined, words: readonly string[]): Parameters {
  return Object.fromEntries(
    words.map(word => {
      const [name = '', ...rest] = word.split('=');
      const text = rest.join('=');
      const isNumber = definition?.parameters[name]?.type === 'number' && /^-?\d+$/.test(text);
      return [name, isNumber ? Number(text) : text];
    }),
  );
}
