import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import {
  DIRECTORY_KINDS,
  DIRECTORY_SETTINGS,
  directorySettings,
  PRESETS,
  presetsIn,
  type DirectoryKind,
  type SettingName,
} from '#contracts';
import { call, callText, listAll, Refused } from '../admin-api.sender.js';
import type { DirectoryView, RevealedDirectory } from '../admin-views.js';
import { defaultIn, flagsOf, parseSetting, repetitionOf, settingAsOptions, settingNamed } from './setting-notation.js';
import { directoryOf, inTenant } from '../named.sender.js';
import { addCheck } from './check.js';
import { addTraceAuth } from './client.js';
import {
  addCommand,
  AND_YES,
  AS_JSON,
  confirm,
  lastUse,
  OF_TENANT,
  print,
  printAll,
  WITH_REASON,
  WrongUse,
} from './command.js';
import { addDryRun } from './dry-run.js';
import { addHealth } from './health.js';
import { addRoles } from './roles.js';

const tokenLine = ({ token, tokenExpiresAt, notShown, tokens }: RevealedDirectory): string =>
  `  Token          ${token ?? (notShown ? '(not shown)' : tokens.some(({ status }) => status === 'active') ? '(the one that it had: directory show)' : '(none that is active)')}${tokenExpiresAt ? `  (expires ${tokenExpiresAt})` : ''}`;

const accessLines = (directory: RevealedDirectory): string[] => [
  tokenLine(directory),
  `  User name      ${directory.userName}`,
  '  Password       the token: for identity providers that ask for HTTP Basic',
  `  Redirect URIs  ${directory.redirectUris.publicClient}  (public client: mobile & desktop)`,
  `                 ${directory.redirectUris.web}  (web)`,
  ...(directory.notShown ? [`  The token is not shown: ${directory.notShown}`] : []),
];

/** An administrator who may not see the token is shown all the rest, and why. */
const shown = async (id: string, reason: string | undefined): Promise<RevealedDirectory> => {
  const path = `directories/${encodeURIComponent(id)}`;
  try {
    return await call<RevealedDirectory>('POST', `${path}/reveal-token`, { reason });
  } catch (error) {
    if (!(error instanceof Refused && error.status === FORBIDDEN)) throw error;
    const directory = await call<DirectoryView>('GET', path);
    return { ...directory, token: null, tokenExpiresAt: null, password: null, notShown: error.message };
  }
};

const describe = (directory: DirectoryView | RevealedDirectory): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}${directory.status === 'active' ? '' : `  ${directory.status}`}`,
    `  SCIM base URL  ${directory.scimBaseUrl}`,
    `  Token endpoint ${directory.tokenEndpoint}`,
    `  Issuer         ${directory.issuer}`,
    ...('token' in directory ? accessLines(directory) : []),
    ...directorySettings().flatMap(([name, setting]) =>
      JSON.stringify(directory.settings[name]) === JSON.stringify(setting.default)
        ? []
        : settingAsOptions(name, setting, directory.settings[name]).map(
            (option) => `  ${option}${directory.presets.includes(name) ? `  (set by the kind ${directory.kind})` : ''}`,
          ),
    ),
    ...directory.warnings.map((warning) => `  Warning: ${warning}`),
    ...directory.tokens.map(
      ({ id, status, expiresAt, lastUsedAt, description }) =>
        `  ${id}  ${status}${expiresAt ? `, expires ${expiresAt}` : ''}, ${lastUse(lastUsedAt)}  ${description}`,
    ),
  ].join('\n');

const NAMES: Readonly<Record<DirectoryKind, string>> = {
  entra: 'Microsoft Entra ID',
  okta: 'Okta',
  scim: 'Generic SCIM: any other client',
  strict: 'one that has to send what SCIM asks for',
};

/** The kinds with what each of them sets. */
const kindOption = (): Option => {
  const kinds = DIRECTORY_KINDS.map((kind) => {
    const presets = presetsIn(kind, PRESETS[kind]).flatMap((name) =>
      settingAsOptions(name, DIRECTORY_SETTINGS[name], PRESETS[kind][name]!),
    );
    return `${kind} = ${NAMES[kind]}${presets.length === 0 ? '' : `, sets ${presets.join(' ')}`}`;
  });
  return new Option('--kind <kind>', `its identity provider: ${kinds.join('; ')}`).choices(DIRECTORY_KINDS);
};

const FORBIDDEN = 403;
/** So much longer than it has to be a wait lasts: the clocks of two machines may differ. */
const MORE_MS = 1_000;

/** Waits, with a line that says so, until a directory that was disconnected just now can be deleted. */
const untilDeletable = async ({ deletableAt }: DirectoryView): Promise<void> => {
  const waitMs = deletableAt === null ? 0 : Date.parse(deletableAt) - Date.now();
  if (waitMs <= 0) return;
  console.error(
    `It was disconnected just now: waiting ${Math.ceil((waitMs + MORE_MS) / 1_000)} s, until none of its requests can be under way …`,
  );
  await sleep(waitMs + MORE_MS);
};

interface ActOptions {
  readonly reason?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
}

/** The commands that change what a directory is. */
const addLife = (directory: Command): void => {
  const add = (name: string, description: string, example: string): Command =>
    addCommand(directory, name, description, example)
      .argument('<directory>', 'name or id of the directory')
      .option(...WITH_REASON)
      .option(...AS_JSON);
  const act = async (given: string, action: string, { json, reason }: ActOptions, more: object = {}): Promise<void> => {
    const path = `directories/${encodeURIComponent(await directoryOf(given))}/${action}`;
    const changed = await call<DirectoryView | RevealedDirectory>('POST', path, { ...more, reason });
    print(json, changed, describe(changed));
  };
  const viewOf = async (given: string): Promise<DirectoryView> =>
    call<DirectoryView>('GET', `directories/${encodeURIComponent(await directoryOf(given))}`);

  addCommand(directory, 'rename', 'give a directory another name', '"Contoso Entra" Contoso')
    .argument('<directory>', 'name or id of the directory')
    .argument('<name>', 'its new name')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((given: string, name: string, options: ActOptions) => act(given, 'rename', options, { name }));
  add(
    'disable',
    'answer its identity provider 403 until it is enabled again; all it has stays',
    '"Contoso Entra"',
  ).action((given: string, options: ActOptions) => act(given, 'disable', options));
  add('enable', 'take requests of its identity provider again', '"Contoso Entra"').action(
    (given: string, options: ActOptions) => act(given, 'enable', options),
  );
  add(
    'disconnect',
    'revoke all its tokens and OAuth clients; users, groups, their ids and settings stay',
    '"Contoso Entra" --yes',
  )
    .option(...AND_YES)
    .action(async (given: string, options: ActOptions) => {
      const { name } = await viewOf(given);
      await confirm(`All tokens and OAuth clients of the directory "${name}" are revoked.`, options.yes);
      await act(given, 'disconnect', options);
    });
  add('connect', 'take a disconnected directory into use again, with a new token', '"Contoso Entra"').action(
    (given: string, options: ActOptions) => act(given, 'connect', options),
  );
  add(
    'move',
    'give a directory to another identity provider: its tokens and OAuth clients are revoked, users and groups keep their ids, and are found again by UPN, then by e-mail',
    '"Contoso Entra" --kind okta --yes',
  )
    .addOption(kindOption().makeOptionMandatory())
    .option(...AND_YES)
    .action(async (given: string, { kind, ...options }: ActOptions & { readonly kind: string }) => {
      const { name } = await viewOf(given);
      await confirm(`All tokens and OAuth clients of the directory "${name}" are revoked.`, options.yes);
      await act(given, 'move', options, { kind });
    });
  add('delete', 'delete a disconnected directory to which nothing belongs', '"Contoso Entra" --yes')
    .option(...AND_YES)
    .action(async (given: string, { json, reason, yes }: ActOptions) => {
      const found = await viewOf(given);
      await confirm(`The directory "${found.name}" is deleted, with its settings.`, yes);
      await untilDeletable(found);
      await call('DELETE', `directories/${found.id}`, { reason });
      print(json, { id: found.id }, `The directory "${found.name}" is deleted.`);
    });
  addCommand(
    directory,
    'guide',
    'print how it is connected, in the words of its identity provider (Markdown)',
    '"Contoso Entra"',
  )
    .argument('[directory]', 'name or id of the directory (default: the first one)')
    .option(...AS_JSON)
    .action(async (given: string | undefined, { json }: { readonly json?: boolean }) => {
      const guide = await callText('GET', `directories/${encodeURIComponent(await directoryOf(given))}/guide`);
      print(json, { guide }, guide.trimEnd());
    });
};

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
  addCommand(
    directory,
    'show',
    'show how a directory is reached: SCIM base URL, token, redirect URIs; it is recorded',
    '--json',
  )
    .argument('[id]', 'name or id of the directory (default: the first one)')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string | undefined, { reason, json }: { reason?: string; json?: boolean }) => {
      const found = await shown(await directoryOf(id), reason);
      print(json, found, describe(found));
    });
  addCommand(directory, 'create', 'make a directory and its first token', '"Contoso Entra" --kind entra')
    .argument('<name>')
    .addOption(kindOption().default('entra'))
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
    set.option(
      flagsOf(name, setting),
      setting.description + repetitionOf(setting) + defaultIn(setting),
      parseSetting(setting),
    );
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
  addHealth(directory);
  addCheck(directory);
  addLife(directory);
  addDryRun(directory);
  addRoles(directory);
};
