import { describe, expect, it } from 'vitest';
import { Rejected } from './error.js';
import type { Json } from './json.js';
import { findAttribute, USER, type Attribute, type AttributeType } from './schema.js';
import { instantOf, parseValue } from './value.js';

const title = findAttribute(USER, 'title')!.attribute;
const attribute = (type: AttributeType, multiValued = false): Attribute => ({ ...title, name: 'x', type, multiValued });

describe('a value', () => {
  it.each<[AttributeType, unknown, Json | undefined]>([
    ['string', '', ''],
    ['string', null, undefined],
    ['reference', 'not checked', 'not checked'],
    ['binary', 'AAEC', 'AAEC'],
    ['binary', 'AA==\n', 'AA==\n'],
    ['binary', '-_8', '-_8'],
    ['boolean', false, false],
    ['boolean', 'FALSE', false],
    ['boolean', 'tRue', true],
    ['integer', -3, -3],
    ['decimal', 0.5, 0.5],
    ['dateTime', '2026-01-31T08:00:00Z', '2026-01-31T08:00:00Z'],
    ['dateTime', '2026-01-31t08:00:00.25+02:00', '2026-01-31t08:00:00.25+02:00'],
    // Days that there are, and the ends of what xsd:dateTime allows.
    ...[
      '2024-02-29T00:00:00Z',
      '2000-02-29T00:00:00Z',
      '2026-12-31T24:00:00Z',
      '2026-12-31T24:00:00.000',
      '2026-04-30T23:59:59.999+14:00',
      '2026-01-01T00:00:00-14:00',
      '0000-01-01T00:00:00Z',
    ].map((text): [AttributeType, unknown, Json] => ['dateTime', text, text]),
    // An empty text is a value of strings only.
    ...(['boolean', 'integer', 'decimal', 'dateTime', 'reference', 'binary', 'complex'] as const).map(
      (type): [AttributeType, unknown, undefined] => [type, '', undefined],
    ),
    // A list of one object with value stands for it.
    ['string', [{ $ref: null, value: 'x' }], 'x'],
    ['string', [{ value: null }], undefined],
    ['string', [null], undefined],
    ['string', [{ value: '' }], ''],
    ['boolean', [{ value: 'False' }], false],
    ['integer', [{ value: '' }], undefined],
    ['dateTime', [{ value: '2026-01-31T08:00:00Z' }], '2026-01-31T08:00:00Z'],
  ])('of type %s is taken: %j', (type, value, stored) => {
    expect(parseValue(attribute(type), value, 'x', [])).toBe(stored);
  });

  it.each<[AttributeType, unknown, RegExp]>([
    ['string', 1, /a string, not 1/],
    ['string', true, /not true/],
    ['reference', {}, /not an object/],
    ['binary', [], /not an array/],
    ['binary', 'no base64!', /base64, not "no base64!"/],
    ['binary', 'AA=A', /base64/],
    ['binary', 'AAAAA', /base64/],
    ['boolean', 'trueish', /true or false/],
    ['boolean', 0, /not 0/],
    ['integer', 1.5, /whole number, not 1\.5/],
    ['integer', '1', /not "1"/],
    ['integer', 1e300, /whole number/],
    ['decimal', '0.5', /a number, not "0\.5"/],
    ['decimal', JSON.parse('1e400'), /not Infinity/],
    ['dateTime', '2026-01-31', /dateTime/],
    ['dateTime', '2026-13-31T08:00:00Z', /dateTime/],
    ['dateTime', 1, /dateTime/],
    ['dateTime', 'x2026-01-31T08:00:00Z', /dateTime/],
    // Days and times that there are not.
    ...[
      '2024-02-30',
      '2023-02-29',
      '1900-02-29',
      '2026-04-31',
      '2026-02-31',
      '2026-00-10',
      '2026-01-00',
      '2026-01-32',
    ].map((day): [AttributeType, unknown, RegExp] => ['dateTime', `${day}T00:00:00Z`, /dateTime/]),
    ...['24:00:01', '24:01:00', '24:00:00.5', '25:00:00', '12:60:00', '12:00:60'].map(
      (time): [AttributeType, unknown, RegExp] => ['dateTime', `2026-01-31T${time}Z`, /dateTime/],
    ),
    ...['+14:01', '-15:00', '+99:00', '+01:60', '+1:00'].map((zone): [AttributeType, unknown, RegExp] => [
      'dateTime',
      `2026-01-31T00:00:00${zone}`,
      /dateTime/,
    ]),
    ['string', [], /a string, not an array/],
    ['string', ['x'], /not an array/],
    ['string', [{ id: 'x' }], /not an array/],
    ['string', [{ value: 'x' }, { value: 'y' }], /not an array/],
    ['string', { value: 'x' }, /not an object/],
    ['string', [{ value: [{ value: 'x' }] }], /not an array/],
  ])('of type %s is refused: %j', (type, value, detail) => {
    expect(() => parseValue(attribute(type), value, 'x', [])).toThrow(Rejected);
    expect(() => parseValue(attribute(type), value, 'x', [])).toThrow(detail);
  });

  it('of several texts is a list of texts', () => {
    expect(parseValue(attribute('string', true), ['b', null, 'a'], 'x', [])).toEqual(['b', 'a']);
    expect(parseValue(attribute('string', true), [], 'x', [])).toBeUndefined();
    expect(parseValue(attribute('string', true), ['b', 'a', 'b', ''], 'x', [])).toEqual(['b', 'a', '']);
    expect(parseValue(attribute('dateTime', true), ['', null, { value: '' }], 'x', [])).toBeUndefined();
    expect(parseValue(attribute('string', true), [{ $ref: null, value: 'b' }, 'a', { value: null }], 'x', [])).toEqual([
      'b',
      'a',
    ]);
    expect(parseValue(attribute('string', true), { value: 'b' }, 'x', [])).toEqual(['b']);
    expect(() => parseValue(attribute('string', true), [{ id: 'b' }], 'x', [])).toThrow(/not an object/);
    expect(parseValue(attribute('string', true), '', 'x', [])).toBeUndefined();
    expect(() => parseValue(attribute('string', true), ['b', 1], 'x', [])).toThrow(/not 1/);
    expect(() => parseValue(attribute('string', true), 'b', 'x', [])).toThrow(/an array, not "b"/);
  });
});

it.each([
  ['1970-01-01T00:00:00Z', 0],
  ['1970-01-01T01:00:00+01:00', 0],
  ['1970-01-01t00:00:00.25z', 250],
  ['1970-01-01T00:00:01', 1_000],
  ['yesterday', Number.NaN],
  ['1970-01-01', Number.NaN],
  ['1970-01-01T25:00:00Z', Number.NaN],
])('%s is %d milliseconds after 1970 began, whatever the zone of the machine', (text, instant) => {
  expect(instantOf(text)).toBe(instant);
});
