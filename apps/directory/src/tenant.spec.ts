import { expect, it } from 'vitest';
import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { stateAfter, worldAfter } from '../../../test/support/directory-world.js';
import type { Decided } from './aggregate.js';
import { decide } from './aggregates.js';

const CREATED: DirectoryEvent = { type: 'TenantCreated', name: 'Contoso' };
const decided = (command: DirectoryCommand, ...given: readonly DirectoryEvent[]): Decided =>
  decide(command, worldAfter(given.length > 0 ? { t: given } : {})).events;

it('makes a tenant once', () => {
  const create = { type: 'CreateTenant', tenantId: 't', name: 'Contoso' } as const;
  expect(decided(create)).toEqual([CREATED]);
  expect(refused(decided(create, CREATED))).toMatchObject({ code: 'conflict' });
});

it('gives a tenant another name', () => {
  const rename = { type: 'RenameTenant', tenantId: 't', name: 'Fabrikam' } as const;
  const renamed: DirectoryEvent = { type: 'TenantRenamed', name: 'Fabrikam' };
  expect(decided(rename, CREATED)).toEqual([renamed]);
  expect(stateAfter(CREATED, renamed)).toMatchObject({ name: 'Fabrikam', version: 2 });
  expect(decided(rename, CREATED, renamed)).toEqual([]);
  expect(refused(decided(rename))).toMatchObject({ code: 'notFound' });
});

it('shows tokens after they were made, until that is switched off', () => {
  const change = (revealTokens: boolean) =>
    ({ type: 'ChangeTenant', tenantId: 't', settings: { revealTokens } }) as const;
  const off: DirectoryEvent = { type: 'TenantChanged', settings: { revealTokens: false } };
  expect(decided(change(true), CREATED)).toEqual([]);
  expect(decided(change(false), CREATED)).toEqual([off]);
  expect(stateAfter(CREATED, off)).toMatchObject({ revealTokens: false, name: 'Contoso' });
  expect(decided(change(false), CREATED, off)).toEqual([]);
  expect(decided({ ...change(true), settings: {} }, CREATED, off)).toEqual([]);
  expect(refused(decided(change(true)))).toMatchObject({ code: 'notFound' });
});
