import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import { directoryOf } from '../named.sender.js';
import { addCommand, AND_YES, AS_JSON, confirm, print, WITH_REASON } from './command.js';

export const addToken = (program: Command): void => {
  const token = program.command('token').description('SCIM bearer tokens of a directory');
  addCommand(token, 'create', 'make a token', '--description "Entra, from 2027" --expires-at 2030-01-31T00:00:00Z')
    .argument('[directory]', 'name or id of the directory (default: the first one)')
    .option('--description <text>', 'what it is for', '')
    .option('--expires-at <time>', 'a moment with its zone, such as 2030-01-31T00:00:00Z (default: never)')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(
      async (
        directory: string | undefined,
        { json, ...rest }: { description: string; expiresAt?: string; reason?: string; json?: boolean },
      ) => {
        const path = `directories/${encodeURIComponent(await directoryOf(directory))}/tokens`;
        const made = await call<{ id: string; token: string }>('POST', path, rest);
        print(json, made, `${made.id}\n${made.token}`);
      },
    );
  addCommand(token, 'revoke', 'make a token useless, within a second', '<id> --yes')
    .argument('<id>', 'id of the token, as directory show lists it')
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (id: string, { reason, yes, json }: { reason?: string; yes?: boolean; json?: boolean }) => {
      await confirm(`The token ${id} will be useless, for good.`, yes);
      await call('DELETE', `tokens/${encodeURIComponent(id)}`, { reason });
      print(json, { id, status: 'revoked' }, `Token ${id} is revoked.`);
    });
};
