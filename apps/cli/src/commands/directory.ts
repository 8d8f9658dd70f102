import { InvalidArgumentError, Option, type Command } from 'commander';
import { call } from '../admin-api.sender.js';
import type { DirectoryView, RevealedDirectory } from '../admin-views.js';
import { addCommand, AS_JSON, OF_TENANT, print, printAll } from './command.js';

const tokenLine = ({ token, tokenExpiresAt }: RevealedDirectory): string =>
  `  Token          ${token ?? '(none that is active)'}${tokenExpiresAt ? `  (expires ${tokenExpiresAt})` : ''}`;

const describe = (directory: DirectoryView | RevealedDirectory): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}`,
    `  SCIM base URL  ${directory.scimBaseUrl}`,
    ...('token' in directory ? [tokenLine(directory)] : []),
    ...(directory.settings.offerExistingUsers ? ['  Offers existing users to the identity provider'] : []),
    ...(directory.settings.emailIsLoginName ? ['  The e-mail is the login name'] : []),
    ...(directory.settings.offerLocalGroups ? ['  Lists local groups to the identity provider'] : []),
    ...directory.tokens.map(
      ({ id, status, expiresAt, description }) =>
        `  ${id}  ${status}${expiresAt ? `, expires ${expiresAt}` : ''}  ${description}`,
    ),
  ].join('\n');

const isOn = (value: string): boolean => {
  if (value !== 'on' && value !== 'off') throw new InvalidArgumentError('It is either on or off.');
  return value === 'on';
};

export const addDirectory = (program: Command): void => {
  const directory = program.command('directory').description('connections to identity providers');
  addCommand(directory, 'list', 'list all directories', '')
    .option(...AS_JSON)
    .action(async ({ json }: { json?: boolean }) => {
      printAll(json, await call<DirectoryView[]>('GET', 'directories'), describe, '\n\n');
    });
  addCommand(directory, 'show', 'show the SCIM base URL and the token of one directory; it is recorded', '--json')
    .argument('[id]', 'id of the directory (default: the first one)')
    .option(...AS_JSON)
    .action(async (id: string | undefined, { json }: { json?: boolean }) => {
      const found = await call<RevealedDirectory>(
        'POST',
        `directories/${encodeURIComponent(id ?? 'first')}/reveal-token`,
      );
      const { scimBaseUrl, token, tokenExpiresAt } = found;
      print(json, { scimBaseUrl, token, tokenExpiresAt }, describe(found));
    });
  addCommand(directory, 'create', 'make a directory and its first token', '"Contoso Entra" --kind entra')
    .argument('<name>')
    .addOption(new Option('--kind <kind>', 'its identity provider').choices(['entra', 'okta', 'scim']).default('entra'))
    .option(...OF_TENANT)
    .option(...AS_JSON)
    .action(async (name: string, { json, ...rest }: { kind: string; tenant?: string; json?: boolean }) => {
      const made = await call<RevealedDirectory>('POST', 'directories', { name, ...rest });
      print(json, made, describe(made));
    });
  addCommand(directory, 'set', 'change the settings of a directory', '<id> --offer-existing-users on')
    .argument('<id>')
    .option(
      '--offer-existing-users <on|off>',
      'the identity provider also sees users that nobody manages; its first write to one links it',
      isOn,
    )
    .option('--email-is-login-name <on|off>', 'the work e-mail is unique in the tenant', isOn)
    .option(
      '--offer-local-groups <on|off>',
      'the identity provider also sees local groups, which it cannot change',
      isOn,
    )
    .option(...AS_JSON)
    .action(async (id: string, { json, ...settings }: Partial<DirectoryView['settings']> & { json?: boolean }) => {
      const changed = await call<DirectoryView>('PATCH', `directories/${encodeURIComponent(id)}`, settings);
      print(json, changed, describe(changed));
    });
};
