import { describe, expect, it } from '@jest/globals';
import {
  quoteCount,
  quoteDevice,
  quoteLiteral,
  quoteMark,
  quoteName,
  quoteScriptName,
  quoteScriptText,
  quoteUuid,
} from './identifiers.ts';

describe('quoting', () => {
  it.each([
    ['BizTalkMsgBoxDb', '[BizTalkMsgBoxDb]'],
    ['a]b', '[a]]b]'],
    [']]', '[]]]]]'],
    ["O'Neil; DROP DATABASE x--", "[O'Neil; DROP DATABASE x--]"],
    ['Größe', '[Größe]'],
  ])('puts the name %j into brackets', (name, quoted) => {
    expect(quoteName(name)).toBe(quoted);
  });

  it('takes names of up to 128 characters', () => {
    expect(quoteName('x'.repeat(128))).toHaveLength(130);
    expect(() => quoteName('x'.repeat(129))).toThrow('129 characters');
  });

  it.each(['', 'a\nb', 'a\u0000b', 'a\u007fb'])('refuses the name %j', name => {
    expect(() => quoteName(name)).toThrow('Cannot be part of a statement');
  });

  it('doubles quotes in texts and marks them as Unicode', () => {
    expect(quoteLiteral("D:\\O'Neil''s")).toBe("N'D:\\O''Neil''''s'");
    expect(quoteLiteral('')).toBe("N''");
    expect(() => quoteLiteral('a\rb')).toThrow('control character');
    expect(() => quoteLiteral('x'.repeat(4001))).toThrow('4001 characters');
  });

  it('nests: a literal inside a literal survives', () => {
    expect(quoteLiteral(`DISK = ${quoteDevice("a'b")}`)).toBe("N'DISK = N''a''''b'''");
  });

  it('keeps line breaks in a text of a script, and doubles its quotes', () => {
    expect(quoteScriptText("EXEC x\r\n  'a'")).toBe("N'EXEC x\r\n  ''a'''");
    expect(quoteScriptText('x'.repeat(5000))).toHaveLength(5003);
    expect(quoteScriptName('a]\nb')).toBe('[a]]\nb]');
  });

  it('takes a unit of work only as a uuid', () => {
    expect(quoteUuid('D5499C66-E398-45CA-BF7E-DC9C194B48CF')).toBe("'D5499C66-E398-45CA-BF7E-DC9C194B48CF'");
    expect(() => quoteUuid("' WITH COMMIT --")).toThrow('no uuid');
    expect(() => quoteUuid('')).toThrow('no uuid');
  });

  it('bounds devices and marks', () => {
    expect(() => quoteDevice('')).toThrow('empty');
    expect(() => quoteDevice(`D:\\${'x'.repeat(257)}`)).toThrow('259');
    expect(quoteMark("it's")).toBe("N'it''s'");
    expect(() => quoteMark('x'.repeat(33))).toThrow('32');
    expect(() => quoteMark('LSN:37000000072800003')).toThrow('lsn:');
    expect(() => quoteMark('')).toThrow('empty');
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses the count %d', count => {
    expect(() => quoteCount(count)).toThrow('whole number');
  });
});
