import {
  AUDIT_COMMAND_TYPES,
  AUDIT_EVENT_TYPES,
  bodiesContext,
  bodyKeyText,
  type AuditCommand,
  type AuditEvent,
  type ToldRequest,
} from '#contracts';
import {
  keySeal,
  type Behaviour,
  type Command,
  type Decision,
  type KeySeal,
  type WorkingSet,
  type WritePart,
} from '#event-store';
import { countedReads, countedRequests, latestSeen, type Told } from './told.js';

/** Keys that are kept open, so that the bodies of a command cost one encryption. */
const MAX_SEALS = 10_000;

/** Column → its type. */
const REQUEST_COLUMNS = {
  tenant: 'uuid',
  id: 'uuid',
  at: 'timestamptz',
  duration_ms: 'real',
  face: 'text',
  directory: 'uuid',
  actor: 'text',
  method: 'text',
  path: 'text',
  resource_type: 'text',
  object: 'uuid',
  name: 'text',
  status: 'smallint',
  effect: 'text',
  scim_type: 'text',
  detail: 'text',
  address: 'text',
  user_agent: 'text',
  correlation_id: 'text',
  told_by: 'uuid',
  body: 'int',
  body_bytes: 'int',
  if_match: 'text',
  if_none_match: 'text',
  replay_of: 'uuid',
} as const;

const PARTS: readonly WritePart[] = [
  {
    name: 'requests',
    sql: (rows) => `
      INSERT INTO audit.requests (${Object.keys(REQUEST_COLUMNS).join(', ')})
      SELECT r.* FROM json_to_recordset(${rows}) AS r(${Object.entries(REQUEST_COLUMNS)
        .map(([name, type]) => `${name} ${type}`)
        .join(', ')}) RETURNING 1`,
  },
  {
    name: 'bodies',
    sql: (rows) => `
      INSERT INTO audit.bodies (tenant, told_by, sealed)
      SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, told_by uuid, sealed text) RETURNING 1`,
  },
  {
    name: 'request_counts',
    sql: (rows) => `
      INSERT INTO audit.request_counts AS c (tenant, directory, minute, face, method, resource_type, status, scim_type, effect, count)
      SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, directory uuid, minute timestamptz, face text, method text,
        resource_type text, status smallint, scim_type text, effect text, count bigint)
      ON CONFLICT (tenant, directory, minute, face, method, resource_type, status, scim_type, effect)
        DO UPDATE SET count = c.count + excluded.count RETURNING 1`,
  },
  {
    name: 'read_counts',
    sql: (rows) => `
      INSERT INTO audit.read_counts AS c (tenant, directory, minute, face, kind, count)
      SELECT r.* FROM json_to_recordset(${rows})
        AS r(tenant uuid, directory uuid, minute timestamptz, face text, kind text, count bigint)
      ON CONFLICT (tenant, directory, minute, face, kind) DO UPDATE SET count = c.count + excluded.count RETURNING 1`,
  },
  {
    name: 'seen',
    sql: (rows) => `
      INSERT INTO audit.seen AS s (tenant, id, at)
      SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, id uuid, at timestamptz)
      ON CONFLICT (tenant, id) DO UPDATE SET at = greatest(s.at, excluded.at) RETURNING 1`,
  },
];

/** Takes what faces tell, and records who was shown the audit log. */
export const auditBehaviour = (masterKey: Buffer): Behaviour<AuditCommand> => {
  const bodies = bodySeals(masterKey);
  return {
    owner: 'audit',
    commandTypes: new Set(Object.values(AUDIT_COMMAND_TYPES)),
    touches: (commands) => commands.flatMap(replaysIn),
    asksNothing: (touched) => (touched as readonly unknown[]).length === 0,
    loadSql: () => KNOWN_REPLAYS,
    parts: PARTS,
    // They are sealed in their table, and stay out of dead letters.
    secrets: ['bodies'],
    begin: (loaded) => new Recorded(bodies, new Set(loaded as readonly string[] | null)),
  };
};

const bodySeals = (masterKey: Buffer): ((tenant: string) => KeySeal) => {
  const master = keySeal(masterKey);
  const open = new Map<string, KeySeal>();
  return (tenant) => {
    const known = open.get(tenant);
    if (known) return known;
    if (open.size >= MAX_SEALS) open.clear();
    const made = master.derived(bodyKeyText(tenant));
    open.set(tenant, made);
    return made;
  };
};

/** Each of these facts is a stream of its own. */
const recorded = (stream: string, event: AuditEvent): Decision<AuditEvent> => ({
  events: [{ stream, version: 1, type: AUDIT_EVENT_TYPES[event.type], event, stored: { data: event, personal: null } }],
  outcome: { status: 'done', value: null },
});

/**
 * A request that an administrator sends again is sent by each process of the gateway that hears of it, and all of them
 * tell the same id. Every other request has an id of its own.
 */
const replaysIn = ({ tenant, command }: Command<AuditCommand>): readonly { tenant: string; id: string }[] =>
  command.type === 'RecordRequests'
    ? command.requests.flatMap(({ id, replayOf }) => (replayOf === null ? [] : [{ tenant, id }]))
    : [];
const keyOf = (tenant: string, id: string): string => `${tenant}|${id}`;
const KNOWN_REPLAYS = `
  SELECT coalesce(json_agg(r.tenant || '|' || r.id), '[]') FROM json_to_recordset($json) AS t(tenant uuid, id uuid)
  CROSS JOIN LATERAL (SELECT tenant, id FROM audit.requests WHERE tenant = t.tenant AND id = t.id OFFSET 0) AS r`;

/** One batch of commands. What a face tells is a fact, and a reading is an aggregate of its own. */
class Recorded implements WorkingSet<AuditCommand> {
  private readonly told: Told[] = [];

  constructor(
    private readonly bodies: (tenant: string) => KeySeal,
    /** Replays that are recorded, by their keys. */
    private readonly replays: Set<string>,
  ) {}

  decide({ id, tenant, command }: Command<AuditCommand>): Decision<AuditEvent> {
    switch (command.type) {
      case 'RecordRequests':
        this.told.push({
          ...command,
          tenant,
          toldBy: id,
          requests: command.requests.filter((one) => this.isNew(tenant, one)),
        });
        return { events: [], outcome: { status: 'done', value: null } };
      case 'RecordReading': {
        const { readingId, what, asked } = command;
        return recorded(readingId, { type: 'AuditRead', what, asked });
      }
      case 'AnnouncePurge': {
        const { purgeId, before, keepDays } = command;
        return recorded(purgeId, { type: 'PurgeAnnounced', before, keepDays });
      }
      default:
        throw new Error(`unknown command: ${(command satisfies never as AuditCommand).type}`);
    }
  }

  /** The first record of a replay stays. */
  private isNew(tenant: string, { id, replayOf }: ToldRequest): boolean {
    if (replayOf === null) return true;
    const key = keyOf(tenant, id);
    return !this.replays.has(key) && Boolean(this.replays.add(key));
  }

  rows(): Readonly<Record<string, readonly unknown[]>> {
    return {
      requests: this.told.flatMap(({ tenant, toldBy, requests }) =>
        requests.map((request) => requestRow(tenant, toldBy, request)),
      ),
      bodies: this.told.flatMap(({ tenant, toldBy, bodies }) =>
        bodies === null
          ? []
          : { tenant, told_by: toldBy, sealed: this.bodies(tenant).seal(bodiesContext(tenant, toldBy), bodies) },
      ),
      request_counts: countedRequests(this.told),
      read_counts: countedReads(this.told),
      seen: latestSeen(this.told),
    };
  }
}

/** A column that is left out is null. Postgres would read each null as JSON. */
const requestRow = (
  tenant: string,
  toldBy: string,
  request: ToldRequest,
): Readonly<Partial<Record<keyof typeof REQUEST_COLUMNS, unknown>>> => {
  const { id, at, face, method, path, status, address } = request;
  return {
    tenant,
    id,
    at,
    duration_ms: request.durationMs,
    face,
    directory: request.directory ?? undefined,
    actor: request.actor ?? undefined,
    method,
    path,
    resource_type: request.resourceType ?? undefined,
    object: request.object ?? undefined,
    name: request.name ?? undefined,
    status,
    effect: request.effect ?? undefined,
    scim_type: request.scimType ?? undefined,
    detail: request.detail ?? undefined,
    address,
    user_agent: request.userAgent ?? undefined,
    correlation_id: request.correlationId,
    told_by: toldBy,
    body: request.body ?? undefined,
    body_bytes: request.bodyBytes,
    if_match: request.ifMatch ?? undefined,
    if_none_match: request.ifNoneMatch ?? undefined,
    replay_of: request.replayOf ?? undefined,
  };
};
