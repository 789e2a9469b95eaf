import { describe, expect, it } from '@jest/globals';
import { classify, SqlServerError, sqlServerError } from './errors.ts';

const requestError = (number: number, message: string, severity = 16, preceding: readonly object[] = []) =>
  Object.assign(new Error(message), {
    code: 'EREQUEST',
    number,
    class: severity,
    state: 1,
    precedingErrors: preceding,
  });

describe('classifying errors', () => {
  it('takes the first cause, never the closing 3013, 3119 or 5069', () => {
    const gap = requestError(4305, 'The log in this backup set begins at LSN 1, which is too recent');
    expect(classify(requestError(3013, 'RESTORE LOG is terminating abnormally.', 16, [gap]))).toMatchObject({
      number: 4305,
      errorClass: 'chain',
      messages: [{ number: 4305 }, { number: 3013 }],
    });
    const plan = [
      requestError(1834, 'in use by'),
      requestError(3156, 'cannot be restored to'),
      requestError(3119, 'planning'),
    ];
    expect(classify(requestError(3013, 'x', 16, plan))).toMatchObject({ number: 1834, errorClass: 'state' });
    expect(
      classify(requestError(5069, 'ALTER DATABASE statement failed.', 16, [requestError(5011, 'absent')])),
    ).toMatchObject({ number: 5011 });
    // Whether it comes before or after what it points to.
    expect(classify(requestError(5170, 'exists', 16, [requestError(1802, 'CREATE DATABASE failed.')]))).toMatchObject({
      number: 5170,
    });
  });

  it('keeps a closing number when nothing came before it', () => {
    expect(classify(requestError(3013, 'x'))).toMatchObject({ number: 3013, errorClass: 'fatal' });
  });

  it.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'NODE_EXTRA_CA_CERTS'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'a name that its certificate bears'],
    ['CERT_HAS_EXPIRED', 'Renew the certificate'],
    ['INVALID_PURPOSE', 'may be used for this purpose'],
  ])('finds the certificate failure %s below the ESOCKET of the driver', (code, hint) => {
    const reason = Object.assign(new Error('reason'), { code });
    const socket = Object.assign(new Error('Failed to connect', { cause: reason }), { code: 'ESOCKET' });
    const thrown = Object.assign(new Error('Failed to connect'), { code: 'ESOCKET', originalError: socket });
    expect(classify(thrown)).toMatchObject({ errorClass: 'login', code, hint: expect.stringContaining(hint) });
    expect(classify(Object.assign(new Error('x', { cause: new Error('y') }), { code: 'ESOCKET' }))).toMatchObject({
      errorClass: 'lost',
    });
  });

  it.each([
    [1205, 16, '', 'transient'],
    [3101, 16, '', 'transient'],
    [4326, 16, '', 'chain'],
    [4330, 16, '', 'chain'],
    [3153, 16, '', 'state'],
    [3110, 14, '', 'permission'],
    [3169, 16, '', 'fatal'],
    [3203, 16, 'Read on "f" failed: 38(Reached the end of the file.)', 'media'],
    [3203, 16, 'Read on "f" failed: 64(The specified network name is no longer available.)', 'transient'],
    [
      3201,
      16,
      "Cannot open backup device 'f'. Operating system error 2(The system cannot find the file specified.).",
      'media',
    ],
    [
      3201,
      16,
      "Cannot open backup device 'f'. Operating system error 32(The process cannot access the file).",
      'transient',
    ],
    [3201, 16, "Cannot open backup device 'f'. Operating system error 5(Access is denied.).", 'permission'],
    [3202, 16, 'Write on "f" failed: 112(There is not enough space on the disk.)', 'state'],
    [
      3202,
      16,
      'Write on "f" failed: 1117(The request could not be performed because of an I/O device error.)',
      'media',
    ],
    [6101, 16, '', 'state'],
    [6110, 16, '', 'state'],
    [6112, 16, '', 'state'],
    [9002, 17, '', 'state'],
    [1105, 17, '', 'state'],
    [18456, 14, '', 'login'],
    [596, 21, '', 'lost'],
    [99_999, 14, '', 'permission'],
    [99_999, 20, '', 'lost'],
    [99_999, 16, '', 'fatal'],
  ])('%d of severity %d %s is %s', (number, severity, text, errorClass) => {
    expect(classify(requestError(number, text, severity))).toMatchObject({ number, severity, errorClass });
  });

  it.each([
    ['ETIMEOUT', 'lost'],
    ['ESOCKET', 'lost'],
    ['ECONNCLOSED', 'lost'],
    ['ECANCEL', 'lost'],
    ['ECONNRESET', 'lost'],
    ['ECLOSE', 'lost'],
    ['EINVALIDSTATE', 'lost'],
    ['EINSTLOOKUP', 'lost'],
    ['ELOGIN', 'login'],
    ['EARGS', 'fatal'],
  ])('the driver code %s is %s', (code, errorClass) => {
    expect(classify(Object.assign(new Error('x'), { code }))).toMatchObject({ number: null, code, errorClass });
  });

  it('believes a broken connection more than the error that came before it', () => {
    const killed = requestError(596, 'Cannot continue the execution because the session is in the kill state.', 21);
    const error = Object.assign(new Error('Connection lost'), { code: 'ECONNCLOSED', precedingErrors: [killed] });
    expect(classify(error)).toMatchObject({ errorClass: 'lost', number: 596, code: 'ECONNCLOSED' });
  });

  it('reads numbers from the original error of a failed login', () => {
    const original = Object.assign(new Error('Login failed'), {
      code: 'ELOGIN',
      info: { number: 18456, class: 14, state: 1 },
    });
    expect(
      classify(Object.assign(new Error('Login failed'), { code: 'ELOGIN', originalError: original })),
    ).toMatchObject({
      errorClass: 'login',
      number: 18456,
    });
  });

  it('names the statement, keeps the chain and the cause', () => {
    const cause = requestError(3013, 'RESTORE LOG is terminating abnormally.', 16, [requestError(4326, 'too early')]);
    const error = sqlServerError('RESTORE LOG', cause, ['pw']);
    expect(error).toBeInstanceOf(SqlServerError);
    expect(error).toMatchObject({ statement: 'RESTORE LOG', number: 4326, cause });
    expect(error.message).toBe('RESTORE LOG: too early (error 4326, chain)');
    expect(error.hint).not.toBe('');
  });

  it('never repeats the password, not even through the cause', () => {
    const error = sqlServerError('connect', requestError(18456, "Login failed for 'sa' with 's3cret!'", 14), [
      's3cret!',
      '',
    ]);
    expect(error.message).toContain("with '***'");
    expect(JSON.stringify([error.message, error.messages])).not.toContain('s3cret!');
    expect(error.cause).toBeUndefined();
  });
});
