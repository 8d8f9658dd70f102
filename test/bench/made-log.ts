import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SingleBar } from 'cli-progress';
import pg from 'pg';
import { keyContext, sealContext } from '#contracts';
import { newKey, seal } from '#event-store';
import { uuidv7 } from '#runtime';
import { OWNERS } from '../../apps/muster/src/owners.js';
import { askAdmin } from './admin-requests.js';
import { until, type Installation } from './installation.js';

/** Of each person: one creation, and changes, with personal values; and changes of groups, which have none. */
const CHANGES = 6;
const GROUP_CHANGES = 3;
const EVENTS_OF_PERSON = 1 + CHANGES + GROUP_CHANGES;
const PERSONS_OF_GROUP = 100;
/** The events are spread over so many days, in such an order that those of one person are far from each other. */
export const DAYS = 100;
const DAY_MS = 86_400_000;
/** Requests are kept of the last ones of these days. */
const DAYS_OF_REQUESTS = 3;
const BATCH_ROWS = 5_000;
/** The integrator finds by itself, within a minute, what no message told it of. */
const FOUND_WITHIN_MS = 120_000;

/** A log of which the events were written straight into the stores of their owners. */
export interface MadeLog {
  readonly tenant: string;
  readonly persons: readonly string[];
  /** The moment of the first event, and behind the last one, in ms since 1970. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Entries that the integrator added each second. */
  readonly integratedPerSecond: number;
}

interface NewEvent {
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly data: object;
  readonly personal: string | null;
}

/**
 * Makes a tenant whose events are what provisioning leaves behind: persons that were created and changed, each with a
 * key of its own, and members of groups. Nothing else knows of this tenant, so that writing into the stores harms no owner.
 */
export const makeLog = async (muster: Installation, entries: number, bar: SingleBar): Promise<MadeLog> => {
  const { id: tenant } = await askAdmin<{ id: string }>(muster, 'POST', 'tenants', { name: 'A long log' });
  const { id: directory } = await askAdmin<{ id: string }>(muster, 'POST', 'directories', {
    name: 'A long log',
    tenant,
  });
  const owner = new pg.Client({ connectionString: muster.databaseUrl });
  await owner.connect();
  try {
    const persons = Array.from({ length: Math.ceil(entries / EVENTS_OF_PERSON) }, () => uuidv7());
    const groups = Array.from({ length: Math.ceil(persons.length / PERSONS_OF_GROUP) }, () => uuidv7());
    const masterKey = Buffer.from(readFileSync(join(muster.dataDir, 'master.key'), 'utf8').trim(), 'base64');
    const keys = await makeKeys(owner, masterKey, tenant, persons);
    const total = persons.length * EVENTS_OF_PERSON + groups.length;
    const untilMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const sinceMs = untilMs - DAYS * DAY_MS;
    bar.start(total, 0, { what: 'events' });
    const writers = ['identity', 'group'].map(
      (schema) => new EventWriter(owner, schema, { tenant, directory, sinceMs, stepMs: (DAYS * DAY_MS) / total }),
    );
    const [ofPersons, ofGroups] = [writers[0]!, writers[1]!];
    let place = 0;
    const versions = new Map<string, number>();
    const next = (stream: string): number => {
      const version = (versions.get(stream) ?? 0) + 1;
      versions.set(stream, version);
      return version;
    };
    const ofPerson = (index: number, type: string, data: object, personal: object): Promise<void> => {
      const stream = persons[index]!;
      const version = next(stream);
      const sealed = seal(keys[index]!, sealContext(tenant, stream, version), JSON.stringify(personal));
      return ofPersons.add(place++, { stream, version, type, data, personal: sealed });
    };
    const changes = { directory, directoryVersion: 1 };
    for (const [index, stream] of groups.entries()) {
      const data = { type: 'GroupCreated', resource: { displayName: `Group ${index}` }, directory };
      await ofGroups.add(place++, {
        stream,
        version: next(stream),
        type: 'muster.group.created.v1',
        data,
        personal: null,
      });
    }
    for (let round = 0; round < EVENTS_OF_PERSON; round++)
      for (const [index, person] of persons.entries()) {
        if (round === 0) {
          const data = { type: 'UserCreated', manager: directory, matching: MATCHING, ...changes };
          await ofPerson(index, 'muster.user.created.v2', data, { resource: resourceOf(index) });
        } else if (round % 3 === 0) {
          const stream = groups[(index + round) % groups.length]!;
          const data = { type: 'GroupMembersChanged', added: [{ type: 'User', value: person }], removed: [] };
          const type = 'muster.group.members-changed.v1';
          await ofGroups.add(place++, { stream, version: next(stream), type, data, personal: null });
        } else {
          const data = { type: 'UserChanged', ...changes, attributes: ['title', 'displayName'] };
          const personal = { changes: { title: `Title ${round}`, displayName: `User ${index} of ${round}` } };
          await ofPerson(index, 'muster.user.changed.v1', data, personal);
        }
        if (place % BATCH_ROWS === 0) bar.update(place);
      }
    for (const writer of writers) await writer.end();
    await makeRequests(owner, tenant, untilMs - DAYS_OF_REQUESTS * DAY_MS);
    bar.update(0, { what: 'entries' });
    const integratedPerSecond = await integrated(owner, tenant, bar);
    bar.stop();
    return { tenant, persons, sinceMs, untilMs, integratedPerSecond };
  } finally {
    await owner.end();
  }
};

const MATCHING = { rule: 'create', candidates: [], result: '01980000-0000-7000-8000-000000000003' };

const resourceOf = (index: number): object => {
  const userName = `user-${index}@bench.example`;
  return {
    userName,
    externalId: uuidv7(),
    displayName: `User ${index}`,
    active: true,
    name: { givenName: 'User', familyName: `No. ${index}` },
    title: 'Engineer',
    emails: [{ type: 'work', value: userName, primary: true }],
  };
};

/** Keys of the tenant and of each person, as identity makes them. */
const makeKeys = async (
  owner: pg.Client,
  masterKey: Buffer,
  tenant: string,
  persons: readonly string[],
): Promise<readonly Buffer[]> => {
  const ofTenant = newKey();
  await owner.query('INSERT INTO keys.tenants (tenant, wrapped) VALUES ($1, $2)', [
    tenant,
    seal(masterKey, keyContext(tenant), ofTenant),
  ]);
  const keys = persons.map(() => newKey());
  for (let from = 0; from < persons.length; from += BATCH_ROWS) {
    const some = persons.slice(from, from + BATCH_ROWS);
    await owner.query(
      'INSERT INTO keys.persons (tenant, person, wrapped) SELECT $1, * FROM unnest($2::uuid[], $3::text[])',
      [tenant, some, some.map((person, at) => seal(ofTenant, keyContext(tenant, person), keys[from + at]!))],
    );
  }
  return keys;
};

/** Writes events of one owner, in batches. */
class EventWriter {
  private rows: (readonly [NewEvent, place: number])[] = [];
  private sequence = 0;

  constructor(
    private readonly owner: pg.Client,
    private readonly schema: string,
    private readonly of: {
      readonly tenant: string;
      readonly directory: string;
      readonly sinceMs: number;
      readonly stepMs: number;
    },
  ) {}

  async add(place: number, event: NewEvent): Promise<void> {
    this.rows.push([event, place]);
    if (this.rows.length === BATCH_ROWS) await this.end();
  }

  async end(): Promise<void> {
    const { rows, of } = this;
    const column = (value: (event: NewEvent) => unknown): unknown[] => rows.map(([event]) => value(event));
    await this.owner.query({
      name: `bench-${this.schema}`,
      text: `
        INSERT INTO "${this.schema}".events (tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data, personal)
        SELECT $1, $2 + r.n, r.stream, r.version, r.type, to_timestamp(($3 + r.place * $4) / 1000.0), gen_random_uuid(), gen_random_uuid()::text,
          'token:' || $5, $5::uuid, r.data::json, r.personal
        FROM unnest($6::uuid[], $7::int[], $8::text[], $9::float8[], $10::text[], $11::text[])
          WITH ORDINALITY AS r(stream, version, type, place, data, personal, n)`,
      values: [
        of.tenant,
        this.sequence,
        of.sinceMs,
        of.stepMs,
        of.directory,
        column(({ stream }) => stream),
        column(({ version }) => version),
        column(({ type }) => type),
        rows.map(([, place]) => place),
        column(({ data }) => JSON.stringify(data)),
        column(({ personal }) => personal),
      ],
    });
    this.sequence += rows.length;
    this.rows = [];
  }
}

/** The requests that caused the events since then, as the face of SCIM tells them, and their counters by the minute. */
const makeRequests = async (owner: pg.Client, tenant: string, sinceMs: number): Promise<void> => {
  for (const [schema, type] of [
    ['identity', 'User'],
    ['group', 'Group'],
  ])
    await owner.query(
      `INSERT INTO audit.requests (tenant, id, at, duration_ms, face, directory, actor, method, path, resource_type, object, status, effect, address,
         correlation_id, told_by, body_bytes)
       SELECT tenant, uuidv7(recorded_at - clock_timestamp()), recorded_at, 5, 'scim', directory, actor, CASE WHEN version = 1 THEN 'POST' ELSE 'PATCH' END,
         '/${type}s/' || stream, '${type}', stream, CASE WHEN sequence % 50 = 0 THEN 409 ELSE 200 END,
         CASE WHEN sequence % 50 = 0 THEN NULL WHEN version = 1 THEN 'create' ELSE 'update' END, '192.0.2.1', correlation_id, gen_random_uuid(), 300
       FROM "${schema}".events WHERE tenant = $1 AND recorded_at >= to_timestamp($2 / 1000.0)`,
      [tenant, sinceMs],
    );
  await owner.query(
    `INSERT INTO audit.request_counts (tenant, directory, minute, face, method, resource_type, status, scim_type, effect, count)
     SELECT tenant, directory, date_trunc('minute', at), face, method, resource_type, status, '', coalesce(effect, ''), count(*)
     FROM audit.requests WHERE tenant = $1 AND face = 'scim' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9`,
    [tenant],
  );
};

/** Waits until the integrator has made entries of all events, and says how fast it was. */
const integrated = async (owner: pg.Client, tenant: string, bar: SingleBar): Promise<number> => {
  const number = async (sql: string): Promise<number> =>
    Number((await owner.query<{ n: string | null }>(`SELECT ${sql} AS n`, [tenant])).rows[0]!.n ?? 0);
  const reached = (): Promise<number> => number('(SELECT max(size) FROM audit.checkpoints WHERE tenant = $1)');
  const stored = OWNERS.map(
    ({ name }) => `coalesce((SELECT max(sequence) FROM "${name}".events WHERE tenant = $1), 0)`,
  );
  const due = await number(stored.join(' + '));
  const begun = await reached();
  let size = begun;
  const goesOn = (what: string): Promise<void> => {
    const before = size;
    return until(what, async () => (size = await reached()) > before, FOUND_WITHIN_MS);
  };
  bar.setTotal(due);
  await goesOn('the integrator begins');
  const [first, startedMs] = [size, performance.now()];
  // It has an end as long as it goes on, however long it takes.
  while (size < due) {
    await goesOn('the integrator goes on');
    bar.update(size);
  }
  return ((size - first) / (performance.now() - startedMs)) * 1_000;
};
