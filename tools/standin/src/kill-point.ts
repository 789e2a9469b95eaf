/** A test facility: ends the process by SIGKILL at a place of the engine (engine/durable-file.ts), and tells which places there are. */
import { appendFileSync } from 'node:fs';

export type KillPoint = {
  /** The nth passing, from 1, of a place: `rename instance.json:2`. A `*` in its name stands for any text. */
  readonly dieAt: { readonly place: string; readonly passing: number } | undefined;
  /** A file that gets a line for each place passed. */
  readonly placesFile: string | undefined;
};

/** Undefined when nobody asked: then the engine has no such places. */
export function placeHook({ dieAt, placesFile }: KillPoint): ((place: string) => void) | undefined {
  if (dieAt === undefined && placesFile === undefined) return undefined;
  let passings = 0;
  const wanted = dieAt === undefined ? undefined : pattern(dieAt.place);
  return place => {
    if (placesFile !== undefined) appendFileSync(placesFile, `${place}\n`);
    if (dieAt === undefined || wanted?.test(place) !== true) return;
    passings += 1;
    if (passings === dieAt.passing) process.kill(process.pid, 'SIGKILL');
  };
}

/** `rename instance.json:2`, or `rename instance.json` for the first; undefined for anything else. */
export function parseKillPoint(text: string): KillPoint['dieAt'] {
  const [, place, passing = '1'] = /^([^:]+)(?::([1-9]\d*))?$/.exec(text) ?? [];
  return place === undefined ? undefined : { place, passing: Number(passing) };
}

function pattern(place: string): RegExp {
  const parts = place.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}
