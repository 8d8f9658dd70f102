-- Group owns groups and memberships. `group` is a reserved word, hence the quotes.
SELECT create_owner('group');
SELECT consume_events('group', 'identity');

-- A group without a directory is a local one.
CREATE TABLE "group".groups (
  tenant uuid NOT NULL, id uuid NOT NULL, directory uuid, version int NOT NULL,
  created timestamptz NOT NULL, last_modified timestamptz NOT NULL, resource jsonb NOT NULL,
  display_name_folded text COLLATE "C" NOT NULL, external_id text COLLATE "C", folded jsonb NOT NULL,
  member_count int NOT NULL,
  -- NULL where the key (uniqueKey of libs/scim) is the folded text, as it is for nearly all groups.
  name_key text COLLATE "C",
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 70);
CREATE INDEX groups_by_display_name ON "group".groups (display_name_folded, tenant);
CREATE INDEX groups_by_external_id ON "group".groups (external_id, tenant) WHERE external_id IS NOT NULL;

-- A row for each membership, so that one more costs the same however many there are. kind: U = a user, G = a group.
CREATE TABLE "group".members (tenant uuid NOT NULL, group_id uuid NOT NULL, member uuid NOT NULL, kind "char" NOT NULL);
-- Without statistics the planner takes the newest of indexes that look alike to it: none begins with the tenant, and
-- the primary key, which could be mistaken for nothing, is made after the index of members
-- (docs/decisions/0003-plans-without-statistics.md).
CREATE INDEX members_by_member ON "group".members (member) INCLUDE (tenant, group_id, kind);
ALTER TABLE "group".members ADD PRIMARY KEY (group_id, member, tenant);
-- The groups in a group, beside which it may have very many users.
CREATE INDEX members_nested ON "group".members (group_id) INCLUDE (tenant, member) WHERE kind = 'G';

-- Unique names and who holds them, as in identity.claims.
CREATE TABLE "group".claims (
  tenant uuid NOT NULL, kind text NOT NULL, value text COLLATE "C" NOT NULL, holder uuid,
  PRIMARY KEY (tenant, kind, value)
) WITH (fillfactor = 85);

-- Users and groups that are gone and are still in groups: they leave with one command after the other, of which the
-- next is this one. `failed` counts the commands that have been set aside since the last one that was carried out;
-- `due` is when the next one may be sent.
CREATE TABLE "group".leaving (
  tenant uuid NOT NULL, member uuid NOT NULL, next_command uuid NOT NULL, correlation_id text NOT NULL,
  failed int NOT NULL DEFAULT 0, due timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (tenant, member)
);
-- Groups that are gone and whose memberships are not all: those are deleted bit by bit, and no read shows them.
CREATE TABLE "group".emptying (tenant uuid NOT NULL, group_id uuid NOT NULL, PRIMARY KEY (tenant, group_id));

-- The memberships of a deleted group go with it, without being named one by one: a few at once, the others bit by bit.
CREATE FUNCTION "group".delete_members() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  at_once CONSTANT int := 500;
  gone int;
BEGIN
  DELETE FROM "group".members m USING (
    SELECT f.member FROM "group".members f WHERE f.tenant = OLD.tenant AND f.group_id = OLD.id LIMIT at_once
  ) f WHERE m.tenant = OLD.tenant AND m.group_id = OLD.id AND m.member = f.member;
  GET DIAGNOSTICS gone = ROW_COUNT;
  IF gone = at_once THEN
    INSERT INTO "group".emptying VALUES (OLD.tenant, OLD.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER members_go_too AFTER DELETE ON "group".groups
  FOR EACH ROW EXECUTE FUNCTION "group".delete_members();

CREATE VIEW "group".groups_v1 AS
  SELECT tenant, id, directory, version, created, last_modified, resource, display_name_folded, external_id, folded,
         member_count
  FROM "group".groups;
CREATE VIEW "group".members_v1 AS SELECT tenant, group_id, member, kind FROM "group".members;

-- Ends a read of more than can be read in good time. MU003 = it would be so every time.
CREATE FUNCTION "group".expect_readable(number bigint, most bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF number > most THEN
    RAISE EXCEPTION 'more than % groups would have to be read', most USING ERRCODE = 'MU003';
  END IF;
  RETURN true;
END $$;

-- The groups that each of the members is in, directly or through other groups. Each group is expanded once: where each
-- membership was, a walk through 400 groups that contained all later ones took 5 s. OFFSET 0 keeps each look-up one:
-- else all is hashed for EXISTS, or an index is taken that begins with something else.
CREATE FUNCTION "group".groups_of(of_tenant uuid, of_members uuid[])
RETURNS TABLE (member uuid, id uuid, directory uuid, display text, display_folded text, direct boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "group", pg_temp AS $$
  WITH RECURSIVE up AS (
    SELECT m.member, m.group_id FROM unnest(of_members) AS t(member)
    CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant = of_tenant AND members.member = t.member OFFSET 0) m
    UNION
    SELECT up.member, m.group_id FROM up
    CROSS JOIN LATERAL (SELECT groups.id FROM groups WHERE tenant = of_tenant AND groups.id = up.group_id OFFSET 0) g
    CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant = of_tenant AND members.member = g.id OFFSET 0) m
  ), found AS MATERIALIZED (SELECT up.member, up.group_id FROM up LIMIT 100001)
  SELECT f.member, g.id, g.directory, g.resource->>'displayName', g.display_name_folded,
    EXISTS (
      SELECT FROM members m WHERE m.tenant = of_tenant AND m.group_id = f.group_id AND m.member = f.member OFFSET 0
    )
  FROM found f
  CROSS JOIN LATERAL (SELECT * FROM groups WHERE tenant = of_tenant AND groups.id = f.group_id OFFSET 0) g
  WHERE (SELECT expect_readable(count(*), 100000) FROM found)
  ORDER BY f.member, g.id
$$;

-- The users who are in a group, directly or through other groups, and may act: archived ones are without effect. Of
-- each group as many are read as the page has rows.
CREATE FUNCTION "group".effective_members(of_tenant uuid, of_group uuid, after_member uuid, max_rows int)
RETURNS TABLE (member uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "group", pg_temp AS $$
  WITH RECURSIVE down AS (
    SELECT of_group AS group_id
    UNION
    SELECT m.member FROM down
    CROSS JOIN LATERAL (
      SELECT * FROM members WHERE tenant = of_tenant AND group_id = down.group_id AND kind = 'G' OFFSET 0
    ) m
    CROSS JOIN LATERAL (SELECT groups.id FROM groups WHERE tenant = of_tenant AND groups.id = m.member OFFSET 0) g
  ), found AS MATERIALIZED (SELECT down.group_id FROM down LIMIT 10001)
  SELECT DISTINCT m.member FROM found f
  CROSS JOIN LATERAL (
    SELECT members.member FROM members
    CROSS JOIN LATERAL (
      SELECT u.resource FROM identity.users u WHERE u.tenant = of_tenant AND u.id = members.member OFFSET 0
    ) u
    WHERE tenant = of_tenant AND group_id = f.group_id AND kind = 'U' AND members.member > after_member
      AND u.resource->'active' IS DISTINCT FROM 'false'
    ORDER BY members.member LIMIT max_rows) m
  WHERE (SELECT expect_readable(count(*), 10000) FROM found)
  ORDER BY m.member LIMIT max_rows
$$;

-- Those of some users, by the first and the last of their ids, who are in any of some groups, directly or through other
-- groups: whether they may act, the reader says. A group of another directory is not looked into: what that directory
-- writes must not decide about this one; local groups are. What it costs are the groups below, of which there may be so
-- many, and the memberships that are found; others in the groups cost nothing. A row without a member says that there
-- are more groups: whoever decides about a write must not be stopped by an error.
CREATE FUNCTION "group".members_of_any(
  of_tenant uuid, of_groups uuid[], first_member uuid, last_member uuid, max_groups int
)
RETURNS TABLE (group_id uuid, member uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "group", pg_temp AS $$
  WITH RECURSIVE down AS (
    SELECT g.id AS root, g.id, g.directory FROM unnest(of_groups) AS t(id)
    CROSS JOIN LATERAL (
      SELECT groups.id, groups.directory FROM groups WHERE tenant = of_tenant AND groups.id = t.id OFFSET 0
    ) g
    UNION
    SELECT down.root, g.id, down.directory FROM down
    CROSS JOIN LATERAL (
      SELECT members.member FROM members WHERE tenant = of_tenant AND members.group_id = down.id AND kind = 'G' OFFSET 0
    ) m
    CROSS JOIN LATERAL (
      SELECT groups.id FROM groups
      WHERE tenant = of_tenant AND groups.id = m.member
        AND (groups.directory IS NULL OR groups.directory = down.directory) OFFSET 0
    ) g
  ), found AS MATERIALIZED (SELECT down.root, down.id FROM down LIMIT max_groups + 1)
  SELECT DISTINCT f.root, m.member FROM found f
  CROSS JOIN LATERAL (
    SELECT members.member FROM members
    WHERE tenant = of_tenant AND members.group_id = f.id AND kind = 'U'
      AND members.member BETWEEN first_member AND last_member OFFSET 0
  ) m
  WHERE (SELECT count(*) FROM found) <= max_groups
  UNION ALL
  SELECT NULL, NULL WHERE (SELECT count(*) FROM found) > max_groups
$$;

-- The groups above some groups, as each group and those that it is directly in; a row without a group says that there
-- are more than the most. Level by level, so that a limit on memberships also ends a walk through groups that contain
-- each other densely.
CREATE FUNCTION "group".groups_above(of_tenant uuid, of_groups uuid[], max_groups int, max_memberships int)
RETURNS TABLE (member uuid, groups uuid[]) LANGUAGE plpgsql STABLE SET search_path = "group", pg_temp AS $$
DECLARE
  level uuid[] := of_groups;
  seen uuid[] := of_groups;
  memberships int := 0;
  above uuid[];
  has_more boolean := false;
BEGIN
  WHILE cardinality(level) > 0 AND NOT has_more LOOP
    above := '{}';
    FOR member, groups IN
      SELECT f.member, array_agg(f.group_id) FROM (
        SELECT m.member, m.group_id FROM unnest(level) AS l(id)
        CROSS JOIN LATERAL (
          SELECT members.member, members.group_id FROM members
          WHERE tenant = of_tenant AND members.member = l.id OFFSET 0
        ) m
        LIMIT max_memberships - memberships + 1
      ) f GROUP BY f.member
    LOOP
      RETURN NEXT;
      memberships := memberships + cardinality(groups);
      above := above || groups;
    END LOOP;
    level := ARRAY(SELECT unnest(above) EXCEPT SELECT unnest(seen));
    seen := seen || level;
    has_more := memberships > max_memberships OR cardinality(seen) - cardinality(of_groups) > max_groups;
  END LOOP;
  IF has_more THEN
    member := NULL;
    groups := NULL;
    RETURN NEXT;
  END IF;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON "group".groups, "group".leaving TO muster_group;
GRANT SELECT, INSERT, DELETE ON "group".members, "group".emptying TO muster_group;
GRANT SELECT, INSERT, UPDATE ON "group".claims TO muster_group;
GRANT EXECUTE ON FUNCTION "group".groups_above TO muster_group;
GRANT EXECUTE ON FUNCTION "group".groups_of TO muster_gateway, muster_admin_api;
GRANT EXECUTE ON FUNCTION "group".effective_members TO muster_admin_api;
GRANT EXECUTE ON FUNCTION "group".members_of_any TO muster_admin_api, muster_identity;
GRANT USAGE ON SCHEMA "group" TO muster_gateway, muster_admin_api, muster_identity, muster_directory;
GRANT SELECT ON "group".groups_v1, "group".members_v1 TO muster_gateway, muster_admin_api, muster_identity;
GRANT SELECT ON "group".groups_v1 TO muster_directory;
GRANT SELECT ON "group".outcomes_v1 TO muster_gateway, muster_admin_api;
-- The history of a group, for administrators.
GRANT SELECT ON "group".events_v1 TO muster_admin_api;
