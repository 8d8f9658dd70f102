import { expect, it } from 'vitest';
import { adminRoutes } from '../../../../test/support/admin-routes.js';

const ROUTES = adminRoutes().map(({ method, path, need }) => [`${method} ${path}`, need] as const);

it('finds the routes', () => {
  expect(ROUTES.length).toBeGreaterThan(25);
  expect(ROUTES.map(([route]) => route)).toContain('POST /directories/:id/reveal-token');
});

it.each(ROUTES)('%s says which scope a key needs: without that it is open to none', (route, need) => {
  expect(need?.scope).toBeDefined();
  // A route for reading changes nothing, and one that changes something is not open to those who may only read.
  if (route.startsWith('GET')) expect(need!.scope).toBe(route.startsWith('GET /audit/') ? 'audit' : 'read');
  if (/^(PUT|PATCH|DELETE)/.test(route)) expect(need!.scope).toBe('manage');
  if (/reveal/.test(route)) expect(need!.scope).toBe('reveal');
  // The auditors' API changes nothing.
  if (/ \/audit\//.test(route)) expect(need!.scope).toBe('audit');
  // It shows what a body says, and changes users and groups.
  if (/replay/.test(route)) expect(need).toMatchObject({ scope: 'manage', and: 'audit' });
});
