import { Option, type Command } from 'commander';
import { DIRECTORY_KINDS, directorySettings, type SettingName } from '#contracts';
import { call, listAll } from '../admin-api.sender.js';
import type { DirectoryView, RevealedDirectory } from '../admin-views.js';
import { flagsOf, parseSetting, repetitionOf, settingAsOptions, settingNamed } from './setting-notation.js';
import { directoryOf, inTenant } from '../named.sender.js';
import { addCheck } from './check.js';
import { addTraceAuth } from './client.js';
import { addCommand, AS_JSON, OF_TENANT, print, printAll, WITH_REASON, WrongUse } from './command.js';

const tokenLine = ({ token, tokenExpiresAt }: RevealedDirectory): string =>
  `  Token          ${token ?? '(none that is active)'}${tokenExpiresAt ? `  (expires ${tokenExpiresAt})` : ''}`;

const describe = (directory: DirectoryView | RevealedDirectory): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}`,
    `  SCIM base URL  ${directory.scimBaseUrl}`,
    `  Token endpoint ${directory.tokenEndpoint}`,
    `  Issuer         ${directory.issuer}`,
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
  readonly reason?: string;
  readonly reset?: readonly SettingName[];
};

interface CreateOptions {
  readonly kind: string;
  readonly tenant?: string;
  readonly reason?: string;
  readonly json?: boolean;
}

export const addDirectory = (program: Command): void => {
  const directory = program.command('directory').description('connections to identity providers');
  addCommand(directory, 'list', 'list all directories', '')
    .option(...AS_JSON)
    .action(async ({ json }: { json?: boolean }) => {
      printAll(json, await listAll<DirectoryView>('directories'), describe, '\n\n');
    });
  addCommand(directory, 'show', 'show the SCIM base URL and the token of one directory; it is recorded', '--json')
    .argument('[id]', 'name or id of the directory (default: the first one)')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string | undefined, { reason, json }: { reason?: string; json?: boolean }) => {
      const found = await call<RevealedDirectory>(
        'POST',
        `directories/${encodeURIComponent(await directoryOf(id))}/reveal-token`,
        { reason },
      );
      const { scimBaseUrl, token, tokenExpiresAt, tokenEndpoint, issuer } = found;
      print(json, { scimBaseUrl, token, tokenExpiresAt, tokenEndpoint, issuer }, describe(found));
    });
  addCommand(directory, 'create', 'make a directory and its first token', '"Contoso Entra" --kind entra')
    .argument('<name>')
    .addOption(new Option('--kind <kind>', 'its identity provider').choices(DIRECTORY_KINDS).default('entra'))
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, { tenant, kind, reason, json }: CreateOptions) => {
      const content = { name, kind, reason, ...(await inTenant(tenant)) };
      const made = await call<RevealedDirectory>('POST', 'directories', content);
      print(json, made, describe(made));
    });
  addTraceAuth(directory);
  const set = addCommand(
    directory,
    'set',
    'change the settings of a directory',
    '"Contoso Entra" --offer-existing-users on',
  ).argument('<directory>', 'name or id of the directory');
  for (const [name, setting] of directorySettings())
    set.option(flagsOf(name, setting), setting.description + repetitionOf(setting), parseSetting(setting));
  set
    .option('--reset <name>', 'back to the default; repeat the option for several', (name, before: string[] = []) => [
      ...before,
      settingNamed(name),
    ])
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, { json, reason, reset = [], ...set }: SetOptions) => {
      const settings = { ...set, ...Object.fromEntries(reset.map((name) => [name, null])) };
      if (Object.keys(settings).length === 0) throw new WrongUse('Name at least one setting; --help lists them.');
      const changed = await call<DirectoryView>('PATCH', `directories/${encodeURIComponent(await directoryOf(name))}`, {
        ...settings,
        reason,
      });
      print(json, changed, describe(changed));
    });
  addCheck(directory);
};
