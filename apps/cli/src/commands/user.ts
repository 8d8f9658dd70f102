import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import { directoryOf } from '../named.sender.js';
import { addCommand, AS_JSON, print, WITH_REASON } from './command.js';
import { addEvents } from './events.js';

interface Options {
  readonly reason?: string;
  readonly json?: boolean;
}

export const addUser = (program: Command): void => {
  const user = program.command('user').description('users: what happened to one, and which directory manages it');
  addEvents(user, 'users', 'show everything that happened to one user, the oldest first');
  addCommand(user, 'unlink', 'take a user from its directory, and undo what the link changed', '<id>')
    .argument('<id>')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string, { reason, json }: Options) => {
      const changed = await call('POST', `users/${encodeURIComponent(id)}/unlink`, { reason });
      print(json, changed, `Nobody manages the user ${id} now.`);
    });
  addCommand(user, 'transfer', 'let another directory manage a user from now on', '<id> <directory>')
    .argument('<id>')
    .argument('<directory>', 'name or id of the directory')
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (id: string, name: string, { reason, json }: Options) => {
      const directory = await directoryOf(name);
      const changed = await call('POST', `users/${encodeURIComponent(id)}/transfer`, { directory, reason });
      print(json, changed, `The user ${id} belongs to the directory ${directory} now.`);
    });
};
