import { isEqual, rejection, uniqueKey, type Json } from '#scim';
import {
  directorySettings,
  PRESETS,
  settingsOf,
  type DirectoryEvent,
  type DirectorySettings,
  type SettingChanges,
} from '#contracts';
import type { Aggregate, CommandOf, Decided, State, World } from './aggregate.js';
import { hasTenant } from './tenant.js';

/** A directory: the fold of its events. */
export interface DirectoryState extends State {
  readonly kind: 'directory';
  readonly name: string;
  readonly directoryKind: string;
  /** The settings that somebody has set. */
  readonly settings: Partial<DirectorySettings>;
}

type Commands = 'CreateDirectory' | 'ChangeDirectory';

export const directory: Aggregate<DirectoryState, Commands, 'DirectoryCreated' | 'DirectoryChanged'> = {
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
  },
  changing: ['version', 'name', 'settings'],
  commands: ['CreateDirectory', 'ChangeDirectory'],
  events: ['DirectoryCreated', 'DirectoryChanged'],
  streamOf: ({ directoryId }) => directoryId,
  decide: (command, state, world) => {
    if (command.type === 'CreateDirectory') return created(command, world);
    if (!state) return noDirectory(command.directoryId);
    return settingsChanged(changedSettings(state.settings, command.settings));
  },
  evolve: (state, event, recordedAt) => {
    if (event.type === 'DirectoryCreated') {
      const { name, kind: directoryKind } = event;
      return { kind: 'directory', version: 1, created: recordedAt, name, directoryKind, settings: {} };
    }
    return state && { ...state, version: state.version + 1, settings: withChanges(state.settings, event.settings) };
  },
  rowOf: ({ name, directoryKind: kind, settings }) => ({ name, kind, settings }),
  stateOf: ({ name, kind, settings }) => ({
    name: name as string,
    directoryKind: kind as string,
    settings: settings as Partial<DirectorySettings>,
  }),
};

/** Refuses a command that needs a directory which the tenant does not have. */
export const noDirectory = (id: string): Decided => rejection('notFound', `There is no directory with the id ${id}.`);

const created = ({ directoryId, name, kind }: CommandOf<'CreateDirectory'>, world: World): Decided => {
  if (!hasTenant(world)) return rejection('notFound', 'There is no such tenant.');
  if (world.get(directoryId)) return rejection('conflict', 'The directory exists already.');
  return nameTaken(name, world) ?? [{ type: 'DirectoryCreated', name, kind }, ...settingsChanged(PRESETS[kind])];
};

const nameTaken = (name: string, world: World): Decided | null =>
  world.all(directory).some(({ state }) => uniqueKey(state.name) === uniqueKey(name))
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
