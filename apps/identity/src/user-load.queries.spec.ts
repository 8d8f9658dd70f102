import { expect, it } from 'vitest';
import type { UserCommand } from '#contracts';
import { MAX_KEY_CHARACTERS, MAX_TEXT_CHARACTERS, USER_URN, type PatchOperation } from '#scim';
import { touches } from './user-load.queries.js';

const userId = '0198a000-0000-7000-8000-000000000001';
const keysOf = (command: UserCommand): object => {
  const { claims, former_upns, emails, external_ids } = touches(
    [{ id: 'c', tenant: 't', directory: 'd', correlationId: 'x', command }],
    [],
  );
  return Object.fromEntries(
    Object.entries({ claims, former_upns, emails, external_ids }).map(([name, rows]) => [
      name,
      rows.map(({ value }) => value),
    ]),
  );
};
const patchKeys = (...operations: PatchOperation[]): object =>
  keysOf({ type: 'PatchUser', userId, operations } as unknown as UserCommand);
const NONE = { claims: [], former_upns: [], emails: [], external_ids: [] };

it.each(['', `${USER_URN}:`, `${USER_URN.toUpperCase()}:`])(
  'a PATCH is looked up by what it may assign to the names, e-mails and ids of the core, spelt %j',
  (urn) => {
    expect(
      patchKeys(
        { op: 'replace', path: `${urn}userName`, value: 'Ada' },
        { op: 'replace', path: `${urn}externalId`, value: 'E-1' },
        { op: 'add', path: `${urn}emails`, value: [{ value: 'A@x', display: 'no key' }, { value: 'b@x' }] },
        { op: 'add', path: `${urn}emails[type eq "work"]`, value: { value: 'c@x' } },
        { op: 'add', path: `${urn}emails[display eq "].x"].value`, value: 'd@x' },
        { op: 'replace', path: `${urn}EMAILS.value`, value: 'e@x' },
      ),
    ).toEqual({ claims: ['ada'], former_upns: [], emails: ['a@x', 'b@x', 'c@x', 'd@x', 'e@x'], external_ids: ['E-1'] });
  },
);

it('a PATCH is looked up by no other part of an e-mail, and by no attribute of an extension', () => {
  expect(
    patchKeys(
      { op: 'replace', path: 'emails[type eq "work"].display', value: 'Ada' },
      { op: 'replace', path: 'emails.type', value: 'work' },
      ...['userName', 'externalId', 'emails'].map(
        (name) => ({ op: 'replace', path: `urn:example:User:${name}`, value: 'x' }) as const,
      ),
    ),
  ).toEqual(NONE);
});

it('nobody is looked up by a text that is too long for a key', () => {
  const [long, longest] = ['x'.repeat(MAX_TEXT_CHARACTERS), 'x'.repeat(MAX_KEY_CHARACTERS)];
  const assigning = (value: string): PatchOperation[] => [
    { op: 'replace', path: 'userName', value },
    { op: 'replace', path: 'externalId', value },
    { op: 'replace', path: 'emails[type eq "work"].value', value },
    { op: 'add', path: 'emails', value: [{ value }] },
  ];
  expect(patchKeys(...assigning(long))).toEqual(NONE);
  expect(patchKeys(...assigning(longest))).toEqual({
    claims: [longest],
    former_upns: [],
    emails: [longest],
    external_ids: [longest],
  });
  const resource = { userName: long, active: true, externalId: long, emails: [{ type: 'work', value: long }] };
  for (const type of ['CreateUser', 'ReplaceUser'])
    expect(keysOf({ type, userId, resource } as unknown as UserCommand)).toEqual(NONE);
  expect(
    keysOf({
      type: 'RecordSignIn',
      userId,
      upn: long,
      email: long,
      loginType: 'oidc',
      providerId: 'p',
    } as unknown as UserCommand),
  ).toMatchObject({ former_upns: [], emails: [] });
});
