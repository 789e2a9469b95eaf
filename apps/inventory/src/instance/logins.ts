import type { SeenLogin } from '../estate/estate.ts';

/** By name, so that the order in which a server gives them is no news. */
export function inOrder(logins: readonly SeenLogin[]): SeenLogin[] {
  return [...logins].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The same text for the same logins; that they cannot be read is news as well. */
export function toldOfLogins(logins: readonly SeenLogin[] | null): string {
  return JSON.stringify(
    logins === null ? null : inOrder(logins).map(({ name, sid, kind, disabled }) => [name, sid, kind, disabled]),
  );
}
