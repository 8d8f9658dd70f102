-- Directory owns tenants, directories, tokens and the extension schemas of tenants.
SELECT create_owner('directory');
-- A token is compared with its hash and shown by its sealed text: both are in the events, and no consumer needs them.
CREATE OR REPLACE VIEW directory.events_v1 AS
  SELECT tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory,
    CASE WHEN data::jsonb ?| ARRAY['hash', 'sealed'] THEN (data::jsonb - 'hash' - 'sealed')::json
      ELSE data END AS data
  FROM directory.events;
CREATE OR REPLACE VIEW directory.audited_v1 AS
  SELECT e.tenant, e.sequence, e.stream, e.version, e.type, e.recorded_at, e.command_id, e.correlation_id, e.actor,
    e.directory,
    CASE WHEN h.hides THEN (e.data::jsonb - 'hash' - 'sealed')::json ELSE e.data END AS data,
    e.personal, CASE WHEN h.hides THEN sha256(convert_to(e.data::text, 'UTF8')) END AS hidden_hash
  FROM directory.events e CROSS JOIN LATERAL (SELECT e.data::jsonb ?| ARRAY['hash', 'sealed'] AS hides) h;

CREATE TABLE directory.tenants (
  id uuid PRIMARY KEY, version int NOT NULL, created timestamptz NOT NULL, name text NOT NULL,
  reveal_tokens boolean NOT NULL DEFAULT true
);
CREATE VIEW directory.tenants_v1 AS SELECT id, version, name, created, reveal_tokens FROM directory.tenants;

-- `settings` holds those that somebody has set: libs/contracts/src/directory-settings.ts says what the others are.
CREATE TABLE directory.directories (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
  name text NOT NULL, kind text NOT NULL, settings jsonb NOT NULL, status text NOT NULL DEFAULT 'active',
  -- When it was disconnected, and the version with which it moved to another identity provider last.
  disconnected_at timestamptz, moved_version int
);
CREATE INDEX directories_by_tenant ON directory.directories (tenant, id);
-- Entra's own tokens say which tenant of Entra sent them, and nothing of Muster: each has one directory.
CREATE UNIQUE INDEX directories_by_entra_tenant ON directory.directories ((settings->>'entraTenantId'))
  WHERE settings->>'entraTenantId' <> '';
CREATE VIEW directory.directories_v1 AS
  SELECT id, tenant, version, name, kind, settings, status, disconnected_at, moved_version
  FROM directory.directories;

CREATE TABLE directory.tokens (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, directory uuid NOT NULL, version int NOT NULL,
  created timestamptz NOT NULL, description text NOT NULL, hash text NOT NULL UNIQUE, sealed text NOT NULL,
  status text NOT NULL, expires_at timestamptz, replaced_by uuid, warned int
);
CREATE INDEX tokens_by_directory ON directory.tokens (tenant, directory, id);
CREATE INDEX tokens_by_expiry ON directory.tokens (expires_at) WHERE status = 'active';
-- A token, and what its directory lets it see.
CREATE VIEW directory.tokens_v1 AS
  SELECT t.id, t.tenant, t.directory, t.hash, t.status, t.expires_at, d.kind, d.settings,
    d.name AS directory_name, d.status AS directory_status, d.moved_version
  FROM directory.tokens t JOIN directory.directories d ON d.id = t.directory;
CREATE VIEW directory.listed_tokens_v1 AS
  SELECT id, tenant, directory, description, status, expires_at, created, replaced_by FROM directory.tokens;
-- The admin API opens tokens, and can read none before an event says that it was to be seen.
CREATE VIEW directory.revealed_tokens_v1 AS
  SELECT t.id, t.tenant, t.sealed FROM directory.tokens t
  WHERE EXISTS (SELECT FROM directory.events e WHERE e.stream = t.id AND e.type = 'muster.token.revealed.v1');

-- An e-mail domain is verified in one tenant of the installation.
CREATE TABLE directory.domains (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
  name text COLLATE "C" NOT NULL, shown_name text NOT NULL, record text NOT NULL, verified_by text,
  verified_at timestamptz
);
CREATE UNIQUE INDEX domains_by_tenant ON directory.domains (tenant, name);
CREATE UNIQUE INDEX domains_verified ON directory.domains (name) WHERE verified_by IS NOT NULL;
CREATE VIEW directory.domains_v1 AS
  SELECT id, tenant, version, created, name, shown_name, record, verified_by, verified_at FROM directory.domains;

-- The schema is json, not jsonb: clients are shown the attributes as they were written down.
CREATE TABLE directory.schemas (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
  urn text NOT NULL, urn_folded text COLLATE "C" NOT NULL, resource_type text NOT NULL, schema json NOT NULL
);
CREATE UNIQUE INDEX schemas_by_urn ON directory.schemas (tenant, urn_folded);
CREATE VIEW directory.schemas_v1 AS SELECT id, tenant, version, urn, resource_type, schema FROM directory.schemas;

-- Keys of the admin API. `tenant` is the lane of the installation, in which all of them live; a key is good for the
-- tenant `of_tenant`, or for all of them.
CREATE TABLE directory.api_keys (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
  name text NOT NULL, scopes jsonb NOT NULL, of_tenant uuid, hash text NOT NULL UNIQUE, status text NOT NULL,
  expires_at timestamptz
);
CREATE INDEX api_keys_by_tenant ON directory.api_keys (tenant, id);
CREATE VIEW directory.api_keys_v1 AS
  SELECT id, created, name, scopes, of_tenant, hash, status, expires_at FROM directory.api_keys;

-- The last use of a token, a key of the admin API or a client, to a minute. It follows from no event, so that verify
-- and rebuild leave this table out: a face sees the uses, and may move a moment forward and nothing else. An id that
-- has no events is none of this owner's.
CREATE TABLE directory.last_uses (id uuid PRIMARY KEY, last_used_at timestamptz NOT NULL);
CREATE VIEW directory.last_uses_v1 AS SELECT id, last_used_at FROM directory.last_uses;
CREATE FUNCTION directory.record_uses(used uuid[], at timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = directory, pg_temp AS $$
  INSERT INTO directory.last_uses AS l (id, last_used_at)
  SELECT u.id, max(least(u.at, now())) FROM unnest(used, at) AS u(id, at)
  WHERE EXISTS (SELECT FROM directory.events e WHERE e.stream = u.id) GROUP BY u.id ORDER BY u.id
  ON CONFLICT (id) DO UPDATE SET last_used_at = excluded.last_used_at WHERE l.last_used_at < excluded.last_used_at
$$;

-- Clients of OAuth 2.0. `secrets` is a list of {id, description, hash, expiresAt}.
CREATE TABLE directory.clients (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, directory uuid NOT NULL, version int NOT NULL,
  created timestamptz NOT NULL, name text NOT NULL, federation jsonb, status text NOT NULL, secrets jsonb NOT NULL
);
CREATE INDEX clients_by_directory ON directory.clients (tenant, directory, id);
CREATE INDEX clients_with_secrets_that_end ON directory.clients (id)
  WHERE status = 'active' AND secrets @? '$[*].expiresAt ? (@ != null)';
-- A client that has an access token, and what its directory lets it see.
CREATE VIEW directory.clients_v1 AS
  SELECT c.id, c.tenant, c.directory, c.status, d.kind, d.settings,
    d.name AS directory_name, d.status AS directory_status, d.moved_version
  FROM directory.clients c JOIN directory.directories d ON d.id = c.directory;
-- A client that asks for one: the face that gives it compares it with these.
CREATE VIEW directory.client_secrets_v1 AS
  SELECT c.id, c.tenant, c.directory, c.name, c.status, c.secrets, c.federation FROM directory.clients c;
CREATE VIEW directory.listed_clients_v1 AS
  SELECT id, tenant, directory, created, name, status, federation,
    (SELECT coalesce(json_agg(s - 'hash'), '[]') FROM jsonb_array_elements(secrets) s) AS secrets
  FROM directory.clients;

-- Keys that sign access tokens. The newest one signs; the ones before it verify for as long as a token may live.
CREATE TABLE directory.signing_keys (
  id uuid PRIMARY KEY, tenant uuid NOT NULL, version int NOT NULL, created timestamptz NOT NULL,
  public_key jsonb NOT NULL, sealed text NOT NULL
);
CREATE VIEW directory.public_keys_v1 AS
  SELECT id, public_key FROM (
    SELECT id, public_key, lead(created) OVER (ORDER BY id) AS replaced FROM directory.signing_keys
  ) k WHERE replaced IS NULL OR replaced > now() - interval '6 hours 5 minutes';
CREATE VIEW directory.signing_keys_v1 AS
  SELECT id, created, sealed FROM directory.signing_keys ORDER BY id DESC LIMIT 1;

-- The last refused and the last accepted authentication of each directory: what was expected, and what came. Faces
-- write it, best effort; it follows from no event, and holds no secret.
CREATE TABLE directory.authentications (
  directory uuid NOT NULL, accepted boolean NOT NULL, at timestamptz NOT NULL, trace json NOT NULL,
  PRIMARY KEY (directory, accepted), CHECK (octet_length(trace::text) <= 32768)
);
CREATE VIEW directory.authentications_v1 AS SELECT directory, accepted, at, trace FROM directory.authentications;
CREATE FUNCTION directory.trace_authentications(traces json) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = directory, pg_temp AS $$
  INSERT INTO directory.authentications AS a (directory, accepted, at, trace)
  SELECT r.directory, r.accepted, r.at, r.trace
  FROM json_to_recordset(traces) AS r(directory uuid, accepted boolean, at timestamptz, trace json)
  JOIN directory.directories d ON d.id = r.directory
  ON CONFLICT (directory, accepted) DO UPDATE SET at = excluded.at, trace = excluded.trace WHERE a.at <= excluded.at
$$;

-- While the last one of a tenant is the same, so are its directories and schemas.
CREATE VIEW directory.revisions_v1 AS SELECT tenant, sequence AS revision FROM directory.events;

GRANT SELECT, INSERT, UPDATE ON directory.tenants, directory.directories, directory.tokens, directory.schemas,
  directory.clients, directory.signing_keys, directory.domains TO muster_directory;
GRANT DELETE ON directory.directories, directory.domains TO muster_directory;
GRANT USAGE ON SCHEMA directory
  TO muster_gateway, muster_admin_api, muster_sign_in, muster_identity, muster_group;
GRANT SELECT ON directory.directories_v1, directory.schemas_v1
  TO muster_gateway, muster_admin_api, muster_identity, muster_group;
-- Only the face that signs access tokens can read the sealed key.
GRANT SELECT ON directory.directories_v1, directory.client_secrets_v1, directory.signing_keys_v1,
  directory.public_keys_v1, directory.outcomes_v1 TO muster_sign_in;
GRANT SELECT ON directory.clients_v1, directory.public_keys_v1 TO muster_gateway;
GRANT SELECT ON directory.listed_clients_v1, directory.authentications_v1 TO muster_admin_api;
GRANT EXECUTE ON FUNCTION directory.trace_authentications TO muster_gateway, muster_sign_in;
GRANT SELECT ON directory.revisions_v1 TO muster_identity;
GRANT SELECT ON directory.domains_v1 TO muster_admin_api, muster_identity;
GRANT SELECT ON directory.tokens_v1 TO muster_gateway;
GRANT SELECT ON directory.tenants_v1, directory.listed_tokens_v1, directory.revealed_tokens_v1, directory.outcomes_v1
  TO muster_admin_api;

-- The admin API seals tokens, and the sign-in the keys of access tokens.
GRANT USAGE ON SCHEMA keys TO muster_admin_api, muster_sign_in;
GRANT SELECT, INSERT ON keys.master_check TO muster_admin_api, muster_sign_in;

-- The faces look tokens and keys up.
GRANT EXECUTE ON FUNCTION directory.record_uses TO muster_gateway, muster_admin_api;
GRANT SELECT ON directory.last_uses_v1 TO muster_admin_api;
-- The admin API lets in by key, and asks of each id that the key of one tenant names whose it is.
GRANT SELECT, INSERT, UPDATE ON directory.api_keys TO muster_directory;
GRANT SELECT ON directory.api_keys_v1, directory.events_v1 TO muster_admin_api;
