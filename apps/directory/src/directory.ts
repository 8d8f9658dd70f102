import { rejection, uniqueKey, type Rejection, type Schema } from '#scim';
import {
  directorySettings,
  settingsOf,
  type DirectoryCommand,
  type DirectoryEvent,
  type DirectorySettings,
} from '#contracts';
import { defineSchema, type SchemaState } from './schema.js';

/** A tenant, a directory, a token or a schema: the fold of its events; null = there is none. */
export type DirectoryState =
  | { readonly kind: 'tenant'; readonly version: number; readonly created: string; readonly name: string }
  | {
      readonly kind: 'directory';
      readonly version: number;
      readonly created: string;
      readonly name: string;
      readonly directoryKind: string;
      /** Those that somebody has set. */
      readonly settings: Partial<DirectorySettings>;
    }
  | {
      readonly kind: 'token';
      readonly version: number;
      readonly created: string;
      readonly directoryId: string;
      readonly description: string;
      readonly hash: string;
      readonly sealed: string;
      readonly status: 'active' | 'revoked';
      readonly expiresAt: string | null;
    }
  | SchemaState
  | null;

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
      if (state) return rejection('conflict', 'The tenant exists already.');
      return [{ type: 'TenantCreated', name: command.name }];
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
    case 'CreateToken': {
      if (!context.directoryExists(command.directoryId))
        return rejection('notFound', `There is no directory with the id ${command.directoryId}.`);
      if (state) return rejection('conflict', 'The token exists already.');
      const { directoryId, description, hash, sealed, expiresAt } = command;
      return [{ type: 'TokenCreated', directoryId, description, hash, sealed, expiresAt }];
    }
    case 'RevokeToken':
      if (state?.kind !== 'token') return rejection('notFound', `There is no token with the id ${command.tokenId}.`);
      return state.status === 'revoked' ? [] : [{ type: 'TokenRevoked' }];
    case 'RevealToken':
      if (state?.kind !== 'token') return rejection('notFound', `There is no token with the id ${command.tokenId}.`);
      if (state.status === 'revoked')
        return rejection('conflict', `The token ${command.tokenId} is revoked: make another one.`);
      return [{ type: 'TokenRevealed' }];
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
      return { kind: 'tenant', version: 1, created: recordedAt, name: event.name };
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
    case 'TokenCreated': {
      const { directoryId, description, hash, sealed, expiresAt } = event;
      return {
        kind: 'token',
        version: 1,
        created: recordedAt,
        directoryId,
        description,
        hash,
        sealed,
        status: 'active',
        expiresAt,
      };
    }
    case 'TokenRevoked':
      return state?.kind === 'token' ? { ...state, version: state.version + 1, status: 'revoked' } : state;
    // Only the version: who saw it, and when, is told by the events.
    case 'TokenRevealed':
      return state?.kind === 'token' ? { ...state, version: state.version + 1 } : state;
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
