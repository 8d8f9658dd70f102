import { askedFor, cli, type GuidedDirectory } from './guided.js';
import { connection } from './scim.js';

/** For a client that is to be told of each thing that is missing. */
export const strictGuide = (directory: GuidedDirectory): string => `\
For a SCIM 2.0 client that is to be held to what was agreed: what other kinds accept in silence is refused here, with an error that names it. It reaches
Muster over HTTPS: the addresses below begin with \`PUBLIC_URL\`.

${connection(directory)}
4. **Attributes.** ${askedFor(directory)}Values of \`roles\` are ReadOnly, User, Admin or EnterpriseAdmin. ${cli(`directory show ${directory.id}`)} lists
   what this directory asks for, and ${cli(`directory set ${directory.id} --help`)} says how it is changed.
5. **Matching.** Look people up by \`userName eq\` or \`externalId eq\`, and groups by \`displayName eq\`.
6. **Failures** are errors of SCIM, whose \`detail\` names the attribute. Correct it at the source: the same request is refused again.
   ${cli(`directory health ${directory.id}`)} tells which users and groups fail, and what to do about each.

For signing in with OpenID Connect, the redirect URIs of this directory:
- Public client (mobile & desktop): \`${directory.redirectUris.publicClient}\`
- Web: \`${directory.redirectUris.web}\`
`;
