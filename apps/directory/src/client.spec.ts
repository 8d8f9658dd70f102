import { expect, it } from 'vitest';
import type { DirectoryCommand, DirectoryEvent, Federation } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';
import type { ClientState } from './client.js';

const DIRECTORY: readonly DirectoryEvent[] = [{ type: 'DirectoryCreated', name: 'n', kind: 'entra' }];
const FEDERATION: Federation = { issuer: 'https://i', subject: 's', audiences: ['a'], jwksUri: null };
const CREATED: DirectoryEvent = { type: 'ClientCreated', directoryId: 'dir', name: 'Entra', federation: null };
const secret = { secretId: 's1', description: 'd', hash: 'h', expiresAt: '2027-01-01T00:00:00.000Z' };
const ADDED: DirectoryEvent = { type: 'ClientSecretAdded', ...secret };
const REVOKED: DirectoryEvent = { type: 'ClientRevoked' };

/** Given a directory and these events of a client, when the command comes: the decision. */
const decided = (command: DirectoryCommand, ...given: readonly DirectoryEvent[]): Decided =>
  decide(command, worldAfter({ dir: DIRECTORY, ...(given.length > 0 ? { c: given } : {}) })).events;

const create = (name: string, clientId = 'new'): DirectoryCommand => ({
  type: 'CreateClient',
  clientId,
  directoryId: 'dir',
  name,
  federation: FEDERATION,
});

it('makes a client of a directory that exists, under a name that no other active client of it has', () => {
  expect(decided(create('Entra'))).toEqual([
    { type: 'ClientCreated', directoryId: 'dir', name: 'Entra', federation: FEDERATION },
  ]);
  expect(refused(decide(create('Entra'), worldAfter({})).events)).toMatchObject({ code: 'notFound' });
  expect(refused(decided(create(' ENTRA'), CREATED))).toMatchObject({ code: 'conflict' });
  expect(decided(create('Entra'), CREATED, REVOKED)).toHaveLength(1);
  expect(refused(decided(create('Other', 'c'), CREATED))).toMatchObject({ code: 'conflict' });
});

it('a client ends with the access of the identity provider of its directory, and none is made while that is away', () => {
  const world = worldAfter({ dir: DIRECTORY, c: [CREATED], gone: [CREATED, REVOKED] });
  expect(decide({ type: 'DisconnectDirectory', directoryId: 'dir' }, world).events).toEqual([
    { type: 'DirectoryDisconnected' },
    { at: 'c', event: REVOKED },
  ]);
  const away = worldAfter({ dir: [...DIRECTORY, { type: 'DirectoryDisconnected' }] });
  expect(refused(decide(create('Entra'), away).events)).toMatchObject({ code: 'conflict' });
});

it('a directory has a limited number of active clients', () => {
  const clients = Object.fromEntries(
    Array.from({ length: 50 }, (_, index) => [`c${index}`, [{ ...CREATED, name: `n${index}` } as DirectoryEvent]]),
  );
  expect(refused(decide(create('one more'), worldAfter({ dir: DIRECTORY, ...clients })).events).detail).toMatch(/50/);
});

it('a client has several secrets at once, and each can be taken away', () => {
  const add = { type: 'AddClientSecret', clientId: 'c', ...secret } as const;
  expect(decided(add, CREATED)).toEqual([ADDED]);
  expect(decided({ ...add, secretId: 's2' }, CREATED, ADDED)).toHaveLength(1);
  expect(refused(decided(add, CREATED, ADDED))).toMatchObject({ code: 'conflict' });
  expect(refused(decided(add))).toMatchObject({ code: 'notFound' });
  const remove = { type: 'RemoveClientSecret', clientId: 'c', secretId: 's1' } as const;
  expect(decided(remove, CREATED, ADDED)).toEqual([{ type: 'ClientSecretRemoved', secretId: 's1' }]);
  expect(refused(decided(remove, CREATED))).toMatchObject({ code: 'notFound' });
  const state = stateAfter(
    CREATED,
    ADDED,
    { ...ADDED, secretId: 's2' },
    { type: 'ClientSecretRemoved', secretId: 's1' },
  );
  expect((state as ClientState).secrets.map(({ id }) => id)).toEqual(['s2']);
  expect(state?.version).toBe(4);
  const many = Array.from({ length: 10 }, (_, index): DirectoryEvent => ({ ...ADDED, secretId: `x${index}` }));
  expect(refused(decided(add, CREATED, ...many)).detail).toMatch(/at most 10/);
});

it('a secret is warned of 30, 7 and 1 days before its end, once each, while it is there', () => {
  const warn = { type: 'WarnOfSecretExpiry', clientId: 'c', secretId: 's1' } as const;
  /** It was made on 2026-01-01, and now it is 2026-06-01. */
  const endingOn = (day: string): DirectoryEvent => ({ ...ADDED, expiresAt: `${day}T00:00:00.000Z` });
  const warned = (days: 30 | 7 | 1, day: string): DirectoryEvent => ({
    type: 'ClientSecretExpiring',
    secretId: 's1',
    days,
    expiresAt: `${day}T00:00:00.000Z`,
  });
  const [june, july] = ['2026-06-08', '2026-07-02'];
  expect(decided(warn, CREATED, endingOn(july))).toEqual([]);
  expect(decided(warn, CREATED, endingOn('2026-07-01'))).toEqual([warned(30, '2026-07-01')]);
  expect(decided(warn, CREATED, endingOn(june))).toEqual([warned(7, june)]);
  expect(decided(warn, CREATED, endingOn(june), warned(30, june))).toEqual([warned(7, june)]);
  expect(decided(warn, CREATED, endingOn(june), warned(7, june))).toEqual([]);
  expect(decided(warn, CREATED, endingOn('2026-06-01'))).toEqual([]);
  expect(decided(warn, CREATED, { ...ADDED, expiresAt: null })).toEqual([]);
  expect(decided(warn, CREATED, endingOn(june), REVOKED)).toEqual([]);
  expect(decided(warn, CREATED)).toEqual([]);
  expect(refused(decided(warn))).toMatchObject({ code: 'notFound' });
  // One that was made with 20 days to live is not warned of 30.
  expect(stateAfter(CREATED, endingOn('2026-01-21'))).toMatchObject({ secrets: [{ warned: 30 }] });
  expect((stateAfter(CREATED, ADDED) as ClientState).secrets[0]).not.toHaveProperty('warned');
});

it('a client whose tokens another issuer signs has no secret, and neither has one that is revoked', () => {
  const add = { type: 'AddClientSecret', clientId: 'c', ...secret } as const;
  expect(refused(decided(add, { ...CREATED, federation: FEDERATION })).detail).toContain('https://i');
  expect(refused(decided(add, CREATED, REVOKED))).toMatchObject({ code: 'conflict' });
});

it('a client is revoked once; again changes nothing', () => {
  const revoke = { type: 'RevokeClient', clientId: 'c' } as const;
  expect(decided(revoke, CREATED)).toEqual([REVOKED]);
  expect(decided(revoke, CREATED, REVOKED)).toEqual([]);
});

it('of several processes that want to replace one signing key, the first one does', () => {
  const publicKey = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
  const add = (replaces: string | null) =>
    ({ type: 'AddSigningKey', keyId: 'k9', publicKey, sealed: 's', replaces }) as const;
  const key: DirectoryEvent = { type: 'SigningKeyAdded', publicKey, sealed: 's' };
  expect(decide(add(null), worldAfter({})).events).toEqual([key]);
  expect(decide(add(null), worldAfter({ k1: [key] })).events).toEqual([]);
  expect(decide(add('k2'), worldAfter({ k1: [key], k2: [key] })).events).toEqual([key]);
  expect(decide(add('k1'), worldAfter({ k1: [key], k2: [key] })).events).toEqual([]);
});
