-- The database in its newest shape, made by `npm run docs` from one that the migrations have made.

SET check_function_bodies = off;

ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;

CREATE SCHEMA audit;
GRANT USAGE ON SCHEMA audit TO muster_admin_api, muster_audit, muster_directory, muster_gateway, muster_sign_in;

CREATE SCHEMA directory;
GRANT USAGE ON SCHEMA directory TO muster_admin_api, muster_audit, muster_directory, muster_gateway, muster_group, muster_identity, muster_sign_in;

CREATE SCHEMA "group";
GRANT USAGE ON SCHEMA "group" TO muster_admin_api, muster_audit, muster_directory, muster_gateway, muster_group, muster_identity;

CREATE SCHEMA identity;
GRANT USAGE ON SCHEMA identity TO muster_admin_api, muster_audit, muster_directory, muster_gateway, muster_group, muster_identity;

CREATE SCHEMA keys;
GRANT USAGE ON SCHEMA keys TO muster_admin_api, muster_audit, muster_identity, muster_sign_in;

CREATE SCHEMA log;
GRANT USAGE ON SCHEMA log TO muster_audit, muster_directory, muster_group, muster_identity, muster_log;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO muster_admin_api, muster_audit, muster_directory, muster_gateway, muster_group, muster_identity, muster_log, muster_sign_in;

CREATE OR REPLACE FUNCTION "group".delete_members()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION "group".effective_members(of_tenant uuid, of_group uuid, after_member uuid, max_rows integer)
 RETURNS TABLE(member uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'group', 'pg_temp'
AS $function$
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
$function$;
GRANT EXECUTE ON FUNCTION "group".effective_members(uuid,uuid,uuid,integer) TO muster_admin_api;

CREATE OR REPLACE FUNCTION "group".expect_readable(number bigint, most bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
BEGIN
  IF number > most THEN
    RAISE EXCEPTION 'more than % groups would have to be read', most USING ERRCODE = 'MU003';
  END IF;
  RETURN true;
END $function$;

CREATE OR REPLACE FUNCTION "group".groups_above(of_tenant uuid, of_groups uuid[], max_groups integer, max_memberships integer)
 RETURNS TABLE(member uuid, groups uuid[])
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'group', 'pg_temp'
AS $function$
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
END $function$;
GRANT EXECUTE ON FUNCTION "group".groups_above(uuid,uuid[],integer,integer) TO muster_group;

CREATE OR REPLACE FUNCTION "group".groups_of(of_tenant uuid, of_members uuid[])
 RETURNS TABLE(member uuid, id uuid, directory uuid, display text, display_folded text, direct boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'group', 'pg_temp'
AS $function$
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
$function$;
GRANT EXECUTE ON FUNCTION "group".groups_of(uuid,uuid[]) TO muster_admin_api, muster_gateway;

CREATE OR REPLACE FUNCTION "group".members_of_any(of_tenant uuid, of_groups uuid[], first_member uuid, last_member uuid, max_groups integer)
 RETURNS TABLE(group_id uuid, member uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'group', 'pg_temp'
AS $function$
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
$function$;
GRANT EXECUTE ON FUNCTION "group".members_of_any(uuid,uuid[],uuid,uuid,integer) TO muster_admin_api, muster_identity;

CREATE OR REPLACE FUNCTION public.consume_events(consumer text, owner text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  own text := quote_ident(current_setting('muster.role_prefix') || '_' || consumer);
BEGIN
  PERFORM set_config('search_path', quote_ident(consumer) || ', pg_temp', true);
  INSERT INTO positions SELECT 'muster.' || consumer, owner || '.events', p, '', 0 FROM generate_series(0, 11) AS p;
  -- The last event of each tenant that was seen, by the owner that it is of: they are dense, so that a gap shows.
  CREATE TABLE IF NOT EXISTS consumed (
    tenant uuid NOT NULL, owner text NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (tenant, owner)
  ) WITH (fillfactor = 50);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE ON consumed TO %s', own);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', owner, own);
  EXECUTE format('GRANT SELECT ON %I.events_v1 TO %s', owner, own);
END $function$;

CREATE OR REPLACE FUNCTION public.create_owner(owner text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
  own text := quote_ident(current_setting('muster.role_prefix') || '_' || owner);
BEGIN
  EXECUTE format('CREATE SCHEMA %I', owner);
  -- Until the end of this function. What is made from here on lies in the schema of the owner.
  PERFORM set_config('search_path', quote_ident(owner) || ', pg_temp', true);

  CREATE TABLE events (
    tenant uuid NOT NULL, sequence bigint NOT NULL, stream uuid NOT NULL, version int NOT NULL, type text NOT NULL,
    recorded_at timestamptz NOT NULL, command_id uuid NOT NULL, correlation_id text NOT NULL, actor text NOT NULL,
    directory uuid, data json NOT NULL, personal text,
    PRIMARY KEY (tenant, sequence),
    UNIQUE (stream, version)
  );
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
  -- Everything but the sealed personal part.
  CREATE VIEW events_v1 AS
    SELECT tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data
    FROM events;
  -- For the audit log: all of it, as it is stored. An owner whose events hold secrets leaves these out, and puts the
  -- SHA-256 of the whole data in their place.
  CREATE VIEW audited_v1 AS
    SELECT tenant, sequence, stream, version, type, recorded_at, command_id, correlation_id, actor, directory, data,
      personal, NULL::bytea AS hidden_hash
    FROM events;

  CREATE TABLE outcomes (
    command_id uuid PRIMARY KEY, tenant uuid NOT NULL, outcome json NOT NULL, recorded_at timestamptz NOT NULL
  );
  -- For faces that send commands, and miss what became of one.
  CREATE VIEW outcomes_v1 AS SELECT command_id, tenant, outcome FROM outcomes;
  -- One row, which is written before outcomes are deleted: verify can tell what was deleted from what is missing.
  CREATE TABLE outcome_retention (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), deleted_before timestamptz NOT NULL
  );
  INSERT INTO outcome_retention (deleted_before) VALUES ('epoch');

  -- The positions of the consumers of the owner; the row of a partition is the fence of its lane. The generation is
  -- raised by a rebuild that has mended rows: a lane that loaded rows before misses the fence, and loads again.
  CREATE TABLE positions (
    consumer_group text NOT NULL, topic text NOT NULL, partition int NOT NULL,
    epoch text NOT NULL, next_offset bigint NOT NULL, generation int NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer_group, topic, partition)
  ) WITH (fillfactor = 50);
  INSERT INTO positions SELECT 'muster.' || owner, owner || '.commands', p, '', 0 FROM generate_series(0, 11) AS p;

  -- The position of the last rebuild, if it has not come to its end.
  CREATE TABLE unfinished_rebuild (one boolean PRIMARY KEY DEFAULT true CHECK (one), progress json NOT NULL);

  -- The positions up to which the log has been copied to Kafka.
  CREATE TABLE relays (
    topic text NOT NULL, partition int NOT NULL, epoch text NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
  ) WITH (fillfactor = 50);

  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', owner, own);
  EXECUTE format('GRANT SELECT, INSERT ON events TO %s', own);
  EXECUTE format('GRANT SELECT, INSERT, DELETE ON outcomes TO %s', own);
  EXECUTE format('GRANT SELECT, UPDATE ON outcome_retention, positions TO %s', own);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE ON relays TO %s', own);
  EXECUTE format('GRANT USAGE ON SCHEMA log TO %s', own);
  EXECUTE format('GRANT EXECUTE ON FUNCTION log.expect, log.append, log.read_some, log.ends, log.roll TO %s', own);
END $function$;

CREATE OR REPLACE FUNCTION directory.record_uses(used uuid[], at timestamp with time zone[])
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'directory', 'pg_temp'
AS $function$
  INSERT INTO directory.last_uses AS l (id, last_used_at)
  SELECT u.id, max(least(u.at, now())) FROM unnest(used, at) AS u(id, at)
  WHERE EXISTS (SELECT FROM directory.events e WHERE e.stream = u.id) GROUP BY u.id ORDER BY u.id
  ON CONFLICT (id) DO UPDATE SET last_used_at = excluded.last_used_at WHERE l.last_used_at < excluded.last_used_at
$function$;
GRANT EXECUTE ON FUNCTION directory.record_uses(uuid[],timestamp with time zone[]) TO muster_admin_api, muster_gateway;

CREATE OR REPLACE FUNCTION directory.trace_authentications(traces json)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'directory', 'pg_temp'
AS $function$
  INSERT INTO directory.authentications AS a (directory, accepted, at, trace)
  SELECT r.directory, r.accepted, r.at, r.trace
  FROM json_to_recordset(traces) AS r(directory uuid, accepted boolean, at timestamptz, trace json)
  JOIN directory.directories d ON d.id = r.directory
  ON CONFLICT (directory, accepted) DO UPDATE SET at = excluded.at, trace = excluded.trace WHERE a.at <= excluded.at
$function$;
GRANT EXECUTE ON FUNCTION directory.trace_authentications(json) TO muster_gateway, muster_sign_in;

CREATE OR REPLACE FUNCTION identity.of_tenant(tenant uuid, texts text[])
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
  SELECT array_agg(tenant::text || '/' || t) FROM unnest(texts) AS t
$function$;
GRANT EXECUTE ON FUNCTION identity.of_tenant(uuid,text[]) TO muster_admin_api, muster_gateway, muster_identity;

CREATE OR REPLACE FUNCTION log.append(topics text[], partitions integer[], offsets bigint[], ids uuid[], messages json)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'log', 'pg_temp'
AS $function$
DECLARE
  topic text;
  allowed text;
  appended bigint;
BEGIN
  -- Nearly all messages are for one topic, of which it is asked once: a query about all would cost a lone write 20 µs.
  FOREACH topic IN ARRAY coalesce(topics, '{}') LOOP
    CONTINUE WHEN topic = allowed;
    IF NOT log.may_use(topic) THEN
      RAISE insufficient_privilege USING MESSAGE = format('%s may not write topic %s', session_user, topic);
    END IF;
    allowed := topic;
  END LOOP;
  INSERT INTO log.messages (topic, partition, "offset", id, message)
    SELECT * FROM ROWS FROM (
      unnest(topics), unnest(partitions), unnest(offsets), unnest(ids), json_array_elements(messages)
    );
  GET DIAGNOSTICS appended = ROW_COUNT;
  RETURN appended;
END $function$;
GRANT EXECUTE ON FUNCTION log.append(text[],integer[],bigint[],uuid[],json) TO muster_audit, muster_directory, muster_group, muster_identity;

CREATE OR REPLACE FUNCTION log.drop_old(keep_days integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'log', 'pg_temp'
AS $function$
DECLARE
  today date := (now() AT TIME ZONE 'utc')::date;
  name text;
BEGIN
  FOR ahead IN 0..7 LOOP
    name := 'messages_' || to_char(today + ahead, 'YYYYMMDD');
    IF to_regclass('log.' || name) IS NULL
       AND NOT EXISTS (SELECT FROM log.messages_default WHERE day = today + ahead) THEN
      EXECUTE format('CREATE TABLE log.%I PARTITION OF log.messages FOR VALUES FROM (%L) TO (%L)',
        name, today + ahead, today + ahead + 1);
    END IF;
  END LOOP;
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'log'::regnamespace AND relkind = 'r'
      AND relname ~ '^messages_[0-9]{8}$' AND relname < 'messages_' || to_char(today - keep_days, 'YYYYMMDD') LOOP
    EXECUTE format('DROP TABLE log.%I', name);
  END LOOP;
  DELETE FROM log.messages_default WHERE day < today - keep_days;
END $function$;

CREATE OR REPLACE FUNCTION log.ends(wanted_topics text[])
 RETURNS TABLE(topic text, partition integer, next_offset bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'log', 'pg_temp'
AS $function$
  SELECT t.topic, p.partition, greatest(e.next_offset, d.next_offset) FROM unnest(wanted_topics) AS t(topic)
  CROSS JOIN generate_series(0, 11) AS p(partition)
  LEFT JOIN LATERAL (
    SELECT m."offset" + 1 AS next_offset FROM log.messages m
    WHERE m.topic = t.topic AND m.partition = p.partition ORDER BY m."offset" DESC LIMIT 1
  ) AS e ON true
  LEFT JOIN LATERAL (
    SELECT d.next_offset FROM log.ended d WHERE d.topic = t.topic AND d.partition = p.partition OFFSET 0
  ) AS d ON true
  WHERE e.next_offset IS NOT NULL OR d.next_offset IS NOT NULL
$function$;
GRANT EXECUTE ON FUNCTION log.ends(text[]) TO muster_audit, muster_directory, muster_group, muster_identity;

CREATE OR REPLACE FUNCTION log.expect(parts text[], actual bigint[], expected bigint[])
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF actual = expected THEN
    RETURN true;
  END IF;
  FOR n IN 1..cardinality(parts) LOOP
    IF actual[n] IS DISTINCT FROM expected[n] THEN
      RAISE EXCEPTION 'write statement: % wrote % rows instead of %', parts[n], actual[n], expected[n]
        USING ERRCODE = 'MU001';
    END IF;
  END LOOP;
  RAISE EXCEPTION 'write statement: % parts, and % numbers of rows', cardinality(parts), cardinality(expected);
END $function$;
GRANT EXECUTE ON FUNCTION log.expect(text[],bigint[],bigint[]) TO muster_audit, muster_directory, muster_group, muster_identity;

CREATE OR REPLACE FUNCTION log.may_use(topic text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  SELECT session_user::text IN (current_user, 'muster_log', left('muster_log', -3) || split_part(topic, '.', 1))
$function$;

CREATE OR REPLACE FUNCTION log.read_some(wanted_topic text, wanted_partition integer, from_offset bigint, max_rows integer, max_bytes bigint)
 RETURNS TABLE("offset" bigint, message json, bytes integer)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'log', 'pg_temp'
AS $function$
DECLARE
  total bigint := 0;
BEGIN
  IF NOT log.may_use(wanted_topic) THEN
    RETURN;
  END IF;
  FOR "offset", message IN
    SELECT m."offset", m.message FROM log.messages m
    WHERE m.topic = wanted_topic AND m.partition = wanted_partition AND m."offset" >= from_offset
    ORDER BY m."offset" LIMIT max_rows
  LOOP
    bytes := octet_length(message::text);
    total := total + bytes;
    RETURN NEXT;
    EXIT WHEN total >= max_bytes;
  END LOOP;
END $function$;
GRANT EXECUTE ON FUNCTION log.read_some(text,integer,bigint,integer,bigint) TO muster_audit, muster_directory, muster_group, muster_identity, muster_log;

CREATE OR REPLACE FUNCTION log.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'Events are append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $function$;

CREATE OR REPLACE FUNCTION log.roll(keep_days integer)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'log', 'pg_temp'
AS $function$
  INSERT INTO log.ended AS d SELECT e.topic, e.partition, e.next_offset FROM log.ends(ARRAY(
    WITH RECURSIVE topics AS (
      (SELECT m.topic FROM log.messages m ORDER BY m.topic LIMIT 1)
      UNION ALL
      SELECT (SELECT m.topic FROM log.messages m WHERE m.topic > t.topic ORDER BY m.topic LIMIT 1)
      FROM topics t WHERE t.topic IS NOT NULL
    )
    SELECT t.topic FROM topics t WHERE t.topic IS NOT NULL
  )) AS e
  ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
    WHERE d.next_offset < excluded.next_offset;
  SELECT log.drop_old(greatest(keep_days, 7));
$function$;
GRANT EXECUTE ON FUNCTION log.roll(integer) TO muster_audit, muster_directory, muster_group, muster_identity, muster_log;

CREATE TABLE "group".claims (
  tenant uuid NOT NULL,
  kind text NOT NULL,
  value text COLLATE "C" NOT NULL,
  holder uuid
) WITH (fillfactor=85);
ALTER TABLE "group".claims ADD CONSTRAINT claims_pkey PRIMARY KEY (tenant, kind, value);
GRANT INSERT, SELECT, UPDATE ON TABLE "group".claims TO muster_group;

CREATE TABLE "group".consumed (
  tenant uuid NOT NULL,
  owner text NOT NULL,
  sequence bigint NOT NULL
) WITH (fillfactor=50);
ALTER TABLE "group".consumed ADD CONSTRAINT consumed_pkey PRIMARY KEY (tenant, owner);
GRANT INSERT, SELECT, UPDATE ON TABLE "group".consumed TO muster_group;

CREATE TABLE "group".emptying (
  tenant uuid NOT NULL,
  group_id uuid NOT NULL
);
ALTER TABLE "group".emptying ADD CONSTRAINT emptying_pkey PRIMARY KEY (tenant, group_id);
GRANT DELETE, INSERT, SELECT ON TABLE "group".emptying TO muster_group;

CREATE TABLE "group".events (
  tenant uuid NOT NULL,
  sequence bigint NOT NULL,
  stream uuid NOT NULL,
  version integer NOT NULL,
  type text NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  command_id uuid NOT NULL,
  correlation_id text NOT NULL,
  actor text NOT NULL,
  directory uuid,
  data json NOT NULL,
  personal text
);
ALTER TABLE "group".events ADD CONSTRAINT events_pkey PRIMARY KEY (tenant, sequence);
ALTER TABLE "group".events ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON "group".events FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE "group".events TO muster_group;

CREATE TABLE "group".groups (
  tenant uuid NOT NULL,
  id uuid NOT NULL,
  directory uuid,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  last_modified timestamp with time zone NOT NULL,
  resource jsonb NOT NULL,
  display_name_folded text COLLATE "C" NOT NULL,
  external_id text COLLATE "C",
  folded jsonb NOT NULL,
  member_count integer NOT NULL,
  name_key text COLLATE "C"
) WITH (fillfactor=70);
ALTER TABLE "group".groups ADD CONSTRAINT groups_pkey PRIMARY KEY (tenant, id);
CREATE INDEX groups_by_display_name ON "group".groups USING btree (display_name_folded, tenant);
CREATE INDEX groups_by_external_id ON "group".groups USING btree (external_id, tenant) WHERE (external_id IS NOT NULL);
CREATE TRIGGER members_go_too AFTER DELETE ON "group".groups FOR EACH ROW EXECUTE FUNCTION "group".delete_members();
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "group".groups TO muster_group;

CREATE TABLE "group".leaving (
  tenant uuid NOT NULL,
  member uuid NOT NULL,
  next_command uuid NOT NULL,
  correlation_id text NOT NULL,
  failed integer DEFAULT 0 NOT NULL,
  due timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);
ALTER TABLE "group".leaving ADD CONSTRAINT leaving_pkey PRIMARY KEY (tenant, member);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE "group".leaving TO muster_group;

CREATE TABLE "group".members (
  tenant uuid NOT NULL,
  group_id uuid NOT NULL,
  member uuid NOT NULL,
  kind "char" NOT NULL
);
CREATE INDEX members_by_member ON "group".members USING btree (member) INCLUDE (tenant, group_id, kind);
ALTER TABLE "group".members ADD CONSTRAINT members_pkey PRIMARY KEY (group_id, member, tenant);
CREATE INDEX members_nested ON "group".members USING btree (group_id) INCLUDE (tenant, member) WHERE (kind = 'G'::"char");
GRANT DELETE, INSERT, SELECT ON TABLE "group".members TO muster_group;

CREATE TABLE "group".outcome_retention (
  one boolean DEFAULT true NOT NULL,
  deleted_before timestamp with time zone NOT NULL,
  CONSTRAINT outcome_retention_one_check CHECK (one)
);
ALTER TABLE "group".outcome_retention ADD CONSTRAINT outcome_retention_pkey PRIMARY KEY (one);
GRANT SELECT, UPDATE ON TABLE "group".outcome_retention TO muster_group;

CREATE TABLE "group".outcomes (
  command_id uuid NOT NULL,
  tenant uuid NOT NULL,
  outcome json NOT NULL,
  recorded_at timestamp with time zone NOT NULL
);
ALTER TABLE "group".outcomes ADD CONSTRAINT outcomes_pkey PRIMARY KEY (command_id);
GRANT DELETE, INSERT, SELECT ON TABLE "group".outcomes TO muster_group;

CREATE TABLE "group".positions (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL,
  generation integer DEFAULT 0 NOT NULL
) WITH (fillfactor=50);
ALTER TABLE "group".positions ADD CONSTRAINT positions_pkey PRIMARY KEY (consumer_group, topic, partition);
GRANT SELECT, UPDATE ON TABLE "group".positions TO muster_group;

CREATE TABLE "group".relays (
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL
) WITH (fillfactor=50);
ALTER TABLE "group".relays ADD CONSTRAINT relays_pkey PRIMARY KEY (topic, partition);
GRANT INSERT, SELECT, UPDATE ON TABLE "group".relays TO muster_group;

CREATE TABLE "group".unfinished_rebuild (
  one boolean DEFAULT true NOT NULL,
  progress json NOT NULL,
  CONSTRAINT unfinished_rebuild_one_check CHECK (one)
);
ALTER TABLE "group".unfinished_rebuild ADD CONSTRAINT unfinished_rebuild_pkey PRIMARY KEY (one);

CREATE TABLE audit.bodies (
  tenant uuid NOT NULL,
  told_by uuid NOT NULL,
  sealed text NOT NULL
);
ALTER TABLE audit.bodies ADD CONSTRAINT bodies_pkey PRIMARY KEY (tenant, told_by);
GRANT DELETE, INSERT, SELECT ON TABLE audit.bodies TO muster_audit;

CREATE TABLE audit.checkpoints (
  tenant uuid NOT NULL,
  size bigint NOT NULL,
  signed_at timestamp with time zone NOT NULL,
  note text NOT NULL
);
ALTER TABLE audit.checkpoints ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (tenant, size);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE audit.checkpoints TO muster_audit;

CREATE TABLE audit.entries (
  tenant uuid NOT NULL,
  number bigint NOT NULL,
  owner text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  stream uuid NOT NULL,
  version integer NOT NULL,
  type text COLLATE "C" NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  command_id uuid NOT NULL,
  correlation_id text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  directory uuid,
  payload_hash bytea NOT NULL
);
ALTER TABLE audit.entries ADD CONSTRAINT entries_pkey PRIMARY KEY (tenant, number);
ALTER TABLE audit.entries ADD CONSTRAINT entries_tenant_owner_sequence_key UNIQUE (tenant, owner, sequence);
CREATE INDEX entries_by_stream ON audit.entries USING btree (stream, version);
CREATE INDEX entries_by_correlation ON audit.entries USING btree (correlation_id, tenant, recorded_at, number);
CREATE INDEX entries_by_time ON audit.entries USING btree (tenant, recorded_at, number);
CREATE INDEX entries_by_actor ON audit.entries USING btree (actor, tenant, recorded_at, number) WHERE ((actor !~~ 'token:%'::text) AND (actor !~~ 'client:%'::text));
CREATE INDEX entries_of_purges ON audit.entries USING btree (tenant, number) WHERE ((owner = 'audit'::text) AND (type = 'muster.audit.purge-announced.v1'::text));
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.entries FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE audit.entries TO muster_audit;

CREATE TABLE audit.events (
  tenant uuid NOT NULL,
  sequence bigint NOT NULL,
  stream uuid NOT NULL,
  version integer NOT NULL,
  type text NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  command_id uuid NOT NULL,
  correlation_id text NOT NULL,
  actor text NOT NULL,
  directory uuid,
  data json NOT NULL,
  personal text
);
ALTER TABLE audit.events ADD CONSTRAINT events_pkey PRIMARY KEY (tenant, sequence);
ALTER TABLE audit.events ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.events FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE audit.events TO muster_audit;

CREATE TABLE audit.logs (
  tenant uuid NOT NULL,
  origin text COLLATE "C" NOT NULL,
  verifier_key text NOT NULL
);
ALTER TABLE audit.logs ADD CONSTRAINT logs_pkey PRIMARY KEY (tenant);
ALTER TABLE audit.logs ADD CONSTRAINT logs_origin_key UNIQUE (origin);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.logs FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE audit.logs TO muster_audit;

CREATE TABLE audit.outcome_retention (
  one boolean DEFAULT true NOT NULL,
  deleted_before timestamp with time zone NOT NULL,
  CONSTRAINT outcome_retention_one_check CHECK (one)
);
ALTER TABLE audit.outcome_retention ADD CONSTRAINT outcome_retention_pkey PRIMARY KEY (one);
GRANT SELECT, UPDATE ON TABLE audit.outcome_retention TO muster_audit;

CREATE TABLE audit.outcomes (
  command_id uuid NOT NULL,
  tenant uuid NOT NULL,
  outcome json NOT NULL,
  recorded_at timestamp with time zone NOT NULL
);
ALTER TABLE audit.outcomes ADD CONSTRAINT outcomes_pkey PRIMARY KEY (command_id);
GRANT DELETE, INSERT, SELECT ON TABLE audit.outcomes TO muster_audit;

CREATE TABLE audit.payloads (
  tenant uuid NOT NULL,
  number bigint NOT NULL,
  data json NOT NULL,
  personal text,
  hidden_hash bytea
);
ALTER TABLE audit.payloads ADD CONSTRAINT payloads_pkey PRIMARY KEY (tenant, number);
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit.payloads FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE audit.payloads TO muster_audit;

CREATE TABLE audit.positions (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL,
  generation integer DEFAULT 0 NOT NULL
) WITH (fillfactor=50);
ALTER TABLE audit.positions ADD CONSTRAINT positions_pkey PRIMARY KEY (consumer_group, topic, partition);
GRANT SELECT, UPDATE ON TABLE audit.positions TO muster_audit;

CREATE TABLE audit.read_counts (
  tenant uuid NOT NULL,
  directory uuid NOT NULL,
  minute timestamp with time zone NOT NULL,
  face text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  count bigint NOT NULL
);
ALTER TABLE audit.read_counts ADD CONSTRAINT read_counts_pkey PRIMARY KEY (tenant, directory, minute, face, kind);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE audit.read_counts TO muster_audit;

CREATE TABLE audit.relays (
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL
) WITH (fillfactor=50);
ALTER TABLE audit.relays ADD CONSTRAINT relays_pkey PRIMARY KEY (topic, partition);
GRANT INSERT, SELECT, UPDATE ON TABLE audit.relays TO muster_audit;

CREATE TABLE audit.request_counts (
  tenant uuid NOT NULL,
  directory uuid NOT NULL,
  minute timestamp with time zone NOT NULL,
  face text COLLATE "C" NOT NULL,
  method text COLLATE "C" NOT NULL,
  resource_type text COLLATE "C" NOT NULL,
  status smallint NOT NULL,
  scim_type text COLLATE "C" NOT NULL,
  effect text COLLATE "C" NOT NULL,
  count bigint NOT NULL
) WITH (fillfactor=70);
ALTER TABLE audit.request_counts ADD CONSTRAINT request_counts_pkey PRIMARY KEY (tenant, directory, minute, face, method, resource_type, status, scim_type, effect);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE audit.request_counts TO muster_audit;

CREATE TABLE audit.requests (
  tenant uuid NOT NULL,
  id uuid NOT NULL,
  at timestamp with time zone NOT NULL,
  duration_ms real NOT NULL,
  face text COLLATE "C" NOT NULL,
  directory uuid,
  actor text COLLATE "C",
  method text COLLATE "C" NOT NULL,
  path text NOT NULL,
  resource_type text COLLATE "C",
  object uuid,
  name text,
  status smallint NOT NULL,
  effect text COLLATE "C",
  scim_type text COLLATE "C",
  detail text,
  address text COLLATE "C" NOT NULL,
  user_agent text,
  correlation_id text COLLATE "C" NOT NULL,
  told_by uuid NOT NULL,
  body integer,
  body_bytes integer NOT NULL,
  if_match text,
  if_none_match text,
  replay_of uuid
);
ALTER TABLE audit.requests ADD CONSTRAINT requests_pkey PRIMARY KEY (tenant, id);
CREATE INDEX requests_refused ON audit.requests USING btree (tenant, id) WHERE (status >= 400);
CREATE INDEX requests_by_object ON audit.requests USING btree (object, id) WHERE (object IS NOT NULL);
CREATE INDEX requests_by_correlation ON audit.requests USING btree (correlation_id, tenant, id);
CREATE INDEX requests_replayed ON audit.requests USING btree (replay_of, id) WHERE (replay_of IS NOT NULL);
GRANT DELETE, INSERT, SELECT ON TABLE audit.requests TO muster_audit;

CREATE TABLE audit.seen (
  tenant uuid NOT NULL,
  id uuid NOT NULL,
  at timestamp with time zone NOT NULL
) WITH (fillfactor=85);
ALTER TABLE audit.seen ADD CONSTRAINT seen_pkey PRIMARY KEY (tenant, id);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE audit.seen TO muster_audit;

CREATE TABLE audit.seen_announcements (
  tenant uuid NOT NULL,
  number bigint NOT NULL,
  seen_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE audit.seen_announcements ADD CONSTRAINT seen_announcements_pkey PRIMARY KEY (tenant, number);

CREATE TABLE audit.tiles (
  tenant uuid NOT NULL,
  level smallint NOT NULL,
  index bigint NOT NULL,
  hashes bytea NOT NULL,
  root bytea NOT NULL
);
ALTER TABLE audit.tiles ADD CONSTRAINT tiles_pkey PRIMARY KEY (tenant, level, index);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.tiles FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE audit.tiles TO muster_audit;

CREATE TABLE audit.unfinished_rebuild (
  one boolean DEFAULT true NOT NULL,
  progress json NOT NULL,
  CONSTRAINT unfinished_rebuild_one_check CHECK (one)
);
ALTER TABLE audit.unfinished_rebuild ADD CONSTRAINT unfinished_rebuild_pkey PRIMARY KEY (one);

CREATE TABLE directory.api_keys (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  name text NOT NULL,
  scopes jsonb NOT NULL,
  of_tenant uuid,
  hash text NOT NULL,
  status text NOT NULL,
  expires_at timestamp with time zone
);
ALTER TABLE directory.api_keys ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE directory.api_keys ADD CONSTRAINT api_keys_hash_key UNIQUE (hash);
CREATE INDEX api_keys_by_tenant ON directory.api_keys USING btree (tenant, id);
GRANT INSERT, SELECT, UPDATE ON TABLE directory.api_keys TO muster_directory;

CREATE TABLE directory.authentications (
  directory uuid NOT NULL,
  accepted boolean NOT NULL,
  at timestamp with time zone NOT NULL,
  trace json NOT NULL,
  CONSTRAINT authentications_trace_check CHECK ((octet_length((trace)::text) <= 32768))
);
ALTER TABLE directory.authentications ADD CONSTRAINT authentications_pkey PRIMARY KEY (directory, accepted);

CREATE TABLE directory.clients (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  directory uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  name text NOT NULL,
  federation jsonb,
  status text NOT NULL,
  secrets jsonb NOT NULL
);
ALTER TABLE directory.clients ADD CONSTRAINT clients_pkey PRIMARY KEY (id);
CREATE INDEX clients_by_directory ON directory.clients USING btree (tenant, directory, id);
CREATE INDEX clients_with_secrets_that_end ON directory.clients USING btree (id) WHERE ((status = 'active'::text) AND (secrets @? '$[*]."expiresAt"?(@ != null)'::jsonpath));
GRANT INSERT, SELECT, UPDATE ON TABLE directory.clients TO muster_directory;

CREATE TABLE directory.directories (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  settings jsonb NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  disconnected_at timestamp with time zone,
  moved_version integer
);
ALTER TABLE directory.directories ADD CONSTRAINT directories_pkey PRIMARY KEY (id);
CREATE INDEX directories_by_tenant ON directory.directories USING btree (tenant, id);
CREATE UNIQUE INDEX directories_by_entra_tenant ON directory.directories USING btree (((settings ->> 'entraTenantId'::text))) WHERE ((settings ->> 'entraTenantId'::text) <> ''::text);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE directory.directories TO muster_directory;

CREATE TABLE directory.domains (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  name text COLLATE "C" NOT NULL,
  shown_name text NOT NULL,
  record text NOT NULL,
  verified_by text,
  verified_at timestamp with time zone
);
ALTER TABLE directory.domains ADD CONSTRAINT domains_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX domains_by_tenant ON directory.domains USING btree (tenant, name);
CREATE UNIQUE INDEX domains_verified ON directory.domains USING btree (name) WHERE (verified_by IS NOT NULL);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE directory.domains TO muster_directory;

CREATE TABLE directory.events (
  tenant uuid NOT NULL,
  sequence bigint NOT NULL,
  stream uuid NOT NULL,
  version integer NOT NULL,
  type text NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  command_id uuid NOT NULL,
  correlation_id text NOT NULL,
  actor text NOT NULL,
  directory uuid,
  data json NOT NULL,
  personal text
);
ALTER TABLE directory.events ADD CONSTRAINT events_pkey PRIMARY KEY (tenant, sequence);
ALTER TABLE directory.events ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON directory.events FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE directory.events TO muster_directory;

CREATE TABLE directory.last_uses (
  id uuid NOT NULL,
  last_used_at timestamp with time zone NOT NULL
);
ALTER TABLE directory.last_uses ADD CONSTRAINT last_uses_pkey PRIMARY KEY (id);

CREATE TABLE directory.outcome_retention (
  one boolean DEFAULT true NOT NULL,
  deleted_before timestamp with time zone NOT NULL,
  CONSTRAINT outcome_retention_one_check CHECK (one)
);
ALTER TABLE directory.outcome_retention ADD CONSTRAINT outcome_retention_pkey PRIMARY KEY (one);
GRANT SELECT, UPDATE ON TABLE directory.outcome_retention TO muster_directory;

CREATE TABLE directory.outcomes (
  command_id uuid NOT NULL,
  tenant uuid NOT NULL,
  outcome json NOT NULL,
  recorded_at timestamp with time zone NOT NULL
);
ALTER TABLE directory.outcomes ADD CONSTRAINT outcomes_pkey PRIMARY KEY (command_id);
GRANT DELETE, INSERT, SELECT ON TABLE directory.outcomes TO muster_directory;

CREATE TABLE directory.positions (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL,
  generation integer DEFAULT 0 NOT NULL
) WITH (fillfactor=50);
ALTER TABLE directory.positions ADD CONSTRAINT positions_pkey PRIMARY KEY (consumer_group, topic, partition);
GRANT SELECT, UPDATE ON TABLE directory.positions TO muster_directory;

CREATE TABLE directory.relays (
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL
) WITH (fillfactor=50);
ALTER TABLE directory.relays ADD CONSTRAINT relays_pkey PRIMARY KEY (topic, partition);
GRANT INSERT, SELECT, UPDATE ON TABLE directory.relays TO muster_directory;

CREATE TABLE directory.schemas (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  urn text NOT NULL,
  urn_folded text COLLATE "C" NOT NULL,
  resource_type text NOT NULL,
  schema json NOT NULL
);
ALTER TABLE directory.schemas ADD CONSTRAINT schemas_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX schemas_by_urn ON directory.schemas USING btree (tenant, urn_folded);
GRANT INSERT, SELECT, UPDATE ON TABLE directory.schemas TO muster_directory;

CREATE TABLE directory.signing_keys (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  public_key jsonb NOT NULL,
  sealed text NOT NULL
);
ALTER TABLE directory.signing_keys ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT, UPDATE ON TABLE directory.signing_keys TO muster_directory;

CREATE TABLE directory.tenants (
  id uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  name text NOT NULL,
  reveal_tokens boolean DEFAULT true NOT NULL
);
ALTER TABLE directory.tenants ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT, UPDATE ON TABLE directory.tenants TO muster_directory;

CREATE TABLE directory.tokens (
  id uuid NOT NULL,
  tenant uuid NOT NULL,
  directory uuid NOT NULL,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  description text NOT NULL,
  hash text NOT NULL,
  sealed text NOT NULL,
  status text NOT NULL,
  expires_at timestamp with time zone,
  replaced_by uuid,
  warned integer
);
ALTER TABLE directory.tokens ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);
ALTER TABLE directory.tokens ADD CONSTRAINT tokens_hash_key UNIQUE (hash);
CREATE INDEX tokens_by_directory ON directory.tokens USING btree (tenant, directory, id);
CREATE INDEX tokens_by_expiry ON directory.tokens USING btree (expires_at) WHERE (status = 'active'::text);
GRANT INSERT, SELECT, UPDATE ON TABLE directory.tokens TO muster_directory;

CREATE TABLE directory.unfinished_rebuild (
  one boolean DEFAULT true NOT NULL,
  progress json NOT NULL,
  CONSTRAINT unfinished_rebuild_one_check CHECK (one)
);
ALTER TABLE directory.unfinished_rebuild ADD CONSTRAINT unfinished_rebuild_pkey PRIMARY KEY (one);

CREATE TABLE identity.claims (
  tenant uuid NOT NULL,
  kind text NOT NULL,
  value text COLLATE "C" NOT NULL,
  holder uuid
) WITH (fillfactor=85);
ALTER TABLE identity.claims ADD CONSTRAINT claims_pkey PRIMARY KEY (tenant, kind, value);
GRANT INSERT, SELECT, UPDATE ON TABLE identity.claims TO muster_identity;

CREATE TABLE identity.deleted_users (
  tenant uuid NOT NULL,
  id uuid NOT NULL,
  directory uuid,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  deleted timestamp with time zone NOT NULL,
  user_name text NOT NULL,
  display_name text,
  email text,
  external_id text
);
ALTER TABLE identity.deleted_users ADD CONSTRAINT deleted_users_pkey PRIMARY KEY (tenant, id);
GRANT INSERT, SELECT ON TABLE identity.deleted_users TO muster_identity;

CREATE TABLE identity.events (
  tenant uuid NOT NULL,
  sequence bigint NOT NULL,
  stream uuid NOT NULL,
  version integer NOT NULL,
  type text NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  command_id uuid NOT NULL,
  correlation_id text NOT NULL,
  actor text NOT NULL,
  directory uuid,
  data json NOT NULL,
  personal text
);
ALTER TABLE identity.events ADD CONSTRAINT events_pkey PRIMARY KEY (tenant, sequence);
ALTER TABLE identity.events ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON identity.events FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
GRANT INSERT, SELECT ON TABLE identity.events TO muster_identity;

CREATE TABLE identity.known_as (
  tenant uuid NOT NULL,
  id uuid NOT NULL,
  version integer NOT NULL,
  n smallint NOT NULL,
  kind text NOT NULL,
  value text COLLATE "C" NOT NULL
);
ALTER TABLE identity.known_as ADD CONSTRAINT known_as_pkey PRIMARY KEY (id, version, n);
CREATE INDEX known_as_by_value ON identity.known_as USING btree (value, tenant);
GRANT INSERT, SELECT ON TABLE identity.known_as TO muster_identity;

CREATE TABLE identity.outcome_retention (
  one boolean DEFAULT true NOT NULL,
  deleted_before timestamp with time zone NOT NULL,
  CONSTRAINT outcome_retention_one_check CHECK (one)
);
ALTER TABLE identity.outcome_retention ADD CONSTRAINT outcome_retention_pkey PRIMARY KEY (one);
GRANT SELECT, UPDATE ON TABLE identity.outcome_retention TO muster_identity;

CREATE TABLE identity.outcomes (
  command_id uuid NOT NULL,
  tenant uuid NOT NULL,
  outcome json NOT NULL,
  recorded_at timestamp with time zone NOT NULL
);
ALTER TABLE identity.outcomes ADD CONSTRAINT outcomes_pkey PRIMARY KEY (command_id);
GRANT DELETE, INSERT, SELECT ON TABLE identity.outcomes TO muster_identity;

CREATE TABLE identity.positions (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL,
  generation integer DEFAULT 0 NOT NULL
) WITH (fillfactor=50);
ALTER TABLE identity.positions ADD CONSTRAINT positions_pkey PRIMARY KEY (consumer_group, topic, partition);
GRANT SELECT, UPDATE ON TABLE identity.positions TO muster_identity;

CREATE TABLE identity.relays (
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch text NOT NULL,
  next_offset bigint NOT NULL
) WITH (fillfactor=50);
ALTER TABLE identity.relays ADD CONSTRAINT relays_pkey PRIMARY KEY (topic, partition);
GRANT INSERT, SELECT, UPDATE ON TABLE identity.relays TO muster_identity;

CREATE TABLE identity.unfinished_rebuild (
  one boolean DEFAULT true NOT NULL,
  progress json NOT NULL,
  CONSTRAINT unfinished_rebuild_one_check CHECK (one)
);
ALTER TABLE identity.unfinished_rebuild ADD CONSTRAINT unfinished_rebuild_pkey PRIMARY KEY (one);

CREATE TABLE identity.users (
  tenant uuid NOT NULL,
  id uuid NOT NULL,
  directory uuid,
  version integer NOT NULL,
  created timestamp with time zone NOT NULL,
  last_modified timestamp with time zone NOT NULL,
  resource jsonb NOT NULL,
  user_name_folded text COLLATE "C" NOT NULL,
  external_id text COLLATE "C",
  work_email_folded text COLLATE "C",
  other_work_emails_folded text[] COLLATE "C",
  former_upn_key text COLLATE "C",
  links jsonb,
  folded jsonb NOT NULL,
  name_key text COLLATE "C",
  work_email_key text COLLATE "C",
  archived boolean
) WITH (fillfactor=85);
CREATE INDEX users_by_external_id ON identity.users USING btree (external_id, tenant) WHERE (external_id IS NOT NULL);
CREATE INDEX users_by_work_email ON identity.users USING btree (work_email_folded, tenant) WHERE (work_email_folded IS NOT NULL);
CREATE INDEX users_by_former_upn ON identity.users USING btree (former_upn_key, tenant) WHERE (former_upn_key IS NOT NULL);
ALTER TABLE identity.users ADD CONSTRAINT users_pkey PRIMARY KEY (tenant, id) INCLUDE (directory);
CREATE INDEX users_by_user_name ON identity.users USING btree (user_name_folded, tenant);
CREATE INDEX users_by_work_email_key ON identity.users USING btree (work_email_key, tenant) WHERE (work_email_key IS NOT NULL);
CREATE INDEX users_by_other_work_email ON identity.users USING gin (identity.of_tenant(tenant, other_work_emails_folded)) WHERE (other_work_emails_folded IS NOT NULL);
CREATE INDEX users_archived ON identity.users USING btree (tenant, id) INCLUDE (directory) WHERE archived;
CREATE INDEX users_withdrawn ON identity.users USING btree (id) INCLUDE (tenant) WHERE (directory = '00000000-0000-0000-0000-000000000000'::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE identity.users TO muster_identity;

CREATE TABLE keys.master_check (
  one boolean DEFAULT true NOT NULL,
  sealed text NOT NULL,
  CONSTRAINT master_check_one_check CHECK (one)
);
ALTER TABLE keys.master_check ADD CONSTRAINT master_check_pkey PRIMARY KEY (one);
GRANT INSERT, SELECT ON TABLE keys.master_check TO muster_admin_api, muster_audit, muster_identity, muster_sign_in;

CREATE TABLE keys.persons (
  tenant uuid NOT NULL,
  person uuid NOT NULL,
  wrapped text NOT NULL
);
ALTER TABLE keys.persons ADD CONSTRAINT persons_pkey PRIMARY KEY (tenant, person);
GRANT DELETE, INSERT, SELECT ON TABLE keys.persons TO muster_identity;
GRANT SELECT ON TABLE keys.persons TO muster_admin_api;

CREATE TABLE keys.tenants (
  tenant uuid NOT NULL,
  wrapped text NOT NULL
);
ALTER TABLE keys.tenants ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant);
GRANT DELETE, INSERT, SELECT ON TABLE keys.tenants TO muster_identity;
GRANT SELECT ON TABLE keys.tenants TO muster_admin_api;

CREATE TABLE log.ended (
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL
);
ALTER TABLE log.ended ADD CONSTRAINT ended_pkey PRIMARY KEY (topic, partition);

CREATE TABLE log.messages (
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  id uuid NOT NULL,
  message json NOT NULL,
  day date DEFAULT ((now() AT TIME ZONE 'utc'::text))::date NOT NULL
) PARTITION BY RANGE (day);
ALTER TABLE log.messages ADD CONSTRAINT messages_pkey PRIMARY KEY (topic, partition, "offset", day);

CREATE TABLE log.messages_default PARTITION OF log.messages DEFAULT;

CREATE TABLE muster_migrations (
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE muster_migrations ADD CONSTRAINT muster_migrations_pkey PRIMARY KEY (name);
GRANT SELECT ON TABLE muster_migrations TO muster_admin_api, muster_audit, muster_directory, muster_gateway, muster_group, muster_identity, muster_log, muster_sign_in;

CREATE VIEW "group".audited_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    data,
    personal,
    NULL::bytea AS hidden_hash
   FROM "group".events;
GRANT SELECT ON TABLE "group".audited_v1 TO muster_audit;

CREATE VIEW "group".events_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    data
   FROM "group".events;
GRANT SELECT ON TABLE "group".events_v1 TO muster_admin_api;

CREATE VIEW "group".groups_v1 AS
 SELECT tenant,
    id,
    directory,
    version,
    created,
    last_modified,
    resource,
    display_name_folded,
    external_id,
    folded,
    member_count
   FROM "group".groups;
GRANT SELECT ON TABLE "group".groups_v1 TO muster_admin_api, muster_directory, muster_gateway, muster_identity;

CREATE VIEW "group".members_v1 AS
 SELECT tenant,
    group_id,
    member,
    kind
   FROM "group".members;
GRANT SELECT ON TABLE "group".members_v1 TO muster_admin_api, muster_gateway, muster_identity;

CREATE VIEW "group".outcomes_v1 AS
 SELECT command_id,
    tenant,
    outcome
   FROM "group".outcomes;
GRANT SELECT ON TABLE "group".outcomes_v1 TO muster_admin_api, muster_gateway;

CREATE VIEW audit.announced_purges_v1 AS
 SELECT a.tenant,
    a.number,
    a.recorded_at,
    ((p.data ->> 'before'::text))::bigint AS before,
    ((p.data ->> 'keepDays'::text))::integer AS keep_days
   FROM (audit.entries a
     JOIN audit.payloads p ON (((p.tenant = a.tenant) AND (p.number = a.number))))
  WHERE ((a.owner = 'audit'::text) AND (a.type = 'muster.audit.purge-announced.v1'::text) AND ((p.data ->> 'before'::text) ~ '^[0-9]{1,15}$'::text) AND ((p.data ->> 'keepDays'::text) ~ '^[0-9]{1,5}$'::text));
GRANT SELECT ON TABLE audit.announced_purges_v1 TO muster_admin_api, muster_directory;

CREATE VIEW audit.audited_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    data,
    personal,
    NULL::bytea AS hidden_hash
   FROM audit.events;
GRANT SELECT ON TABLE audit.audited_v1 TO muster_audit;

CREATE VIEW audit.bodies_v1 AS
 SELECT tenant,
    told_by,
    sealed
   FROM audit.bodies;
GRANT SELECT ON TABLE audit.bodies_v1 TO muster_admin_api;

CREATE VIEW audit.checkpoints_v1 AS
 SELECT tenant,
    size,
    signed_at,
    note
   FROM audit.checkpoints;
GRANT SELECT ON TABLE audit.checkpoints_v1 TO muster_admin_api;

CREATE VIEW audit.due_purges_v1 AS
 SELECT a.tenant,
    a.number,
    a.before
   FROM (audit.announced_purges_v1 a
     JOIN audit.seen_announcements s ON (((s.tenant = a.tenant) AND (s.number = a.number))))
  WHERE (GREATEST(a.recorded_at, s.seen_at) < (now() - '24:00:00'::interval));
GRANT SELECT ON TABLE audit.due_purges_v1 TO muster_directory;

CREATE VIEW audit.entries_v1 AS
 SELECT tenant,
    number,
    owner,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    payload_hash
   FROM audit.entries;
GRANT SELECT ON TABLE audit.entries_v1 TO muster_admin_api;

CREATE VIEW audit.events_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    data
   FROM audit.events;
GRANT SELECT ON TABLE audit.events_v1 TO muster_admin_api;

CREATE VIEW audit.logs_v1 AS
 SELECT tenant,
    origin,
    verifier_key
   FROM audit.logs;
GRANT SELECT ON TABLE audit.logs_v1 TO muster_admin_api;

CREATE VIEW audit.outcomes_v1 AS
 SELECT command_id,
    tenant,
    outcome
   FROM audit.outcomes;
GRANT SELECT ON TABLE audit.outcomes_v1 TO muster_admin_api;

CREATE VIEW audit.payloads_v1 AS
 SELECT tenant,
    number,
    data,
    personal,
    hidden_hash
   FROM audit.payloads;
GRANT SELECT ON TABLE audit.payloads_v1 TO muster_admin_api;

CREATE VIEW audit.purgeable_v1 AS
 SELECT tenant,
    number,
    ( SELECT e.recorded_at
           FROM audit.entries e
          WHERE ((e.tenant = p.tenant) AND (e.number = p.number))) AS recorded_at
   FROM audit.payloads p
  WHERE (number < ( SELECT d.before
           FROM audit.due_purges_v1 d
          WHERE (d.tenant = p.tenant)
          ORDER BY d.number DESC
         LIMIT 1));
GRANT DELETE, SELECT ON TABLE audit.purgeable_v1 TO muster_directory;

CREATE VIEW audit.read_counts_v1 AS
 SELECT tenant,
    directory,
    minute,
    face,
    kind,
    count
   FROM audit.read_counts;
GRANT SELECT ON TABLE audit.read_counts_v1 TO muster_admin_api;

CREATE VIEW audit.request_counts_v1 AS
 SELECT tenant,
    directory,
    minute,
    face,
    method,
    resource_type,
    status,
    scim_type,
    effect,
    count
   FROM audit.request_counts;
GRANT SELECT ON TABLE audit.request_counts_v1 TO muster_admin_api;

CREATE VIEW audit.requests_v1 AS
 SELECT tenant,
    id,
    at,
    duration_ms,
    face,
    directory,
    actor,
    method,
    path,
    resource_type,
    object,
    name,
    status,
    effect,
    scim_type,
    detail,
    address,
    user_agent,
    correlation_id,
    told_by,
    body,
    body_bytes,
    if_match,
    if_none_match,
    replay_of
   FROM audit.requests;
GRANT SELECT ON TABLE audit.requests_v1 TO muster_admin_api;

CREATE VIEW audit.seen_announcements_v1 AS
 SELECT tenant,
    number
   FROM audit.seen_announcements;
GRANT INSERT, SELECT ON TABLE audit.seen_announcements_v1 TO muster_directory;

CREATE VIEW audit.seen_v1 AS
 SELECT tenant,
    id,
    at
   FROM audit.seen;
GRANT SELECT ON TABLE audit.seen_v1 TO muster_admin_api;

CREATE VIEW audit.tiles_v1 AS
 SELECT tenant,
    level,
    index,
    hashes,
    root
   FROM audit.tiles;
GRANT SELECT ON TABLE audit.tiles_v1 TO muster_admin_api;

CREATE VIEW directory.api_keys_v1 AS
 SELECT id,
    created,
    name,
    scopes,
    of_tenant,
    hash,
    status,
    expires_at
   FROM directory.api_keys;
GRANT SELECT ON TABLE directory.api_keys_v1 TO muster_admin_api;

CREATE VIEW directory.audited_v1 AS
 SELECT e.tenant,
    e.sequence,
    e.stream,
    e.version,
    e.type,
    e.recorded_at,
    e.command_id,
    e.correlation_id,
    e.actor,
    e.directory,
        CASE
            WHEN h.hides THEN ((((e.data)::jsonb - 'hash'::text) - 'sealed'::text))::json
            ELSE e.data
        END AS data,
    e.personal,
        CASE
            WHEN h.hides THEN sha256(convert_to((e.data)::text, 'UTF8'::name))
            ELSE NULL::bytea
        END AS hidden_hash
   FROM (directory.events e
     CROSS JOIN LATERAL ( SELECT ((e.data)::jsonb ?| ARRAY['hash'::text, 'sealed'::text]) AS hides) h);
GRANT SELECT ON TABLE directory.audited_v1 TO muster_audit;

CREATE VIEW directory.authentications_v1 AS
 SELECT directory,
    accepted,
    at,
    trace
   FROM directory.authentications;
GRANT SELECT ON TABLE directory.authentications_v1 TO muster_admin_api;

CREATE VIEW directory.client_secrets_v1 AS
 SELECT id,
    tenant,
    directory,
    name,
    status,
    secrets,
    federation
   FROM directory.clients c;
GRANT SELECT ON TABLE directory.client_secrets_v1 TO muster_sign_in;

CREATE VIEW directory.clients_v1 AS
 SELECT c.id,
    c.tenant,
    c.directory,
    c.status,
    d.kind,
    d.settings,
    d.name AS directory_name,
    d.status AS directory_status,
    d.moved_version
   FROM (directory.clients c
     JOIN directory.directories d ON ((d.id = c.directory)));
GRANT SELECT ON TABLE directory.clients_v1 TO muster_gateway;

CREATE VIEW directory.directories_v1 AS
 SELECT id,
    tenant,
    version,
    name,
    kind,
    settings,
    status,
    disconnected_at,
    moved_version
   FROM directory.directories;
GRANT SELECT ON TABLE directory.directories_v1 TO muster_admin_api, muster_gateway, muster_group, muster_identity, muster_sign_in;

CREATE VIEW directory.domains_v1 AS
 SELECT id,
    tenant,
    version,
    created,
    name,
    shown_name,
    record,
    verified_by,
    verified_at
   FROM directory.domains;
GRANT SELECT ON TABLE directory.domains_v1 TO muster_admin_api, muster_identity;

CREATE VIEW directory.events_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
        CASE
            WHEN ((data)::jsonb ?| ARRAY['hash'::text, 'sealed'::text]) THEN ((((data)::jsonb - 'hash'::text) - 'sealed'::text))::json
            ELSE data
        END AS data
   FROM directory.events;
GRANT SELECT ON TABLE directory.events_v1 TO muster_admin_api;

CREATE VIEW directory.last_uses_v1 AS
 SELECT id,
    last_used_at
   FROM directory.last_uses;
GRANT SELECT ON TABLE directory.last_uses_v1 TO muster_admin_api;

CREATE VIEW directory.listed_clients_v1 AS
 SELECT id,
    tenant,
    directory,
    created,
    name,
    status,
    federation,
    ( SELECT COALESCE(json_agg((s.value - 'hash'::text)), '[]'::json) AS "coalesce"
           FROM jsonb_array_elements(clients.secrets) s(value)) AS secrets
   FROM directory.clients;
GRANT SELECT ON TABLE directory.listed_clients_v1 TO muster_admin_api;

CREATE VIEW directory.listed_tokens_v1 AS
 SELECT id,
    tenant,
    directory,
    description,
    status,
    expires_at,
    created,
    replaced_by
   FROM directory.tokens;
GRANT SELECT ON TABLE directory.listed_tokens_v1 TO muster_admin_api;

CREATE VIEW directory.outcomes_v1 AS
 SELECT command_id,
    tenant,
    outcome
   FROM directory.outcomes;
GRANT SELECT ON TABLE directory.outcomes_v1 TO muster_admin_api, muster_sign_in;

CREATE VIEW directory.public_keys_v1 AS
 SELECT id,
    public_key
   FROM ( SELECT signing_keys.id,
            signing_keys.public_key,
            lead(signing_keys.created) OVER (ORDER BY signing_keys.id) AS replaced
           FROM directory.signing_keys) k
  WHERE ((replaced IS NULL) OR (replaced > (now() - '06:05:00'::interval)));
GRANT SELECT ON TABLE directory.public_keys_v1 TO muster_gateway, muster_sign_in;

CREATE VIEW directory.revealed_tokens_v1 AS
 SELECT id,
    tenant,
    sealed
   FROM directory.tokens t
  WHERE (EXISTS ( SELECT
           FROM directory.events e
          WHERE ((e.stream = t.id) AND (e.type = 'muster.token.revealed.v1'::text))));
GRANT SELECT ON TABLE directory.revealed_tokens_v1 TO muster_admin_api;

CREATE VIEW directory.revisions_v1 AS
 SELECT tenant,
    sequence AS revision
   FROM directory.events;
GRANT SELECT ON TABLE directory.revisions_v1 TO muster_identity;

CREATE VIEW directory.schemas_v1 AS
 SELECT id,
    tenant,
    version,
    urn,
    resource_type,
    schema
   FROM directory.schemas;
GRANT SELECT ON TABLE directory.schemas_v1 TO muster_admin_api, muster_gateway, muster_group, muster_identity;

CREATE VIEW directory.signing_keys_v1 AS
 SELECT id,
    created,
    sealed
   FROM directory.signing_keys
  ORDER BY id DESC
 LIMIT 1;
GRANT SELECT ON TABLE directory.signing_keys_v1 TO muster_sign_in;

CREATE VIEW directory.tenants_v1 AS
 SELECT id,
    version,
    name,
    created,
    reveal_tokens
   FROM directory.tenants;
GRANT SELECT ON TABLE directory.tenants_v1 TO muster_admin_api;

CREATE VIEW directory.tokens_v1 AS
 SELECT t.id,
    t.tenant,
    t.directory,
    t.hash,
    t.status,
    t.expires_at,
    d.kind,
    d.settings,
    d.name AS directory_name,
    d.status AS directory_status,
    d.moved_version
   FROM (directory.tokens t
     JOIN directory.directories d ON ((d.id = t.directory)));
GRANT SELECT ON TABLE directory.tokens_v1 TO muster_gateway;

CREATE VIEW identity.administered_users_v1 AS
 SELECT tenant,
    id,
    NULLIF(directory, '00000000-0000-0000-0000-000000000000'::uuid) AS directory,
    version,
    created,
    last_modified,
    resource,
    user_name_folded,
    former_upn_key,
    external_id,
    work_email_folded,
    work_email_key,
    archived,
    (links -> 'signIns'::text) AS sign_ins,
    (links -> 'archival'::text) AS archival,
    ((links ->> 'withdrawnFrom'::text))::uuid AS withdrawn_from,
    (links -> 'holds'::text) AS holds,
    (links -> 'local'::text) AS local
   FROM identity.users;
GRANT SELECT ON TABLE identity.administered_users_v1 TO muster_admin_api;

CREATE VIEW identity.audited_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    data,
    personal,
    NULL::bytea AS hidden_hash
   FROM identity.events;
GRANT SELECT ON TABLE identity.audited_v1 TO muster_audit;

CREATE VIEW identity.deleted_users_v1 AS
 SELECT tenant,
    id,
    directory,
    version,
    created,
    deleted,
    user_name,
    display_name,
    email,
    external_id
   FROM identity.deleted_users;
GRANT SELECT ON TABLE identity.deleted_users_v1 TO muster_admin_api;

CREATE VIEW identity.events_v1 AS
 SELECT tenant,
    sequence,
    stream,
    version,
    type,
    recorded_at,
    command_id,
    correlation_id,
    actor,
    directory,
    data
   FROM identity.events;
GRANT SELECT ON TABLE identity.events_v1 TO muster_admin_api, muster_group;

CREATE VIEW identity.known_as_v1 AS
 SELECT tenant,
    id,
    version,
    kind,
    value
   FROM identity.known_as;
GRANT SELECT ON TABLE identity.known_as_v1 TO muster_admin_api;

CREATE VIEW identity.outcomes_v1 AS
 SELECT command_id,
    tenant,
    outcome
   FROM identity.outcomes;
GRANT SELECT ON TABLE identity.outcomes_v1 TO muster_admin_api, muster_gateway;

CREATE VIEW identity.users_v1 AS
 SELECT tenant,
    id,
    directory,
    version,
    created,
    last_modified,
    resource,
    user_name_folded,
    external_id,
    work_email_folded,
    other_work_emails_folded,
    folded,
    ((links ->> 'movedVersion'::text))::integer AS moved_version
   FROM identity.users;
GRANT SELECT ON TABLE identity.users_v1 TO muster_directory, muster_gateway, muster_group;

CREATE VIEW identity.withdrawn_v1 AS
 SELECT tenant,
    id
   FROM identity.users
  WHERE (directory = '00000000-0000-0000-0000-000000000000'::uuid);
GRANT SELECT ON TABLE identity.withdrawn_v1 TO muster_gateway;
