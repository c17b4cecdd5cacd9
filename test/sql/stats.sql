-- Counters, and a revocation that the caller rolls back
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
INSERT INTO sctoken.client_policy (client_id, retry_window, retry_until_confirmed, on_reuse) VALUES
    ('app', '0', false, NULL), ('lenient', '0', false, 'refuse'), ('retry', '1 day', NULL, NULL), ('off', NULL, NULL, NULL);
UPDATE sctoken.client_policy SET enabled = false WHERE client_id = 'off';
-- What a step counts: the difference to what was before it.
CREATE TEMP TABLE before AS SELECT * FROM sctoken.stats;
CREATE FUNCTION counted() RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    SELECT string_agg(s.counter || ' ' || s.value - b.value, ', ' ORDER BY s.counter COLLATE "C") INTO result
      FROM sctoken.stats s JOIN before b USING (counter) WHERE s.value <> b.value;
    UPDATE before b SET value = s.value FROM sctoken.stats s WHERE s.counter = b.counter;
    RETURN result;
END $$;
CREATE FUNCTION alive(uuid) RETURNS boolean LANGUAGE sql AS $$ SELECT revoked_at IS NULL FROM sctoken.family WHERE id = $1 $$;

-- There is a counter for each outcome; all count since the same time.
SELECT counter FROM sctoken.stats ORDER BY counter COLLATE "C";
SELECT count(DISTINCT since), min(since) < clock_timestamp() AS past, min(value) >= 0 AS counts FROM sctoken.stats;

-- Each answer of issue and rotate counts once, by its outcome.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT counted();
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT counted();
SELECT outcome FROM sctoken.rotate('x', 'app');
SELECT outcome FROM sctoken.rotate(:'t2', 'other');
SELECT outcome FROM sctoken.issue('off', 'alice');
SELECT counted();
SELECT refresh_token AS r1 FROM sctoken.issue('retry', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'r1', 'retry');
SELECT outcome FROM sctoken.rotate(:'r1', 'retry');
SELECT counted();
-- Introspection, errors and revocation by hand do not.
SELECT sctoken.introspect(:'t2') -> 'active' AS active;
SELECT sctoken.rotate(:'t2', NULL);
SELECT sctoken.revoke(:'r1', 'retry');
SELECT counted();
SELECT sctoken.rotate_secret() IS NOT NULL AS rotated;
SELECT counted();

-- Reuse that is answered and rolled back: a warning, and the family lives until the used token comes again.
BEGIN;
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
ROLLBACK;
SELECT alive(:'family_id');
SELECT counted();
-- Committed, nothing is lost.
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT alive(:'family_id');
SELECT counted();
-- From then on the answer is "revoked", which may be rolled back at will.
BEGIN;
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
ROLLBACK;
SELECT counted();

-- Rolled back by an error later in the transaction. (Here without the warning: a client may read it before or after the error.)
SET client_min_messages = error;
CREATE TEMP TABLE held AS SELECT n, refresh_token AS token, family_id FROM generate_series(1, 5) AS n, sctoken.issue('app', 'bob ' || n);
CREATE TEMP TABLE successor AS SELECT n, r.refresh_token AS token FROM held, sctoken.rotate(token, 'app') AS r;
SELECT counted();
BEGIN;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 1;
SELECT 1 / 0;
COMMIT;
SELECT counted();
-- By the very statement that made the call.
SELECT 1 / (outcome <> 'reuse_detected')::integer FROM held, sctoken.rotate(token, 'app') WHERE n = 1;
SELECT counted();

RESET client_min_messages;

-- By a savepoint: one warning at the end of the transaction, whatever else is in it.
BEGIN;
SAVEPOINT a;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 1;
ROLLBACK TO a;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 2;
SAVEPOINT b;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 3;
ROLLBACK TO b;
COMMIT;
SELECT counted();
SELECT n, alive(family_id) FROM held ORDER BY n;
-- By an exception that PL/pgSQL catches.
DO $$
DECLARE answer text;
BEGIN
    SELECT outcome INTO answer FROM held, sctoken.rotate(token, 'app') WHERE n = 1;
    RAISE EXCEPTION 'refused: %', answer;
EXCEPTION WHEN raise_exception THEN
    RAISE NOTICE '%', SQLERRM;
END $$;
SELECT counted();
-- Subtransactions that end well lose nothing; the one around them takes all that was in it.
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 1;
RELEASE b;
SAVEPOINT c;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 3;
RELEASE c;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 4;
SAVEPOINT d;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 5;
ROLLBACK TO d;
RELEASE d;
SELECT counted();
ROLLBACK TO a;
SELECT counted();
COMMIT;
SELECT n, alive(family_id) FROM held ORDER BY n;
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 1;
RELEASE b;
RELEASE a;
COMMIT;
SELECT counted();
-- All of a transaction at once: one warning.
BEGIN;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 3;
SAVEPOINT a;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 4;
SAVEPOINT b;
SELECT outcome FROM held, sctoken.rotate(token, 'app') WHERE n = 5;
ROLLBACK;
SELECT counted();
SELECT n, alive(family_id) FROM held ORDER BY n;
-- Where policy revokes nothing, nothing is lost.
SELECT refresh_token AS t1 FROM sctoken.issue('lenient', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'lenient');
BEGIN;
SELECT outcome FROM sctoken.rotate(:'t1', 'lenient');
ROLLBACK;
SELECT counted();

-- Nobody sees the counters who was not granted that.
CREATE ROLE regress_sctoken_nobody;
SET ROLE regress_sctoken_nobody;
SELECT * FROM sctoken.stats;
SELECT * FROM sctoken.counters();
RESET ROLE;
DROP ROLE regress_sctoken_nobody;
