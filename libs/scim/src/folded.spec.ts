import { describe, expect, it } from 'vitest';
import { foldedAttributes } from './folded.js';
import type { Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';

describe('the folded copy of a resource', () => {
  it.each<[string, Resource, Resource]>([
    [
      'nothing where folding changes nothing',
      { userName: 'ada', active: true, emails: [{ type: 'work', value: 'a@x', primary: true }] },
      {},
    ],
    ['a text', { userName: 'ada', displayName: 'ΑΔΑΣ' }, { displayName: 'αδασ' }],
    [
      'a complex value as a whole',
      { name: { givenName: 'Ada', familyName: 'lovelace' } },
      { name: { givenName: 'ada', familyName: 'lovelace' } },
    ],
    [
      'a list as a whole, so that its values stay together',
      {
        emails: [
          { type: 'home', value: 'h@x' },
          { type: 'Work', value: 'A@x', primary: true },
        ],
      },
      {
        emails: [
          { type: 'home', value: 'h@x' },
          { type: 'work', value: 'a@x', primary: true },
        ],
      },
    ],
    [
      'an extension as a whole',
      { [E]: { department: 'R', manager: { value: 'M1' } } },
      { [E]: { department: 'r', manager: { value: 'M1' } } },
    ],
    [
      'nothing of what is compared exactly',
      {
        externalId: 'Ext',
        profileUrl: 'https://X',
        x509Certificates: [{ value: 'AB==' }],
        [E]: { manager: { value: 'M1' } },
      },
      {},
    ],
    [
      'what is exact beside what is not',
      { photos: [{ type: 'PHOTO', value: 'https://X' }] },
      { photos: [{ type: 'photo', value: 'https://X' }] },
    ],
    ['nothing of what no schema knows', { strange: 'X', name: { strange: 'X' } }, {}],
  ])('holds %s', (_what, resource, expected) => {
    const before = structuredClone(resource);
    expect(foldedAttributes(USER, resource)).toEqual(expected);
    expect(resource).toEqual(before);
  });
});
