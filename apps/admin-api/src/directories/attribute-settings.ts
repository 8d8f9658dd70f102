import type { SettingChanges } from '#contracts';
import { definitionsOf, localTarget, orRejection, isRejection, Rejected, type TenantSchema } from '#scim';
import { checkMapping } from './mapping.js';

/** The settings that name attributes: they are checked against those that users of the tenant may have. */
const NAMING_ATTRIBUTES = ['attributeMapping', 'localAttributes'] as const satisfies readonly (keyof SettingChanges)[];

/** Tells whether a change has to be checked by checkAttributes. */
export const namesAttributes = (settings: SettingChanges): boolean =>
  NAMING_ATTRIBUTES.some((name) => settings[name] !== undefined && settings[name] !== null);

/** Returns warnings about what may be saved. Throws Rejected(invalidValue) that names the setting and what is wrong. */
export const checkAttributes = (
  { attributeMapping, localAttributes }: SettingChanges,
  schemas: readonly TenantSchema[] | null,
): readonly string[] => {
  if (localAttributes) checkLocal(localAttributes, schemas);
  return attributeMapping ? checkMapping(attributeMapping, schemas) : [];
};

const checkLocal = (paths: readonly string[], schemas: readonly TenantSchema[] | null): void => {
  const { user } = definitionsOf(schemas);
  for (const path of paths) {
    const target = orRejection(() => localTarget(user, path));
    if (isRejection(target)) throw new Rejected(target.code, `localAttributes: ${target.detail}`);
  }
};
