import { expect, it } from 'vitest';
import { PRESETS } from '#contracts';
import { refused } from '../../../test/support/decisions.js';
import { worldAfter } from '../../../test/support/directory-world.js';
import { decide } from './aggregates.js';

const TENANT = [{ type: 'TenantCreated', name: 'Contoso' }] as const;
const create = { type: 'CreateDirectory', directoryId: 'd', name: 'n', kind: 'scim' } as const;

it('makes a directory in a tenant that exists only', () => {
  expect(decide(create, worldAfter({ t: TENANT }))).toEqual({
    stream: 'd',
    events: [{ type: 'DirectoryCreated', name: 'n', kind: 'scim' }],
  });
  expect(refused(decide(create, worldAfter({})).events).detail).toMatch(/tenant/);
});

it('makes no second directory of a name, however it is written', () => {
  const named = (name: string): readonly [{ type: 'DirectoryCreated'; name: string; kind: 'scim' }] => [
    { type: 'DirectoryCreated', name, kind: 'scim' },
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

it('writes what its kind sets behind a new directory, as settings that somebody has set', () => {
  const command = { type: 'CreateDirectory', directoryId: 'd', name: 'n', kind: 'entra' } as const;
  expect(decide(command, worldAfter({ t: TENANT })).events).toEqual([
    { type: 'DirectoryCreated', name: 'n', kind: 'entra' },
    { type: 'DirectoryChanged', settings: PRESETS.entra },
  ]);
});
