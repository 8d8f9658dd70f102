import { expect, it } from 'vitest';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';
import { MAX_TOKENS_PER_DIRECTORY } from './token.js';

const TENANT: readonly DirectoryEvent[] = [{ type: 'TenantCreated', name: 'Contoso' }];
const DIRECTORY: readonly DirectoryEvent[] = [{ type: 'DirectoryCreated', name: 'n', kind: 'entra' }];
const token = { description: 'd', hash: 'h', sealed: 's', expiresAt: null, directoryId: 'dir' };
const CREATED: DirectoryEvent = { type: 'TokenCreated', ...token };
const REVOKED: DirectoryEvent = { type: 'TokenRevoked' };
/** The worlds of these tests: tokens are made on the 1st of January 2026, and decisions made on the 1st of June. */
const NOW = '2026-06-01T00:00:00.000Z';
const expiring = (expiresAt: string): DirectoryEvent => ({ type: 'TokenCreated', ...token, expiresAt });

/** Given a directory and these events of a token, when the command comes: the decision. */
const decided = (command: DirectoryCommand, ...given: readonly DirectoryEvent[]): Decided =>
  decide(command, worldAfter({ dir: DIRECTORY, ...(given.length > 0 ? { t: given } : {}) }, NOW)).events;

it('makes a token for a directory that exists', () => {
  const create = { type: 'CreateToken', tokenId: 't', ...token } as const;
  expect(decided(create)).toEqual([CREATED]);
  expect(refused(decide(create, worldAfter({})).events).detail).toMatch(/dir/);
  expect(refused(decided(create, CREATED))).toMatchObject({ code: 'conflict' });
});

it('a directory has a limited number of tokens that are not revoked', () => {
  const given = (events: readonly DirectoryEvent[]): Record<string, readonly DirectoryEvent[]> =>
    Object.fromEntries(Array.from({ length: MAX_TOKENS_PER_DIRECTORY }, (_, index) => [`t${index}`, events]));
  const create = { type: 'CreateToken', tokenId: 'one more', ...token } as const;
  const rotate = {
    type: 'RotateToken',
    tokenId: 't0',
    newTokenId: 'one more',
    hash: 'h2',
    sealed: 's2',
    overlapSeconds: 0,
  } as const;
  for (const command of [create, rotate]) {
    const full = worldAfter({ dir: DIRECTORY, ...given([CREATED]) });
    expect(refused(decide(command, full).events)).toMatchObject({
      code: 'conflict',
      detail: expect.stringMatching(/50 tokens.*revoke/),
    });
  }
  expect(decide(create, worldAfter({ dir: DIRECTORY, ...given([CREATED, REVOKED]) })).events).toEqual([CREATED]);
  expect(
    decide(create, worldAfter({ dir: DIRECTORY, other: DIRECTORY, ...given([{ ...CREATED, directoryId: 'other' }]) }))
      .events,
  ).toEqual([CREATED]);
});

it('revokes a token once; again changes nothing', () => {
  const revoke = { type: 'RevokeToken', tokenId: 't' } as const;
  expect(decided(revoke, CREATED)).toEqual([REVOKED]);
  expect(decided(revoke, CREATED, REVOKED)).toEqual([]);
  expect(refused(decided(revoke)).detail).toMatch(/no token/);
});

it('makes a token inactive and active again, and changes its description; what is so already changes nothing', () => {
  const change = { type: 'ChangeToken', tokenId: 't' } as const;
  const deactivated: DirectoryEvent = { type: 'TokenChanged', status: 'inactive' };
  expect(decided({ ...change, status: 'inactive' }, CREATED)).toEqual([deactivated]);
  expect(stateAfter(CREATED, deactivated)).toMatchObject({ version: 2, status: 'inactive', description: 'd' });
  expect(decided({ ...change, status: 'active' }, CREATED, deactivated)).toEqual([
    { type: 'TokenChanged', status: 'active' },
  ]);
  expect(decided({ ...change, description: 'Entra' }, CREATED)).toEqual([
    { type: 'TokenChanged', description: 'Entra' },
  ]);
  expect(decided({ ...change, description: 'd', status: 'active' }, CREATED)).toEqual([]);
  expect(refused(decided({ ...change, status: 'active' }, CREATED, REVOKED))).toMatchObject({
    code: 'conflict',
    detail: expect.stringMatching(/revoked/),
  });
  expect(refused(decided({ ...change, status: 'active' }))).toMatchObject({ code: 'notFound' });
});

it('reveals a token that is not revoked, each time it is asked for', () => {
  const reveal = { type: 'RevealToken', tokenId: 't' } as const;
  const revealed: DirectoryEvent = { type: 'TokenRevealed' };
  expect(decided(reveal, CREATED)).toEqual([revealed]);
  expect(stateAfter(CREATED, revealed)).toEqual({ ...stateAfter(CREATED), version: 2 });
  expect(decided(reveal, CREATED, revealed)).toEqual([revealed]);
  expect(refused(decided(reveal, CREATED, revealed, REVOKED))).toMatchObject({ code: 'conflict' });
  expect(refused(decided(reveal))).toMatchObject({ code: 'notFound' });
});

it('reveals none in a tenant where that is switched off, and says how it is switched on', () => {
  const reveal = { type: 'RevealToken', tokenId: 't' } as const;
  const switched = (...values: boolean[]): Decided =>
    decide(
      reveal,
      worldAfter({
        tenant: [
          ...TENANT,
          ...values.map((revealTokens) => ({ type: 'TenantChanged', settings: { revealTokens } }) as const),
        ],
        dir: DIRECTORY,
        t: [CREATED],
      }),
    ).events;
  expect(refused(switched(false))).toMatchObject({
    code: 'forbidden',
    detail: expect.stringMatching(/tenant set .*--reveal-tokens on/),
  });
  expect(switched()).toEqual([{ type: 'TokenRevealed' }]);
  expect(switched(false, true)).toEqual([{ type: 'TokenRevealed' }]);
});

const rotate = {
  type: 'RotateToken',
  tokenId: 't',
  newTokenId: 'new',
  hash: 'h2',
  sealed: 's2',
  overlapSeconds: 86_400,
} as const;
const made = (expiresAt: string | null) => ({
  at: 'new',
  event: { type: 'TokenCreated', directoryId: 'dir', description: 'd', hash: 'h2', sealed: 's2', expiresAt },
});

it('a token that is rotated lives on beside the one that takes its place, for the overlap, and never longer than before', () => {
  expect(decided(rotate, CREATED)).toEqual([
    { type: 'TokenRotated', newTokenId: 'new', expiresAt: '2026-06-02T00:00:00.000Z' },
    made(null),
  ]);
  expect(decided({ ...rotate, overlapSeconds: 0 }, CREATED)).toMatchObject([{ expiresAt: NOW }, {}]);
  expect(decided(rotate, expiring('2026-06-01T06:00:00.000Z'))).toMatchObject([
    { expiresAt: '2026-06-01T06:00:00.000Z' },
    {},
  ]);
  expect(stateAfter(CREATED, { type: 'TokenRotated', newTokenId: 'new', expiresAt: NOW })).toMatchObject({
    replacedBy: 'new',
    expiresAt: NOW,
    status: 'active',
  });
});

it('the new token lives as long as the old one was to live, unless the command says until when', () => {
  const yearly = expiring('2027-01-01T00:00:00.000Z');
  expect(decided(rotate, yearly)).toMatchObject([{}, made('2027-06-01T00:00:00.000Z')]);
  expect(decided({ ...rotate, expiresAt: null }, yearly)).toMatchObject([{}, made(null)]);
  expect(decided({ ...rotate, expiresAt: '2026-07-01T00:00:00.000Z' }, CREATED)).toMatchObject([
    {},
    made('2026-07-01T00:00:00.000Z'),
  ]);
});

it('a token is rotated once, while it is not revoked, with an overlap that has a limit', () => {
  const rotated: DirectoryEvent = { type: 'TokenRotated', newTokenId: 'other', expiresAt: NOW };
  expect(refused(decided(rotate, CREATED, rotated)).detail).toMatch(/rotated already: the token other/);
  expect(refused(decided(rotate, CREATED, REVOKED))).toMatchObject({ code: 'conflict' });
  expect(refused(decided({ ...rotate, newTokenId: 't' }, CREATED))).toMatchObject({ code: 'conflict' });
  for (const overlapSeconds of [-1, 90 * 86_400 + 1, 0.5, NaN, '1' as unknown as number])
    expect(refused(decided({ ...rotate, overlapSeconds }, CREATED))).toMatchObject({ code: 'invalidValue' });
});

const warn = { type: 'WarnOfExpiry', tokenId: 't' } as const;
it.each([
  ['30 days before its end', '2026-06-30T23:00:00.000Z', 30],
  ['7 days before its end', '2026-06-08T00:00:00.000Z', 7],
  ['a day before its end', '2026-06-01T00:00:01.000Z', 1],
] as const)('a token is warned of %s, once', (_title, expiresAt, days) => {
  const event: DirectoryEvent = { type: 'TokenExpiring', days, expiresAt };
  expect(decided(warn, expiring(expiresAt))).toEqual([event]);
  expect(decided(warn, expiring(expiresAt), event)).toEqual([]);
});

it('of a token that is inactive, revoked, at its end, or far from it, nobody is warned', () => {
  const soon = expiring('2026-06-03T00:00:00.000Z');
  expect(decided(warn, soon, REVOKED)).toEqual([]);
  expect(decided(warn, soon, { type: 'TokenChanged', status: 'inactive' })).toEqual([]);
  expect(decided(warn, expiring(NOW))).toEqual([]);
  expect(decided(warn, expiring('2026-07-01T00:00:01.000Z'))).toEqual([]);
  expect(decided(warn, CREATED)).toEqual([]);
});

it('a token that was made or rotated for less than a month is not warned of at once', () => {
  const atFirst = (events: readonly DirectoryEvent[]): Decided =>
    decide(warn, worldAfter({ dir: DIRECTORY, t: events }, '2026-01-01T00:00:01.000Z')).events;
  expect(atFirst([expiring('2026-01-06T00:00:00.000Z')])).toEqual([]);
  expect(
    atFirst([CREATED, { type: 'TokenRotated', newTokenId: 'new', expiresAt: '2026-01-02T00:00:00.000Z' }]),
  ).toEqual([]);
});
