import type { ClientBase } from 'pg';
import { GROUP_EVENT_TYPES, type CommandData, type Message } from '#contracts';
import {
  verifyFold,
  type Behaviour,
  type ConsumedEvent,
  type Fold,
  type Progress,
  type Recording,
  type Verification,
} from '#event-store';
import type { OwnerDefinition } from '#owner';

/**
 * An owner that does next to nothing, in both ways of consuming: it records how many events of each type identity has
 * had, and counts groups by commands to its own lane. It shows what an owner costs: this folder, and a line in a list.
 */

interface CountGroup {
  readonly type: 'CountGroup';
}
const COUNT_GROUP = 'muster.tally.count-group.v1';
const GROUP_COUNTED = 'muster.tally.group-counted.v1';

/** The stream of a tenant has its id, and a version for each group. */
const behaviour = (): Behaviour<CountGroup> => ({
  owner: 'tally',
  commandTypes: new Set([COUNT_GROUP]),
  touches: (commands) => [...new Set(commands.map(({ tenant }) => tenant))],
  loadSql: () => `
    SELECT json_agg(t) FROM tally.totals t WHERE t.tenant IN (SELECT x::uuid FROM json_array_elements_text($json) x)`,
  parts: [
    {
      name: 'totals',
      sql: (rows) => `
        INSERT INTO tally.totals SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, groups int)
        ON CONFLICT (tenant) DO UPDATE SET groups = excluded.groups RETURNING 1`,
    },
  ],
  begin: (loaded) => {
    const totals = new Map(
      ((loaded ?? []) as { tenant: string; groups: number }[]).map(({ tenant, groups }) => [tenant, groups]),
    );
    const changed = new Set<string>();
    return {
      decide: ({ tenant }) => {
        const groups = (totals.get(tenant) ?? 0) + 1;
        totals.set(tenant, groups);
        changed.add(tenant);
        const event = { type: 'GroupCounted', groups };
        const stored = { data: event, personal: null };
        return {
          events: [{ stream: tenant, version: groups, type: GROUP_COUNTED, event, stored }],
          outcome: { status: 'done', value: { groups } },
        };
      },
      rows: () => ({ totals: [...changed].map((tenant) => ({ tenant, groups: totals.get(tenant) })) }),
    };
  },
});

const countGroup = (
  { type, tenant, stream, recordedAt, correlationId }: ConsumedEvent,
  id: string,
): readonly Message<CommandData<CountGroup>>[] =>
  type !== GROUP_EVENT_TYPES.GroupCreated
    ? []
    : [
        {
          id,
          type: COUNT_GROUP,
          source: 'muster/tally',
          subject: stream,
          time: recordedAt,
          tenant,
          directory: null,
          correlationId,
          causationId: null,
          data: { actor: 'tally', expiresAt: '9999-12-31T23:59:59.999Z', command: { type: 'CountGroup' } },
        },
      ];

const countEvents: Recording = {
  parts: [
    {
      name: 'counts',
      sql: (rows) => `
        INSERT INTO tally.counts AS c SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, type text, events int)
        ON CONFLICT (tenant, type) DO UPDATE SET events = c.events + excluded.events RETURNING 1`,
    },
  ],
  rows: (events) => ({
    counts: [...Map.groupBy(events, ({ tenant, type }) => `${tenant} ${type}`)].map(([key, same]) => {
      const [tenant, type] = key.split(' ');
      return { tenant, type, events: same.length };
    }),
  }),
};

/** A stream is a tenant: its row follows from its events. */
const fold = (): Fold<number> => ({
  owner: 'tally',
  noun: 'tally',
  tables: [
    {
      name: 'tally.totals',
      noun: 'total',
      columns: { tenant: 'uuid', groups: 'int' },
      key: ['tenant'],
      tenant: 'tenant',
      stream: 'tenant',
    },
  ],
  begin: async () => ({
    evolve: (_groups, { data }) => (data as { groups: number }).groups,
    rowsOf: ({ tenant }, groups) => ({ 'tally.totals': groups === null ? [] : [{ tenant, groups }] }),
  }),
});

/** The statement reads one moment: the counts are those of the events up to where the tally has come. */
const verify = async (client: ClientBase, progress?: Progress): Promise<Verification> => {
  const { rows } = await client.query<{ tenant: string; type: string; expected: number; events: number }>(`
    SELECT tenant, type, e.events AS expected, c.events FROM (
      SELECT e.tenant, e.type, count(*)::int AS events FROM tally.consumed c
      JOIN identity.events e ON e.tenant = c.tenant AND e.sequence <= c.sequence
      WHERE c.owner = 'identity' GROUP BY e.tenant, e.type
    ) e FULL JOIN tally.counts c USING (tenant, type)`);
  const { streams, findings } = await verifyFold(client, fold(), progress);
  return {
    compared: { 'events tallied': rows.reduce((sum, { events }) => sum + events, 0), tallies: streams },
    findings: [
      ...findings,
      ...rows
        .filter(({ expected, events }) => expected !== events)
        .map(({ tenant, type, expected, events }) => ({
          rule: 'row' as const,
          detail: `the tally has ${events} of ${expected} events ${type} of the tenant ${tenant}`,
        })),
    ],
  };
};

export const tally: OwnerDefinition = {
  name: 'tally',
  behaviour,
  consumes: [
    { source: 'identity', record: countEvents },
    { source: 'group', react: countGroup },
  ],
  fold,
  verify: (client, _masterKey, progress) => verify(client, progress),
};
