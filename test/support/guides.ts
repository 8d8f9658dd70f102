import { PRESETS, redirectUrisOf, settingsOf, tokenEndpointOf, type DirectoryKind } from '#contracts';
import { guideOf } from '../../apps/admin-api/src/guides/guide.js';
import type { GuidedDirectory } from '../../apps/admin-api/src/guides/guided.js';

const PUBLIC_URL = 'https://your.host';

/** A directory of the kind as it is made, with the signs of the README in place of what differs. */
export const guided = (kind: DirectoryKind, more: Partial<GuidedDirectory> = {}): GuidedDirectory => ({
  id: '<id>',
  name: 'Contoso',
  kind,
  scimBaseUrl: `${PUBLIC_URL}/api/scim/v2`,
  userName: '<id>',
  tokenEndpoint: tokenEndpointOf(PUBLIC_URL, '<id>'),
  redirectUris: redirectUrisOf(PUBLIC_URL, '<id>'),
  settings: settingsOf(PRESETS[kind]),
  ...more,
});

/** The README with the guides as they are now between its marks. */
export const withGuides = (readme: string): string =>
  readme.replaceAll(
    /(<!-- guide: (\w+) -->\n)[^]*?(\n<!-- end -->)/g,
    (_all, begin: string, kind: string, end: string) =>
      [begin, guideOf(guided(kind as DirectoryKind)).trimEnd(), '', end.trimStart()].join('\n'),
  );
