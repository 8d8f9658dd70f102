import {
  DIRECTORY_KINDS,
  DIRECTORY_STATUSES,
  directorySettings,
  type DirectorySetting,
  type DirectorySettings,
  type MappingLine,
  type RedirectUris,
} from '#contracts';
import {
  BOOLEAN,
  ID,
  LAST_USE,
  listOf,
  MOMENT,
  nullable,
  objectOf,
  oneOf,
  optional,
  TEXT,
  type Shape,
} from '../http/shapes.js';
import type { RevealedDirectory } from '../tokens/tokens.sender.js';
import type { DirectoryView } from './directories.queries.js';

const MAPPING_LINE = objectOf<MappingLine>({ target: TEXT, expression: TEXT, when: optional(TEXT) }, 'MappingLine');

const valueOf = (setting: DirectorySetting): Shape => {
  switch (setting.type) {
    case 'boolean':
      return BOOLEAN;
    case 'text':
      return { type: 'string', minLength: setting.minCharacters, maxLength: setting.maxCharacters };
    case 'choice':
      return oneOf(setting.choices);
    case 'number':
      return { type: 'integer', minimum: setting.min, maximum: setting.max };
    case 'list':
      return {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: setting.maxCharacters },
        maxItems: setting.maxItems,
      };
    case 'map':
      return { type: 'object', additionalProperties: oneOf(setting.choices), maxProperties: setting.maxItems };
    case 'mapping':
      return { ...listOf(MAPPING_LINE), maxItems: setting.maxItems };
  }
};

const shapesOfSettings = (of: (setting: DirectorySetting) => Shape): Record<keyof DirectorySettings, Shape> =>
  Object.fromEntries(
    directorySettings().map(([name, setting]) => [name, { ...of(setting), description: setting.description }]),
  ) as Record<keyof DirectorySettings, Shape>;

/** The body that changes settings: each may be left out. */
export const SETTING_CHANGES: Shape = {
  type: 'object',
  properties: shapesOfSettings((setting) => nullable(valueOf(setting))),
};

const directory = {
  id: ID,
  tenant: ID,
  name: TEXT,
  kind: oneOf(DIRECTORY_KINDS),
  status: oneOf(DIRECTORY_STATUSES),
  deletableAt: nullable(MOMENT),
  settings: objectOf<DirectorySettings>(shapesOfSettings(valueOf), 'DirectorySettings'),
  presets: listOf(oneOf(directorySettings().map(([name]) => name))),
  warnings: listOf(TEXT),
  scimBaseUrl: TEXT,
  tokenEndpoint: TEXT,
  issuer: TEXT,
  userName: ID,
  redirectUris: objectOf<RedirectUris>({ publicClient: TEXT, web: TEXT }, 'RedirectUris'),
  tokens: listOf(
    objectOf<DirectoryView['tokens'][number]>(
      {
        id: ID,
        description: TEXT,
        status: oneOf(['active', 'inactive', 'revoked', 'expired']),
        expiresAt: nullable(MOMENT),
        lastUsedAt: LAST_USE,
      },
      'ListedToken',
    ),
  ),
};
export const DIRECTORY = objectOf<DirectoryView>(directory, 'Directory');
export const REVEALED = objectOf<RevealedDirectory>(
  { ...directory, token: nullable(TEXT), tokenExpiresAt: nullable(MOMENT), password: nullable(TEXT) },
  'RevealedDirectory',
);
