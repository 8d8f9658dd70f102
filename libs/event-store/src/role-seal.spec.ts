import { describe, expect, it } from 'vitest';
import { roleSeal } from './role-seal.js';

const URL = 'postgres://muster_gateway:p%40ss@localhost:5432/muster';

describe('the seal of a role', () => {
  const { seal, open } = roleSeal(URL, 'gateway', 'cursor');

  it('is the same in every process of the role, and in no other', () => {
    const sealed = seal('context', 'Ada ß');
    expect(sealed).toMatch(/^[\w-]+$/);
    expect(roleSeal(URL, 'gateway', 'cursor').open('context', sealed)).toBe('Ada ß');
    expect(roleSeal(URL, 'gateway', 'other').open('context', sealed)).toBeNull();
    expect(roleSeal(URL, 'admin_api', 'cursor').open('context', sealed)).toBeNull();
    expect(roleSeal(URL.replace('p%40ss', 'other'), 'gateway', 'cursor').open('context', sealed)).toBeNull();
  });

  it('opens nothing but what was sealed, in its context', () => {
    const sealed = seal('context', 'Ada');
    expect(open('context', sealed)).toBe('Ada');
    expect(open('other', sealed)).toBeNull();
    for (let end = 0; end < sealed.length; end++) expect(open('context', sealed.slice(0, end))).toBeNull();
    for (let at = 0; at < sealed.length; at++) {
      for (const letter of ['A', 'B', '-', '_', '=', ' ', '+', 'é']) {
        if (sealed[at] !== letter)
          expect(open('context', sealed.slice(0, at) + letter + sealed.slice(at + 1)), `${letter} at ${at}`).toBeNull();
      }
    }
    for (const other of ['', '~', `${sealed}=`, `${sealed} `, sealed + sealed, `\n${sealed}`])
      expect(open('context', other)).toBeNull();
  });
});
