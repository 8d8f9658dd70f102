import { describe, expect, it } from 'vitest';
import { GROUP, parsePatch, type PatchOperation } from '#scim';
import { idsIn, splitOperations, type MemberChange } from './membership.js';

const read = (...operations: object[]): readonly PatchOperation[] =>
  parsePatch(GROUP, { Operations: operations }).operations;
const said = (...operations: object[]): readonly MemberChange[] => splitOperations(read(...operations)).members;
const everybody: MemberChange[] = [{ op: 'replace', ids: [] }];

describe('what an operation says about members', () => {
  it.each(
    Object.entries<{ when: object; then: readonly MemberChange[] }>({
      'Entra without the flag adds': {
        when: {
          op: 'Add',
          path: 'members',
          value: [
            { $ref: null, value: 'A' },
            { $ref: null, value: 'b' },
          ],
        },
        then: [{ op: 'add', ids: ['a', 'b'] }],
      },
      'Entra without the flag removes those that it names, and nobody else': {
        when: { op: 'Remove', path: 'members', value: [{ $ref: null, value: 'A' }] },
        then: [{ op: 'remove', ids: ['a'] }],
      },
      'Entra with the flag adds': {
        when: { op: 'add', path: 'members', value: [{ value: 'a' }] },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'Entra with the flag removes one': {
        when: { op: 'remove', path: 'members[value eq "A"]' },
        then: [{ op: 'remove', ids: ['a'] }],
      },
      'nobody is added, and nobody goes': { when: { op: 'Add', path: 'members', value: null }, then: [] },
      'a filter may name several': {
        when: { op: 'remove', path: 'members[value eq "a" or value eq "b" or value eq "c"]' },
        then: [{ op: 'remove', ids: ['a', 'b', 'c'] }],
      },
      'a value that comes with a filter changes nothing about whom it names': {
        when: { op: 'Remove', path: 'members[value eq "a"]', value: [{ value: 'b' }] },
        then: [{ op: 'remove', ids: ['a'] }],
      },
      'one member need not be in a list': {
        when: { op: 'add', path: 'members', value: { value: 'a' } },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'a path need not be there': {
        when: { op: 'add', value: { members: [{ value: 'a' }] } },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'a value need not have a path of its own': {
        when: { op: 'replace', value: { 'members[value eq "a"]': { value: 'a' } } },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'names may have any case, and a URN': {
        when: { OP: 'ADD', Path: 'URN:ietf:params:scim:schemas:core:2.0:group:MEMBERS', Value: [{ VALUE: 'a' }] },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'a replacement names all who are members then': {
        when: { op: 'replace', path: 'members', value: [{ value: 'a' }] },
        then: [{ op: 'replace', ids: ['a'] }],
      },
      'a replacement by nobody removes everybody': {
        when: { op: 'replace', path: 'members', value: [] },
        then: everybody,
      },
      'a removal without a value is one of everybody (RFC 7644 §3.5.2.2)': {
        when: { op: 'remove', path: 'members' },
        then: everybody,
      },
      'null means that there is nobody': { when: { op: 'replace', path: 'members', value: null }, then: everybody },
      'a removal of an empty list removes nobody': { when: { op: 'Remove', path: 'members', value: [] }, then: [] },
      'an addition of an empty list adds nobody': { when: { op: 'Add', path: 'members', value: [] }, then: [] },
      'an addition of null adds nobody, and nobody goes': {
        when: { op: 'Add', path: 'members', value: null },
        then: [],
      },
      'an addition of an object with null adds nobody': { when: { op: 'add', value: { members: null } }, then: [] },
      'a removal of nothing that has an id removes nobody': {
        when: { op: 'Remove', path: 'members', value: [{ $ref: null, value: null }] },
        then: [],
      },
      'whoever a filter is true for goes': {
        when: { op: 'remove', path: 'members[type eq "Group"]' },
        then: [{ op: 'removeWhere', filter: expect.objectContaining({ kind: 'compare' }) as never }],
      },
      'ids in a filter may have any case, as elsewhere': {
        when: { op: 'remove', path: 'members[type eq "User" and (value eq "A" or not (value sw "B"))]' },
        then: said({ op: 'remove', path: 'members[type eq "User" and (value eq "a" or not (value sw "b"))]' }),
      },
      'not is no name': {
        when: { op: 'remove', path: 'members[not (value eq "a")]' },
        then: [{ op: 'removeWhere', filter: expect.objectContaining({ kind: 'not' }) as never }],
      },
      'the value of a member is the member': {
        when: { op: 'remove', path: 'members[value eq "a"].value' },
        then: [{ op: 'remove', ids: ['a'] }],
      },
      'a filter that finds nobody makes the member, as with e-mails': {
        when: { op: 'Add', path: 'members[value eq "a"].value', value: 'A' },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'one member becomes another': {
        when: { op: 'replace', path: 'members[value eq "a"]', value: { value: 'B' } },
        then: [
          { op: 'remove', ids: ['a'] },
          { op: 'add', ids: ['b'] },
        ],
      },
      'one id becomes another': {
        when: { op: 'replace', path: 'members[value eq "a"].value', value: 'b' },
        then: [
          { op: 'remove', ids: ['a'] },
          { op: 'add', ids: ['b'] },
        ],
      },
      'single quotes are as good as double ones': {
        when: { op: 'remove', path: "members[value eq 'A' or value eq 'b']" },
        then: [{ op: 'remove', ids: ['a', 'b'] }],
      },
      'members may stand below their name': {
        when: { op: 'remove', path: 'members', value: { members: [{ value: 'A' }] } },
        then: [{ op: 'remove', ids: ['a'] }],
      },
      'members may stand below their name in a list of one': {
        when: { op: 'add', path: 'members', value: [{ Members: { value: 'A' } }] },
        then: [{ op: 'add', ids: ['a'] }],
      },
      'members may stand below their name without a path': {
        when: { op: 'replace', value: { members: { members: [{ value: 'A' }] } } },
        then: [{ op: 'replace', ids: ['a'] }],
      },
      'a dot behind the URN is as good as a colon': {
        when: { op: 'remove', path: 'urn:ietf:params:scim:schemas:core:2.0:Group.members[value eq "a"]' },
        then: [{ op: 'remove', ids: ['a'] }],
      },
      'an empty text instead of members says that there are none': {
        when: { op: 'replace', path: 'members', value: '' },
        then: everybody,
      },
    }),
  )('%s', (_rule, { when: operation, then: changes }) => {
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

  it.each(
    Object.entries<{ when: object; then: string; because: RegExp }>({
      'a member without an id': {
        when: { op: 'add', path: 'members', value: [{ type: 'User' }] },
        then: 'invalidValue',
        because: /members needs a value; one has only "type"/,
      },
      'to remove an empty text': {
        when: { op: 'remove', path: 'members', value: '' },
        then: 'invalidValue',
        because: /^members /,
      },
      'what is understood of none, without a path': {
        when: { op: 'add', value: { members: [{ id: 'a' }] } },
        then: 'invalidValue',
        because: /members needs a value/,
      },
      'what is understood of none, at a filter': {
        when: { op: 'replace', path: 'members[value eq "a"]', value: { id: 'b' } },
        then: 'invalidValue',
        because: /members/,
      },
      'a part that members have not': {
        when: { op: 'replace', path: 'members[value eq "a"].nope', value: 'Ada' },
        then: 'invalidPath',
        because: /nope/,
      },
      'a bare id': {
        when: { op: 'Add', path: 'members', value: 'a' },
        then: 'invalidValue',
        because: /members must be an array/,
      },
      'a list of bare ids': {
        when: { op: 'Add', path: 'members', value: ['a'] },
        then: 'invalidValue',
        because: /members must be an array of objects/,
      },
      'an id that is no text': {
        when: { op: 'add', path: 'members', value: [{ value: 7 }] },
        then: 'invalidValue',
        because: /members\.value must be a string, not 7/,
      },
      'a change of all ids': {
        when: { op: 'replace', path: 'members.value', value: 'a' },
        then: 'mutability',
        because: /members\.value/,
      },
      'a removal of a part of everybody': {
        when: { op: 'remove', path: 'members.type' },
        then: 'mutability',
        because: /members\.type/,
      },
      'a removal of a part of somebody': {
        when: { op: 'remove', path: 'members[value eq "a"].type' },
        then: 'mutability',
        because: /members\[value eq "a"\]\.type/,
      },
      'a change of what a member is': {
        when: { op: 'replace', path: 'members[value eq "a"].type', value: 'Group' },
        then: 'mutability',
        because: /members\[value eq "a"\]\.type/,
      },
      'a replacement of several': {
        when: { op: 'replace', path: 'members[value eq "a" or value eq "b"]', value: { value: 'c' } },
        then: 'noTarget',
        because: /must name one member/,
      },
      'an addition to whom a filter finds': {
        when: { op: 'add', path: 'members[type eq "User"]', value: { value: 'c' } },
        then: 'noTarget',
        because: /must name one member/,
      },
      // A group does not know under which address it is shown.
      'a choice by address': {
        when: { op: 'remove', path: 'members[not ($ref ew "/a")]' },
        then: 'invalidPath',
        because: /\$ref/,
      },
      'a filter on what members have not': {
        when: { op: 'remove', path: 'members[nope eq "a"]' },
        then: 'invalidPath',
        because: /nope/,
      },
      'a filter that cannot be read': {
        when: { op: 'remove', path: 'members[value eq "a"' },
        then: 'invalidPath',
        because: /cannot be read/,
      },
    }),
  )('refuses %s', (_rule, { when: operation, then: code, because }) => {
    expect(() => said(operation)).toThrow(expect.objectContaining({ code, detail: expect.stringMatching(because) }));
  });

  // Nothing of it was understood: it must not look done.
  it.each(
    (['add', 'replace', 'remove'] as const).flatMap((op) =>
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
      ].map((value) => [op, JSON.stringify(value)] as const),
    ),
  )('refuses to %s members that name nobody: %s', (op, value) => {
    expect(() => said({ op, path: 'members', value: JSON.parse(value) })).toThrow(
      expect.objectContaining({ code: 'invalidValue', detail: expect.stringMatching(/^(Each of )?members /) }),
    );
  });
});

describe('the ids in a list', () => {
  it('are in lower case, and nothing is none', () => {
    expect(idsIn([{ value: 'A' }, { value: 'b', type: 'User' }])).toEqual(['a', 'b']);
    expect(idsIn(undefined)).toEqual([]);
  });
});
