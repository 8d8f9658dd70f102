import { InvalidArgumentError, Option, type Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { DirectoryView, ShownUserView, UserView } from '../admin-views.js';
import { directoryOf, findUsers, inTenant, userOf } from '../named.sender.js';
import { describeFound, describePerson, describeUser } from '../person.js';
import { addCommand, AS_JSON, print, printAll, WITH_REASON, WrongUse } from './command.js';
import { addEvents } from './events.js';

interface Options {
  readonly reason?: string;
  readonly json?: boolean;
}

const USER = ['<user>', 'id, user name, e-mail or another identifier that one user alone has'] as const;

/** Changes one user. `path` follows its id. */
const change = async (
  name: string,
  path: string,
  content: object,
  { reason, json }: Options,
  text: (id: string, changed: UserView) => string,
): Promise<void> => {
  const id = await userOf(name);
  const changed = await call<UserView>('POST', `users/${encodeURIComponent(id)}/${path}`, { ...content, reason });
  print(json, changed, text(id, changed));
};

/** A name is found by its beginning, such as the given name, and not by a word within it. */
const nobodyFound = (text: string): string =>
  text.endsWith('*') ? '(none)' : `(none: a * at the end finds what begins like that, "${text}*")`;

interface SetOptions extends Options {
  readonly attribute?: Readonly<Record<string, unknown>>;
  readonly unset?: readonly string[];
}

/** `title=Countess`: the first equals sign divides. A value that begins like a list or an object is JSON. */
const withAttribute = (text: string, before: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => {
  const end = text.indexOf('=');
  if (end < 1) throw new InvalidArgumentError('It is a path, an equals sign and a value.');
  const [path, value] = [text.slice(0, end), text.slice(end + 1)];
  if (!/^[[{]/.test(value)) return { ...before, [path]: value };
  try {
    return { ...before, [path]: JSON.parse(value) as unknown };
  } catch (error) {
    throw new InvalidArgumentError(`The value of ${path} cannot be read as JSON: ${(error as Error).message}.`);
  }
};

export const addUser = (program: Command): void => {
  const user = program
    .command('user')
    .description('users: find them again, see what is known of one, archive and restore one, say who manages it');
  addCommand(user, 'list', 'list users, also those who were archived or deleted', '--state archived')
    .addOption(
      new Option('--state <state>', 'only these (default: active and archived)').choices([
        'active',
        'archived',
        'deleted',
      ]),
    )
    .option('--tenant <tenant>', 'name or id of the tenant (default: all)')
    .option('--directory <directory>', 'name or id of the directory that manages them')
    .option(...AS_JSON)
    .action(
      async ({
        state,
        tenant,
        directory,
        json,
      }: Options & Record<'state' | 'tenant' | 'directory', string | undefined>) => {
        const chosen = {
          ...(state === undefined ? {} : { state }),
          ...(await inTenant(tenant)),
          ...(directory === undefined ? {} : { directory: await directoryOf(directory) }),
        };
        printAll(json, await listAll<UserView>('users', chosen), describeUser);
      },
    );
  addCommand(
    user,
    'find',
    'find users by any identifier that they have or had: user name, e-mail, UPN, externalId, provider id, name, id',
    'ada@example.org\n  npm run -s cli -- user find "Ada*"',
  )
    .argument('<text>', 'the whole identifier, whatever its case, or its beginning and a *')
    .option('--tenant <tenant>', 'name or id of the tenant (default: all)')
    .option(...AS_JSON)
    .action(async (text: string, { tenant, json }: Options & { tenant?: string }) => {
      const found = await findUsers(text, tenant);
      print(json, found, found.map(describeFound).join('\n') || nobodyFound(text));
    });
  addCommand(
    user,
    'show',
    'show what is known of one user: attributes, groups, sign-ins, where it came from',
    'ada@example.org',
  )
    .argument(...USER)
    .option(...AS_JSON)
    .action(async (name: string, { json }: Options) => {
      const shown = await call<ShownUserView>('GET', `users/${encodeURIComponent(await userOf(name))}`);
      print(json, shown, json ? '' : describePerson(shown, await listAll<DirectoryView>('directories')));
    });
  addEvents(user, 'users', 'show everything that happened to one user, the oldest first');
  addCommand(
    user,
    'archive',
    'take access from a user until an administrator restores it, whatever its directory sends',
    'ada@example.org --reason "laptop stolen"',
  )
    .argument(...USER)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((name: string, options: Options) =>
      change(name, 'archive', {}, options, (id) => `The user ${id} is archived.`),
    );
  addCommand(user, 'restore', 'give access back to a user who is archived', 'ada@example.org')
    .argument(...USER)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((name: string, options: Options) =>
      change(name, 'restore', {}, options, (id, { state }) =>
        state === 'active'
          ? `The user ${id} is active again.`
          : `The user ${id} is restored, and stays archived: its directory says that it is not active. Restore it once more to give it access all the same.`,
      ),
    );
  addCommand(user, 'unlink', 'take a user from its directory, and undo what the link changed', 'ada@example.org')
    .argument(...USER)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((name: string, options: Options) =>
      change(name, 'unlink', {}, options, (id) => `Nobody manages the user ${id} now.`),
    );
  addCommand(user, 'transfer', 'let another directory manage a user from now on', 'ada@example.org "Contoso Entra"')
    .argument(...USER)
    .argument('<directory>', 'name or id of the directory')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, directoryName: string, options: Options) => {
      const directory = await directoryOf(directoryName);
      await change(
        name,
        'transfer',
        { directory },
        options,
        (id) => `The user ${id} belongs to the directory ${directory} now.`,
      );
    });
  addCommand(
    user,
    'set',
    'set attributes that its directory leaves to administrators; the directory leaves them as they are from then on',
    'ada@contoso.example --attribute title=Countess --attribute name.givenName=Augusta',
  )
    .argument(...USER)
    .option(
      '--attribute <path=value>',
      'repeat the option for several; a list is JSON, such as phoneNumbers=\'[{"type": "work", "value": "1"}]\'',
      withAttribute,
    )
    .option('--unset <path>', 'give an attribute back to the directory', (path, before: string[] = []) => [
      ...before,
      path,
    ])
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (name: string, { attribute = {}, unset = [], reason, json }: SetOptions) => {
      const attributes = { ...attribute, ...Object.fromEntries(unset.map((path) => [path, null])) };
      const paths = Object.keys(attributes);
      if (paths.length === 0) throw new WrongUse('Name at least one attribute, with --attribute or --unset.');
      const id = await userOf(name);
      const changed = await call('PATCH', `users/${encodeURIComponent(id)}/attributes`, { attributes, reason });
      const set = Object.keys(attribute);
      const lines = [
        ...(set.length === 0
          ? []
          : [`The user ${id} has ${set.join(', ')} as you set ${set.length === 1 ? 'it' : 'them'}.`]),
        ...(unset.length === 0
          ? []
          : [`${unset.join(', ')} of the user ${id} will be as its directory sends it next.`]),
      ];
      print(json, changed, lines.join('\n'));
    });
};
