import { DIRECTORY_EVENT_TYPES, upcaster, type DirectoryEvent } from '#contracts';
import { verifyFold, verifyStrays, type Fold, type Progress, type Verification } from '#event-store';
import type { ClientBase } from 'pg';
import type { State } from './aggregate.js';
import { aggregateOf, AGGREGATES, evolve } from './aggregates.js';
import { directoryRow } from './directory.projection.js';

export const upcastDirectory = upcaster<DirectoryEvent>(DIRECTORY_EVENT_TYPES);

/** Makes the rows of all aggregates from their events. */
export const directoryFold = (): Fold<State> => ({
  owner: 'directory',
  noun: 'directory stream',
  tables: AGGREGATES.map(({ table, kind, columns, unique, tenant = 'tenant' }) => ({
    name: `directory.${table}`,
    noun: kind as string,
    columns,
    key: ['id'],
    tenant,
    stream: 'id',
    ...(unique ? { unique } : {}),
  })),
  begin: async () => ({
    evolve: (state, { type, data, recorded_at }) =>
      evolve(state, upcastDirectory(type, data as Readonly<Record<string, unknown>>), recorded_at.toISOString()),
    rowsOf: ({ tenant, stream }, state) =>
      state ? { [`directory.${aggregateOf(state).table}`]: [directoryRow(tenant, stream, state)] } : {},
  }),
});

/** Checks that each row of an aggregate is the fold of its events, and that there is no other. */
export const verifyDirectories = async (client: ClientBase, progress?: Progress): Promise<Verification> => {
  const { streams, findings } = await verifyFold(client, directoryFold(), progress);
  const tables = AGGREGATES.map(({ table }) => table.replaceAll('_', ' '));
  return {
    compared: { [`${tables.slice(0, -1).join(', ')} and ${tables.at(-1)!}`]: streams },
    findings: [...findings, ...(await verifyStrays(client, directoryFold()))],
  };
};
