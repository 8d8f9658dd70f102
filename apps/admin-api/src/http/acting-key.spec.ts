import { expect, it } from 'vitest';
import { BOOTSTRAP, notToGive, refusalOf, type ActingKey, type Need } from './acting-key.js';

const key = (given: Partial<ActingKey>): ActingKey => ({
  actor: 'key:k',
  name: 'Ada',
  scopes: ['read', 'manage', 'reveal'],
  tenant: null,
  ...given,
});
const need = (scope: Need['scope'], of: Need['of'] = 'tenant'): Need => ({ scope, of });

it('a route that does not say what it needs is open to no key', () => {
  for (const one of [key({}), BOOTSTRAP]) expect(refusalOf(undefined, one)).toMatch(/open to no key/);
});

it('a key may do what its scopes say, and one does not imply another', () => {
  for (const scope of ['read', 'manage', 'reveal'] as const) {
    expect(refusalOf(need(scope), key({ scopes: [scope] }))).toBe(null);
    for (const other of ['read', 'manage', 'reveal'] as const)
      if (other !== scope) expect(refusalOf(need(other), key({ scopes: [scope] }))).toMatch(`this needs ${other}`);
  }
});

it('a route that needs two scopes is open to no key with one of them', () => {
  const both: Need = { scope: 'manage', of: 'tenant', and: 'audit' };
  expect(refusalOf(both, key({ scopes: ['manage', 'audit'] }))).toBe(null);
  for (const scope of ['manage', 'audit'] as const)
    expect(refusalOf(both, key({ scopes: [scope, 'read'] }))).toMatch('this needs manage and audit');
});

it('the key of one tenant has nothing to do with what concerns the installation', () => {
  const ofTenant = key({ tenant: 't' });
  expect(refusalOf(need('read'), ofTenant)).toBe(null);
  for (const what of ['installation', 'keys'] as const)
    expect(refusalOf(need('read', what), ofTenant)).toMatch(/the whole installation/);
});

it('the bootstrap key only makes keys, of every scope', () => {
  expect(refusalOf(need('manage', 'keys'), BOOTSTRAP)).toBe(null);
  for (const what of ['tenant', 'installation'] as const)
    expect(refusalOf(need('read', what), BOOTSTRAP)).toMatch(/only makes, lists and revokes keys/);
  expect(notToGive(['read', 'manage', 'reveal'], BOOTSTRAP)).toEqual([]);
});

it('a key gives no scope that it does not have', () => {
  expect(notToGive(['read', 'reveal'], key({ scopes: ['read', 'manage'] }))).toEqual(['reveal']);
});
