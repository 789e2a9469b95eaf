import { describe, expect, it } from '@jest/globals';
import { isAllowed, licenceOf, renderThirdParty } from './licences.ts';

describe('licences', () => {
  it.each(['MIT', '(MIT AND BSD-3-Clause)', 'MIT OR GPL-3.0-only', '(BSD-2-Clause OR WTFPL)', 'BlueOak-1.0.0', '0BSD'])(
    '%s may be in a bundle',
    licence => {
      expect(isAllowed(licence)).toBe(true);
    },
  );

  it.each([
    'GPL-3.0-only',
    'Elastic-2.0',
    'MIT AND GPL-2.0',
    'UNKNOWN',
    '',
    'SEE LICENSE IN x',
    '(MIT OR (GPL-2.0 AND ISC))',
    'GPL-2.0 AND ISC OR MIT',
  ])('"%s" may not', licence => {
    expect(isAllowed(licence)).toBe(false);
  });

  it('are read in the forms that package.json had over the years', () => {
    expect(licenceOf({ license: 'ISC' })).toBe('ISC');
    expect(licenceOf({ license: { type: 'MIT' } })).toBe('MIT');
    expect(licenceOf({ licenses: [{ type: 'MIT' }, { type: 'GPL-2.0' }] })).toBe('MIT OR GPL-2.0');
    expect(licenceOf({})).toBe('UNKNOWN');
  });

  it('end the build with the name of every package that may not be in it', () => {
    const good = { name: 'good', version: '1.0.0', licence: 'MIT', texts: ['Permission is granted'] };
    expect(renderThirdParty('x', [good])).toContain('good 1.0.0 MIT');
    expect(renderThirdParty('x', [good])).toContain('Permission is granted');
    const bad = { name: 'bad', version: '2.0.0', licence: 'Elastic-2.0', texts: [] };
    expect(() => renderThirdParty('x', [good, bad])).toThrow('bad 2.0.0: Elastic-2.0');
  });
});
