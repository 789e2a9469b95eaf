import { randomUUID } from 'node:crypto';
import type { EventShape } from '../src/event.ts';

/** What travels: with its envelope some 0.9 KB of JSON. */
export type Noted = { readonly key: string; readonly n: number; readonly text: string };

export const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
export const text = 'The databases of a group are brought to one mark. '.repeat(12);

/** Version 7, as services give them: with those of version 4 each insert would touch another page of every index over ids. */
export function newId(): string {
  const ms = Date.now().toString(16).padStart(12, '0');
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${randomUUID().slice(15)}`;
}

export function notedOn(topic: string): EventShape<Noted> {
  return {
    type: 'bench.thing.noted.v1',
    topic,
    schema: {
      safeParse: value =>
        isNoted(value) ? { success: true, data: value } : { success: false, error: new Error('no Noted') },
    },
    key: ({ key }) => key,
    subject: ({ key }) => key,
  };
}

function isNoted(value: unknown): value is Noted {
  return (
    typeof value === 'object' &&
    value !== null &&
    'key' in value &&
    typeof value.key === 'string' &&
    'n' in value &&
    typeof value.n === 'number' &&
    'text' in value &&
    typeof value.text === 'string'
  );
}
