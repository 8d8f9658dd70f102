import { DIRECTORY_EVENT_TYPES, type DirectoryEvent } from '#contracts';
import {
  upcaster,
  verifyFold,
  verifyStrays,
  type Fold,
  type FoldTable,
  type Progress,
  type Verification,
} from '#event-store';
import type { ClientBase } from 'pg';
import { evolve, type DirectoryState } from './directory.js';
import { directoryRow, TABLES } from './directory.projection.js';

const table = (name: keyof typeof TABLES, noun: string, more: Partial<FoldTable> = {}): FoldTable => ({
  name: `directory.${name}`,
  noun,
  columns: TABLES[name].columns,
  key: ['id'],
  tenant: 'tenant',
  stream: 'id',
  ...more,
});

export const upcastDirectory = upcaster<DirectoryEvent>(DIRECTORY_EVENT_TYPES);

/** Makes the rows of tenants, directories, tokens and schemas from their events. */
export const directoryFold = (): Fold<NonNullable<DirectoryState>> => ({
  owner: 'directory',
  noun: 'directory stream',
  tables: [
    table('tenants', 'tenant', { tenant: 'id' }),
    table('directories', 'directory'),
    table('tokens', 'token', { unique: [['hash']] }),
    table('schemas', 'schema', { unique: [['tenant', 'urn_folded']] }),
  ],
  begin: async () => ({
    evolve: (state, { type, data, recorded_at }) =>
      evolve(state, upcastDirectory(type, data as Readonly<Record<string, unknown>>), recorded_at.toISOString()),
    rowsOf: ({ tenant, stream }, state) => {
      if (!state) return {};
      const { table: name, row } = directoryRow(tenant, stream, state);
      return { [`directory.${name}`]: [row] };
    },
  }),
});

/**
 * Checks that each row of a tenant, directory, token or schema is the fold of its events, and that there is no other.
 */
export const verifyDirectories = async (client: ClientBase, progress?: Progress): Promise<Verification> => {
  const { streams, findings } = await verifyFold(client, directoryFold(), progress);
  return {
    compared: { 'tenants, directories, tokens and schemas': streams },
    findings: [...findings, ...(await verifyStrays(client, directoryFold()))],
  };
};
