import { expect, it } from 'vitest';
import { blameOf, isTimeOut, TooMuch, Unsettled } from './blame.js';

const failed = (code: string | undefined, message = ''): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

it.each([
  ['22P02', 'content'],
  ['23502', 'content'],
  ['54000', 'content'],
  ['54001', 'content'],
  ['MU003', 'content'],
  ['ERR_STRING_TOO_LONG', 'content'],
  // The work of one command may take too long, too much memory, or meet a fault of the database that nothing else
  // meets.
  ['57014', 'unsure'],
  ['55P03', 'unsure'],
  ['25P04', 'unsure'],
  ['53200', 'unsure'],
  ['53400', 'unsure'],
  ['XX000', 'unsure'],
  ['21000', 'unsure'],
  ['42P01', 'unsure'],
  ['53100', 'infrastructure'],
  ['53300', 'infrastructure'],
  ['57P01', 'infrastructure'],
  ['57P03', 'infrastructure'],
  ['08006', 'infrastructure'],
  ['40P01', 'infrastructure'],
  ['58030', 'infrastructure'],
  ['ECONNRESET', 'infrastructure'],
  ['EPIPE', 'infrastructure'],
  [undefined, 'infrastructure'],
])('%s is %s', (code, blame) => {
  expect(blameOf(failed(code))).toBe(blame);
});

it('what is too much, or never enough, or no text of JavaScript any more, is content', () => {
  expect([new TooMuch('', 2, 1), new Unsettled(), new RangeError('Invalid string length')].map(blameOf)).toEqual([
    'content',
    'content',
    'content',
  ]);
});

it('a fault of a program may be content', () => {
  expect([new TypeError('x is not a function'), new SyntaxError('no JSON')].map(blameOf)).toEqual(['unsure', 'unsure']);
});

it('rows that are missing may be the fault of a command, but a position that has moved never is', () => {
  expect(blameOf(failed('MU001', 'write statement: deleted_users wrote 0 rows instead of 1'))).toBe('unsure');
  expect(blameOf(failed('MU001', 'write statement: position wrote 0 rows instead of 1'))).toBe('infrastructure');
});

it('a time-out is told by its code', () => {
  expect(['57014', '55P03', '25P04', '53200', '57P01'].filter((code) => isTimeOut(failed(code)))).toEqual([
    '57014',
    '55P03',
    '25P04',
  ]);
});
