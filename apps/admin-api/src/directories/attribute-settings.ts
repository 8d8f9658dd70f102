import type { SettingChanges } from '#contracts';
import {
  definitionsOf,
  isRejection,
  localTarget,
  orRejection,
  parseRequired,
  parseScope,
  Rejected,
  type TenantSchema,
} from '#scim';
import { checkMapping } from './mapping.js';

/** The settings that name attributes: they are checked against those that users of the tenant may have. */
const NAMING_ATTRIBUTES = [
  'attributeMapping',
  'localAttributes',
  'requiredAttributes',
  'scope',
] as const satisfies readonly (keyof SettingChanges)[];

/** Tells whether a change has to be checked by checkAttributes. */
export const namesAttributes = (settings: SettingChanges): boolean =>
  NAMING_ATTRIBUTES.some((name) => settings[name] !== undefined && settings[name] !== null);

/** Returns warnings about what may be saved. Throws Rejected(invalidValue) that names the setting and what is wrong. */
export const checkAttributes = (
  { attributeMapping, localAttributes, requiredAttributes, scope }: SettingChanges,
  schemas: readonly TenantSchema[] | null,
): readonly string[] => {
  const { user } = definitionsOf(schemas);
  for (const path of localAttributes ?? []) check('localAttributes', () => localTarget(user, path));
  for (const path of requiredAttributes ?? []) check('requiredAttributes', () => parseRequired(user, path));
  if (scope) check('scope', () => parseScope(user, scope));
  return attributeMapping ? checkMapping(attributeMapping, schemas) : [];
};

/** Says of what cannot be read in which setting it stands. */
const check = (setting: keyof SettingChanges, read: () => unknown): void => {
  const found = orRejection(read);
  if (isRejection(found)) throw new Rejected('invalidValue', `${setting}: ${found.detail}`);
};
