-- The end of many families at once: by grant, session, subject, binding and client
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set key2 '{"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}'
\set certificate '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'
CREATE TABLE held (n integer, token text, family_id uuid);
CREATE FUNCTION log_in() RETURNS void LANGUAGE sql AS $$
    TRUNCATE sctoken.family, held;
    INSERT INTO held
        SELECT v.n, r.refresh_token, r.family_id
        FROM (VALUES (1, 'app', 'alice', 's1', 'g1', NULL), (2, 'app', 'alice', 's1', 'g2', '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'),
                     (3, 'web', 'alice', 's1', 'g3', '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'),
                     (4, 'app', 'bob', 's2', 'g1', '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'),
                     (5, 'app', 'bob', NULL, NULL, '{"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}')) AS v(n, client, sub, session, grant_id, cnf),
             LATERAL sctoken.issue(client, sub, NULL, NULL, cnf::jsonb, session, grant_id) AS r;
$$;
CREATE VIEW dead AS
    SELECT array_agg(n ORDER BY n) AS revoked, min(revoke_reason) AS reason,
           (SELECT array_agg(n ORDER BY n) FROM sctoken.event JOIN held USING (family_id) WHERE kind = 'revoked') AS events
    FROM held JOIN sctoken.family ON id = family_id WHERE revoked_at IS NOT NULL;

-- Each takes what it names and no more, counts what was not revoked before, and makes one event each.
SELECT log_in(), sctoken.revoke_grant('g1', 'code twice');
SELECT * FROM dead;
SELECT log_in(), sctoken.revoke_session('s1', 'logged out');
SELECT * FROM dead;
SELECT sctoken.revoke_session('s1', 'again'), sctoken.revoke_session('s3', 'unknown');
SELECT * FROM dead;
SELECT log_in(), sctoken.revoke_subject('alice', 'offboarding');
SELECT * FROM dead;
SELECT log_in(), sctoken.revoke_subject('alice', 'lost laptop', 'app');
SELECT * FROM dead;
-- Only what is left is counted.
SELECT sctoken.revoke_subject('alice', 'offboarding');
SELECT count(*) FILTER (WHERE revoke_reason = 'lost laptop') AS first, count(*) FILTER (WHERE revoke_reason = 'offboarding') AS second FROM sctoken.family;
SELECT log_in(), sctoken.revoke_binding(:'key1', 'key leaked');
SELECT * FROM dead;
SELECT log_in(), sctoken.revoke_binding(:'certificate', 'certificate leaked');
SELECT * FROM dead;
-- Two members: families bound to any of the two.
SELECT log_in(), sctoken.revoke_binding(:'key2'::jsonb || :'certificate', 'both leaked');
SELECT * FROM dead;
-- A confidential client's families are not bound, and so not found.
INSERT INTO sctoken.client_policy (client_id, client_type) VALUES ('web', 'confidential');
SELECT log_in(), sctoken.revoke_binding(:'key1', 'key leaked');
SELECT * FROM dead;
TRUNCATE sctoken.client_policy;

-- The event says which generation was current, of which client and subject.
SELECT log_in();
SELECT refresh_token AS t2 FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 1 \gset
SELECT sctoken.revoke_grant('g1', 'code twice');
SELECT n, kind, e.generation, e.client_id, e.subject, reason, detail, at = revoked_at AS same_time FROM sctoken.event AS e JOIN held USING (family_id) JOIN sctoken.family AS f ON f.id = family_id WHERE kind = 'revoked' ORDER BY n;
-- No token of any generation is good, and none is reuse.
SELECT outcome, error, reason FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 1;
SELECT outcome, error, reason FROM sctoken.rotate(:'t2', 'app');
SELECT sctoken.introspect(:'t2');
-- What is revoked is dead for the rest of the statement too.
BEGIN;
SELECT log_in();
SELECT sctoken.revoke_session('s1', 'logged out'), sctoken.introspect(token) -> 'active' AS active, (sctoken.rotate(token, 'app')).outcome FROM held WHERE n = 1;
ROLLBACK;
-- And what the statement itself has changed counts for the calls in it.
BEGIN;
SELECT log_in();
WITH revoked AS (UPDATE sctoken.family AS f SET revoked_at = clock_timestamp() FROM held WHERE f.id = family_id AND n = 1 RETURNING token)
SELECT sctoken.introspect(token) FROM revoked;
ROLLBACK;
-- A family that is issued later lives, with the same grant, session, subject and key.
SELECT outcome, sctoken.family_active(family_id) FROM sctoken.issue('app', 'bob', cnf => :'certificate', session_id => 's2', grant_id => 'g1');
-- Rolled back, nothing was revoked.
BEGIN;
SELECT sctoken.revoke_subject('bob', 'x');
SELECT sctoken.revoke_subject('bob', 'x');
ROLLBACK;
SELECT count(*) FROM sctoken.families('bob');
-- A savepoint that is rolled back takes its revocation with it, and only that.
BEGIN;
SELECT sctoken.revoke_subject('alice', 'x');
SAVEPOINT a;
SELECT sctoken.revoke_subject('bob', 'x');
ROLLBACK TO a;
COMMIT;
SELECT s, (SELECT count(*) FROM sctoken.families(s)) FROM unnest(ARRAY['alice', 'bob']) AS s;

-- revoke_client: one row, however many families there are; those issued later live.
SELECT log_in();
SELECT sctoken.revoke_client('app', 'bad release') AS t \gset
-- It gives the not_before that holds now.
SELECT not_before = :'t' AS stored, clock_timestamp() - not_before < interval '1 minute' AS now FROM sctoken.client_policy;
SELECT n, sctoken.family_active(family_id) FROM held ORDER BY n;
SELECT outcome, error, reason FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 1;
SELECT outcome, sctoken.family_active(family_id) FROM sctoken.issue('app', 'alice');
SELECT * FROM dead;
SELECT family_id, kind, generation, client_id, subject, reason FROM sctoken.event WHERE kind = 'client_revoked' AND reason = 'bad release';
SELECT client_id, not_before <= clock_timestamp() AS past, rotation FROM sctoken.client_policy;
-- It leaves the rest of a policy as it is, and never moves not_before back.
UPDATE sctoken.client_policy SET rotation = 'never', not_before = '2100-01-01';
SELECT sctoken.revoke_client('app', 'x');
UPDATE sctoken.client_policy SET not_before = '2000-01-01';
SELECT sctoken.revoke_client('app', 'x') > now() - interval '1 hour' AS moved;
SELECT count(*), min(rotation) AS rotation FROM sctoken.client_policy;
-- '*' takes every client.
SELECT log_in();
SELECT sctoken.revoke_client('*', 'restored from a backup') IS NOT NULL AS moved;
SELECT count(*) FILTER (WHERE sctoken.family_active(family_id)) AS living FROM held;
SELECT outcome FROM sctoken.issue('web', 'alice');
-- Rolled back, all live.
TRUNCATE sctoken.client_policy;
SELECT log_in();
BEGIN;
SELECT sctoken.revoke_client('*', 'x') IS NOT NULL AS moved;
SELECT count(*) FILTER (WHERE sctoken.family_active(family_id)) AS living FROM held;
ROLLBACK;
SELECT count(*) FILTER (WHERE sctoken.family_active(family_id)) AS living FROM held;

-- on_reuse = revoke_subject_client: the family that was reused has its own event, each other one an event too.
INSERT INTO sctoken.client_policy (client_id, retry_window, on_reuse) VALUES ('app', '0', 'revoke_subject_client');
SELECT log_in();
SELECT outcome FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 1;
SELECT outcome FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 1;
SELECT * FROM dead;
SELECT n, kind, reason FROM sctoken.event JOIN held USING (family_id) WHERE kind IN ('reuse_detected', 'revoked') ORDER BY n;

-- Misuse is an error with a meaning of its own, which does not say what was passed.
CREATE FUNCTION bulk_error(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT q, bulk_error('SELECT sctoken.' || q) FROM unnest(ARRAY['revoke_grant(NULL, ''x'')', 'revoke_grant(''g'', NULL)', 'revoke_grant('''', ''x'')', 'revoke_session(NULL, ''x'')', 'revoke_session(''s'', '''')',
    'revoke_subject(NULL, ''x'')', 'revoke_subject(''s'', NULL)', 'revoke_subject(''s'', ''x'', '''')', 'revoke_subject(''s'', repeat(''x'', 257))', 'revoke_binding(NULL, ''x'')', 'revoke_binding(''{}'', ''x'')',
    'revoke_binding(''{"jkt": "x"}'', ''x'')', 'revoke_binding(''{"kid": "x"}'', ''x'')', 'revoke_binding(''{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'', NULL)', 'revoke_client(NULL, ''x'')', 'revoke_client(''c'', NULL)']) AS q;
BEGIN READ ONLY;
SELECT q, bulk_error('SELECT sctoken.' || q) FROM unnest(ARRAY['revoke_grant(''g'', ''x'')', 'revoke_session(''s'', ''x'')', 'revoke_subject(''s'', ''x'')', 'revoke_binding(''{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'', ''x'')', 'revoke_client(''c'', ''x'')']) AS q;
ROLLBACK;
-- A transaction that used one of them cannot be prepared.
BEGIN;
SELECT sctoken.revoke_subject('alice', 'x');
PREPARE TRANSACTION 'x';
DROP FUNCTION bulk_error;
DROP FUNCTION log_in;
DROP VIEW dead;
DROP TABLE held;
TRUNCATE sctoken.family, sctoken.client_policy;

-- Who revokes, narrows or rebinds commits durably, whatever the session says.
SET synchronous_commit = off;
INSERT INTO sctoken.client_policy (client_id, max_families) VALUES ('few', 1);
SELECT family_id AS f1 FROM sctoken.issue('app', 'alice', 'a b', session_id => 's1') \gset
SELECT family_id AS f2 FROM sctoken.issue('few', 'alice') \gset
BEGIN;
SELECT sctoken.narrow(:'f1', 'a', NULL, 'x');
SELECT pg_current_wal_insert_lsn() AS written \gset
COMMIT;
SELECT pg_current_wal_flush_lsn() >= :'written' AS durable;
BEGIN;
SELECT sctoken.rebind(:'f1', :'key1', 'x');
SELECT pg_current_wal_insert_lsn() AS written \gset
COMMIT;
SELECT pg_current_wal_flush_lsn() >= :'written' AS durable;
BEGIN;
SELECT sctoken.revoke_session('s1', 'x');
SELECT pg_current_wal_insert_lsn() AS written \gset
COMMIT;
SELECT pg_current_wal_flush_lsn() >= :'written' AS durable;
BEGIN;
SELECT (sctoken.issue('few', 'alice')).outcome;
SELECT pg_current_wal_insert_lsn() AS written \gset
COMMIT;
SELECT pg_current_wal_flush_lsn() >= :'written' AS durable;
BEGIN;
SELECT sctoken.revoke_client('app', 'x') IS NOT NULL AS moved;
SELECT pg_current_wal_insert_lsn() AS written \gset
COMMIT;
SELECT pg_current_wal_flush_lsn() >= :'written' AS durable;
RESET synchronous_commit;
TRUNCATE sctoken.family, sctoken.client_policy;

-- 5,000 families cost one lock each call, and each family one event.
INSERT INTO sctoken.family (id, created_at, expires_at, client_id, subject, session_id, generation, rotated_at, retries, key_id, secret_hash)
    SELECT gen_random_uuid(), now(), now() + interval '1 day', 'app', 'alice', 's1', 1, now(), 0, 0, sha256('') FROM generate_series(1, 5000);
BEGIN;
SELECT sctoken.revoke_session('s1', 'logged out');
SELECT count(*) AS advisory_locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;
SELECT count(*), count(DISTINCT family_id) AS families FROM sctoken.event JOIN sctoken.family ON id = family_id;
-- The key is found by an index, also where any of several is asked for.
SET enable_seqscan = off;
PREPARE find AS SELECT id FROM sctoken.family WHERE (binding ->> 'jkt' = $1 OR binding ->> 'x5t#S256' = $2 OR binding ->> 'tbh' = $3) AND revoked_at IS NULL;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE find (NULL, NULL, NULL);
DEALLOCATE find;
RESET enable_seqscan;
RESET plan_cache_mode;
TRUNCATE sctoken.family;
