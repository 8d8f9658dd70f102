import { expect, it } from 'vitest';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';
import { MAX_DOMAINS_PER_TENANT } from './domain.js';

const TENANT: readonly DirectoryEvent[] = [{ type: 'TenantCreated', name: 'Contoso' }];
const named = (name: string): Extract<DirectoryEvent, { type: 'DomainAdded' }> => ({
  type: 'DomainAdded',
  name,
  shownName: name,
  record: 'muster-verification=x',
});
const add = (name: string, domainId = 'd') =>
  ({ ...named(name), type: 'AddDomain', domainId }) as const satisfies DirectoryCommand;
const VERIFIED: DirectoryEvent = { type: 'DomainVerified', by: 'dns' };

const decided = (command: DirectoryCommand, ...given: readonly DirectoryEvent[]): Decided =>
  decide(command, worldAfter({ t: TENANT, ...(given.length > 0 ? { d: given } : {}) })).events;

it('adds a domain once to a tenant that exists', () => {
  expect(decided(add('example.org'))).toEqual([named('example.org')]);
  expect(refused(decide(add('example.org'), worldAfter({})).events).detail).toMatch(/tenant/);
  expect(refused(decided(add('example.org', 'other'), named('example.org')))).toMatchObject({
    code: 'conflict',
    detail: expect.stringContaining('with the id d'),
  });
  expect(refused(decided(add('example.com'), named('example.org')))).toMatchObject({ code: 'conflict' });
});

it.each(['example.org', 'a.b', 'xn--mller-kva.de', 'mail.example-1.co.uk', `${'a'.repeat(63)}.org`])(
  'takes %s for a domain',
  (name) => {
    expect(decided(add(name))).toEqual([named(name)]);
  },
);

it.each([
  '',
  'org',
  '.org',
  'example.',
  'example..org',
  'Example.org',
  '-example.org',
  'example-.org',
  'exa_mple.org',
  'müller.de',
  '127.0.0.1',
  '[::1]',
  'example.org:53',
  'ada@example.org',
  'example.org\n',
  `${'a'.repeat(64)}.org`,
  `${'a.'.repeat(126)}ab`,
  'a.'.repeat(100_000),
])('refuses %s', (name) => {
  expect(refused(decided(add(name)))).toMatchObject({ code: 'invalidValue' });
});

it('a tenant has a limited number of domains', () => {
  const known = Object.fromEntries(
    Array.from({ length: MAX_DOMAINS_PER_TENANT }, (_, index) => [`d${index}`, [named(`d${index}.org`)]]),
  );
  expect(refused(decide(add('example.org'), worldAfter({ t: TENANT, ...known })).events)).toMatchObject({
    code: 'conflict',
    detail: expect.stringMatching(/100 domains/),
  });
});

it('verifies a domain once, and says how', () => {
  const verify = { type: 'VerifyDomain', domainId: 'd', by: 'dns' } as const;
  expect(decided(verify, named('example.org'))).toEqual([VERIFIED]);
  expect(stateAfter(named('example.org'), VERIFIED)).toMatchObject({
    version: 2,
    verifiedBy: 'dns',
    verifiedAt: '2026-01-01T00:00:00.000Z',
  });
  expect(decided({ ...verify, by: 'administrator' }, named('example.org'), VERIFIED)).toEqual([]);
  expect(refused(decided(verify))).toMatchObject({ code: 'notFound' });
});

it('a domain that was removed is gone, and its name can be added again', () => {
  const remove = { type: 'RemoveDomain', domainId: 'd' } as const;
  const removed: DirectoryEvent = { type: 'DomainRemoved' };
  expect(decided(remove, named('example.org'), VERIFIED)).toEqual([removed]);
  expect(stateAfter(named('example.org'), VERIFIED, removed)).toBeNull();
  expect(refused(decided(remove, named('example.org'), removed))).toMatchObject({ code: 'notFound' });
  expect(decided(add('example.org', 'other'), named('example.org'), removed)).toEqual([named('example.org')]);
});
