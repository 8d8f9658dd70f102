import { expect, it } from 'vitest';
import { refused } from '../../../test/support/decisions.js';
import { worldAfter } from '../../../test/support/directory-world.js';
import { decide } from './aggregates.js';

const TENANT = [{ type: 'TenantCreated', name: 'Contoso' }] as const;
const create = { type: 'CreateDirectory', directoryId: 'd', name: 'n', kind: 'entra' } as const;

it('makes a directory in a tenant that exists only', () => {
  expect(decide(create, worldAfter({ t: TENANT }))).toEqual({
    stream: 'd',
    events: [{ type: 'DirectoryCreated', name: 'n', kind: 'entra' }],
  });
  expect(refused(decide(create, worldAfter({})).events).detail).toMatch(/tenant/);
});

it('makes no second directory of a name, however it is written', () => {
  const named = (name: string): readonly [{ type: 'DirectoryCreated'; name: string; kind: 'entra' }] => [
    { type: 'DirectoryCreated', name, kind: 'entra' },
  ];
  const command = { ...create, name: ' Microsoft  ENTRA\u200b ID' };
  const world = worldAfter({ t: TENANT, a: named('Okta'), b: named('Microsoft Entra ID') });
  expect(refused(decide(command, world).events).detail).toMatch(/has a directory of the name/);
  expect(decide(command, worldAfter({ t: TENANT, a: named('Okta') })).events).toHaveLength(1);
});

it('takes no id that something else has', () => {
  const command = { ...create, directoryId: 't' };
  expect(refused(decide(command, worldAfter({ t: TENANT })).events)).toMatchObject({ code: 'conflict' });
});
