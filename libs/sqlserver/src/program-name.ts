/**
 * Who holds a group's lock, readable from outside: `holdfast-<service> <group> <fencing token> <operation>` in
 * sys.dm_exec_sessions.program_name (design.md §5). A later leader recognises an earlier one by its token.
 */
export type Holder = {
  readonly service: string;
  readonly group: string;
  /** Decimal. Grows with every leader of this service's store; tokens of different services do not compare. */
  readonly fencingToken: string;
  /** What it is doing, for people: an execution's id, or a word. May be empty. */
  readonly operation: string;
};

const shape = /^holdfast-([a-z]+) (\S+) (\d{1,19})(?: (\S+))?$/;

export const renderProgramName = ({ service, group, fencingToken, operation }: Holder): string => {
  const name = `holdfast-${service} ${group} ${fencingToken}${operation === '' ? '' : ` ${operation}`}`;
  if (name.length > 128 || !shape.test(name))
    throw new Error(`Not a program name for a lock holder: ${JSON.stringify(name)}.`);
  return name;
};

export const parseProgramName = (name: string): Holder | undefined => {
  const [, service, group, fencingToken, operation = ''] = shape.exec(name.trimEnd()) ?? [];
  if (service === undefined || group === undefined || fencingToken === undefined) return undefined;
  return { service, group, fencingToken, operation };
};

/** Negative: the first is the older leader. Leading zeros do not count. */
export const compareTokens = (first: string, second: string): number => {
  const [a, b] = [BigInt(first), BigInt(second)];
  return a < b ? -1 : a > b ? 1 : 0;
};
