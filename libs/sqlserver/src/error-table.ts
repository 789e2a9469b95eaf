/**
 * What an error number means for us (sqlserver.md §1.4, §2.4, §2.5, §8.3, §8.4, §9.2). One table: nobody else compares numbers.
 *
 * `transient` try the same again later · `lost` the connection ended, the outcome is unknown: observe first (§8.4) · `login` refused before
 * any statement · `permission` the login lacks a right · `state` something must be changed at the server first · `media` the file: missing,
 * cut or damaged · `chain` another file is needed, or a reseed · `fatal` repeating cannot help.
 */
export type ErrorClass = 'transient' | 'lost' | 'login' | 'permission' | 'state' | 'media' | 'chain' | 'fatal';

/**
 * What a number says beyond its class. `DAMAGED_FILE` the file itself, not its place or kind: to be copied again, or left behind by a reseed
 * (§2.5) · `FULL_DISK` no room for what a file of the instance has to take.
 */
export type Finding = 'DAMAGED_FILE' | 'FULL_DISK';

export type ErrorMeaning = { readonly errorClass: ErrorClass; readonly hint: string; readonly finding?: Finding };

const means = (
  errorClass: ErrorClass,
  hint: string,
  numbers: readonly number[],
  finding?: Finding,
): (readonly [number, ErrorMeaning])[] =>
  numbers.map(number => [number, finding === undefined ? { errorClass, hint } : { errorClass, hint, finding }]);

// 102, 105, 137, 156, 207, 208, 229, 297, 300, 1105, 1222, 1802, 2812, 5149, 6101, 6110, 6112, 9002: learn.microsoft.com, database engine errors.
const byNumber: ReadonlyMap<number, ErrorMeaning> = new Map([
  ...means(
    'transient',
    'Another transaction was in the way (deadlock or lock timeout); the same statement may be sent again.',
    [1205, 1222],
  ),
  ...means('transient', 'The database is still being recovered by the server; wait.', [921, 922]),
  ...means('transient', 'Another backup or file operation runs on this database; wait until it has ended.', [3023]),
  ...means(
    'transient',
    'Sessions hold the database; end them (see the sessions of the database) and send the same again.',
    [3101, 5061, 5064, 5070],
  ),
  ...means(
    'transient',
    'The device failed while being read or written; check the path to the share, then send the same again.',
    [3271],
  ),
  ...means(
    'lost',
    'The session was ended from outside; observe what it had done before sending anything again.',
    [596],
  ),
  ...means(
    'login',
    'The login was refused: check user and password of this instance, and that the login may connect.',
    [18452, 18456],
  ),
  ...means('login', 'The login cannot open the database named at login.', [4060]),
  ...means(
    'permission',
    'The login lacks a right that this statement needs.',
    [229, 262, 297, 300, 916, 3110, 6102, 14393, 15281],
  ),
  ...means('state', 'The database does not exist here under this name.', [911, 3118, 5011]),
  ...means('state', 'The database is RESTORING; it cannot be opened before its recovery.', [927, 5052]),
  ...means('state', 'The database is offline.', [942]),
  ...means(
    'state',
    'The database is not usable (suspect, inaccessible files or single user); a database administrator must look at it.',
    [924, 926, 945],
  ),
  ...means('state', 'The object does not exist in this database.', [208, 2812]),
  ...means('state', 'An open transaction is in the way; the connection must not be inside one.', [3021]),
  ...means('state', 'The connection itself sits in the database; connect to master.', [3102]),
  ...means(
    'state',
    'The database belongs to an availability group or mirroring session; BizTalk databases under restore must not.',
    [3104],
  ),
  ...means('state', 'Nothing to roll forward: the database is online already, or its base is missing.', [3117]),
  ...means('state', 'The database has already been recovered.', [3153]),
  ...means(
    'state',
    'The existing database is another one; nothing was overwritten. Check the name, then decide about REPLACE.',
    [3141, 3154],
  ),
  ...means('state', 'The existing database holds work that no backup has; nothing was overwritten.', [3159]),
  ...means(
    'state',
    'A file of the database cannot be placed: the path is taken, missing or not writable for the service account.',
    [1834, 3142, 3156, 3176, 3234, 5120, 5123, 5133],
  ),
  ...means('state', 'Not enough free space on the volume of the data files.', [3257], 'FULL_DISK'),
  ...means('state', 'A data file of the database has no room to grow; make room on its volume.', [1105], 'FULL_DISK'),
  ...means(
    'state',
    'The log of the database is full; make room on its volume, or see what keeps it from being cut (a log backup, an open transaction).',
    [9002],
    'FULL_DISK',
  ),
  ...means('state', 'A file of the database could not be created or grown; see the error beside it.', [1802, 5149]),
  ...means(
    'state',
    'The certificate that encrypted this backup is missing on this server; restore it there first.',
    [33111],
  ),
  ...means(
    'state',
    'An earlier restore was interrupted or its files are not all there; restore the full backup again.',
    [4319, 4320, 4328],
  ),
  ...means('state', 'More log must be applied before the database can be recovered.', [4303, 4318, 4332, 4333]),
  ...means('state', 'The session does not run any more, or cannot be ended.', [6101, 6104, 6106, 6107, 6115]),
  ...means('state', 'The unit of work does not exist any more.', [6110]),
  ...means(
    'state',
    'The unit of work is prepared, and this server leaves it to its coordinator (MSDTC): resolve it there.',
    [6112],
  ),
  ...means('state', 'The Agent job does not exist, already runs, or the Agent is down.', [14262, 22022]),
  ...means('media', 'The file cannot be opened by the service account of this instance.', [3201]),
  ...means(
    'media',
    'The file is cut, damaged or no backup; copy it again and compare its hash.',
    [3182, 3183, 3186, 3189, 3203, 3208, 3241, 3242, 3254, 3256],
    'DAMAGED_FILE',
  ),
  // Not among those that sqlserver.md §2.5 says another copy can mend.
  ...means('media', 'The file is cut, damaged or no backup; copy it again and compare its hash.', [3243, 3266, 3287]),
  ...means('media', 'The file is not the kind of backup this statement needs, or not whole.', [3143], 'DAMAGED_FILE'),
  ...means(
    'media',
    'The file is not the kind of backup this statement needs, or not whole.',
    [3132, 3133, 3135, 3227, 3231, 3258],
  ),
  ...means('media', 'Writing the file failed; check space and the path to the share.', [3202]),
  ...means('media', 'The file holds no checksums: do not ask for CHECKSUM.', [3187]),
  ...means('chain', 'An earlier log backup is missing; restore that one first.', [4305, 4349]),
  ...means('chain', 'This log ends before the position: it has been applied already.', [4326]),
  ...means('chain', 'The file is on another recovery path; a reseed is needed.', [3120, 3121, 3136, 4312, 4330]),
  ...means('chain', 'The database is already beyond that point.', [4335, 4338, 4343]),
  ...means('chain', 'Recovery cannot stop inside this log: it holds bulk-logged changes.', [4327, 4341]),
  ...means(
    'fatal',
    'The backup was made by a newer version; it restores on the same or a newer major version only.',
    [3168, 3169, 3255],
  ),
  ...means(
    'fatal',
    'The statement itself was refused; this is a fault of Holdfast.',
    [102, 105, 137, 155, 156, 207, 213, 3031, 3032, 4334, 4340],
  ),
]);

// Operating system errors inside 3201, 3202 and 3203 that a network or a lock explains (sqlserver.md §2.5).
const passingOsErrors = new Set([32, 53, 59, 64, 121, 1231]);
const deniedOsErrors = new Set([5, 1326]);
// "There is not enough space on the disk." (sqlserver.md §1.4)
const fullOsError = 112;
const deviceNumbers = new Set([3201, 3202, 3203]);
/** Numbers whose text carries what the operating system said of a file. */
const osErrorNumbers = new Set([...deviceNumbers, 5123, 5149]);

const osErrorOf = (text: string): number | undefined => {
  const match = /(?:Operating system error|failed:)\s*(\d+)\s*\(/i.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
};

const deviceMeaning = (text: string): ErrorMeaning | undefined => {
  const osError = osErrorOf(text);
  if (osError === undefined) return undefined;
  if (passingOsErrors.has(osError))
    return { errorClass: 'transient', hint: 'The file was locked or the share out of reach; send the same again.' };
  if (deniedOsErrors.has(osError))
    return {
      errorClass: 'permission',
      hint: "The instance's service account may not open the file; grant it read access on share and folder.",
    };
  return undefined;
};

/** What a number (with its text, for the operating system's part) and severity mean. */
export const meaningOf = (number: number, severity: number, text: string): ErrorMeaning => {
  if (osErrorNumbers.has(number) && osErrorOf(text) === fullOsError)
    return {
      errorClass: 'state',
      hint: 'The disk has no room; make room there, then send the same again.',
      finding: 'FULL_DISK',
    };
  const device = deviceNumbers.has(number) ? deviceMeaning(text) : undefined;
  if (device !== undefined) return device;
  const known = byNumber.get(number);
  if (known !== undefined) return known;
  if (severity >= 20)
    return { errorClass: 'lost', hint: 'The server ended the connection; observe before sending anything again.' };
  if (severity === 14) return { errorClass: 'permission', hint: 'The login lacks a right for this statement.' };
  return { errorClass: 'fatal', hint: 'Not a known condition; read the message of the server.' };
};

const trustTheIssuer =
  'Put the certificate of its issuer (PEM) into a file, name that file in NODE_EXTRA_CA_CERTS and start again; or give the server a certificate ' +
  'of an authority that is trusted here. trustServerCertificate skips the check and is for test systems.';
const otherName =
  'Register the instance under a name that its certificate bears, or have a certificate issued for the name in use.';
const wrongTime = 'Renew the certificate of the server; if it is valid, correct the clock of this machine.';

// Codes of Node.js (documentation page tls, "X509 certificate error codes").
const byCertificateCode: ReadonlyMap<string, string> = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', trustTheIssuer],
  ['SELF_SIGNED_CERT_IN_CHAIN', trustTheIssuer],
  ['UNABLE_TO_GET_ISSUER_CERT', trustTheIssuer],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', trustTheIssuer],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', trustTheIssuer],
  ['CERT_UNTRUSTED', trustTheIssuer],
  ['ERR_TLS_CERT_ALTNAME_INVALID', otherName],
  ['HOSTNAME_MISMATCH', otherName],
  ['CERT_HAS_EXPIRED', wrongTime],
  ['CERT_NOT_YET_VALID', wrongTime],
  ...[
    'CERT_SIGNATURE_FAILURE',
    'CERT_CHAIN_TOO_LONG',
    'CERT_REVOKED',
    'CERT_REJECTED',
    'INVALID_CA',
    'INVALID_PURPOSE',
  ].map(code => [code, 'Give the server a certificate that may be used for this purpose.'] as const),
]);

/** Of a certificate that was not accepted. */
export const isCertificateCode = (code: string): boolean => byCertificateCode.has(code);

/** The driver's own codes, when no error number came from the server (sqlserver.md §8.3, §8.4). */
export const meaningOfCode = (code: string): ErrorMeaning => {
  const certificateHint = byCertificateCode.get(code);
  if (certificateHint !== undefined) return { errorClass: 'login', hint: certificateHint };
  switch (code) {
    case 'ELOGIN':
      return { errorClass: 'login', hint: 'The login was refused: check user and password of this instance.' };
    case 'EENCRYPT':
      return {
        errorClass: 'login',
        hint: 'Register the instance with the encryption that it demands; where it has none, configure a certificate at the server.',
      };
    case 'ETIMEOUT':
    case 'ECANCEL':
      return {
        errorClass: 'lost',
        hint: 'No answer in time: the statement may or may not have had its effect. Observe first.',
      };
    case 'EINSTLOOKUP':
      return {
        errorClass: 'lost',
        hint: 'The instance name was not found: SQL Browser (UDP 1434) must answer, or give a port instead.',
      };
    case 'ESOCKET':
    case 'ECONNCLOSED':
    case 'ENOTOPEN':
    case 'EINVALIDSTATE':
    case 'EABORT':
    case 'ECLOSE':
    case 'ECONNRESET':
    case 'ECONNABORTED':
    case 'ECONNREFUSED':
    case 'EPIPE':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return {
        errorClass: 'lost',
        hint: 'The connection ended or was never made. Check that the instance runs; observe before sending anything again.',
      };
    default:
      return { errorClass: 'fatal', hint: 'Not a known condition of the driver.' };
  }
};

export const knownNumbers: readonly number[] = [...byNumber.keys()];
