import { describe, expect, it } from 'vitest';
import { GROUP, parsePatch, type PatchOperation } from '#scim';
import { idsIn, splitOperations, type MemberChange } from './membership.js';

const read = (...operations: object[]): readonly PatchOperation[] =>
  parsePatch(GROUP, { Operations: operations }).operations;
const said = (...operations: object[]): readonly MemberChange[] => splitOperations(read(...operations)).members;
const everybody: MemberChange[] = [{ op: 'replace', ids: [] }];

describe('what an operation says about members', () => {
  it.each<[string, object, readonly MemberChange[]]>([
    [
      'Entra without the flag adds',
      {
        op: 'Add',
        path: 'members',
        value: [
          { $ref: null, value: 'A' },
          { $ref: null, value: 'b' },
        ],
      },
      [{ op: 'add', ids: ['a', 'b'] }],
    ],
    [
      'Entra without the flag removes those that it names, and nobody else',
      { op: 'Remove', path: 'members', value: [{ $ref: null, value: 'A' }] },
      [{ op: 'remove', ids: ['a'] }],
    ],
    ['Entra with the flag adds', { op: 'add', path: 'members', value: [{ value: 'a' }] }, [{ op: 'add', ids: ['a'] }]],
    [
      'Entra with the flag removes one',
      { op: 'remove', path: 'members[value eq "A"]' },
      [{ op: 'remove', ids: ['a'] }],
    ],
    ['nobody is added, and nobody goes', { op: 'Add', path: 'members', value: null }, []],
    [
      'a filter may name several',
      { op: 'remove', path: 'members[value eq "a" or value eq "b" or value eq "c"]' },
      [{ op: 'remove', ids: ['a', 'b', 'c'] }],
    ],
    [
      'a value that comes with a filter changes nothing about whom it names',
      { op: 'Remove', path: 'members[value eq "a"]', value: [{ value: 'b' }] },
      [{ op: 'remove', ids: ['a'] }],
    ],
    [
      'one member need not be in a list',
      { op: 'add', path: 'members', value: { value: 'a' } },
      [{ op: 'add', ids: ['a'] }],
    ],
    ['a path is no must', { op: 'add', value: { members: [{ value: 'a' }] } }, [{ op: 'add', ids: ['a'] }]],
    [
      'nor has a value to have a path of its own',
      { op: 'replace', value: { 'members[value eq "a"]': { value: 'a' } } },
      [{ op: 'add', ids: ['a'] }],
    ],
    [
      'names may have any case, and a URN',
      { OP: 'ADD', Path: 'URN:ietf:params:scim:schemas:core:2.0:group:MEMBERS', Value: [{ VALUE: 'a' }] },
      [{ op: 'add', ids: ['a'] }],
    ],
    ['a replacement', { op: 'replace', path: 'members', value: [{ value: 'a' }] }, [{ op: 'replace', ids: ['a'] }]],
    ['a replacement by nobody', { op: 'replace', path: 'members', value: [] }, everybody],
    ['a removal without a value is one of everybody (RFC 7644 §3.5.2.2)', { op: 'remove', path: 'members' }, everybody],
    ['null means that there is nobody', { op: 'replace', path: 'members', value: null }, everybody],
    ['a removal of an empty list removes nobody', { op: 'Remove', path: 'members', value: [] }, []],
    ['an addition of an empty list adds nobody', { op: 'Add', path: 'members', value: [] }, []],
    ['an addition of null adds nobody, and nobody goes', { op: 'Add', path: 'members', value: null }, []],
    ['nor with it in an object', { op: 'add', value: { members: null } }, []],
    [
      'a removal of nothing that has an id removes nobody',
      { op: 'Remove', path: 'members', value: [{ $ref: null, value: null }] },
      [],
    ],
    [
      'whoever a filter is true for goes',
      { op: 'remove', path: 'members[type eq "Group"]' },
      [{ op: 'removeWhere', filter: expect.objectContaining({ kind: 'compare' }) as never }],
    ],
    [
      'ids in a filter may have any case, as elsewhere',
      { op: 'remove', path: 'members[type eq "User" and (value eq "A" or not (value sw "B"))]' },
      said({ op: 'remove', path: 'members[type eq "User" and (value eq "a" or not (value sw "b"))]' }),
    ],
    [
      'not is no name',
      { op: 'remove', path: 'members[not (value eq "a")]' },
      [{ op: 'removeWhere', filter: expect.objectContaining({ kind: 'not' }) as never }],
    ],
    [
      'the value of a member is the member',
      { op: 'remove', path: 'members[value eq "a"].value' },
      [{ op: 'remove', ids: ['a'] }],
    ],
    [
      'a filter that finds nobody makes the member, as with e-mails',
      { op: 'Add', path: 'members[value eq "a"].value', value: 'A' },
      [{ op: 'add', ids: ['a'] }],
    ],
    [
      'one member becomes another',
      { op: 'replace', path: 'members[value eq "a"]', value: { value: 'B' } },
      [
        { op: 'remove', ids: ['a'] },
        { op: 'add', ids: ['b'] },
      ],
    ],
    [
      'one id becomes another',
      { op: 'replace', path: 'members[value eq "a"].value', value: 'b' },
      [
        { op: 'remove', ids: ['a'] },
        { op: 'add', ids: ['b'] },
      ],
    ],
    [
      'single quotes are as good as double ones',
      { op: 'remove', path: "members[value eq 'A' or value eq 'b']" },
      [{ op: 'remove', ids: ['a', 'b'] }],
    ],
    [
      'members may stand below their name',
      { op: 'remove', path: 'members', value: { members: [{ value: 'A' }] } },
      [{ op: 'remove', ids: ['a'] }],
    ],
    [
      'below their name, in a list of one',
      { op: 'add', path: 'members', value: [{ Members: { value: 'A' } }] },
      [{ op: 'add', ids: ['a'] }],
    ],
    [
      'and without a path',
      { op: 'replace', value: { members: { members: [{ value: 'A' }] } } },
      [{ op: 'replace', ids: ['a'] }],
    ],
    [
      'a dot behind the URN is as good as a colon',
      { op: 'remove', path: 'urn:ietf:params:scim:schemas:core:2.0:Group.members[value eq "a"]' },
      [{ op: 'remove', ids: ['a'] }],
    ],
    [
      'an empty text instead of members says that there are none',
      { op: 'replace', path: 'members', value: '' },
      everybody,
    ],
  ])('%s', (_rule, operation, changes) => {
    expect(said(operation)).toEqual(changes);
  });

  it('stays in its order, apart from the attributes of the group', () => {
    const operations = read(
      { op: 'remove', path: 'members' },
      { op: 'replace', path: 'displayName', value: 'x' },
      { op: 'add', path: 'members', value: [{ value: 'a' }] },
      { op: 'add', path: 'externalId', value: 'e' },
    );
    expect(splitOperations(operations)).toEqual({
      attributes: [operations[1], operations[3]],
      members: [
        { op: 'replace', ids: [] },
        { op: 'add', ids: ['a'] },
      ],
    });
  });

  it.each<[string, object, string, RegExp]>([
    [
      'a member without an id',
      { op: 'add', path: 'members', value: [{ type: 'User' }] },
      'invalidValue',
      /members needs a value; one has only "type"/,
    ],
    // Nothing of it was understood: it must not look done.
    ...(['add', 'replace', 'remove'] as const).flatMap((op) =>
      [
        [{ id: 'a' }],
        [{ value: 'a' }, { id: 'b' }],
        [{}],
        { member: [{ value: 'a' }] },
        { members: null },
        [{ value: '' }],
        [{ display: 'Ada' }],
        [''],
        [{ value: null, type: 'User' }],
      ].map((value): [string, object, string, RegExp] => [
        `to ${op} ${JSON.stringify(value)}`,
        { op, path: 'members', value },
        'invalidValue',
        /^(Each of )?members /,
      ]),
    ),
    ['to remove an empty text', { op: 'remove', path: 'members', value: '' }, 'invalidValue', /^members /],
    [
      'what is understood of none, without a path',
      { op: 'add', value: { members: [{ id: 'a' }] } },
      'invalidValue',
      /members needs a value/,
    ],
    [
      'what is understood of none, at a filter',
      { op: 'replace', path: 'members[value eq "a"]', value: { id: 'b' } },
      'invalidValue',
      /members/,
    ],
    [
      'a part that members have not',
      { op: 'replace', path: 'members[value eq "a"].nope', value: 'Ada' },
      'invalidPath',
      /nope/,
    ],
    ['a bare id', { op: 'Add', path: 'members', value: 'a' }, 'invalidValue', /members must be an array/],
    [
      'a list of bare ids',
      { op: 'Add', path: 'members', value: ['a'] },
      'invalidValue',
      /members must be an array of objects/,
    ],
    [
      'an id that is no text',
      { op: 'add', path: 'members', value: [{ value: 7 }] },
      'invalidValue',
      /members\.value must be a string, not 7/,
    ],
    ['a change of all ids', { op: 'replace', path: 'members.value', value: 'a' }, 'mutability', /members\.value/],
    ['a removal of a part of everybody', { op: 'remove', path: 'members.type' }, 'mutability', /members\.type/],
    [
      'a removal of a part of somebody',
      { op: 'remove', path: 'members[value eq "a"].type' },
      'mutability',
      /members\[value eq "a"\]\.type/,
    ],
    [
      'a change of what a member is',
      { op: 'replace', path: 'members[value eq "a"].type', value: 'Group' },
      'mutability',
      /members\[value eq "a"\]\.type/,
    ],
    [
      'a replacement of several',
      { op: 'replace', path: 'members[value eq "a" or value eq "b"]', value: { value: 'c' } },
      'noTarget',
      /must name one member/,
    ],
    [
      'an addition to whom a filter finds',
      { op: 'add', path: 'members[type eq "User"]', value: { value: 'c' } },
      'noTarget',
      /must name one member/,
    ],
    // A group does not know under which address it is shown.
    ['a choice by address', { op: 'remove', path: 'members[not ($ref ew "/a")]' }, 'invalidPath', /\$ref/],
    ['a filter on what members have not', { op: 'remove', path: 'members[nope eq "a"]' }, 'invalidPath', /nope/],
    ['a filter that cannot be read', { op: 'remove', path: 'members[value eq "a"' }, 'invalidPath', /cannot be read/],
  ])('refuses %s', (_title, operation, code, detail) => {
    expect(() => said(operation)).toThrow(expect.objectContaining({ code, detail: expect.stringMatching(detail) }));
  });
});

describe('the ids in a list', () => {
  it('are in lower case, and nothing is none', () => {
    expect(idsIn([{ value: 'A' }, { value: 'b', type: 'User' }])).toEqual(['a', 'b']);
    expect(idsIn(undefined)).toEqual([]);
  });
});
