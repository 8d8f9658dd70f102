import { InvalidArgumentError, type Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { DirectoryView, TokenView } from '../admin-views.js';
import { directoryOf } from '../named.sender.js';
import { durationSeconds } from '../times.js';
import { addCommand, AND_YES, AS_JSON, confirm, lastUse, print, printAll, WITH_REASON } from './command.js';

interface Options {
  readonly reason?: string;
  readonly json?: boolean;
}

const EXPIRES_AT = '--expires-at <time>';
const A_MOMENT = 'a moment with its zone, such as 2030-01-31T00:00:00Z';

/** `24h` in seconds. */
const secondsOf = (text: string): number => {
  const seconds = text === '0' ? 0 : durationSeconds(text);
  if (seconds === null)
    throw new InvalidArgumentError('It is a number with its unit: s, m, h or d, such as 24h or 7d; 0 = at once.');
  return seconds;
};

const pathOf = (id: string): string => `tokens/${encodeURIComponent(id)}`;

const describe = ({ id, status, expiresAt, replacedBy, lastUsedAt, description }: TokenView): string =>
  [
    `${id}  ${status}`,
    ...(expiresAt === null ? [] : [`, ${status === 'expired' ? 'since' : 'expires'} ${expiresAt}`]),
    ...(replacedBy === null ? [] : [`, replaced by ${replacedBy}`]),
    `, ${lastUse(lastUsedAt)}`,
    ...(description === '' ? [] : [`  ${description}`]),
  ].join('');

export const addToken = (program: Command): void => {
  const token = program.command('token').description('SCIM bearer tokens of a directory');
  addCommand(token, 'list', 'list the tokens of a directory', '"Contoso Entra"')
    .argument('[directory]', 'name or id of the directory (default: tokens of all)')
    .option(...AS_JSON)
    .action(async (directory: string | undefined, { json }: Options) => {
      const of: Record<string, string> = directory === undefined ? {} : { directory: await directoryOf(directory) };
      const names = new Map(
        json || directory !== undefined
          ? []
          : (await listAll<DirectoryView>('directories')).map(({ id, name }) => [id, name]),
      );
      printAll(json, await listAll<TokenView>('tokens', of), (token) =>
        [describe(token), names.get(token.directory)].filter((part) => part !== undefined).join('  of '),
      );
    });
  addCommand(token, 'show', 'show what is known of a token, but not the token itself', '<id>')
    .argument('<id>', 'id of the token, as token list prints it')
    .option(...AS_JSON)
    .action(async (id: string, { json }: Options) => {
      const found = await call<TokenView>('GET', pathOf(id));
      print(json, found, describe(found));
    });
  addCommand(token, 'create', 'make a token', '--description "Entra, from 2027" --expires-at 2030-01-31T00:00:00Z')
    .argument('[directory]', 'name or id of the directory (default: the first one)')
    .option('--description <text>', 'what it is for', '')
    .option(EXPIRES_AT, `${A_MOMENT} (default: never)`)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(
      async (
        directory: string | undefined,
        { json, ...rest }: Options & { description: string; expiresAt?: string },
      ) => {
        const path = `directories/${encodeURIComponent(await directoryOf(directory))}/tokens`;
        const made = await call<{ id: string; token: string }>('POST', path, rest);
        print(json, made, `${made.id}\n${made.token}`);
      },
    );
  addCommand(token, 'reveal', 'show a token again; it is recorded who saw it', '<id> --reason "Entra was set up anew"')
    .argument('<id>', 'id of the token, as token list prints it')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string, { json, ...rest }: Options) => {
      const found = await call<TokenView & { token: string | null }>('POST', `${pathOf(id)}/reveal`, rest);
      if (found.token === null) throw new Error('The token was sealed with another master key: rotate it.');
      print(json, found, found.token);
    });
  addCommand(token, 'rotate', 'make a token in the place of another, which lives on for a while', '<id> --overlap 7d')
    .argument('<id>', 'id of the token, as token list prints it')
    .option('--overlap <time>', 'for so long the old token lives on, such as 24h or 7d; 0 = it ends at once', secondsOf)
    .option(EXPIRES_AT, `${A_MOMENT} (default: the new token lives as long as the old one was to live)`)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string, { json, overlap, ...rest }: Options & { overlap?: number; expiresAt?: string }) => {
      const made = await call<TokenView & { token: string; old: TokenView }>('POST', `${pathOf(id)}/rotate`, {
        overlapSeconds: overlap,
        ...rest,
      });
      print(
        json,
        made,
        `${made.id}\n${made.token}\n${overlap === 0 ? 'The old token works no more.' : `The old token works until ${made.old.expiresAt}: enter the new one by then.`}`,
      );
    });
  addCommand(token, 'set', 'change what is said of a token', '<id> --description "Entra, production"')
    .argument('<id>', 'id of the token, as token list prints it')
    .requiredOption('--description <text>', 'what it is for')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string, { json, ...rest }: Options & { description: string }) => {
      const changed = await call<TokenView>('PATCH', pathOf(id), rest);
      print(json, changed, describe(changed));
    });
  for (const [name, status, does] of [
    ['deactivate', 'inactive', 'let a token open nothing, within a second, until it is activated'],
    ['activate', 'active', 'let an inactive token open its directory again, within a second'],
  ] as const) {
    addCommand(token, name, does, '<id>')
      .argument('<id>', 'id of the token, as token list prints it')
      .option(...WITH_REASON)
      .option(...AS_JSON)
      .action(async (id: string, { json, ...rest }: Options) => {
        const changed = await call<TokenView>('PATCH', pathOf(id), { status, ...rest });
        print(json, changed, describe(changed));
      });
  }
  addCommand(token, 'revoke', 'make a token useless for good, within a second', '<id> --yes')
    .argument('<id>', 'id of the token, as token list prints it')
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (id: string, { reason, yes, json }: Options & { yes?: boolean }) => {
      await confirm(`The token ${id} will be useless, for good.`, yes);
      await call('DELETE', pathOf(id), { reason });
      print(json, { id, status: 'revoked' }, `Token ${id} is revoked.`);
    });
};
