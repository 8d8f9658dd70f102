import { expect, it } from 'vitest';
import { refused } from '../../../test/support/decisions.js';
import { decide } from './directory.js';

const everything = { tenantExists: true, directoryExists: () => true, directoryNames: [], otherSchemas: [] };

it('makes a directory in a tenant that exists only', () => {
  const command = { type: 'CreateDirectory', directoryId: 'd', name: 'n', kind: 'entra' } as const;
  expect(decide(command, null, everything)).toEqual([{ type: 'DirectoryCreated', name: 'n', kind: 'entra' }]);
  expect(refused(decide(command, null, { ...everything, tenantExists: false })).detail).toMatch(/tenant/);
});

it('makes no second directory of a name, however it is written', () => {
  const command = {
    type: 'CreateDirectory',
    directoryId: 'd',
    name: ' Microsoft  ENTRA\u200b ID',
    kind: 'entra',
  } as const;
  expect(
    refused(decide(command, null, { ...everything, directoryNames: ['Okta', 'Microsoft Entra ID'] })).detail,
  ).toMatch(/has a directory of the name/);
  expect(decide(command, null, { ...everything, directoryNames: ['Okta'] })).toHaveLength(1);
});
