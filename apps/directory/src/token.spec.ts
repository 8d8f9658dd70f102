import { expect, it } from 'vitest';
import type { DirectoryEvent } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { decide, evolve, type DirectoryState } from './directory.js';

const at = '2026-01-01T00:00:00.000Z';
const given = (...events: DirectoryEvent[]): DirectoryState =>
  events.reduce<DirectoryState>((state, event) => evolve(state, event, at), null);
const everything = { tenantExists: true, directoryExists: () => true, directoryNames: [], otherSchemas: [] };
const token = { description: 'd', hash: 'h', sealed: 's', expiresAt: null, directoryId: 'dir' };

it('makes a token for a directory that exists', () => {
  expect(decide({ type: 'CreateToken', tokenId: 't', ...token }, null, everything)).toEqual([
    { type: 'TokenCreated', ...token },
  ]);
  expect(
    refused(
      decide({ type: 'CreateToken', tokenId: 't', ...token }, null, { ...everything, directoryExists: () => false }),
    ).detail,
  ).toMatch(/dir/);
});

it('revokes a token once; again changes nothing', () => {
  const active = given({ type: 'TokenCreated', ...token });
  expect(decide({ type: 'RevokeToken', tokenId: 't' }, active, everything)).toEqual([{ type: 'TokenRevoked' }]);
  expect(
    decide({ type: 'RevokeToken', tokenId: 't' }, evolve(active, { type: 'TokenRevoked' }, at), everything),
  ).toEqual([]);
  expect(refused(decide({ type: 'RevokeToken', tokenId: 't' }, null, everything)).detail).toMatch(/no token/);
});

it('reveals a token that is not revoked, each time it is asked for', () => {
  const made = given({ type: 'TokenCreated', ...token });
  const reveal = { type: 'RevealToken', tokenId: 't' } as const;
  expect(decide(reveal, made, everything)).toEqual([{ type: 'TokenRevealed' }]);
  const revealed = evolve(made, { type: 'TokenRevealed' }, at);
  expect(revealed).toEqual({ ...made, version: 2 });
  expect(decide(reveal, revealed, everything)).toEqual([{ type: 'TokenRevealed' }]);
  expect(refused(decide(reveal, evolve(revealed, { type: 'TokenRevoked' }, at), everything))).toMatchObject({
    code: 'conflict',
  });
  expect(refused(decide(reveal, null, everything))).toMatchObject({ code: 'notFound' });
});
