-- The objects that every owner has, and those that all of them share.

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Events are append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME;
END $$;

-- Raises unless each part of the write statement wrote the number of rows that it should have: the whole statement is
-- then undone. MU001 = another process has moved on (the fence); everything in memory is dropped and loaded again.
CREATE FUNCTION log.expect(parts text[], actual bigint[], expected bigint[]) RETURNS boolean LANGUAGE plpgsql AS $$
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
END $$;

-- The keys with which personal data is encrypted. The one row of master_check is sealed with the master key, so that a
-- start with another key is refused before it seals anything.
CREATE SCHEMA keys;
CREATE TABLE keys.master_check (one boolean PRIMARY KEY DEFAULT true CHECK (one), sealed text NOT NULL);

-- Makes what every owner has in the database, for its own role alone: the first migration of the owner calls this, adds
-- its tables and says who may read what. The program has made the role before. A lane has 12 partitions, as topics do.
CREATE FUNCTION public.create_owner(owner text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $create_owner$
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
END $create_owner$;

-- Lets one owner consume the events of another one: positions in its topic, and its view, where a gap is read.
CREATE FUNCTION public.consume_events(consumer text, owner text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $consume_events$
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
END $consume_events$;
