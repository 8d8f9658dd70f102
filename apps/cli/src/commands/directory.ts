import { InvalidArgumentError, Option, type Command } from 'commander';
import { directorySettings, type SettingType } from '#contracts';
import { call } from '../admin-api.sender.js';
import type { DirectoryView, RevealedDirectory } from '../admin-views.js';
import { addCommand, AS_JSON, OF_TENANT, print, printAll, WrongUse } from './command.js';

const isOn = (value: string): boolean => {
  if (value !== 'on' && value !== 'off') throw new InvalidArgumentError('It is either on or off.');
  return value === 'on';
};

/** The notation of a value on the command line, by type. */
const OPTIONS = {
  boolean: { argument: '<on|off>', parse: isOn, text: (value: boolean) => (value ? 'on' : 'off') },
} as const satisfies Readonly<Record<SettingType, object>>;

/** The option of a setting: `--offer-local-groups` of `offerLocalGroups`. */
const optionOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const tokenLine = ({ token, tokenExpiresAt }: RevealedDirectory): string =>
  `  Token          ${token ?? '(none that is active)'}${tokenExpiresAt ? `  (expires ${tokenExpiresAt})` : ''}`;

const describe = (directory: DirectoryView | RevealedDirectory): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}`,
    `  SCIM base URL  ${directory.scimBaseUrl}`,
    ...('token' in directory ? [tokenLine(directory)] : []),
    ...directorySettings().flatMap(([name, setting]) =>
      directory.settings[name] === setting.default
        ? []
        : [`  ${optionOf(name)} ${OPTIONS[setting.type].text(directory.settings[name])}`],
    ),
    ...directory.tokens.map(
      ({ id, status, expiresAt, description }) =>
        `  ${id}  ${status}${expiresAt ? `, expires ${expiresAt}` : ''}  ${description}`,
    ),
  ].join('\n');

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
  const set = addCommand(
    directory,
    'set',
    'change the settings of a directory',
    '<id> --offer-existing-users on',
  ).argument('<id>');
  for (const [name, { type, description }] of directorySettings()) {
    const { argument, parse } = OPTIONS[type];
    set.option(`${optionOf(name)} ${argument}`, description, parse);
  }
  set
    .option(...AS_JSON)
    .action(async (id: string, { json, ...settings }: Partial<DirectoryView['settings']> & { json?: boolean }) => {
      if (Object.keys(settings).length === 0) throw new WrongUse('Name at least one setting; --help lists them.');
      const changed = await call<DirectoryView>('PATCH', `directories/${encodeURIComponent(id)}`, settings);
      print(json, changed, describe(changed));
    });
};
