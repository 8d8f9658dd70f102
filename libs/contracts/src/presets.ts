import type { DirectoryKind } from './directory.js';
import type { DirectorySettings, SettingName } from './directory-settings.js';

/**
 * The settings that a directory of a kind is made with, as if somebody had set them: they are shown and can be changed, and
 * stay as they are when a later release of Muster makes new directories differently. Only what differs from the
 * defaults is named.
 */
export const PRESETS: { readonly [kind in DirectoryKind]: Partial<DirectorySettings> } = {
  // By default Entra sends the mail nickname, which two people of two domains share, and which is given again.
  // Many errors put a directory of Entra into quarantine, and it no longer sends who has left.
  entra: { externalIdIsProviderId: false, refusal: 'quiet' },
  okta: {},
  scim: {},
  strict: {
    requiredAttributes: ['name.givenName', 'name.familyName', 'emails[type eq "work"].value'],
    unknownRoles: 'refuse',
  },
};

/** The settings of a directory that are as its kind sets them. */
export const presetsIn = (kind: DirectoryKind, settings: Partial<DirectorySettings>): readonly SettingName[] =>
  (Object.keys(PRESETS[kind]) as SettingName[]).filter(
    (name) => JSON.stringify(settings[name]) === JSON.stringify(PRESETS[kind][name]),
  );
