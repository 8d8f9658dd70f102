import type { Command } from 'commander';
import { listAll, listEvents } from '../admin-api.sender.js';
import type { DirectoryView, KeyView } from '../admin-views.js';
import { groupOf, userOf } from '../named.sender.js';
import { describeActors, renderTimeline } from '../timeline.js';
import { addCommand, AS_JSON, print } from './command.js';

/** The command `events` of a noun: the history of one of them. */
export const addEvents = (noun: Command, path: 'users' | 'groups', description: string): void => {
  addCommand(noun, 'events', description, path === 'users' ? 'ada@example.org' : '<id>')
    .argument(path === 'users' ? '<user>' : '<id>')
    .option(...AS_JSON)
    .action(async (given: string, { json }: { json?: boolean }) => {
      const events = await listEvents(path, path === 'groups' ? await groupOf(given, undefined) : await userOf(given));
      if (json) return print(json, events, '');
      // A key of one tenant may list no keys: then they are shown by their ids.
      const keys = await listAll<KeyView>('keys').catch(() => []);
      const who = describeActors(await listAll<DirectoryView>('directories'), keys);
      print(json, events, renderTimeline(events, who));
    });
};
