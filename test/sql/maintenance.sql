-- Partitions made ahead and dropped, families past their end deleted
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
CREATE ROLE regress_sctoken_operator;
CREATE ROLE regress_sctoken_reader;
SELECT sctoken.grant_to('regress_sctoken_operator', 'operator');
-- Which week a partition is of, counted from this one; -1000: another name
CREATE FUNCTION weeks(partition text) RETURNS integer LANGUAGE sql AS
$$ SELECT CASE WHEN partition ~ '^event_[0-9]{8}$' THEN (to_date(right(partition, 8), 'YYYYMMDD') - date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC')::date) / 7 ELSE -1000 END $$;
CREATE VIEW part AS
SELECT c.oid, c.relname, c.relowner, c.relacl, weeks(c.relname) AS week, pg_get_expr(c.relpartbound, c.oid) AS bound
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'sctoken.event'::regclass;
CREATE PROCEDURE make_partition(week integer) LANGUAGE plpgsql AS $$
DECLARE d date := date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC')::date + 7 * week;
BEGIN
    EXECUTE format('CREATE TABLE sctoken.event_%s PARTITION OF sctoken.event FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYYMMDD'), to_char(d, 'YYYY-MM-DD 00:00:00+00'), to_char(d + 7, 'YYYY-MM-DD 00:00:00+00'));
END $$;

-- It commits: not within a transaction block, a function or a statement of several; not where nothing may be written.
BEGIN;
CALL sctoken.maintain();
ROLLBACK;
CREATE FUNCTION inside() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL sctoken.maintain(); END $$;
\set VERBOSITY terse
SELECT inside();
\set VERBOSITY default
DROP FUNCTION inside();
SET default_transaction_read_only = on;
CALL sctoken.maintain();
RESET default_transaction_read_only;
SELECT count(*) FROM part;

-- Partitions of the next four weeks, on Mondays in UTC, whatever the time zone and date style; owner, grants and triggers as they must be.
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_sctoken_reader;
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'SQL, DMY';
SET search_path = 'pg_temp';
SET default_transaction_isolation = 'serializable';
CALL sctoken.maintain();
RESET default_transaction_isolation;
RESET search_path;
RESET TimeZone;
RESET DateStyle;
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_sctoken_reader;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SELECT p.week, p.relowner = d.relowner AS same_owner, has_table_privilege('regress_sctoken_reader', p.oid, 'SELECT') AS readable,
       (SELECT count(*) FROM pg_depend WHERE objid = p.oid AND deptype = 'e') AS member,
       p.bound = format('FOR VALUES FROM (%L) TO (%L)', to_char(w + p.week * interval '7 days', 'YYYY-MM-DD HH24:MI:SS+00'), to_char(w + (p.week + 1) * interval '7 days', 'YYYY-MM-DD HH24:MI:SS+00')) AS bound,
       array(SELECT tgname || ' ' || tgenabled::text FROM pg_trigger WHERE tgrelid = p.oid ORDER BY 1) AS triggers,
       array(SELECT replace(pg_get_indexdef(indexrelid), p.relname, 'event_') FROM pg_index WHERE indrelid = p.oid) AS indexes
  FROM part AS p, date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') AS w, pg_class AS d
 WHERE p.week > 0 AND d.oid = 'sctoken.event'::regclass ORDER BY week;
RESET TimeZone;
RESET DateStyle;
-- Again there is nothing to do.
CALL sctoken.maintain();
-- A missing partition is no obstacle: events are in the default one, and those of a week to come go where they belong.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
INSERT INTO sctoken.event (family_id, at, kind) SELECT :'family_id', clock_timestamp() + n * interval '7 days', 'kept' FROM generate_series(1, 5) AS n;
SELECT e.kind, nullif(p.week, -1000) AS week, count(*) FROM sctoken.event AS e JOIN part AS p ON p.oid = e.tableoid WHERE e.family_id = :'family_id' GROUP BY 1, 2 ORDER BY 2 NULLS FIRST, 1;
-- Rows of a week in the default partition: no partition is made of it, or of a week before them, and nothing fails.
DO $$ BEGIN EXECUTE (SELECT format('DROP TABLE sctoken.%I', relname) FROM part WHERE week = 4); END $$;
CALL sctoken.maintain();
SELECT count(*) FROM part WHERE week = 4;
-- A partition is guarded against TRUNCATE of it alone.
DO $$
BEGIN
    EXECUTE (SELECT format('TRUNCATE sctoken.%I', relname) FROM part WHERE week = 1);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE 'append-only';
END $$;

-- A family is deleted only after its expires_at: neither when it is revoked nor when it is idle, nor a moment before.
INSERT INTO sctoken.client_policy (client_id, idle_ttl, absolute_ttl) VALUES ('app', '1 second', '1 second');
SELECT family_id AS revoked FROM sctoken.issue('other', 'revoked') \gset
SELECT sctoken.revoke_family(:'revoked', 'x');
SELECT count(sctoken.issue('other', 'ended ' || n)) FROM generate_series(1, 2500) AS n;
UPDATE sctoken.family SET created_at = '2020-01-01', rotated_at = '2020-01-01', expires_at = clock_timestamp() WHERE subject LIKE 'ended %';
UPDATE sctoken.family SET created_at = '2020-01-01', rotated_at = '2020-01-01', expires_at = clock_timestamp() + interval '1 minute' WHERE subject = 'alice';
SET ROLE regress_sctoken_operator;
CALL sctoken.maintain();
SELECT current_user;
RESET ROLE;
SELECT subject, count(*) FROM sctoken.family GROUP BY subject ORDER BY subject;
-- Its events stay.
SELECT count(*) >= 2500 AS kept FROM sctoken.event WHERE subject LIKE 'ended %';
-- In a procedure that may commit it works as well.
UPDATE sctoken.family SET expires_at = clock_timestamp();
DO $$ BEGIN CALL sctoken.maintain(); CALL sctoken.maintain(); END $$;
SELECT count(*) FROM sctoken.family;

-- sctoken.event_retention drops what is older as a whole; 0, the default, keeps all for ever; others' partitions are theirs.
CALL make_partition(-4); CALL make_partition(-3); CALL make_partition(-2); CALL make_partition(-1);
CREATE TABLE sctoken.event_mine PARTITION OF sctoken.event FOR VALUES FROM ('2001-01-01') TO ('2001-01-08');
CALL sctoken.maintain();
SET sctoken.event_retention = '14d';
CALL sctoken.maintain();
SELECT relname = 'event_mine' AS mine, nullif(week, -1000) AS week FROM part WHERE week < 0 AND relname <> 'event_default' ORDER BY 2;
DROP TABLE sctoken.event_mine;
-- The default partition is emptied when all of it is that old and events of now go elsewhere; its guard stands again.
ALTER TABLE sctoken.event_default DISABLE TRIGGER guard_append_only_truncate;
TRUNCATE ONLY sctoken.event_default;
ALTER TABLE sctoken.event_default ENABLE ALWAYS TRIGGER guard_append_only_truncate;
INSERT INTO sctoken.event (family_id, at, kind) VALUES (:'family_id', clock_timestamp() - interval '50 days', 'issued');
CALL sctoken.maintain();
SELECT count(*) FROM sctoken.event_default;
CALL make_partition(0);
INSERT INTO sctoken.event (family_id, at, kind) VALUES (:'family_id', clock_timestamp() - interval '10 days', 'issued');
CALL sctoken.maintain();
SELECT count(*) FROM part WHERE week = -1;
SET sctoken.event_retention = '1min';
CALL sctoken.maintain();
SELECT count(*) FROM sctoken.event_default;
TRUNCATE sctoken.event_default;
-- Events of now are never dropped.
SELECT family_id FROM sctoken.issue('other', 'alice') \gset
CALL sctoken.maintain();
SELECT kind FROM sctoken.event WHERE family_id = :'family_id';
RESET sctoken.event_retention;
-- What doc/audit.md says of a large default partition, run from the page: all of it becomes a partition, and nothing is lost.
DO $$ BEGIN EXECUTE (SELECT string_agg(format('DROP TABLE sctoken.%I', relname), ';') FROM part WHERE week > -1000); END $$;
SELECT family_id FROM sctoken.issue('other', 'alice') \gset
SELECT count(*) AS before FROM sctoken.event \gset
SELECT to_char(date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC') + interval '7 days', 'YYYY-MM-DD 00:00:00+00') AS monday \gset
\getenv source PG_ABS_SRCDIR
\getenv build PG_ABS_BUILDDIR
\set page :source '/../doc/audit.md'
\set statements :build '/results/maintain.statements'
\setenv PAGE :page
\setenv STATEMENTS :statements
\! sed -n '/^### A large default partition/,/^## / { /^```sql$/,/^```$/ { /^```/!p } }' "$PAGE" >"$STATEMENTS"
\i :statements
CALL sctoken.maintain();
SELECT count(*) = :before AS all_there, count(*) FILTER (WHERE tableoid = 'sctoken.event_default'::regclass) AS in_default FROM sctoken.event;
SELECT outcome FROM sctoken.issue('other', 'alice');
TRUNCATE sctoken.event_archive;
DROP TABLE sctoken.event_archive;

-- Whoever has no duty may not.
SET ROLE regress_sctoken_reader;
CALL sctoken.maintain();
SET sctoken.event_retention = '1min';
RESET ROLE;

DROP VIEW part;
DROP FUNCTION weeks;
DROP PROCEDURE make_partition;
DROP OWNED BY regress_sctoken_operator, regress_sctoken_reader;
DROP ROLE regress_sctoken_operator, regress_sctoken_reader;
