-- The tally owns two numbers: of the events of identity, and of the groups that there have been.
SELECT create_owner('tally');
SELECT consume_events('tally', 'identity');
SELECT consume_events('tally', 'group');

CREATE TABLE tally.counts (tenant uuid NOT NULL, type text NOT NULL, events int NOT NULL, PRIMARY KEY (tenant, type));
CREATE TABLE tally.totals (tenant uuid PRIMARY KEY, groups int NOT NULL);
GRANT SELECT, INSERT, UPDATE ON tally.counts TO muster_tally;
GRANT SELECT, INSERT, UPDATE, DELETE ON tally.totals TO muster_tally;
