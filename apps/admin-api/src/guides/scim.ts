import { askedFor, cli, type GuidedDirectory } from './guided.js';

/** The fields that every SCIM client asks for; the connection of any client that has no guide of its own. */
export const connection = ({ id, scimBaseUrl, userName, tokenEndpoint }: GuidedDirectory): string => `\
1. **Address.** *SCIM base URL* (*Tenant URL*, *Endpoint*): \`${scimBaseUrl}\`. SCIM version 2.0. What Muster can do stands in
   \`${scimBaseUrl}/ServiceProviderConfig\` and \`/Schemas\`.
2. **Credentials.** *Bearer token* (*API token*, *OAuth bearer token*): the token of this directory, which ${cli(`directory show ${id}`)} shows. Or HTTP
   Basic: *User name* \`${userName}\`, *Password* the same token. Or OAuth 2.0
   client credentials: *Token endpoint* \`${tokenEndpoint}\`, with a client that ${cli(`client create <name> --directory ${id}`)} makes.
3. **Test.** A client that asks for a user who does not exist gets 200 and an empty list. 401 = the token is not right, is revoked or has expired;
   403 = the directory is disabled. The \`detail\` of each error says what to do.`;

export const scimGuide = (directory: GuidedDirectory): string => `\
For any client that speaks SCIM 2.0 (RFC 7643, RFC 7644). It reaches Muster over HTTPS: the addresses below begin with \`PUBLIC_URL\`.

${connection(directory)}
4. **Matching.** Look people up by \`userName eq\`, \`externalId eq\` or \`emails[type eq "work"].value eq\`, and groups by \`displayName eq\`. ${
  directory.settings.externalIdIsProviderId
    ? 'The `externalId` is taken for your id of a person: it has to stay the same, and to belong to nobody else.'
    : 'The `externalId` is kept and shown, and nobody is recognised by it.'
}
5. **Attributes.** \`userName\` is required. ${askedFor(directory)}\`active: false\` archives a user with the memberships, and \`true\` brings both back. Dialects of Entra and Okta are
   understood.
6. **Failures** are errors of SCIM. Muster takes at least 25 requests in a second; 429 and 503 have a \`Retry-After\` in seconds.
   ${cli(`directory health ${directory.id}`)} tells which users and groups fail, and what to do about each.

For signing in with OpenID Connect, the redirect URIs of this directory:
- Public client (mobile & desktop): \`${directory.redirectUris.publicClient}\`
- Web: \`${directory.redirectUris.web}\`
`;
