import type { SettingChanges } from '#contracts';
import { call, listAll } from '../admin-api.sender.js';
import type { Case } from './case.js';
import type { DirectoryView, RevealedDirectory, SchemaView, TenantView } from '../admin-views.js';

/** The tenant that checks are made in: nobody of it is ever seen by another one. */
const SCRATCH_TENANT = 'Conformance checks';

/**
 * Makes ready a directory that is like `of`: of its kind, with its settings for cases and the schemas of its tenant, in
 * the tenant for checks. There is one for each kind, which the next check uses again; between checks it is disconnected.
 */
export const openScratch = async (of: DirectoryView): Promise<RevealedDirectory> => {
  const tenant =
    (await listAll<TenantView>('tenants')).find(({ name }) => name === SCRATCH_TENANT) ??
    (await call<TenantView>('POST', 'tenants', { name: SCRATCH_TENANT }));
  for (const { resourceType, schema } of await listAll<SchemaView>('schemas', { tenant: of.tenant }))
    await call('PUT', `schemas/${encodeURIComponent(schema.id)}`, { ...schema, tenant: tenant.id, resourceType });
  const name = `Like ${of.kind}`;
  const found = (await listAll<DirectoryView>('directories')).find(
    (directory) => directory.tenant === tenant.id && directory.name === name,
  );
  const scratch = found
    ? await call<RevealedDirectory>('POST', `directories/${found.id}/connect`)
    : await call<RevealedDirectory>('POST', 'directories', { name, kind: of.kind, tenant: tenant.id });
  try {
    await call('PATCH', `directories/${scratch.id}`, settingsForCases(of));
    return scratch;
  } catch (error) {
    await closeScratch(scratch);
    throw error;
  }
};

/**
 * Settings that a check does not take over. Cases send the people of those who published them: whom a directory leaves out
 * says nothing about its clients. Its groups are not in the tenant for checks, and its tenant of Entra is given once in the
 * whole installation.
 */
export const LEFT_OUT = [
  'scope',
  'requiredAttributes',
  'groupRoles',
  'entraTenantId',
] as const satisfies readonly (keyof SettingChanges)[];

export const settingsForCases = ({ settings }: DirectoryView): SettingChanges => ({
  ...settings,
  ...Object.fromEntries(LEFT_OUT.map((name) => [name, null])),
});

/** Some cases are about one setting: they run under it, whatever the directory has. */
export const withSettings = async <T>(
  { id }: DirectoryView,
  usual: SettingChanges,
  { settings }: Case,
  run: () => Promise<T>,
): Promise<T> => {
  if (!settings) return run();
  await call('PATCH', `directories/${id}`, settings);
  try {
    return await run();
  } finally {
    await call('PATCH', `directories/${id}`, usual);
  }
};

/** Revokes the tokens of a directory that was made for a check. */
export const closeScratch = async ({ id }: DirectoryView): Promise<void> => {
  await call('POST', `directories/${id}/disconnect`);
};
