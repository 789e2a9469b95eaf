/**
 * An instance's local time. Everything that it writes and compares (msdb, Agent, marks, STOPAT, GETDATE) is local time, so its clock shows that,
 * as if it were UTC; only the functions that speak of UTC take the offset away. The offset is that of the start: no daylight saving change.
 */

/** Minutes east of UTC at that moment; undefined: no such zone (IANA names, as `Australia/Brisbane`). */
export function utcOffsetMinutes(zone: string, at: Date): number | undefined {
  let name: string | undefined;
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?$/.exec(name ?? '') ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
}

/** What a clock there shows. */
export function localTime(moment: Date, offsetMinutes: number): Date {
  return new Date(moment.getTime() + offsetMinutes * 60_000);
}
