import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import { addCommand } from './command.js';
import { addEvents } from './events.js';

export const addUser = (program: Command): void => {
  const user = program.command('user').description('users: what happened to one, and which directory manages it');
  addEvents(user, 'users', 'show everything that happened to one user, the oldest first');
  addCommand(user, 'unlink', 'take a user from its directory, and undo what the link changed', '<id>')
    .argument('<id>')
    .action(async (id: string) => {
      await call('POST', `users/${encodeURIComponent(id)}/unlink`, {});
      console.log(`Nobody manages the user ${id} now.`);
    });
  addCommand(user, 'transfer', 'let another directory manage a user from now on', '<id> <directory>')
    .argument('<id>')
    .argument('<directory>', 'id of the directory')
    .action(async (id: string, directory: string) => {
      await call('POST', `users/${encodeURIComponent(id)}/transfer`, { directory });
      console.log(`The user ${id} belongs to the directory ${directory} now.`);
    });
};
