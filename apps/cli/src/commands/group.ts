import type { Command } from 'commander';
import { call, listAll } from '../admin-api.sender.js';
import type { GroupView, MemberView } from '../admin-views.js';
import { groupOf, inTenant } from '../named.sender.js';
import { addCommand, AND_YES, AS_JSON, confirm, OF_TENANT, print, printAll, WITH_REASON } from './command.js';
import { addEvents } from './events.js';

interface Options {
  readonly tenant?: string;
  readonly reason?: string;
  readonly json?: boolean;
}

const GROUP = ['<group>', 'name or id of the group'] as const;

const describe = ({ id, displayName, directory, members }: GroupView): string =>
  `${displayName}  ${id}  ${members} ${members === 1 ? 'member' : 'members'}  ${directory ? `of the directory "${directory.name}"` : 'local'}`;

const change = async (group: string, changes: object, { tenant, reason, json }: Options): Promise<void> => {
  const path = `groups/${encodeURIComponent(await groupOf(group, tenant))}`;
  const changed = await call<GroupView>('PATCH', path, { ...changes, reason });
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
      printAll(json, await listAll<GroupView>('groups', await inTenant(tenant)), describe);
    });
  addEvents(group, 'groups', 'show everything that happened to one group, the oldest first: also who came and went');
  addCommand(group, 'members', 'show who is in a group', '"Works council" --effective')
    .argument(...GROUP)
    .option('--effective', 'the users who may act, also those who are in it through other groups')
    .option(...OF_TENANT)
    .option(...AS_JSON)
    .action(async (name: string, { effective = false, tenant, json }: Options & { effective?: boolean }) => {
      const path = `groups/${encodeURIComponent(await groupOf(name, tenant))}/members`;
      const all = await listAll<MemberView>(path, { effective: String(effective) });
      printAll(json, all, ({ id: member, type }) => `${type.padEnd(5)}  ${member}`);
    });
  addCommand(group, 'create', 'make a local group', '"Works council" --member <id> <id>')
    .argument('<name>')
    .option('--member <id...>', 'ids of users or groups', [])
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action(async (displayName: string, { member: members, tenant, reason, json }: Options & { member: string[] }) => {
      const content = { displayName, members, reason, ...(await inTenant(tenant)) };
      const made = await call<GroupView>('POST', 'groups', content);
      print(json, made, describe(made));
    });
  addCommand(group, 'add', 'add members to a local group', '"Works council" <member>')
    .argument(...GROUP)
    .argument('<members...>', 'ids of users or groups')
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((name: string, add: string[], options: Options) => change(name, { add }, options));
  addCommand(group, 'remove', 'remove members from a local group', '"Works council" <member>')
    .argument(...GROUP)
    .argument('<members...>', 'ids of users or groups')
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((name: string, remove: string[], options: Options) => change(name, { remove }, options));
  addCommand(group, 'rename', 'give a local group another name', '"Works council" "Staff council"')
    .argument(...GROUP)
    .argument('<name>')
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AS_JSON)
    .action((name: string, displayName: string, options: Options) => change(name, { displayName }, options));
  addCommand(group, 'delete', 'delete a local group', '"Works council" --yes')
    .argument(...GROUP)
    .option(...OF_TENANT)
    .option(...WITH_REASON)
    .option(...AND_YES)
    .option(...AS_JSON)
    .action(async (name: string, { tenant, reason, yes, json }: Options & { yes?: boolean }) => {
      const id = await groupOf(name, tenant);
      await confirm(`The group ${name} will be deleted, and cannot be brought back.`, yes);
      await call('DELETE', `groups/${encodeURIComponent(id)}`, { reason });
      print(json, { id, deleted: true }, `The group ${id} is deleted.`);
    });
};
