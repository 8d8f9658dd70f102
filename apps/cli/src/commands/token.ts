import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import type { DirectoryView } from '../admin-views.js';
import { addCommand, AS_JSON, print } from './command.js';

export const addToken = (program: Command): void => {
  const token = program.command('token').description('SCIM bearer tokens of a directory');
  addCommand(token, 'create', 'make a token', '--description "Entra, from 2027" --expires-at 2030-01-31T00:00:00Z')
    .argument('[directory]', 'id of the directory (default: the first one)')
    .option('--description <text>', 'what it is for', '')
    .option('--expires-at <time>', 'a moment with its zone, such as 2030-01-31T00:00:00Z (default: never)')
    .option(...AS_JSON)
    .action(
      async (
        directory: string | undefined,
        { json, ...rest }: { description: string; expiresAt?: string; json?: boolean },
      ) => {
        const id = directory ?? (await call<DirectoryView>('GET', 'directories/first')).id;
        const path = `directories/${encodeURIComponent(id)}/tokens`;
        const made = await call<{ id: string; token: string }>('POST', path, rest);
        print(json, made, `${made.id}\n${made.token}`);
      },
    );
  addCommand(token, 'revoke', 'make a token useless, within a second', '<id>')
    .argument('<id>', 'id of the token, as directory show lists it')
    .action(async (id: string) => {
      await call('DELETE', `tokens/${encodeURIComponent(id)}`);
      console.log(`Token ${id} is revoked.`);
    });
};
