import { isEqual, rejection, uniqueKey, type Json } from '#scim';
import {
  DELETABLE_AFTER_MS,
  directorySettings,
  PRESETS,
  settingsOf,
  type DirectoryEvent,
  type DirectoryKind,
  type DirectorySettings,
  type DirectoryStatus,
  type SettingChanges,
} from '#contracts';
import { MAX_BELONGINGS, type Aggregate, type CommandOf, type Decided, type State, type World } from './aggregate.js';
import { hasTenant } from './tenant.js';

/** A directory: the fold of its events. */
export interface DirectoryState extends State {
  readonly kind: 'directory';
  readonly name: string;
  readonly directoryKind: DirectoryKind;
  /** The settings that somebody has set. */
  readonly settings: Partial<DirectorySettings>;
  readonly status: DirectoryStatus;
  /** ISO 8601, UTC; null = it is not disconnected. */
  readonly disconnectedAt: string | null;
  /** The version with which it moved to another identity provider last; null = it never did. */
  readonly movedVersion: number | null;
}

type Commands =
  | 'CreateDirectory'
  | 'RenameDirectory'
  | 'ChangeDirectory'
  | 'DisableDirectory'
  | 'EnableDirectory'
  | 'DisconnectDirectory'
  | 'ConnectDirectory'
  | 'MoveDirectory'
  | 'DeleteDirectory';
type Events =
  | 'DirectoryCreated'
  | 'DirectoryRenamed'
  | 'DirectoryChanged'
  | 'DirectoryDisabled'
  | 'DirectoryEnabled'
  | 'DirectoryDisconnected'
  | 'DirectoryConnected'
  | 'DirectoryMoved'
  | 'DirectoryDeleted';

export const directory: Aggregate<DirectoryState, Commands, Events> = {
  kind: 'directory',
  table: 'directories',
  columns: {
    id: 'uuid',
    tenant: 'uuid',
    version: 'int',
    created: 'timestamptz',
    name: 'text',
    kind: 'text',
    settings: 'jsonb',
    status: 'text',
    disconnected_at: 'timestamptz',
    moved_version: 'int',
  },
  changing: ['version', 'name', 'kind', 'settings', 'status', 'disconnected_at', 'moved_version'],
  mayGo: true,
  commands: [
    'CreateDirectory',
    'RenameDirectory',
    'ChangeDirectory',
    'DisableDirectory',
    'EnableDirectory',
    'DisconnectDirectory',
    'ConnectDirectory',
    'MoveDirectory',
    'DeleteDirectory',
  ],
  events: [
    'DirectoryCreated',
    'DirectoryRenamed',
    'DirectoryChanged',
    'DirectoryDisabled',
    'DirectoryEnabled',
    'DirectoryDisconnected',
    'DirectoryConnected',
    'DirectoryMoved',
    'DirectoryDeleted',
  ],
  streamOf: ({ directoryId }) => directoryId,
  decide: (command, state, world) => {
    if (command.type === 'CreateDirectory') return created(command, world);
    if (!state) return noDirectory(command.directoryId);
    return changed(command, state, world);
  },
  evolve: (state, event, recordedAt) => {
    if (event.type === 'DirectoryCreated') {
      const { name, kind: directoryKind } = event;
      return {
        kind: 'directory',
        version: 1,
        created: recordedAt,
        name,
        directoryKind,
        settings: {},
        status: 'active',
        disconnectedAt: null,
        movedVersion: null,
      };
    }
    return state && after({ ...state, version: state.version + 1 }, event, recordedAt);
  },
  rowOf: ({ name, directoryKind: kind, settings, status, disconnectedAt, movedVersion }) => ({
    name,
    kind,
    settings,
    status,
    disconnected_at: disconnectedAt,
    moved_version: movedVersion,
  }),
  stateOf: ({ name, kind, settings, status, disconnected_at: disconnectedAt, moved_version: movedVersion }) => ({
    name: name as string,
    directoryKind: kind as DirectoryKind,
    settings: settings as Partial<DirectorySettings>,
    status: status as DirectoryStatus,
    disconnectedAt: disconnectedAt as string | null,
    movedVersion: movedVersion as number | null,
  }),
};

/** Refuses a command that needs a directory which the tenant does not have. */
export const noDirectory = (id: string): Decided => rejection('notFound', `There is no directory with the id ${id}.`);

/** Refuses a command that would give access to a directory whose identity provider is disconnected. */
export const isDisconnected = (id: string): Decided =>
  rejection('conflict', `The directory ${id} is disconnected: connect it first.`);

type Changes = Exclude<CommandOf<Commands>, { readonly type: 'CreateDirectory' }>;

const changed = (command: Changes, state: DirectoryState, world: World): Decided => {
  const { status } = state;
  switch (command.type) {
    case 'RenameDirectory':
      if (command.name === state.name) return [];
      return nameTaken(command.name, world, command.directoryId) ?? [{ type: 'DirectoryRenamed', name: command.name }];
    case 'ChangeDirectory':
      return settingsChanged(changedSettings(state.settings, command.settings));
    case 'DisableDirectory':
      if (status === 'disconnected') return isDisconnected(command.directoryId);
      return status === 'disabled' ? [] : [{ type: 'DirectoryDisabled' }];
    case 'EnableDirectory':
      if (status === 'disconnected') return isDisconnected(command.directoryId);
      return status === 'active' ? [] : [{ type: 'DirectoryEnabled' }];
    case 'DisconnectDirectory':
      return status === 'disconnected'
        ? []
        : [{ type: 'DirectoryDisconnected' }, ...settingsChanged(changedSettings(state.settings, NO_ACCESS))];
    case 'ConnectDirectory':
      if (status === 'disabled')
        return rejection('conflict', `The directory ${command.directoryId} is disabled: enable it instead.`);
      return status === 'active' ? [] : [{ type: 'DirectoryConnected' }];
    case 'MoveDirectory':
      return [
        { type: 'DirectoryMoved', kind: command.kind },
        ...settingsChanged(presetsExchanged(state, command.kind)),
      ];
    case 'DeleteDirectory':
      return notDeletable(command.directoryId, state, world) ?? [{ type: 'DirectoryDeleted' }];
    default:
      return unreachable(command);
  }
};

const after = (
  state: DirectoryState,
  event: Exclude<Extract<DirectoryEvent, { readonly type: Events }>, { readonly type: 'DirectoryCreated' }>,
  recordedAt: string,
): DirectoryState | null => {
  switch (event.type) {
    case 'DirectoryRenamed':
      return { ...state, name: event.name };
    case 'DirectoryChanged':
      return { ...state, settings: withChanges(state.settings, event.settings) };
    case 'DirectoryDisabled':
      return { ...state, status: 'disabled' };
    case 'DirectoryEnabled':
    case 'DirectoryConnected':
      return { ...state, status: 'active', disconnectedAt: null };
    case 'DirectoryDisconnected':
      return { ...state, status: 'disconnected', disconnectedAt: recordedAt };
    case 'DirectoryMoved':
      return { ...state, directoryKind: event.kind, movedVersion: state.version };
    case 'DirectoryDeleted':
      return null;
    default:
      return unreachable(event);
  }
};

/** Says why the directory cannot be deleted; null = there is nothing against it. */
const notDeletable = (id: string, { name, status, disconnectedAt }: DirectoryState, world: World): Decided | null => {
  if (status !== 'disconnected' || disconnectedAt === null)
    return rejection('conflict', `The directory "${name}" is connected: disconnect it first.`);
  const deletableAt = new Date(Date.parse(disconnectedAt) + DELETABLE_AFTER_MS).toISOString();
  if (world.now < deletableAt)
    return rejection(
      'conflict',
      `The directory "${name}" was disconnected just now, and requests of it may be under way: it can be deleted from ${deletableAt} on.`,
    );
  const { users, groups } = world.belongingTo(id);
  if (users + groups === 0) return null;
  const counted = (count: number, noun: string): string[] =>
    count === 0
      ? []
      : [`${count > MAX_BELONGINGS ? `more than ${MAX_BELONGINGS}` : count} ${noun}${count === 1 ? '' : 's'}`];
  return rejection(
    'conflict',
    `${[...counted(users, 'user'), ...counted(groups, 'group')].join(' and ')} belong to the directory "${name}": unlink or transfer the users, and delete the groups, first.`,
  );
};

/** The tenant of Entra whose own tokens a directory takes is access, as a token of the directory is, and ends with it. */
const NO_ACCESS = { entraTenantId: null } satisfies SettingChanges;

/** The settings by which the directory becomes one of the kind, but for those that somebody has chosen otherwise. */
const presetsExchanged = ({ settings, directoryKind }: DirectoryState, kind: DirectoryKind): SettingChanges => {
  const [now, old] = [settingsOf(settings), settingsOf(PRESETS[directoryKind])];
  const presets: SettingChanges = PRESETS[kind];
  return changedSettings(settings, {
    ...Object.fromEntries(
      directorySettings().flatMap(([name]) =>
        isEqual(now[name] as Json, old[name] as Json) ? [[name, presets[name] ?? null] as const] : [],
      ),
    ),
    ...NO_ACCESS,
  });
};

const created = ({ directoryId, name, kind }: CommandOf<'CreateDirectory'>, world: World): Decided => {
  if (!hasTenant(world)) return rejection('notFound', 'There is no such tenant.');
  if (world.get(directoryId)) return rejection('conflict', 'The directory exists already.');
  return nameTaken(name, world) ?? [{ type: 'DirectoryCreated', name, kind }, ...settingsChanged(PRESETS[kind])];
};

const nameTaken = (name: string, world: World, except?: string): Decided | null =>
  world.all(directory).some(({ id, state }) => id !== except && uniqueKey(state.name) === uniqueKey(name))
    ? rejection('conflict', `The tenant has a directory of the name "${name}" already. Choose another name.`)
    : null;

const settingsChanged = (settings: SettingChanges): DirectoryEvent[] =>
  Object.keys(settings).length === 0 ? [] : [{ type: 'DirectoryChanged', settings }];

/** Returns what is not so already; what nobody has set has its default. */
const changedSettings = (set: Partial<DirectorySettings>, wanted: SettingChanges): SettingChanges => {
  const now = settingsOf(set);
  return Object.fromEntries(
    directorySettings().flatMap(([name]) => {
      const value = wanted[name];
      const isSo = value === null ? set[name] === undefined : isEqual(value as Json | undefined, now[name] as Json);
      return value === undefined || isSo ? [] : [[name, value] as const];
    }),
  );
};

const withChanges = (set: Partial<DirectorySettings>, changes: SettingChanges): Partial<DirectorySettings> =>
  Object.fromEntries(Object.entries({ ...set, ...changes }).filter(([, value]) => value !== null));

const unreachable = (value: never): never => {
  throw new Error(`unknown type ${JSON.stringify(value)}`);
};
