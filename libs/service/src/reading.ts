import { allows } from './authorization.ts';
import { apiError } from './errors.ts';
import type { Caller } from './identity.ts';

/** @throws GraphQLError FORBIDDEN for who may read nothing at all; whether this row is theirs is another question. */
export function requireRead(caller: Caller): void {
  const refused = allows(caller, 'read');
  if (refused !== undefined) throw apiError('FORBIDDEN', refused.message, { fix: refused.fix });
}

/** `id`: what parsing `text` gave. @throws GraphQLError BAD_USER_INPUT that names `field` when it was no id. */
export function requireId<Id>(id: Id | undefined, text: string, field: string): Id {
  if (id !== undefined) return id;
  throw apiError('BAD_USER_INPUT', `"${text}" is not an id.`, {
    fix: 'Use an id as an earlier answer gave it: a UUID.',
    field,
  });
}
