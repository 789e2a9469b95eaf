/** A package whose code is in a bundle. */
export type ThirdParty = {
  readonly name: string;
  readonly version: string;
  /** As its package.json says: an SPDX expression, or `UNKNOWN`. */
  readonly licence: string;
  /** Its licence and notice files; the licences ask that they travel with the code. */
  readonly texts: readonly string[];
};

const allowed: readonly string[] = [
  'MIT',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  '0BSD',
  'CC0-1.0',
  'BlueOak-1.0.0',
];

/** One of `A OR B` is enough, of `A AND B` both are needed. Anything longer or nested is refused: somebody has to read it. */
export function isAllowed(licence: string): boolean {
  const inner = /^\(([^()]*)\)$/.exec(licence)?.[1] ?? licence;
  const isListed = (id: string): boolean => allowed.includes(id);
  const either = inner.split(' OR ');
  if (either.length > 1) return either.every(id => !id.includes(' ')) && either.some(isListed);
  return inner.split(' AND ').every(isListed);
}

/** The `license` of a package.json, in its old forms too. */
export function licenceOf(manifest: { readonly license?: unknown; readonly licenses?: unknown }): string {
  const { license, licenses } = manifest;
  if (typeof license === 'string' && license !== '') return license;
  const forms = [license, ...(Array.isArray(licenses) ? (licenses as unknown[]) : [])];
  const types = forms.flatMap(form => {
    const type: unknown = typeof form === 'object' && form !== null ? Reflect.get(form, 'type') : undefined;
    return typeof type === 'string' ? [type] : [];
  });
  return types.length === 0 ? 'UNKNOWN' : types.join(' OR ');
}

/** THIRD-PARTY.txt: one line per package, then the texts. @throws Error naming every package whose licence is not allowed. */
export function renderThirdParty(bundle: string, packages: readonly ThirdParty[]): string {
  const refused = packages.filter(({ licence }) => !isAllowed(licence));
  if (refused.length > 0) {
    const list = refused.map(({ name, version, licence }) => `${name} ${version}: ${licence}`).join('; ');
    throw new Error(
      `${bundle} would hold code under a licence that is not allowed: ${list}. Allowed: ${allowed.join(', ')}.`,
    );
  }
  const lines = packages.map(({ name, version, licence }) => `${name} ${version} ${licence}`);
  const texts = packages.map(({ name, version, texts: each }) => {
    const text = each.length === 0 ? '(The package holds no licence file.)' : each.join('\n\n');
    return `${'-'.repeat(80)}\n${name} ${version}\n\n${text.trim()}\n`;
  });
  return [
    `${bundle} holds code of ${packages.length} packages: name, version, licence.`,
    '',
    ...lines,
    '',
    ...texts,
  ].join('\n');
}
