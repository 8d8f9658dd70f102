import { cli, type GuidedDirectory } from './guided.js';

/** The words are those of the Okta Admin Console. */
export const oktaGuide = ({ id, scimBaseUrl, userName, redirectUris, settings }: GuidedDirectory): string => `\
Sign in to the Okta Admin Console as an application administrator. Okta reaches Muster from the internet over HTTPS: the addresses below begin with
\`PUBLIC_URL\`.

1. **Applications > Applications.** Either *Create App Integration* with *SAML 2.0* or *SWA*, and then on its tab *General > App Settings > Edit*:
   *Provisioning* = *SCIM*, *Save*; or *Browse App Catalog > SCIM 2.0 Test App (Header Auth) > Add Integration*, which asks for *Base URL* and *API Token*
   alone.
2. **Provisioning > Integration > Edit, SCIM Connection.**
   - *SCIM version*: 2.0
   - *SCIM connector base URL* (*Base URL*): \`${scimBaseUrl}\`
   - *Unique identifier field for users*: \`userName\`
   - *Supported provisioning actions*: *Push New Users*, *Push Profile Updates*, *Push Groups*; *Import New Users and Profile Updates* if Okta is to read
     those who are in Muster already.
   - *Authentication Mode*: *HTTP Header*, and as *Authorization* (*Bearer*, *API Token*) the token of this directory, which
     ${cli(`directory show ${id}`)} shows. Or *Basic Auth*, with *Username* \`${userName}\` and the token as *Password*.
   - *Test Connector Configuration* (*Test API Credentials*) has to say that the connector is configured. Otherwise the error says what is wrong: 401 = the
     token is not right, is revoked or has expired; 403 = the directory is disabled. Then *Save*.
3. **Provisioning > To App > Edit**: enable *Create Users*, *Update User Attributes* and *Deactivate Users*, *Save*. Okta deactivates, and never deletes.
4. **Provisioning > To App > Attribute Mappings** may stay as they are: \`userName\`, \`givenName\`, \`familyName\`, \`email\`, \`displayName\`, \`title\`, \`department\`.
   Okta sends its own id of each person as \`externalId\`, ${
     settings.externalIdIsProviderId
       ? 'by which this directory recognises people.'
       : `but this directory does not recognise people by it: ${cli(`directory set ${id} --external-id-is-provider-id on`)}.`
   }
5. **Assignments > Assign**: *Assign to People* or *Assign to Groups*. Whoever is assigned is created or found at once.
6. **Push Groups > Push Groups > Find groups by name**, *Push group memberships immediately*: groups that are only assigned do not come with their members.
7. **Failures.** Okta keeps what it could not do as tasks: *Dashboard > Tasks* lists them, and *Retry Selected* tries them again. For mails,
   *Settings > Account > Admin Email Notifications > Edit*: *App user import status* and *User deprovisions*; for all administrators of a role, *Security >
   Administrators > Roles > Edit > Edit role notifications*. *Reports > System Log* tells each request, with \`eventType sw "application.provision"\`.
   ${cli(`directory health ${id}`)} tells from this side what fails, and what to do about it.

For signing in (a second app integration, *OIDC - OpenID Connect*), the redirect URIs of this directory:
- *Native Application* (public client: mobile & desktop): \`${redirectUris.publicClient}\`
- *Web Application*: \`${redirectUris.web}\`
`;
