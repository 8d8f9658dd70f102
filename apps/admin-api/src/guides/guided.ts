import type { DirectoryKind, DirectorySettings, RedirectUris } from '#contracts';

/** A directory, as far as its guide speaks of it: no token, which is shown where that is recorded. */
export interface GuidedDirectory {
  readonly id: string;
  readonly name: string;
  readonly kind: DirectoryKind;
  readonly scimBaseUrl: string;
  readonly userName: string;
  readonly tokenEndpoint: string;
  readonly redirectUris: RedirectUris;
  readonly settings: Pick<DirectorySettings, 'externalIdIsProviderId' | 'requiredAttributes' | 'upnClaim'>;
}

/** How a guide names a command of the command line. */
export const cli = (command: string): string => `\`npm run -s cli -- ${command}\``;

/** The attributes that a directory asks for, as a sentence; empty = it asks for none. */
export const askedFor = ({ settings: { requiredAttributes } }: GuidedDirectory): string =>
  requiredAttributes.length === 0
    ? ''
    : `Of each user send ${requiredAttributes
        .map((path) => `\`${path}\``)
        .join(', ')
        .replace(/, ([^,]*)$/, ' and $1')}: without them a user is refused. `;
