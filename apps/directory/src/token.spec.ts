import { expect, it } from 'vitest';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';

const DIRECTORY: readonly DirectoryEvent[] = [{ type: 'DirectoryCreated', name: 'n', kind: 'entra' }];
const token = { description: 'd', hash: 'h', sealed: 's', expiresAt: null, directoryId: 'dir' };
const CREATED: DirectoryEvent = { type: 'TokenCreated', ...token };

/** Given a directory and these events of a token, when the command comes: the decision. */
const decided = (command: DirectoryCommand, ...given: readonly DirectoryEvent[]): Decided =>
  decide(command, worldAfter({ dir: DIRECTORY, ...(given.length > 0 ? { t: given } : {}) })).events;

it('makes a token for a directory that exists', () => {
  const create = { type: 'CreateToken', tokenId: 't', ...token } as const;
  expect(decided(create)).toEqual([CREATED]);
  expect(refused(decide(create, worldAfter({})).events).detail).toMatch(/dir/);
  expect(refused(decided(create, CREATED))).toMatchObject({ code: 'conflict' });
});

it('revokes a token once; again changes nothing', () => {
  const revoke = { type: 'RevokeToken', tokenId: 't' } as const;
  expect(decided(revoke, CREATED)).toEqual([{ type: 'TokenRevoked' }]);
  expect(decided(revoke, CREATED, { type: 'TokenRevoked' })).toEqual([]);
  expect(refused(decided(revoke)).detail).toMatch(/no token/);
});

it('reveals a token that is not revoked, each time it is asked for', () => {
  const reveal = { type: 'RevealToken', tokenId: 't' } as const;
  expect(decided(reveal, CREATED)).toEqual([{ type: 'TokenRevealed' }]);
  expect(stateAfter(CREATED, { type: 'TokenRevealed' })).toEqual({ ...stateAfter(CREATED), version: 2 });
  expect(decided(reveal, CREATED, { type: 'TokenRevealed' })).toEqual([{ type: 'TokenRevealed' }]);
  expect(refused(decided(reveal, CREATED, { type: 'TokenRevealed' }, { type: 'TokenRevoked' }))).toMatchObject({
    code: 'conflict',
  });
  expect(refused(decided(reveal))).toMatchObject({ code: 'notFound' });
});
