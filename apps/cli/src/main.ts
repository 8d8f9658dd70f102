import '#first';
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { call, listAll, listEvents } from './admin-api.sender.js';
import type { AttributeView, DirectoryView, GroupView, MemberView, SchemaView, TenantView } from './admin-views.js';
import { describeActors, renderTimeline } from './timeline.js';

/**
 * `npm run cli`: tenants, directories, tokens, schemas, groups and what happened to a user, for people and for scripts.
 */

const print = (json: boolean | undefined, value: unknown, text: string): void =>
  console.log(json ? JSON.stringify(value) : text);

const describe = (directory: DirectoryView): string =>
  [
    `${directory.name} (${directory.kind})  ${directory.id}`,
    `  SCIM base URL  ${directory.scimBaseUrl}`,
    `  Token          ${directory.token ?? '(none that is active)'}${directory.tokenExpiresAt ? `  (expires ${directory.tokenExpiresAt})` : ''}`,
    ...(directory.settings.offerExistingUsers ? ['  Offers existing users to the identity provider'] : []),
    ...(directory.settings.emailIsLoginName ? ['  The e-mail is the login name'] : []),
    ...(directory.settings.offerLocalGroups ? ['  Lists local groups to the identity provider'] : []),
    ...directory.tokens.map(
      ({ id, status, expiresAt, description }) =>
        `  ${id}  ${status}${expiresAt ? `, expires ${expiresAt}` : ''}  ${description}`,
    ),
  ].join('\n');

const program = new Command('muster').description(
  'Tenants, directories, tokens, schemas, groups and events of a running Muster',
);
const tenant = program.command('tenant').description('organisations; a user of one is never seen by another');
const describeTenant = ({ id, name, directories }: TenantView): string =>
  `${name}  ${id}  ${directories} ${directories === 1 ? 'directory' : 'directories'}`;
tenant
  .command('list')
  .description('list all')
  .option('--json', 'as JSON')
  .action(async ({ json }: { json?: boolean }) => {
    const all = await call<TenantView[]>('GET', 'tenants');
    print(json, all, all.map(describeTenant).join('\n'));
  });
tenant
  .command('create')
  .description('make a tenant; it needs a directory next')
  .argument('<name>')
  .option('--json', 'as JSON')
  .action(async (name: string, { json }: { json?: boolean }) => {
    const made = await call<TenantView>('POST', 'tenants', { name });
    print(json, made, `${describeTenant(made)}\nNext: npm run -s cli -- directory create <name> --tenant ${made.id}`);
  });
const directory = program.command('directory').description('connections to identity providers');
directory
  .command('list')
  .description('list all')
  .option('--json', 'as JSON')
  .action(async ({ json }: { json?: boolean }) => {
    const all = await call<DirectoryView[]>('GET', 'directories');
    print(json, all, all.map(describe).join('\n\n'));
  });
directory
  .command('show')
  .description('SCIM base URL and token of one directory; the first without an id')
  .argument('[id]')
  .option('--json', 'as JSON')
  .action(async (id: string | undefined, { json }: { json?: boolean }) => {
    const found = await call<DirectoryView>('GET', `directories/${encodeURIComponent(id ?? 'first')}`);
    print(
      json,
      { scimBaseUrl: found.scimBaseUrl, token: found.token, tokenExpiresAt: found.tokenExpiresAt },
      describe(found),
    );
  });
directory
  .command('create')
  .description('make a directory and its first token')
  .argument('<name>')
  .option('--kind <kind>', 'entra, okta or scim', 'entra')
  .option('--tenant <id>', 'whose it is; the first tenant without it')
  .option('--json', 'as JSON')
  .action(async (name: string, { kind, tenant: owner, json }: { kind: string; tenant?: string; json?: boolean }) => {
    const made = await call<DirectoryView>('POST', 'directories', {
      name,
      kind,
      ...(owner === undefined ? {} : { tenant: owner }),
    });
    print(json, made, describe(made));
  });
const isOn = (value: string): boolean => {
  if (value !== 'on' && value !== 'off') throw new InvalidArgumentError('It is either on or off.');
  return value === 'on';
};
directory
  .command('set')
  .description('change the settings of a directory')
  .argument('<id>')
  .option(
    '--offer-existing-users <on|off>',
    'the identity provider also sees users that nobody manages; its first write to one links it',
    isOn,
  )
  .option('--email-is-login-name <on|off>', 'the work e-mail is unique in the tenant', isOn)
  .option('--offer-local-groups <on|off>', 'the identity provider also sees local groups, which it cannot change', isOn)
  .option('--json', 'as JSON')
  .action(
    async (
      id: string,
      {
        json,
        ...settings
      }: { offerExistingUsers?: boolean; emailIsLoginName?: boolean; offerLocalGroups?: boolean; json?: boolean },
    ) => {
      const changed = await call<DirectoryView>('PATCH', `directories/${encodeURIComponent(id)}`, settings);
      print(json, changed, describe(changed));
    },
  );
const token = program.command('token').description('SCIM bearer tokens of a directory');
token
  .command('create')
  .description('make a token')
  .argument('[directory]', 'id; the first directory without one')
  .option('--description <text>', 'what it is for', '')
  .option('--expires-at <time>', 'a moment with its zone, such as 2030-01-31T00:00:00Z')
  .option('--json', 'as JSON')
  .action(async (id: string | undefined, options: { description: string; expiresAt?: string; json?: boolean }) => {
    const target = id ?? ((await call<DirectoryView>('GET', 'directories/first')) as DirectoryView & { id: string }).id;
    const made = await call<{ id: string; token: string }>('POST', `directories/${encodeURIComponent(target)}/tokens`, {
      description: options.description,
      ...(options.expiresAt ? { expiresAt: options.expiresAt } : {}),
    });
    print(options.json, made, `${made.id}\n${made.token}`);
  });
token
  .command('revoke')
  .description('make a token useless, within a second')
  .argument('<id>')
  .action(async (id: string) => {
    await call('DELETE', `tokens/${encodeURIComponent(id)}`);
    console.log(`Token ${id} is revoked.`);
  });

const schema = program.command('schema').description('attributes of its own that a tenant gives its users or groups');
const describeAttribute = (
  { name, type, multiValued, description, subAttributes = [] }: AttributeView,
  indent = '  ',
): string =>
  [
    `${indent}${name}  ${type}${multiValued ? '[]' : ''}${description ? `  ${description}` : ''}`,
    ...subAttributes.map((part) => describeAttribute(part, `${indent}  `)),
  ].join('\n');
const describeSchema = ({
  resourceType,
  tenant: owner,
  version,
  schema: { id, name, attributes },
}: SchemaView): string =>
  [
    `${name}  ${id}  of ${resourceType}, version ${version}, tenant ${owner}`,
    ...attributes.map((attribute) => describeAttribute(attribute)),
  ].join('\n');
const listSchemas = (owner: string | undefined): Promise<SchemaView[]> =>
  call('GET', `schemas${owner === undefined ? '' : `?tenant=${encodeURIComponent(owner)}`}`);
interface SchemaOptions {
  tenant?: string;
  json?: boolean;
}
schema
  .command('list')
  .description('list all')
  .option('--tenant <id>', 'of one tenant only')
  .option('--json', 'as JSON')
  .action(async ({ tenant: owner, json }: SchemaOptions) => {
    const all = await listSchemas(owner);
    print(json, all, all.map(describeSchema).join('\n\n'));
  });
schema
  .command('show')
  .description('one schema; as JSON it can be changed and defined again')
  .argument('<urn>')
  .option('--tenant <id>', 'of one tenant only')
  .option('--json', 'as JSON')
  .action(async (urn: string, { tenant: owner, json }: SchemaOptions) => {
    const found = (await listSchemas(owner)).find(({ schema: { id } }) => id.toLowerCase() === urn.toLowerCase());
    if (!found) throw new Error(`There is no schema ${urn}.`);
    print(json, found.schema, describeSchema(found));
  });
schema
  .command('define')
  .description('make a schema, or add to the one of its URN')
  .argument('<file.json>', 'a schema as /Schemas shows it (RFC 7643 §7)')
  .option('--for <type>', 'whose attributes they are: User or Group', 'User')
  .option('--tenant <id>', 'the first tenant without it')
  .option('--json', 'as JSON')
  .action(async (file: string, { for: resourceType, tenant: owner, json }: SchemaOptions & { for: string }) => {
    const content = JSON.parse(readFileSync(file, 'utf8')) as { id?: unknown };
    if (typeof content.id !== 'string')
      throw new Error(`${file} names no URN: it needs an "id" such as urn:example:params:hr:1.0:User.`);
    const defined = await call<SchemaView>('PUT', `schemas/${encodeURIComponent(content.id)}`, {
      ...content,
      resourceType,
      ...(owner === undefined ? {} : { tenant: owner }),
    });
    print(json, defined.schema, describeSchema(defined));
  });

const showEvents = async (of: 'users' | 'groups', id: string, json: boolean | undefined): Promise<void> => {
  const events = await listEvents(of, id);
  print(
    json,
    events,
    json ? '' : renderTimeline(events, describeActors(await call<DirectoryView[]>('GET', 'directories'))),
  );
};
const user = program.command('user').description('what Muster recorded of a user, and whose it is');
user
  .command('events')
  .description('everything that happened to one user, the oldest first')
  .argument('<id>')
  .option('--json', 'as JSON')
  .action((id: string, { json }: { json?: boolean }) => showEvents('users', id, json));
user
  .command('unlink')
  .description('nobody manages the user any more; what a link changed is undone')
  .argument('<id>')
  .action(async (id: string) => {
    await call('POST', `users/${encodeURIComponent(id)}/unlink`, {});
    console.log(`Nobody manages the user ${id} now.`);
  });
user
  .command('transfer')
  .description('another directory manages the user from now on')
  .argument('<id>')
  .argument('<directory>')
  .action(async (id: string, target: string) => {
    await call('POST', `users/${encodeURIComponent(id)}/transfer`, { directory: target });
    console.log(`The user ${id} belongs to the directory ${target} now.`);
  });

const group = program.command('group').description('groups: those of directories are shown, local ones can be changed');
const describeGroup = ({ id, displayName, directory: owner, members }: GroupView): string =>
  `${displayName}  ${id}  ${members} ${members === 1 ? 'member' : 'members'}  ${owner ? `of the directory "${owner.name}"` : 'local'}`;
const changeGroup = async (id: string, change: object, json: boolean | undefined): Promise<void> => {
  const changed = await call<GroupView>('PATCH', `groups/${encodeURIComponent(id)}`, change);
  print(json, changed, describeGroup(changed));
};
group
  .command('list')
  .description('list all groups of a tenant')
  .option('--tenant <id>', 'the first tenant without it')
  .option('--json', 'as JSON')
  .action(async ({ tenant: owner, json }: { tenant?: string; json?: boolean }) => {
    const all = await listAll<GroupView>('groups', 'groups', owner === undefined ? {} : { tenant: owner });
    print(json, all, all.map(describeGroup).join('\n'));
  });
group
  .command('events')
  .description('everything that happened to one group, the oldest first: also who came and went')
  .argument('<id>')
  .option('--json', 'as JSON')
  .action((id: string, { json }: { json?: boolean }) => showEvents('groups', id, json));
group
  .command('create')
  .description('make a local group')
  .argument('<name>')
  .option('--member <id...>', 'users or groups')
  .option('--tenant <id>', 'whose it is; the first tenant without it')
  .option('--json', 'as JSON')
  .action(
    async (
      displayName: string,
      { member, tenant: owner, json }: { member?: string[]; tenant?: string; json?: boolean },
    ) => {
      const made = await call<GroupView>('POST', 'groups', {
        displayName,
        members: member ?? [],
        ...(owner === undefined ? {} : { tenant: owner }),
      });
      print(json, made, describeGroup(made));
    },
  );
group
  .command('members')
  .description('who is in a group')
  .argument('<id>')
  .option('--effective', 'the users who may act, also those who are in it through other groups')
  .option('--json', 'as JSON')
  .action(async (id: string, { effective, json }: { effective?: boolean; json?: boolean }) => {
    const all = await listAll<MemberView>(`groups/${encodeURIComponent(id)}/members`, 'members', {
      effective: String(effective === true),
    });
    print(json, all, all.map(({ id: member, type }) => `${type.padEnd(5)}  ${member}`).join('\n'));
  });
group
  .command('add')
  .description('add members to a local group')
  .argument('<id>')
  .argument('<members...>', 'ids of users or groups')
  .option('--json', 'as JSON')
  .action((id: string, add: string[], { json }: { json?: boolean }) => changeGroup(id, { add }, json));
group
  .command('remove')
  .description('remove members from a local group')
  .argument('<id>')
  .argument('<members...>', 'ids')
  .option('--json', 'as JSON')
  .action((id: string, remove: string[], { json }: { json?: boolean }) => changeGroup(id, { remove }, json));
group
  .command('rename')
  .description('give a local group another name')
  .argument('<id>')
  .argument('<name>')
  .option('--json', 'as JSON')
  .action((id: string, displayName: string, { json }: { json?: boolean }) => changeGroup(id, { displayName }, json));
group
  .command('delete')
  .description('delete a local group')
  .argument('<id>')
  .action(async (id: string) => {
    await call('DELETE', `groups/${encodeURIComponent(id)}`);
    console.log(`The group ${id} is deleted.`);
  });

program.parseAsync().catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
