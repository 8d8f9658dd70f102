import { directorySettings, isValueOf, valuesOf, type DirectorySetting, type SettingChanges } from '#contracts';
import { checkText, quote, Rejected } from '#scim';

/** An answer is not to be many times as long as the body: each wrong name is told with all that there are. */
const MAX_TOLD_NAMES = 10;

/**
 * The settings that a body changes; null = back to the default. Beside them it may have a reason. Throws
 * Rejected(invalidValue) that names what is wrong.
 */
export const settingsIn = (body: unknown): SettingChanges => {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Rejected('invalidValue', 'The body is an object with the settings to change.');
  // Names are told again, and not every text can be.
  checkText(body);
  const { reason: _reason, ...settings } = body as Readonly<Record<string, unknown>>;
  const declared = new Map<string, DirectorySetting>(directorySettings());
  const wrong = Object.entries(settings).flatMap(([name, value]) => {
    const setting = declared.get(name);
    if (!setting) return [`${quote(name)} is no setting: there are ${[...declared.keys()].join(', ')}`];
    return value === null || isValueOf(setting, value) ? [] : [`${name} must be ${valuesOf(setting)}`];
  });
  const more = wrong.length > MAX_TOLD_NAMES ? [`and ${wrong.length - MAX_TOLD_NAMES} more`] : [];
  if (wrong.length > 0) throw new Rejected('invalidValue', [...wrong.slice(0, MAX_TOLD_NAMES), ...more].join('; '));
  return settings;
};
