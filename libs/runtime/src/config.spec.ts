import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { readConfig } from './config.js';

it('has a default for every setting and reads numbers', () => {
  expect(readConfig({}).scimBaseUrl).toBe('http://localhost:8080/api/scim/v2');
  expect(readConfig({ PORT: '9000' }).PORT).toBe(9000);
  expect(readConfig({ PUBLIC_URL: 'https://scim.example.org/' }).scimBaseUrl).toBe('https://scim.example.org/api/scim/v2');
});

it('takes a master key of 32 bytes only: any other would fail at the first user', () => {
  expect(readConfig({ MASTER_KEY: randomBytes(32).toString('base64') }).MASTER_KEY).toHaveLength(44);
  for (const wrong of ['secret', randomBytes(32).toString('hex'), randomBytes(24).toString('base64')]) {
    expect(() => readConfig({ MASTER_KEY: wrong })).toThrow(/^MASTER_KEY must be 32 bytes/);
  }
});

it('refuses a wrong setting in one line that names it', () => {
  expect(() => readConfig({ PORT: 'x', PUBLIC_URL: 'ftp://a' })).toThrow(/PORT.*PUBLIC_URL/);
});

it('refuses a key of another length before it wraps anything, and does not repeat it', () => {
  const key = Buffer.alloc(32, 1).toString('base64');
  expect(readConfig({ MASTER_KEY: key }).MASTER_KEY).toBe(key);
  expect(() => readConfig({ MASTER_KEY: 'c2hvcnQ=' })).toThrow(/^MASTER_KEY must be 32 bytes in base64$/);
});

it('reads an empty setting as none', () => {
  expect(readConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({ PORT: 8080, DATABASE_URL: undefined });
});
