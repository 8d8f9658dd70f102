import { rejection, uniqueKey, type Rejection, type Schema } from '#scim';
import {
  directorySettings,
  settingsOf,
  type DirectoryCommand,
  type DirectoryEvent,
  type DirectorySettings,
} from '#contracts';
import { defineSchema, type SchemaState } from './schema.js';
import { createTenant, newTenant, type TenantState } from './tenant.js';
import { changedToken, changeToken, createToken, newToken, type TokenState } from './token.js';

/** A directory: the fold of its events. */
interface DirectoryItself {
  readonly kind: 'directory';
  readonly version: number;
  readonly created: string;
  readonly name: string;
  readonly directoryKind: string;
  /** The settings that somebody has set. */
  readonly settings: Partial<DirectorySettings>;
}

/** The fold of a stream of this owner; null = there is none. */
export type DirectoryState = TenantState | DirectoryItself | TokenState | SchemaState | null;

/** The aggregate that a command is about; a schema that is there already is found by its URN instead. */
export const streamOf = (command: DirectoryCommand): string => {
  switch (command.type) {
    case 'CreateTenant':
      return command.tenantId;
    case 'CreateDirectory':
    case 'ChangeDirectory':
      return command.directoryId;
    case 'CreateToken':
    case 'RevokeToken':
    case 'RevealToken':
      return command.tokenId;
    case 'DefineSchema':
      return command.schemaId;
  }
};

/** A decision may look at this besides the aggregate itself; all of it is of the command's tenant. */
export interface DirectoryContext {
  readonly tenantExists: boolean;
  readonly directoryExists: (id: string) => boolean;
  /** The names of the directories that the tenant has. */
  readonly directoryNames: readonly string[];
  /** The schemas that the tenant has besides the one in question. */
  readonly otherSchemas: readonly Schema[];
}

/** Returns the events that should happen; [] means that nothing changed. */
export const decide = (
  command: DirectoryCommand,
  state: DirectoryState,
  context: DirectoryContext,
): DirectoryEvent[] | Rejection => {
  switch (command.type) {
    case 'CreateTenant':
      return createTenant(command, state !== null);
    case 'CreateDirectory':
      if (!context.tenantExists) return rejection('notFound', 'There is no such tenant.');
      if (state) return rejection('conflict', 'The directory exists already.');
      if (context.directoryNames.some((name) => uniqueKey(name) === uniqueKey(command.name))) {
        return rejection(
          'conflict',
          `The tenant has a directory of the name "${command.name}" already. Choose another name.`,
        );
      }
      return [{ type: 'DirectoryCreated', name: command.name, kind: command.kind }];
    case 'ChangeDirectory': {
      if (state?.kind !== 'directory')
        return rejection('notFound', `There is no directory with the id ${command.directoryId}.`);
      const now = settingsOf(state.settings);
      const changed = directorySettings().flatMap(([name]) => {
        const value = command.settings[name];
        return value === undefined || value === now[name] ? [] : [[name, value] as const];
      });
      return changed.length === 0 ? [] : [{ type: 'DirectoryChanged', settings: Object.fromEntries(changed) }];
    }
    case 'CreateToken':
      return createToken(command, state !== null, context.directoryExists);
    case 'RevokeToken':
    case 'RevealToken':
      return changeToken(command, state?.kind === 'token' ? state : null);
    case 'DefineSchema':
      if (!context.tenantExists) return rejection('notFound', 'There is no such tenant.');
      if (state && state.kind !== 'schema') return rejection('conflict', `The id ${command.schemaId} is taken.`);
      return defineSchema(command, state, context.otherSchemas);
    default:
      throw new Error(`unknown command ${JSON.stringify(command satisfies never)}`);
  }
};

/** Returns the state after an event that has happened. Never throws. */
export const evolve = (state: DirectoryState, event: DirectoryEvent, recordedAt: string): DirectoryState => {
  switch (event.type) {
    case 'TenantCreated':
      return newTenant(event, recordedAt);
    case 'DirectoryCreated':
      return {
        kind: 'directory',
        version: 1,
        created: recordedAt,
        name: event.name,
        directoryKind: event.kind,
        settings: {},
      };
    case 'DirectoryChanged':
      return state?.kind === 'directory'
        ? { ...state, version: state.version + 1, settings: { ...state.settings, ...event.settings } }
        : state;
    case 'TokenCreated':
      return newToken(event, recordedAt);
    case 'TokenRevoked':
    case 'TokenRevealed':
      return state?.kind === 'token' ? changedToken(state, event.type) : state;
    case 'SchemaDefined':
      return {
        kind: 'schema',
        version: 1,
        created: recordedAt,
        resourceType: event.resourceType,
        schema: event.schema,
      };
    case 'SchemaChanged':
      return state?.kind === 'schema' ? { ...state, version: state.version + 1, schema: event.schema } : state;
  }
};
