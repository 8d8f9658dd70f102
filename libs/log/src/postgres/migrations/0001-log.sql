-- The log: messages by topic, partition and offset. Services use it through functions alone, each for its own topics.
CREATE SCHEMA log;
GRANT USAGE ON SCHEMA log TO muster_log;

-- Daily partitions, so that dropping what is older than the retention costs nothing.
CREATE TABLE log.messages (
  topic text NOT NULL, partition int NOT NULL, "offset" bigint NOT NULL, id uuid NOT NULL, message json NOT NULL,
  day date NOT NULL DEFAULT (now() AT TIME ZONE 'utc')::date,
  PRIMARY KEY (topic, partition, "offset", day)
) PARTITION BY RANGE (day);
CREATE TABLE log.messages_default PARTITION OF log.messages DEFAULT;

-- The ends of partitions whose messages may all have been dropped: an offset is used once.
CREATE TABLE log.ended (
  topic text NOT NULL, partition int NOT NULL, next_offset bigint NOT NULL, PRIMARY KEY (topic, partition)
);

-- An owner may use the topics that begin with its name. The log's own role, which reads for all of them, may use all,
-- and so may the owner of the database, who is current_user within a function that runs with his rights. Any other user
-- may use none. It has no subquery, so that Postgres can inline it.
CREATE FUNCTION log.may_use(topic text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT session_user::text IN (current_user, 'muster_log', left('muster_log', -3) || split_part(topic, '.', 1))
$$;

-- The messages are one JSON array, of which json_array_elements takes the elements as they are written: it does not
-- unescape them, so that a message which Postgres would refuse as text still reaches its consumer, which sets it aside.
CREATE FUNCTION log.append(topics text[], partitions int[], offsets bigint[], ids uuid[], messages json)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = log, pg_temp AS $$
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
END $$;

-- A page of a partition: one row at least, if there is one. It ends with the row that reaches max_bytes, so that only
-- an empty page says that there is no more.
CREATE FUNCTION log.read_some(
  wanted_topic text, wanted_partition int, from_offset bigint, max_rows int, max_bytes bigint
) RETURNS TABLE ("offset" bigint, message json, bytes int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
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
END $$;

-- The next offset of each partition in which there has ever been a message.
CREATE FUNCTION log.ends(wanted_topics text[]) RETURNS TABLE (topic text, partition int, next_offset bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = log, pg_temp AS $$
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
$$;

CREATE FUNCTION log.drop_old(keep_days int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = log, pg_temp AS $$
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
END $$;

-- Makes the tables of the days to come and drops old ones, once it is written down where their partitions end. Each
-- owner may do it, and the log holds what others have not read yet: nobody may forget more than the retention says.
CREATE FUNCTION log.roll(keep_days int) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = log, pg_temp AS $$
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
$$;

GRANT EXECUTE ON FUNCTION log.read_some, log.roll TO muster_log;
SELECT log.roll(7);
