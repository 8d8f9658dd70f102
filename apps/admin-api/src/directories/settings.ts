import { directorySettings, SETTING_TYPES, type DirectorySettings } from '#contracts';
import { checkText, Rejected } from '#scim';

/** The settings that a body changes. Throws Rejected(invalidValue) that names all that is wrong. */
export const settingsIn = (body: unknown): Partial<DirectorySettings> => {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Rejected('invalidValue', 'The body is an object with the settings to change.');
  // Names are told again, and not every text can be.
  checkText(body);
  const declared = new Map<string, keyof typeof SETTING_TYPES>(
    directorySettings().map(([name, { type }]) => [name, type]),
  );
  const wrong = Object.entries(body).flatMap(([name, value]) => {
    const type = declared.get(name);
    if (type === undefined) return [`${name} is no setting: there are ${[...declared.keys()].join(', ')}`];
    return SETTING_TYPES[type].is(value) ? [] : [`${name} must be ${SETTING_TYPES[type].values}`];
  });
  if (wrong.length > 0) throw new Rejected('invalidValue', wrong.join('; '));
  return body;
};
