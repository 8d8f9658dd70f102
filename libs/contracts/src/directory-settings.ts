import type { SettingShape, ValueOf } from './setting-types.js';

/** A setting: its type with its limits and the value in a directory where nobody has set it, and what it does. */
export type DirectorySetting = SettingShape & {
  /** For administrators: one sentence that says what happens where it is on, or what it holds. */
  readonly description: string;
  /** The services that read it. */
  readonly readBy: readonly string[];
};

/**
 * THE settings of a directory. The check of the admin API, the options of `directory set`, their documentation and the
 * SQL that reads them are made of this: a setting is one entry here and its use.
 */
export const DIRECTORY_SETTINGS = {
  offerExistingUsers: {
    type: 'boolean',
    default: false,
    description: 'The identity provider also sees users that nobody manages; its first write to one links it.',
    readBy: ['gateway', 'identity'],
  },
  emailIsLoginName: {
    type: 'boolean',
    default: false,
    description: 'The work e-mail is what people sign in with, and therefore unique in the tenant.',
    readBy: ['identity'],
  },
  userNameSource: {
    type: 'choice',
    choices: ['upn', 'other'],
    default: 'upn',
    description:
      'What the identity provider sends as userName: upn is the user principal name, which Entra changes where it deletes somebody softly; other is any other text that is unique, such as the externalId, and is taken as it is.',
    readBy: ['identity'],
  },
  upnClaim: {
    type: 'text',
    minCharacters: 1,
    maxCharacters: 200,
    default: 'upn',
    description:
      'The claim that holds the userName when somebody signs in: what records a sign-in sends its value as upn, and the person is found by it.',
    readBy: ['admin-api'],
  },
  externalIdIsProviderId: {
    type: 'boolean',
    default: true,
    description:
      'The externalId is the id by which the identity provider tells people apart: unique in the directory, and a person is found by it alone. People who share one when this is switched on keep it; nobody else gets it.',
    readBy: ['identity'],
  },
  createUsers: {
    type: 'boolean',
    default: true,
    description: 'The identity provider makes users. Off: whoever is new is kept archived, or refused.',
    readBy: ['identity'],
  },
  updateUsers: {
    type: 'boolean',
    default: true,
    description:
      'The identity provider changes attributes of users. Off: they stay as they are, but users are archived and reactivated.',
    readBy: ['identity'],
  },
  deactivateUsers: {
    type: 'boolean',
    default: true,
    description: 'The identity provider archives users. Off: `active: false` is not carried out.',
    readBy: ['identity'],
  },
  deleteUsers: {
    type: 'boolean',
    default: true,
    description: 'The identity provider deletes users. Off: a DELETE is not carried out.',
    readBy: ['identity'],
  },
  deleteDeactivated: {
    type: 'boolean',
    default: false,
    description:
      'Users whom the identity provider archives or deletes are deleted. Off: both are kept as archived, and a deleted one is no longer shown to the identity provider.',
    readBy: ['identity'],
  },
  provisionGroups: {
    type: 'boolean',
    default: true,
    description: 'The identity provider makes, changes and deletes groups. Off: each such request is a 403.',
    readBy: ['group'],
  },
  scope: {
    type: 'text',
    minCharacters: 0,
    maxCharacters: 2_000,
    default: '',
    description:
      'A SCIM filter, such as department eq "Sales" and emails pr, on what is stored of a user: whoever it does not match is kept archived until it does. A change counts for each user from the next write of the identity provider on. Empty = everybody is in scope.',
    readBy: ['identity'],
  },
  requiredAttributes: {
    type: 'list',
    maxItems: 20,
    maxCharacters: 200,
    default: [],
    description:
      'Attributes, as paths such as name.givenName or emails[type eq "work"].value, that each user has to have: a write that leaves one out is a 400 that names it, unless it archives the user.',
    readBy: ['identity'],
  },
  unknownRoles: {
    type: 'choice',
    choices: ['keep', 'refuse'],
    default: 'keep',
    description:
      'A value of roles that is no web role: keep stores and shows it, and it gives nothing; refuse is a 400 that lists the roles that there are.',
    readBy: ['identity'],
  },
  refusal: {
    type: 'choice',
    choices: ['quiet', 'error'],
    default: 'error',
    description:
      'What the identity provider is told when it asks for what is switched off, or for somebody new who is out of scope: error is a 403 that says so; quiet is the answer of success, because some providers stop after many errors.',
    readBy: ['identity'],
  },
  offerLocalGroups: {
    type: 'boolean',
    default: false,
    description: 'The identity provider also sees local groups, which it cannot change.',
    readBy: ['gateway', 'group'],
  },
  attributeMapping: {
    type: 'mapping',
    maxItems: 200,
    default: [],
    description:
      'What is stored of the attributes that the identity provider sends: each target gets what its expression makes of them; what no line writes is stored as it comes.',
    readBy: ['identity'],
  },
  entraTenantId: {
    type: 'text',
    minCharacters: 0,
    maxCharacters: 36,
    default: '',
    description:
      'The id of the tenant at Microsoft Entra ID whose own tokens are taken: Entra sends them where its Secret Token is left empty. Empty = none are. Only a key of the whole installation names one.',
    readBy: ['gateway'],
  },
  localAttributes: {
    type: 'list',
    maxItems: 100,
    maxCharacters: 500,
    default: [],
    description:
      'Attributes, as paths such as title or name.givenName, that belong to local administrators: the identity provider fills them until an administrator sets one, and from then on it leaves that as it is.',
    readBy: ['identity'],
  },
  groupRoles: {
    type: 'map',
    choices: ['ReadOnly', 'User', 'Admin', 'EnterpriseAdmin'],
    maxItems: 100,
    maxCharacters: 400,
    default: {},
    description:
      'The web roles that groups of the directory give to those of its users who are in them, directly or through other groups. A group is named by its id or its name, and kept by its id.',
    readBy: ['identity'],
  },
  roleCeiling: {
    type: 'choice',
    choices: ['none', 'ReadOnly', 'User', 'Admin', 'EnterpriseAdmin'],
    default: 'EnterpriseAdmin',
    description:
      'The most powerful web role that the directory may give, by the attribute roles or by a group: a more powerful one is kept and shown, and gives this one.',
    readBy: ['identity'],
  },
  silentAfterMinutes: {
    type: 'number',
    min: 0,
    max: 525_600,
    default: 0,
    description:
      'Minutes without any request after which directory health says that the directory is silent. 0 = by its kind: a directory of Entra after twice its longest pause of two weeks, two hours to three days; others never, because they may have nothing to send.',
    readBy: ['admin-api'],
  },
} as const satisfies Readonly<Record<string, DirectorySetting>>;

type Declared = typeof DIRECTORY_SETTINGS;
export type SettingName = keyof Declared;
export type DirectorySettings = { readonly [name in SettingName]: ValueOf<Declared[name]> };
/** A change of settings; null = back to the default. */
export type SettingChanges = { readonly [name in SettingName]?: DirectorySettings[name] | null };

/** The settings that a service reads. */
export type SettingsReadBy<Service extends string> = {
  readonly [
    name in SettingName as Service extends Declared[name]['readBy'][number] ? name : never
  ]: DirectorySettings[name];
};

/** All settings, with their names. */
export const directorySettings = (): readonly (readonly [SettingName, DirectorySetting])[] =>
  Object.entries(DIRECTORY_SETTINGS) as [SettingName, DirectorySetting][];

/** The settings of a directory, of which those are stored that somebody has set. */
export const settingsOf = (stored: Partial<DirectorySettings>): DirectorySettings =>
  Object.fromEntries(
    directorySettings().map(([name, setting]) => [name, stored[name] ?? setting.default]),
  ) as unknown as DirectorySettings;

/** Two settings that may contradict each other, and the sentence that says how, which names both. */
interface Contradiction {
  readonly between: readonly [SettingName, SettingName];
  readonly isThere: (settings: DirectorySettings) => boolean;
  readonly warning: string;
}
/** Claims in which identity providers send the UPN. */
const UPN_CLAIMS: ReadonlySet<string> = new Set([
  'upn',
  'preferred_username',
  'unique_name',
  'userprincipalname',
  'user.userprincipalname',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name',
]);
const isUpnClaim = ({ upnClaim }: DirectorySettings): boolean => UPN_CLAIMS.has(upnClaim.trim().toLowerCase());

const CONTRADICTIONS: readonly Contradiction[] = [
  {
    between: ['userNameSource', 'upnClaim'],
    isThere: (settings) => settings.userNameSource === 'other' && isUpnClaim(settings),
    warning:
      'userNameSource says that the userName is not the UPN, but upnClaim names a claim of the UPN: at sign-in nobody is found by it. Set upnClaim to the claim that holds the same value as userName.',
  },
  {
    between: ['userNameSource', 'upnClaim'],
    isThere: (settings) => settings.userNameSource === 'upn' && !isUpnClaim(settings),
    warning:
      'upnClaim is not known as a claim of the UPN, but userNameSource says that the userName is the UPN: at sign-in people are found only where both have the same value. Set userNameSource to other if the userName is something else.',
  },
  {
    between: ['deleteDeactivated', 'deleteUsers'],
    isThere: ({ deleteDeactivated, deleteUsers }) => deleteDeactivated && !deleteUsers,
    warning:
      'deleteDeactivated deletes users whom the identity provider archives, although deleteUsers is off: a DELETE is not carried out.',
  },
  {
    between: ['deleteDeactivated', 'deactivateUsers'],
    isThere: ({ deleteDeactivated, deactivateUsers }) => deleteDeactivated && !deactivateUsers,
    warning: 'deleteDeactivated is on, but deactivateUsers is off: only a DELETE deletes users.',
  },
  {
    between: ['groupRoles', 'roleCeiling'],
    isThere: ({ groupRoles, roleCeiling }) => {
      const choices: readonly string[] = DIRECTORY_SETTINGS.roleCeiling.choices;
      return Object.values(groupRoles).some((role) => choices.indexOf(role) > choices.indexOf(roleCeiling));
    },
    warning: 'groupRoles names a role above roleCeiling: such a group gives the role of roleCeiling.',
  },
];

/** Settings that contradict each other are allowed, because one of them is changed first: a sentence for each pair. */
export const settingWarnings = (
  settings: DirectorySettings,
  contradictions: readonly Contradiction[] = CONTRADICTIONS,
): readonly string[] => contradictions.flatMap(({ isThere, warning }) => (isThere(settings) ? [warning] : []));

/** SQL: the value of a setting as jsonb; `stored` is the column `settings` of a published view. */
export const settingSql = (name: SettingName, stored: string): string =>
  `coalesce(${stored}->'${name}', '${JSON.stringify(DIRECTORY_SETTINGS[name].default).replaceAll("'", "''")}'::jsonb)`;

/** SQL: names and values of all settings that a service reads, as arguments of json_build_object. */
export const settingsSql = (reader: string, stored: string): string =>
  directorySettings()
    .filter(([, { readBy }]) => readBy.includes(reader))
    .map(([name]) => `'${name}', ${settingSql(name, stored)}`)
    .join(', ');
