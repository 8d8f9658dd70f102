import { cli, type GuidedDirectory } from './guided.js';

/** The words are those of the Microsoft Entra admin center; where its newer pages have others, both are named. */
export const entraGuide = ({ id, scimBaseUrl, tokenEndpoint, redirectUris, settings }: GuidedDirectory): string => `\
Sign in to the Microsoft Entra admin center (https://entra.microsoft.com) as an Application Administrator. Entra reaches Muster from the internet over
HTTPS: the addresses below begin with \`PUBLIC_URL\`.

1. **Enterprise applications > New application > Create your own application.** Enter a name, choose *Integrate any other application you don't find
   in the gallery (Non-gallery)*, and select *Create*.
2. **Provisioning > Automatic** (in newer pages *Provisioning > New configuration*)**, Admin Credentials.**
   - *Tenant URL*: \`${scimBaseUrl}?aadOptscim062020\`, with which Entra sends its PATCHes as the standard has them. Muster understands both ways, so
     \`${scimBaseUrl}\` works as well.
   - *Secret Token*: the token of this directory, which ${cli(`directory show ${id}`)} shows. Do not leave the field empty:
     Entra then sends tokens of its own, which are taken only where an administrator of the whole installation has named your tenant at Entra
     (${cli(`directory set ${id} --entra-tenant-id <tenant id>`)}).
   - Instead of a Secret Token, where *Authentication Method* offers *OAuth2 client credentials grant*: *Token Endpoint* \`${tokenEndpoint}\`, and as *Client
     Identifier* and *Client Secret* what ${cli(`client create Entra --directory ${id}`)} prints.
   - *Test Connection* asks for a user that does not exist, and has to say that the credentials are authorized. Otherwise the error says what is wrong:
     401 = the token is not right, is revoked or has expired; 403 = the directory is disabled. Then *Save* (*Create*).
3. **Settings** (*Overview > Properties*). Tick *Send an email notification when a failure occurs*, with the address of somebody who can act, as
   *Notification Email*: Entra tells when it stops provisioning because of failures (quarantine). Turn on *Prevent accidental deletion*. *Scope*: *Sync
   only assigned users and groups*.
4. **Mappings** (*Attribute mapping*) **> Provision Microsoft Entra ID Users.** These are enough; others, such as \`name.givenName\`, may stay:

   | Microsoft Entra attribute | application attribute | matching |
   |---|---|---|
   | \`userPrincipalName\` | \`userName\` | 1 |
   | \`Switch([IsSoftDeleted], , "False", "True", "True", "False")\` | \`active\` | |
   | \`displayName\` | \`displayName\` | |
   | \`jobTitle\` | \`title\` | |
   | \`mail\` | \`emails[type eq "work"].value\` | |
   | \`preferredLanguage\` | \`preferredLanguage\` | |
   | \`department\` | \`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department\` | |
   | \`objectId\` | \`externalId\` | |

   Entra's default for \`externalId\` is \`mailNickname\`, which two people of two domains share, and which is given again: edit that line, and take
   \`objectId\` as its *Source attribute*. ${
     settings.externalIdIsProviderId
       ? 'This directory takes the externalId for the id of a person already.'
       : `Then, and only then, let Muster recognise people by it: ${cli(`directory set ${id} --external-id-is-provider-id on`)}.`
   }
   Another attribute may be mapped to \`userName\` than \`userPrincipalName\`, such as \`objectId\`, as long as it is unique: then set ${cli(`directory set ${id} --user-name-source other`)}, with
   \`--upn-claim\` and the claim that holds the same value at sign-in. Now the claim is \`${settings.upnClaim}\`.
5. **Mappings > Provision Microsoft Entra ID Groups** may stay as it is: \`displayName\` (matching), \`objectId\` → \`externalId\`, \`members\`.
6. **Users and groups > Add user/group**: assign those who are to be in Muster. A group of groups counts with its direct members only.
7. **Provision on demand**: choose one of them, and look at each step.
8. **Start provisioning** (*Provisioning Status*: *On*). A cycle runs about every 40 minutes; *Provisioning logs* tells what was done.
9. **Is it alive?** ${cli(`directory health ${id}`)} tells the last cycles and when the next one is expected, which users and groups fail and what to do about each, how near
   Entra's quarantine is, and which token expires next. Entra sends nothing in a cycle in which nothing has changed: when silence is an alarm says
   ${cli(`directory set ${id} --silent-after-minutes <number>`)}.

For signing in (*App registrations > Authentication > Add a platform*), the redirect URIs of this directory:
- *Mobile and desktop applications* (public client): \`${redirectUris.publicClient}\`
- *Web*: \`${redirectUris.web}\`
`;
