-- Audit keeps a log of everything that owners have stored, of which anybody can prove later that nothing in it was
-- changed, left out or put in; and what faces were asked and answered.
SELECT create_owner('audit');

-- Whose events are entries. An event on the message log says that there is something to read; it is read from the store
-- of its owner, whole and as it is stored.
INSERT INTO audit.positions
  SELECT 'muster.audit', o.owner || '.events', p, '', 0
  FROM unnest(ARRAY['directory', 'identity', 'group', 'audit']) AS o(owner), generate_series(0, 11) AS p;
GRANT USAGE ON SCHEMA directory, identity, "group" TO muster_audit;
GRANT SELECT ON directory.audited_v1, identity.audited_v1, "group".audited_v1, audit.audited_v1 TO muster_audit;

-- The leaves of the tree of each tenant (RFC 6962), in the order of their numbers: `number` is the index of the leaf.
-- What an event says lies in audit.payloads, and may go one day; its hash stays.
CREATE TABLE audit.entries (
  tenant uuid NOT NULL, number bigint NOT NULL, owner text COLLATE "C" NOT NULL, sequence bigint NOT NULL,
  stream uuid NOT NULL, version int NOT NULL, type text COLLATE "C" NOT NULL, recorded_at timestamptz NOT NULL,
  command_id uuid NOT NULL, correlation_id text COLLATE "C" NOT NULL, actor text COLLATE "C" NOT NULL, directory uuid,
  payload_hash bytea NOT NULL,
  PRIMARY KEY (tenant, number),
  UNIQUE (tenant, owner, sequence)
);
CREATE INDEX entries_by_stream ON audit.entries (stream, version);
-- A client may send the same one with each request.
CREATE INDEX entries_by_correlation ON audit.entries (correlation_id, tenant, recorded_at, number);
CREATE INDEX entries_by_time ON audit.entries (tenant, recorded_at, number);
-- Tokens have most of the entries, and those of one directory are found by their time.
CREATE INDEX entries_by_actor ON audit.entries (actor, tenant, recorded_at, number)
  WHERE actor NOT LIKE 'token:%' AND actor NOT LIKE 'client:%';

-- What an event says, as its owner stores it: `personal` is sealed with the key of the person. Secrets stay with the
-- owner; the hash of the whole data is here in their place.
CREATE TABLE audit.payloads (
  tenant uuid NOT NULL, number bigint NOT NULL, data json NOT NULL, personal text, hidden_hash bytea,
  PRIMARY KEY (tenant, number)
);

-- The complete tiles of a tree (C2SP tlog-tiles): 256 hashes of 32 bytes each, and the root of them.
CREATE TABLE audit.tiles (
  tenant uuid NOT NULL, level smallint NOT NULL, index bigint NOT NULL, hashes bytea NOT NULL, root bytea NOT NULL,
  PRIMARY KEY (tenant, level, index)
);

-- The name of the log of each tenant, and the key that verifies its checkpoints (C2SP signed-note): they are chosen
-- once, with its first entry.
CREATE TABLE audit.logs (
  tenant uuid PRIMARY KEY, origin text COLLATE "C" NOT NULL UNIQUE, verifier_key text NOT NULL
);

-- The size and the root of a tree, signed (C2SP tlog-checkpoint): one for each batch of entries.
CREATE TABLE audit.checkpoints (
  tenant uuid NOT NULL, size bigint NOT NULL, signed_at timestamptz NOT NULL, note text NOT NULL,
  PRIMARY KEY (tenant, size)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.entries
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.tiles
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.logs
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit.payloads
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

GRANT SELECT, INSERT ON audit.entries, audit.payloads, audit.tiles, audit.logs, audit.checkpoints
  TO muster_audit;

-- Announcements of audit that contents may go: they are few, and looked up for each content that goes.
CREATE INDEX entries_of_purges ON audit.entries (tenant, number)
  WHERE owner = 'audit' AND type = 'muster.audit.purge-announced.v1';
CREATE VIEW audit.announced_purges_v1 AS
  SELECT a.tenant, a.number, a.recorded_at, (p.data->>'before')::bigint AS before,
    (p.data->>'keepDays')::int AS keep_days
  FROM audit.entries a JOIN audit.payloads p ON p.tenant = a.tenant AND p.number = a.number
  WHERE a.owner = 'audit' AND a.type = 'muster.audit.purge-announced.v1'
    AND p.data->>'before' ~ '^[0-9]{1,15}$' AND p.data->>'keepDays' ~ '^[0-9]{1,5}$';
-- When the role that purges saw an announcement first. The one that writes the log writes its moments, too, and could
-- say that it has announced something days ago.
CREATE TABLE audit.seen_announcements (
  tenant uuid NOT NULL, number bigint NOT NULL, seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, number)
);
-- Rows are put in here, so that nobody says when they have seen something.
CREATE VIEW audit.seen_announcements_v1 AS SELECT tenant, number FROM audit.seen_announcements;
CREATE VIEW audit.due_purges_v1 AS
  SELECT a.tenant, a.number, a.before FROM audit.announced_purges_v1 a
  JOIN audit.seen_announcements s ON s.tenant = a.tenant AND s.number = a.number
  WHERE greatest(a.recorded_at, s.seen_at) < now() - interval '24 hours';
-- Contents that may go: the log itself has said so for a day. The role that writes the log cannot delete them, and the
-- role that can deletes nothing that the log has not announced, and sees no content.
CREATE VIEW audit.purgeable_v1 AS
  SELECT p.tenant, p.number, (
      SELECT e.recorded_at FROM audit.entries e WHERE e.tenant = p.tenant AND e.number = p.number
    ) AS recorded_at
  FROM audit.payloads p
  WHERE p.number < (
    SELECT d.before FROM audit.due_purges_v1 d WHERE d.tenant = p.tenant ORDER BY d.number DESC LIMIT 1
  );
GRANT USAGE ON SCHEMA audit TO muster_directory;
GRANT SELECT ON audit.announced_purges_v1 TO muster_directory, muster_admin_api;
GRANT SELECT ON audit.due_purges_v1 TO muster_directory;
GRANT SELECT, INSERT ON audit.seen_announcements_v1 TO muster_directory;
GRANT SELECT, DELETE ON audit.purgeable_v1 TO muster_directory;

CREATE VIEW audit.entries_v1 AS
  SELECT tenant, number, owner, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor,
    directory, payload_hash
  FROM audit.entries;
CREATE VIEW audit.payloads_v1 AS SELECT tenant, number, data, personal, hidden_hash FROM audit.payloads;
CREATE VIEW audit.tiles_v1 AS SELECT tenant, level, index, hashes, root FROM audit.tiles;
CREATE VIEW audit.logs_v1 AS SELECT tenant, origin, verifier_key FROM audit.logs;
CREATE VIEW audit.checkpoints_v1 AS SELECT tenant, size, signed_at, note FROM audit.checkpoints;

-- What faces were asked and answered: each write, and each request that was refused. It is best effort, follows from no
-- event, and is kept for some days. `body` = the place of its body among those that the same command told.
CREATE TABLE audit.requests (
  tenant uuid NOT NULL, id uuid NOT NULL, at timestamptz NOT NULL, duration_ms real NOT NULL,
  face text COLLATE "C" NOT NULL, directory uuid, actor text COLLATE "C", method text COLLATE "C" NOT NULL,
  path text NOT NULL, resource_type text COLLATE "C", object uuid, name text, status smallint NOT NULL,
  effect text COLLATE "C", scim_type text COLLATE "C", detail text, address text COLLATE "C" NOT NULL, user_agent text,
  correlation_id text COLLATE "C" NOT NULL, told_by uuid NOT NULL, body int, body_bytes int NOT NULL, if_match text,
  if_none_match text, replay_of uuid,
  PRIMARY KEY (tenant, id)
);
-- The bodies of the requests that one command told, packed together and sealed with a key of the tenant.
CREATE TABLE audit.bodies (
  tenant uuid NOT NULL, told_by uuid NOT NULL, sealed text NOT NULL, PRIMARY KEY (tenant, told_by)
);
CREATE INDEX requests_refused ON audit.requests (tenant, id) WHERE status >= 400;
CREATE INDEX requests_by_object ON audit.requests (object, id) WHERE object IS NOT NULL;
CREATE INDEX requests_by_correlation ON audit.requests (correlation_id, tenant, id);
CREATE INDEX requests_replayed ON audit.requests (replay_of, id) WHERE replay_of IS NOT NULL;

-- How many of them identity providers sent, by the minute in their ids: totals and the health of a directory read these
-- few rows, and not each request. A text is empty where it is not known.
CREATE TABLE audit.request_counts (
  tenant uuid NOT NULL, directory uuid NOT NULL, minute timestamptz NOT NULL, face text COLLATE "C" NOT NULL,
  method text COLLATE "C" NOT NULL, resource_type text COLLATE "C" NOT NULL, status smallint NOT NULL,
  scim_type text COLLATE "C" NOT NULL, effect text COLLATE "C" NOT NULL, count bigint NOT NULL,
  PRIMARY KEY (tenant, directory, minute, face, method, resource_type, status, scim_type, effect)
) WITH (fillfactor = 70);

-- Reads by the minute, and when somebody was shown an object last.
CREATE TABLE audit.read_counts (
  tenant uuid NOT NULL, directory uuid NOT NULL, minute timestamptz NOT NULL, face text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL, count bigint NOT NULL,
  PRIMARY KEY (tenant, directory, minute, face, kind)
);
CREATE TABLE audit.seen (
  tenant uuid NOT NULL, id uuid NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (tenant, id)
) WITH (fillfactor = 85);

GRANT SELECT, INSERT, DELETE ON audit.requests, audit.bodies TO muster_audit;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.request_counts, audit.read_counts, audit.seen TO muster_audit;

CREATE VIEW audit.requests_v1 AS
  SELECT tenant, id, at, duration_ms, face, directory, actor, method, path, resource_type, object, name, status,
    effect, scim_type, detail, address, user_agent, correlation_id, told_by, body, body_bytes, if_match,
    if_none_match, replay_of
  FROM audit.requests;
CREATE VIEW audit.bodies_v1 AS SELECT tenant, told_by, sealed FROM audit.bodies;
CREATE VIEW audit.request_counts_v1 AS
  SELECT tenant, directory, minute, face, method, resource_type, status, scim_type, effect, count
  FROM audit.request_counts;
CREATE VIEW audit.read_counts_v1 AS SELECT tenant, directory, minute, face, kind, count FROM audit.read_counts;
CREATE VIEW audit.seen_v1 AS SELECT tenant, id, at FROM audit.seen;

-- Auditors read through the admin API, which opens what is sealed for them.
GRANT USAGE ON SCHEMA audit TO muster_gateway, muster_admin_api, muster_sign_in;
GRANT SELECT ON audit.entries_v1, audit.payloads_v1, audit.tiles_v1, audit.checkpoints_v1, audit.logs_v1,
  audit.requests_v1, audit.bodies_v1, audit.request_counts_v1, audit.read_counts_v1, audit.seen_v1, audit.outcomes_v1,
  audit.events_v1 TO muster_admin_api;
GRANT USAGE ON SCHEMA keys TO muster_admin_api, muster_audit;
-- Bodies are sealed with keys that follow from the master key.
GRANT SELECT, INSERT ON keys.master_check TO muster_audit;
GRANT SELECT ON keys.tenants, keys.persons TO muster_admin_api;
