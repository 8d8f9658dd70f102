import type { Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { GroupView, MemberView } from '../admin-views.js';
import { addCommand, AS_JSON, OF_TENANT, print, printAll } from './command.js';
import { addEvents } from './events.js';

interface Options {
  readonly tenant?: string;
  readonly json?: boolean;
}

const describe = ({ id, displayName, directory, members }: GroupView): string =>
  `${displayName}  ${id}  ${members} ${members === 1 ? 'member' : 'members'}  ${directory ? `of the directory "${directory.name}"` : 'local'}`;

const change = async (id: string, changes: object, { json }: Options): Promise<void> => {
  const changed = await call<GroupView>('PATCH', `groups/${encodeURIComponent(id)}`, changes);
  print(json, changed, describe(changed));
};

export const addGroup = (program: Command): void => {
  const group = program
    .command('group')
    .description('groups: those of directories can be looked at, local ones can be changed');
  addCommand(group, 'list', 'list all groups of a tenant', '')
    .option(...OF_TENANT)
    .option(...AS_JSON)
    .action(async ({ tenant, json }: Options) => {
      const all = await listAll<GroupView>('groups', tenant === undefined ? {} : { tenant });
      printAll(json, all, describe);
    });
  addEvents(group, 'groups', 'show everything that happened to one group, the oldest first: also who came and went');
  addCommand(group, 'members', 'show who is in a group', '<id> --effective')
    .argument('<id>')
    .option('--effective', 'the users who may act, also those who are in it through other groups')
    .option(...AS_JSON)
    .action(async (id: string, { effective = false, json }: Options & { effective?: boolean }) => {
      const path = `groups/${encodeURIComponent(id)}/members`;
      const all = await listAll<MemberView>(path, { effective: String(effective) });
      printAll(json, all, ({ id: member, type }) => `${type.padEnd(5)}  ${member}`);
    });
  addCommand(group, 'create', 'make a local group', '"Works council" --member <id> <id>')
    .argument('<name>')
    .option('--member <id...>', 'ids of users or groups', [])
    .option(...OF_TENANT)
    .option(...AS_JSON)
    .action(async (displayName: string, { member: members, tenant, json }: Options & { member: string[] }) => {
      const made = await call<GroupView>('POST', 'groups', { displayName, members, tenant });
      print(json, made, describe(made));
    });
  addCommand(group, 'add', 'add members to a local group', '<id> <member>')
    .argument('<id>')
    .argument('<members...>', 'ids of users or groups')
    .option(...AS_JSON)
    .action((id: string, add: string[], options: Options) => change(id, { add }, options));
  addCommand(group, 'remove', 'remove members from a local group', '<id> <member>')
    .argument('<id>')
    .argument('<members...>', 'ids of users or groups')
    .option(...AS_JSON)
    .action((id: string, remove: string[], options: Options) => change(id, { remove }, options));
  addCommand(group, 'rename', 'give a local group another name', '<id> "Works council"')
    .argument('<id>')
    .argument('<name>')
    .option(...AS_JSON)
    .action((id: string, displayName: string, options: Options) => change(id, { displayName }, options));
  addCommand(group, 'delete', 'delete a local group', '<id>')
    .argument('<id>')
    .action(async (id: string) => {
      await call('DELETE', `groups/${encodeURIComponent(id)}`);
      console.log(`The group ${id} is deleted.`);
    });
};
