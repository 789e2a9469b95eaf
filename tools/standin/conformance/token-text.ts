/** Tokens as the driver's own parser read them (tedious, `debug.token`), written as short text to compare. */
export type DriverToken = { readonly name: string } & Readonly<Record<string, unknown>>;

type Metadata = {
  readonly colName: string;
  readonly type: { readonly name: string };
  readonly flags: number;
  readonly dataLength: number | undefined;
  readonly precision: number | undefined;
  readonly scale: number | undefined;
};

const intNames: Readonly<Record<number, string>> = { 1: 'tinyint', 2: 'smallint', 4: 'int', 8: 'bigint' };

/** Undefined for tokens that say nothing about behaviour (the driver's own bookkeeping). */
export function tokenText(token: DriverToken): string | undefined {
  switch (token.name) {
    case 'COLMETADATA':
      return `COLUMNS ${(token['columns'] as readonly Metadata[]).length}`;
    case 'ROW':
    case 'NBCROW':
      return 'ROW';
    case 'ERROR':
      return `ERROR ${String(token['number'])}`;
    case 'INFO':
      return `INFO ${String(token['number'])}`;
    case 'DONE':
    case 'DONEINPROC':
    case 'DONEPROC':
      return doneText(token);
    case 'RETURNSTATUS':
      return `RETURNSTATUS ${String(token['value'])}`;
    case 'RETURNVALUE':
      return `RETURNVALUE ${String(token['paramName'])}`;
    case 'ENVCHANGE':
      return `ENVCHANGE ${String(token['type'])}`;
    default:
      return undefined;
  }
}

function doneText(token: DriverToken): string {
  const flags = [
    token['more'] === true ? 'more' : '',
    token['sqlError'] === true ? 'error' : '',
    typeof token['rowCount'] === 'number' ? `count=${token['rowCount']}` : '',
  ].filter(flag => flag !== '');
  return [token.name, String(token['curCmd']), ...flags].join(' ');
}

/** `name type null` or `name type not null`. */
export function columnTexts(token: DriverToken): string[] {
  return (token['columns'] as readonly Metadata[]).map(
    column => `${column.colName} ${typeText(column)} ${(column.flags & 1) === 1 ? 'null' : 'not null'}`,
  );
}

function typeText(column: Metadata): string {
  const { dataLength = 0, precision, scale } = column;
  const name = column.type.name;
  switch (name) {
    case 'IntN':
      return intNames[dataLength] ?? `int${dataLength}`;
    case 'BitN':
      return 'bit';
    case 'FloatN':
      return dataLength === 4 ? 'real' : 'float';
    case 'MoneyN':
      return 'money';
    case 'DateTimeN':
      return 'datetime';
    case 'NumericN':
    case 'DecimalN':
      return `numeric(${precision ?? ''},${scale ?? ''})`;
    case 'NVarChar':
    case 'NChar':
      return `${name.toLowerCase()}(${dataLength === 65_535 ? 'max' : dataLength / 2})`;
    case 'VarChar':
    case 'Char':
    case 'VarBinary':
    case 'Binary':
      return `${name.toLowerCase()}(${dataLength === 65_535 ? 'max' : dataLength})`;
    case 'Time':
    case 'DateTime2':
    case 'DateTimeOffset':
      return `${name.toLowerCase()}(${scale ?? ''})`;
    default:
      return name.toLowerCase();
  }
}

/** One row's values as text; null stays null. */
export function rowValues(token: DriverToken): (string | null)[] {
  return (token['columns'] as readonly { readonly value: unknown }[]).map(({ value }) => valueText(value));
}

function valueText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex').toUpperCase()}`;
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (Array.isArray(value)) return value.map(String).join('');
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return String(value);
  return JSON.stringify(value);
}

/** `number/severity/state text`. INFO's class is 0 on the wire whatever the severity (sqlserver.md §1.3). */
export function messageText(token: DriverToken): string {
  return `${String(token['number'])}/${String(token['class'])}/${String(token['state'])} ${String(token['message'])}`;
}
