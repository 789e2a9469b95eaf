import { describe, expect, it } from '@jest/globals';
import { databases, estate, sourceId, standbyInstanceId, twoSmallPlaces } from '../../test/estate-of-two.ts';
import type { Estate, LoginsView } from '../estate/estate.ts';
import { coverageFindings } from './coverage-findings.ts';
import { loginFindings } from './login-findings.ts';

const [first, second] = databases.map(({ name }) => name) as [string, string];
const reason = { code: 'C', message: 'm', fix: 'f', evidence: 'e', since: null };
const problem = (name: string, database = first, instance = 'PRIMARY') => ({
  database,
  instance,
  problem: name,
  reason,
});

describe('coverage', () => {
  const of = (coverage: Estate['group']['coverage'], said: Record<string, string[]> = {}) =>
    coverageFindings({ coverage }, new Map(Object.entries(said))).map(({ verdict, reason: { code, message } }) => [
      verdict,
      code,
      message,
    ]);

  it('is unknown while nobody has looked, or could not see something', () => {
    const nobody = expect.stringContaining('not known here');
    for (const coverage of [null, undefined]) expect(of(coverage)).toEqual([['DEGRADED', 'COVERAGE_UNKNOWN', nobody]]);
    expect(of([problem('UNKNOWN')])).toEqual([['DEGRADED', 'COVERAGE_UNKNOWN', `${first} at PRIMARY: m`]]);
  });

  it('says nothing when nothing was found', () => {
    expect(of([])).toEqual([]);
  });

  it.each([
    ['NOT_IN_JOB', 'NOT_READY'],
    ['NOT_FULL_RECOVERY', 'NOT_READY'],
    ['PROCEDURES_MISSING', 'NOT_READY'],
    ['UNRESOLVED_SERVER', 'NOT_READY'],
    ['IN_AVAILABILITY_GROUP', 'NOT_READY'],
    ['IN_JOB_BUT_MISSING', 'DEGRADED'],
    ['LISTED_TWICE', 'DEGRADED'],
    ['NOT_ONLINE', 'DEGRADED'],
    ['ENCRYPTED', 'DEGRADED'],
    ['WHATEVER_COMES_LATER', 'DEGRADED'],
  ])('%s is %s', (name, verdict) => {
    expect(of([problem(name, first, '')])).toEqual([[verdict, `COVERAGE_${name}`, `${first}: m`]]);
  });

  it('does not repeat what is said of the database itself, and says it of any other', () => {
    const said = { [first]: ['NOT_FULL_RECOVERY', 'DATABASE_NOT_ONLINE'] };
    const found = [
      problem('NOT_FULL_RECOVERY', first.toUpperCase()),
      problem('NOT_ONLINE'),
      problem('NOT_IN_JOB'),
      problem('NOT_ONLINE', second),
    ];
    expect(of(found, said).map(([, code]) => code)).toEqual(['COVERAGE_NOT_IN_JOB', 'COVERAGE_NOT_ONLINE']);
  });
});

describe('logins', () => {
  type Logins = NonNullable<LoginsView['logins']>;
  const login = (name: string, sid = '0xAB', kind = 'SQL_LOGIN') => ({ name, sid, kind, disabled: false });
  const known = (source: Logins | null, standby: Logins | null) =>
    new Map([
      [sourceId, { logins: source }],
      [standbyInstanceId, { logins: standby }],
    ]);
  const of = (source: Logins | null, standby: Logins | null, of: Estate = estate()) =>
    loginFindings(of, known(source, standby)).map(({ verdict, reason: { code, message, fix } }) => {
      expect(verdict).toBe('DEGRADED');
      return [code, message, fix];
    });

  it('are unchecked where they are unknown, and these instances are named', () => {
    expect(of(null, [])).toEqual([['LOGINS_UNCHECKED', expect.stringContaining('of PRIMARY are'), expect.any(String)]]);
    expect(loginFindings(estate(), new Map())).toMatchObject([
      { reason: { message: expect.stringContaining('PRIMARY, STANDBY') } },
    ]);
  });

  it('are not asked of where nothing is restored', () => {
    const known = estate();
    expect(loginFindings({ ...known, standby: { ...known.standby, streams: [] } }, new Map())).toEqual([]);
  });

  it('are the same: nothing is said, whatever is local to each server', () => {
    const own = [
      login('sa', '0x01'),
      login('##MS_PolicyTsqlExecutionLogin##'),
      login(String.raw`NT SERVICE\SQLAgent`, '0x02', 'WINDOWS_LOGIN'),
      login(String.raw`nt authority\SYSTEM`, '0x03', 'WINDOWS_LOGIN'),
    ];
    expect(of([...own, login('BizTalk', '0xab')], [login('biztalk', '0xAB'), login('other')])).toEqual([]);
  });

  it('that are missing are named, with what creates them and never a password', () => {
    const group = login(String.raw`CORP\BizTalk Hosts`, '0x05', 'WINDOWS_GROUP');
    expect(of([login('b]t', '0x0A'), group], [])).toEqual([
      [
        'LOGIN_MISSING',
        String.raw`Logins of PRIMARY are missing at STANDBY: CORP\BizTalk Hosts, b]t.`,
        String.raw`At STANDBY: CREATE LOGIN [b]]t] WITH PASSWORD = …, SID = 0x0A; CREATE LOGIN [CORP\BizTalk Hosts] FROM WINDOWS;`,
      ],
    ]);
  });

  it('with another SID would leave users orphaned; those of Windows have theirs from the domain', () => {
    const windows = (sid: string) => login(String.raw`CORP\svc`, sid, 'WINDOWS_LOGIN');
    expect(of([login('app', '0x0A'), windows('0x01')], [login('app', '0x0B'), windows('0x02')])).toMatchObject([
      ['LOGIN_SID_DIFFERS', expect.stringContaining('app'), expect.stringContaining('SID = 0x0A;')],
    ]);
  });

  it('are compared only where databases of one instance are restored at the other', () => {
    const [one, two] = twoSmallPlaces.places;
    const all = new Map([
      [one!.sourceId, { logins: [login('of one')] }],
      [two!.sourceId, { logins: [login('of two')] }],
      [one!.standbyInstanceId, { logins: [login('of one')] }],
      [two!.standbyInstanceId, { logins: [login('of one')] }],
    ]);
    expect(loginFindings(estate({ shape: twoSmallPlaces }), all)).toMatchObject([
      { reason: { code: 'LOGIN_MISSING', message: expect.stringContaining(String.raw`DRDB2\BTS: of two.`) } },
    ]);
  });
});
