-- Identity owns users, and the keys of persons.
SELECT create_owner('identity');

GRANT USAGE ON SCHEMA keys TO muster_identity;
GRANT SELECT, INSERT ON keys.master_check TO muster_identity;
CREATE TABLE keys.tenants (tenant uuid PRIMARY KEY, wrapped text NOT NULL);
CREATE TABLE keys.persons (
  tenant uuid NOT NULL, person uuid NOT NULL, wrapped text NOT NULL, PRIMARY KEY (tenant, person)
);
GRANT SELECT, INSERT, DELETE ON keys.tenants, keys.persons TO muster_identity;

CREATE TABLE identity.users (
  tenant uuid NOT NULL, id uuid NOT NULL, directory uuid, version int NOT NULL,
  created timestamptz NOT NULL, last_modified timestamptz NOT NULL, resource jsonb NOT NULL,
  user_name_folded text COLLATE "C" NOT NULL,
  external_id text COLLATE "C",
  work_email_folded text COLLATE "C",
  -- Further work e-mails, which few users have: a GIN index over all would cost every write.
  other_work_emails_folded text[] COLLATE "C",
  -- The user name before a soft deletion, which few users have.
  former_upn_key text COLLATE "C",
  links jsonb,
  -- The attributes that are compared without their case, in their folded form (foldedAttributes of libs/scim).
  folded jsonb NOT NULL,
  -- NULL where the key (uniqueKey of libs/scim) is the folded text, as it is for nearly all users.
  name_key text COLLATE "C",
  work_email_key text COLLATE "C",
  -- NULL where it is false: then it costs a row nothing, and the index holds archived users alone.
  archived boolean
) WITH (fillfactor = 85);
-- Each index begins with what is looked up: none can stand in for another, whatever the planner knows. Without
-- statistics it takes the newest of those that look alike to it, so the order of their making counts
-- (docs/decisions/0003-plans-without-statistics.md).
CREATE INDEX users_by_external_id ON identity.users (external_id, tenant) WHERE external_id IS NOT NULL;
CREATE INDEX users_by_work_email ON identity.users (work_email_folded, tenant) WHERE work_email_folded IS NOT NULL;
CREATE INDEX users_by_former_upn ON identity.users (former_upn_key, tenant) WHERE former_upn_key IS NOT NULL;
-- The index holds the directory as well: the number of a directory's users, and any page of them, is read from it
-- alone (docs/decisions/0006-filters-are-scans.md).
ALTER TABLE identity.users ADD PRIMARY KEY (tenant, id) INCLUDE (directory);
CREATE INDEX users_by_user_name ON identity.users (user_name_folded, tenant);
CREATE INDEX users_by_work_email_key ON identity.users (work_email_key, tenant) WHERE work_email_key IS NOT NULL;
-- An index of arrays takes no second column without an extension: the tenant stands in the texts.
CREATE FUNCTION identity.of_tenant(tenant uuid, texts text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT array_agg(tenant::text || '/' || t) FROM unnest(texts) AS t
$$;
CREATE INDEX users_by_other_work_email ON identity.users
  USING gin (identity.of_tenant(tenant, other_work_emails_folded) COLLATE "C")
  WHERE other_work_emails_folded IS NOT NULL;
CREATE INDEX users_archived ON identity.users (tenant, id) INCLUDE (directory) WHERE archived;
-- Users whom their directory has deleted, and who are kept: the one index that tells a reader who must not be shown.
CREATE INDEX users_withdrawn ON identity.users (id) INCLUDE (tenant)
  WHERE directory = '00000000-0000-0000-0000-000000000000';
CREATE VIEW identity.withdrawn_v1 AS
  SELECT tenant, id FROM identity.users WHERE directory = '00000000-0000-0000-0000-000000000000';
CREATE VIEW identity.users_v1 AS
  SELECT tenant, id, directory, version, created, last_modified, resource, user_name_folded, external_id,
         work_email_folded, other_work_emails_folded, folded,
         (links->>'movedVersion')::int AS moved_version
  FROM identity.users;

-- Unique names and who holds them; a freed name keeps its row with holder NULL, because one statement may not delete
-- and insert the same key.
CREATE TABLE identity.claims (
  tenant uuid NOT NULL, kind text NOT NULL, value text COLLATE "C" NOT NULL, holder uuid,
  PRIMARY KEY (tenant, kind, value)
) WITH (fillfactor = 85);

-- By these administrators find users besides by their rows: the names that people see, whenever they came; sign-in
-- identities; and all other identifiers, when they went, those of deleted users among them. Rows are only added: an
-- index of names on the users themselves would make each change of one write all of their indexes. They are personal
-- data, and can be deleted.
CREATE TABLE identity.known_as (
  tenant uuid NOT NULL, id uuid NOT NULL,
  -- Of the event that added it, and which one of those that the event added.
  version int NOT NULL, n smallint NOT NULL,
  kind text NOT NULL, value text COLLATE "C" NOT NULL,
  PRIMARY KEY (id, version, n)
);
CREATE INDEX known_as_by_value ON identity.known_as (value, tenant);
CREATE VIEW identity.known_as_v1 AS SELECT tenant, id, version, kind, value FROM identity.known_as;
-- The part of deleted users that administrators are still shown.
CREATE TABLE identity.deleted_users (
  tenant uuid NOT NULL, id uuid NOT NULL, directory uuid, version int NOT NULL,
  created timestamptz NOT NULL, deleted timestamptz NOT NULL,
  user_name text NOT NULL, display_name text, email text, external_id text,
  PRIMARY KEY (tenant, id)
);
CREATE VIEW identity.deleted_users_v1 AS
  SELECT tenant, id, directory, version, created, deleted, user_name, display_name, email, external_id
  FROM identity.deleted_users;
-- Users for administrators.
CREATE VIEW identity.administered_users_v1 AS
  SELECT tenant, id, nullif(directory, '00000000-0000-0000-0000-000000000000') AS directory,
         version, created, last_modified, resource, user_name_folded, former_upn_key,
         external_id, work_email_folded, work_email_key,
         archived, links->'signIns' AS sign_ins, links->'archival' AS archival,
         (links->>'withdrawnFrom')::uuid AS withdrawn_from, links->'holds' AS holds, links->'local' AS local
  FROM identity.users;

GRANT SELECT, INSERT ON identity.known_as, identity.deleted_users TO muster_identity;
GRANT SELECT ON identity.known_as_v1, identity.deleted_users_v1, identity.administered_users_v1 TO muster_admin_api;
GRANT EXECUTE ON FUNCTION identity.of_tenant TO muster_admin_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.users TO muster_identity;
GRANT SELECT, INSERT, UPDATE ON identity.claims TO muster_identity;
GRANT EXECUTE ON FUNCTION identity.of_tenant TO muster_gateway, muster_identity;
GRANT USAGE ON SCHEMA identity TO muster_gateway, muster_admin_api, muster_group, muster_directory;
-- A directory is deleted only when it manages nobody and owns no groups.
GRANT SELECT ON identity.users_v1 TO muster_gateway, muster_group, muster_directory;
GRANT SELECT ON identity.withdrawn_v1 TO muster_gateway;
GRANT SELECT ON identity.outcomes_v1 TO muster_gateway, muster_admin_api;
-- The history of a user, for administrators.
GRANT SELECT ON identity.events_v1 TO muster_admin_api;
