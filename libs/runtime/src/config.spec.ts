import { expect, it } from 'vitest';
import { readConfig } from './config.js';

it('has a default for every setting and reads numbers', () => {
  expect(readConfig({}).scimBaseUrl).toBe('http://localhost:8080/api/scim/v2');
  expect(readConfig({ PORT: '9000' }).PORT).toBe(9000);
  expect(readConfig({ PUBLIC_URL: 'https://scim.example.org/' }).scimBaseUrl).toBe('https://scim.example.org/api/scim/v2');
});

it('refuses a wrong setting in one line that names it', () => {
  expect(() => readConfig({ PORT: 'x', PUBLIC_URL: 'ftp://a' })).toThrow(/PORT.*PUBLIC_URL/);
});
