import { expect, it } from 'vitest';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';
import { MAX_KEYS } from './api-key.js';

const made = { name: 'Ada', scopes: ['read', 'manage'], tenantId: null, hash: 'h', expiresAt: null } as const;
const create = { type: 'CreateApiKey', keyId: 'k', ...made } as const;
const CREATED: DirectoryEvent = { type: 'ApiKeyCreated', ...made };
const revoke = { type: 'RevokeApiKey', keyId: 'k' } as const;

/** Given these events of keys, when the command comes: the decision. */
const decided = (command: DirectoryCommand, given: Readonly<Record<string, readonly DirectoryEvent[]>>): Decided =>
  decide(command, worldAfter(given)).events;

it('makes a key, once', () => {
  expect(decided(create, {})).toEqual([CREATED]);
  expect(refused(decided(create, { k: [CREATED] }))).toMatchObject({ code: 'conflict' });
});

it('gives a name, however it is written, to one key; it is free when that one is revoked', () => {
  const other = { ...create, name: 'ADA' } as const;
  expect(refused(decided(other, { other: [CREATED] }))).toMatchObject({
    code: 'conflict',
    detail: expect.stringMatching(/"Ada" already, with the id other: revoke it/) as unknown,
  });
  expect(decided(other, { other: [CREATED, { type: 'ApiKeyRevoked' }] })).toEqual([{ ...CREATED, name: 'ADA' }]);
});

it('makes only so many', () => {
  const many = Object.fromEntries(
    Array.from({ length: MAX_KEYS }, (_, index) => [`k${index}`, [{ ...CREATED, name: `Key ${index}` }]]),
  );
  expect(refused(decided(create, many)).detail).toMatch(/1000 keys already/);
  expect(decided(create, { ...many, k0: [CREATED, { type: 'ApiKeyRevoked' }] })).toEqual([CREATED]);
});

it('revokes a key once; again changes nothing', () => {
  expect(decided(revoke, { k: [CREATED] })).toEqual([{ type: 'ApiKeyRevoked' }]);
  expect(decided(revoke, { k: [CREATED, { type: 'ApiKeyRevoked' }] })).toEqual([]);
  expect(refused(decided(revoke, {}))).toMatchObject({ code: 'notFound' });
  expect(stateAfter(CREATED, { type: 'ApiKeyRevoked' })).toMatchObject({ status: 'revoked', version: 2 });
});
