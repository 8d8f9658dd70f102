import { Option, type Command } from 'commander';
import { DIRECTORY_KINDS, directorySettings, type SettingName } from '#contracts';
import { call, listAll } from '../admin-api.sender.js';
import type { DirectoryView, RevealedDirectory } from '../admin-views.js';
import { flagsOf, parseSetting, repetitionOf, settingAsOptions, settingNamed } from './setting-notation.js';
import { addCommand, AS_JSON, OF_TENANT, print, printAll, WrongUse } from './command.js';

const tokenLine = ({ token, tokenExpiresAt }: RevealedDirectory): string =>
  `  Token          ${token ?? '(none that is active)'}${tokenExpiresAt ? `  (expires ${tokenExpiresAt})` : ''}`;

const describe = (directory: DirectoryView | RevealedDirectory): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}`,
    `  SCIM base URL  ${directory.scimBaseUrl}`,
    ...('token' in directory ? [tokenLine(directory)] : []),
    ...directorySettings().flatMap(([name, setting]) =>
      JSON.stringify(directory.settings[name]) === JSON.stringify(setting.default)
        ? []
        : settingAsOptions(name, setting, directory.settings[name]).map((option) => `  ${option}`),
    ),
    ...directory.warnings.map((warning) => `  Warning: ${warning}`),
    ...directory.tokens.map(
      ({ id, status, expiresAt, description }) =>
        `  ${id}  ${status}${expiresAt ? `, expires ${expiresAt}` : ''}  ${description}`,
    ),
  ].join('\n');

type SetOptions = Partial<DirectoryView['settings']> & {
  readonly json?: boolean;
  readonly reset?: readonly SettingName[];
};

export const addDirectory = (program: Command): void => {
  const directory = program.command('directory').description('connections to identity providers');
  addCommand(directory, 'list', 'list all directories', '')
    .option(...AS_JSON)
    .action(async ({ json }: { json?: boolean }) => {
      printAll(json, await listAll<DirectoryView>('directories'), describe, '\n\n');
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
    .addOption(new Option('--kind <kind>', 'its identity provider').choices(DIRECTORY_KINDS).default('entra'))
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
  for (const [name, setting] of directorySettings())
    set.option(flagsOf(name, setting), setting.description + repetitionOf(setting), parseSetting(setting));
  set
    .option('--reset <name>', 'back to the default; repeat the option for several', (name, before: string[] = []) => [
      ...before,
      settingNamed(name),
    ])
    .option(...AS_JSON)
    .action(async (id: string, { json, reset = [], ...set }: SetOptions) => {
      const settings = { ...set, ...Object.fromEntries(reset.map((name) => [name, null])) };
      if (Object.keys(settings).length === 0) throw new WrongUse('Name at least one setting; --help lists them.');
      const changed = await call<DirectoryView>('PATCH', `directories/${encodeURIComponent(id)}`, settings);
      print(json, changed, describe(changed));
    });
};
