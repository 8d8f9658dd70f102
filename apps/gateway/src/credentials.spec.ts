import { expect, it } from 'vitest';
import { credentialsIn, isOfAnother } from './credentials.js';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const bearer = { token: 'muster_aB-_9', directory: null };
const ID = '01980000-0000-7000-8000-000000000002';

it.each<[string, string | undefined, object | null]>([
  ['a bearer token', 'Bearer muster_aB-_9', bearer],
  ['in any case, with spaces', 'bearer   muster_aB-_9 ', bearer],
  ['the user name and the password', basic(`${ID}:muster_aB-_9`), { token: 'muster_aB-_9', directory: ID }],
  ['a user name in capitals', basic(`${ID.toUpperCase()}:t`), { token: 't', directory: ID }],
  ['no user name', basic(':t'), { token: 't', directory: '' }],
  ['a colon in the password, which no token has', basic(`${ID}:a:b`), null],
  ['no password', basic(`${ID}:`), null],
  ['no colon', basic(ID), null],
  ['no base64', 'Basic %%%', null],
  ['another scheme', 'Digest x', null],
  ['a token with a space', 'Bearer a b', null],
  ['nothing', undefined, null],
])('%s', (_title, header, expected) => {
  expect(credentialsIn(header)).toEqual(expected);
});

it('the user name is that of the directory of the token', () => {
  expect(isOfAnother({ token: 't', directory: ID }, { directory: ID })).toBe(false);
  expect(isOfAnother({ token: 't', directory: null }, { directory: ID })).toBe(false);
  for (const directory of ['', 'admin', ID.replace('2', '3')])
    expect(isOfAnother({ token: 't', directory }, { directory: ID })).toBe(true);
});
