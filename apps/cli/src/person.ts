import type { DirectoryView, FoundUserView, ShownUserView, UserView } from './admin-views.js';
import { describeActors, renderTimeline } from './timeline.js';

const ofDirectory = ({ directory }: Pick<UserView, 'directory'>): string =>
  directory ? `of the directory "${directory.name ?? directory.id}"` : 'managed by nobody';

/** One line of a list of users. */
export const describeUser = (user: UserView): string =>
  [user.userName, user.id, user.state, user.displayName ?? '-', user.email ?? '-', ofDirectory(user)].join('  ');

/** `formerUserName` is for programs: people read "former user name". */
const WORDS: Readonly<Record<string, string>> = {
  id: 'id',
  userName: 'user name',
  displayName: 'name',
  email: 'e-mail',
  externalId: 'externalId',
  providerId: 'provider id',
};
const words = (matchedBy: string): string => {
  const isFormer = matchedBy.startsWith('former');
  const kind = isFormer ? `${matchedBy[6]!.toLowerCase()}${matchedBy.slice(7)}` : matchedBy;
  return `${isFormer ? 'former ' : ''}${WORDS[kind] ?? kind}`;
};

export const describeFound = (user: FoundUserView): string =>
  `${describeUser(user)}  found by ${words(user.matchedBy)}`;

const STATES = {
  active: () => 'active',
  archived: ({ archivedBy }: ShownUserView) =>
    `archived by ${archivedBy === 'directory' ? 'its directory' : 'an administrator'}`,
  deleted: ({ lastModified }: ShownUserView) => `deleted on ${at(lastModified)}`,
};

const at = (time: string): string => time.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');

/** A page about one user, for people. */
export const describePerson = (user: ShownUserView, directories: readonly DirectoryView[]): string => {
  const { origin, signIns, groups, withdrawnFrom, held, localAttributes, mappedBy } = user;
  const nameOf = (id: string): string => directories.find((directory) => directory.id === id)?.name ?? id;
  const facts: [string, string][] = [
    ['id', user.id],
    ['state', STATES[user.state](user)],
    ...listed(
      'deleted by',
      withdrawnFrom
        ? [`the directory ${withdrawnFrom.name ?? withdrawnFrom.id}, which is not shown the user any more`]
        : [],
    ),
    ...listed(
      'held',
      (held?.reasons ?? []).map(
        (reason) => (HOLDS[reason] ?? reason) + (held?.letIn ? ', but an administrator has let the user in' : ''),
      ),
    ),
    ['name', user.displayName ?? '-'],
    ['e-mail', user.email ?? '-'],
    ['externalId', user.externalId ?? '-'],
    ['directory', user.directory ? (user.directory.name ?? user.directory.id) : 'nobody manages the user'],
    ['web role', user.webRole ?? 'none'],
    ...listed('given by', user.webRoleSources.map(describeSource)),
    ['came by', origin ? cameBy(origin) : '-'],
    ['version', `${user.version}, last changed on ${at(user.lastModified)}`],
    ...listed(
      'signs in with',
      signIns.map(({ directory, loginType, providerId }) => `${loginType} ${providerId} (${nameOf(directory)})`),
    ),
    ...listed('set here', localAttributes),
    ...listed('mapped by', mappedBy.map(describeLine)),
    ...listed(
      'is in',
      groups.map(({ id, display, direct }) => `${display}  ${id}${direct ? '' : '  through other groups'}`),
    ),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    user.userName,
    ...facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`.trimEnd()),
    ...(user.attributes ? ['', JSON.stringify(user.attributes, null, 2)] : []),
    '',
    renderTimeline(user.lastEvents, describeActors(directories)),
  ].join('\n');
};

/** Why a user is archived although the identity provider wants otherwise. */
const HOLDS: Readonly<Record<string, string>> = {
  create: 'the directory makes no users (--create-users off)',
  scope: 'the user is not in the scope of the directory (--scope)',
};
/** Which line of an attribute mapping wrote an attribute. */
export const describeLine = ({
  target,
  expression,
  when,
  line,
  directoryVersion,
}: ShownUserView['mappedBy'][number]): string =>
  `${target} = ${expression ?? '(a line that is not known any more)'}  (line ${line}${when === null || when === 'always' ? '' : `, on ${when}`}, settings of version ${directoryVersion})`;

const describeSource = ({ group, role, gives }: ShownUserView['webRoleSources'][number]): string => {
  const by = group ? `the group ${group.displayName}  ${group.id}` : 'the attribute roles';
  return `${by}: ${role}${gives === role ? '' : `, of which the roleCeiling of the directory leaves ${gives ?? 'nothing'}`}`;
};

const RULES: Readonly<Record<string, string>> = {
  create: 'nobody like that was known',
  providerId: 'found by provider id',
  upn: 'found by UPN',
  email: 'found by e-mail',
};
const cameBy = ({ by, at: when, directory, matching }: NonNullable<ShownUserView['origin']>): string =>
  `${by === 'sign-in' ? 'a sign-in' : 'SCIM'} through ${directory?.name ?? directory?.id ?? 'no directory'} on ${at(when)}${matching ? `: ${RULES[matching.rule] ?? matching.rule}` : ''}`;

/** The name stands in the first line alone. */
const listed = (name: string, lines: readonly string[]): [string, string][] =>
  lines.map((line, index) => [index === 0 ? name : '', line]);
