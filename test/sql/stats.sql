-- Counters, and a revocation that the caller rolls back
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
-- Whichever tests ran before this one, no partition is left to be made.
\setenv PGDATABASE :DBNAME
\set made `psql -Xc 'CALL sctoken.maintain()' 2>&1`
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

-- There is a counter for each outcome and each verdict; all count since the same time.
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
-- Introspection and errors do not.
SELECT sctoken.introspect(:'t2') -> 'active' AS active;
SELECT sctoken.rotate(:'t2', NULL);
SELECT counted();
-- A family that is revoked counts once, however it is; a client does, whatever the number of its families.
SELECT sctoken.revoke(:'r1', 'retry'), sctoken.revoke(:'r1', 'retry');
SELECT counted();
SELECT count(*) FROM generate_series(1, 3) AS n, sctoken.issue('bulk', 'carol', session_id => 's' || n);
SELECT counted();
SELECT sctoken.revoke_session('s1', 'test'), sctoken.revoke_subject('carol', 'test'), sctoken.revoke_subject('carol', 'test');
SELECT counted();
SELECT sctoken.revoke_client('bulk', 'test') IS NOT NULL AS revoked;
SELECT counted();
DELETE FROM sctoken.client_policy WHERE client_id = 'bulk';
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

-- A retry that is refused is reuse, of the immediate predecessor; with revoke_subject_client each family of it is revoked.
SET client_min_messages = error;
UPDATE sctoken.client_policy SET on_reuse = 'revoke_subject_client' WHERE client_id = 'lenient';
SELECT count(*) FROM generate_series(1, 2) AS n, sctoken.issue('lenient', 'dora', session_id => 's' || n);
SELECT refresh_token AS t1 FROM sctoken.issue('lenient', 'dora') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'lenient') \gset
SELECT counted();
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'lenient');
SELECT counted();
RESET client_min_messages;

-- Every verdict of the vectors on a proof counts once, by its reason, and so does the key of each signature that was looked at.
\set cases `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_cases.json`
SET sctoken.dpop_algs = 'ES256,ES384,ES512,PS256,PS384,PS512,RS256,RS384,RS512,EdDSA,Ed25519,Ed448';
CREATE TEMP TABLE verdict AS
SELECT coalesce(v.reason, 'accepted') AS verdict
  FROM json_array_elements(:'cases'::json -> 'cases') AS c,
       sctoken.dpop_verify(c ->> 'proof', c #>> '{request,htm}', c #>> '{request,htu}', c #>> '{request,access_token}', c #>> '{request,expected_jkt}',
                           at => to_timestamp((c #>> '{request,now}')::numeric)) AS v;
SELECT count(*) > 100 AS many, count(DISTINCT verdict) > 20 AS of_many_kinds FROM verdict;
CREATE TEMP VIEW difference AS SELECT s.counter, s.value - b.value AS value FROM sctoken.stats s JOIN before b USING (counter) WHERE s.value <> b.value;
SELECT coalesce('proof_' || v.verdict, d.counter) AS counter, v.count, d.value
  FROM (SELECT verdict, count(*) FROM verdict GROUP BY verdict) AS v
  FULL JOIN (SELECT * FROM difference WHERE counter ~ '^proof_') AS d ON d.counter = 'proof_' || v.verdict
 WHERE v.count IS DISTINCT FROM d.value;
SELECT sum(value) = (SELECT count(*) FROM verdict WHERE verdict IN ('accepted', 'iat_past', 'iat_future')) AS iat FROM difference WHERE counter ~ '^iat_';
SELECT sum(value) = (SELECT count(*) FROM verdict WHERE verdict IN ('accepted', 'signature', 'jkt', 'key')) AS keys FROM difference WHERE counter ~ '^key_cache_';
SELECT counted() IS NOT NULL AS counted;
-- The whole check counts once, too: accepted, and replayed; without a look at the clock then, which is not what was wrong.
SELECT c ->> 'proof' AS proof FROM json_array_elements(:'cases'::json -> 'cases') AS c WHERE c ->> 'id' = 'PA001' \gset
SELECT reason FROM sctoken.dpop_check(:'proof', 'POST', 'https://server.example.com/token', server => 'stats', require_nonce => false, at => to_timestamp(1700000000));
SELECT counted();
SELECT reason FROM sctoken.dpop_check(:'proof', 'POST', 'https://server.example.com/token', server => 'stats', require_nonce => false, at => to_timestamp(1700000000));
SELECT counted();
SELECT reason FROM sctoken.dpop_check_headers(ARRAY[:'proof', :'proof'], 'POST', 'https://server.example.com/token');
SELECT counted();
-- As an argument of issue and rotate it counts when it is refused or recorded, not when something else is wrong.
SELECT outcome, reason FROM sctoken.issue('app', 'alice', dpop_proof => :'proof', htu => 'https://server.example.com/token');
SELECT counted();
-- How far iat lies from the clock.
SELECT offset_, (SELECT reason FROM sctoken.dpop_verify(:'proof', 'POST', 'https://server.example.com/token', max_age => '10 min', future_skew => '1 min', at => to_timestamp(1700000000) + offset_)), counted()
  FROM unnest('{0, 5 s, 5.000001 s, 30 s, 31 s, 60 s, 61 s, 601 s, -2 s, -2.000001 s, -10 s, -11 s, -60 s, -61 s}'::interval[]) AS offset_;
RESET sctoken.dpop_algs;

-- Verdicts on certificates.
\set pem `cat "$PG_ABS_SRCDIR"/vectors/mtls/pki/selfsigned.pem`
SELECT sctoken.certificate_from_header(:'pem', 'pem') AS certificate \gset
SELECT reason FROM sctoken.certificate_authenticate('app', NULL);
SELECT counted();
SELECT reason FROM sctoken.certificate_authenticate('app', 'nonsense');
SELECT counted();
SELECT reason FROM sctoken.certificate_authenticate('app', :'certificate');
SELECT counted();
INSERT INTO sctoken.client_certificate (client_id, thumbprint, check_validity) VALUES ('app', sctoken.certificate_thumbprint(:'certificate'), false);
SELECT valid FROM sctoken.certificate_authenticate('app', :'certificate');
SELECT counted();
DELETE FROM sctoken.client_certificate;

-- Maintenance counts what it does, and that it came to its end.
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE subject IN ('carol', 'dora');
CALL sctoken.maintain();
SELECT counted();

-- Nobody sees the counters who was not granted that.
CREATE ROLE regress_sctoken_nobody;
SET ROLE regress_sctoken_nobody;
SELECT * FROM sctoken.stats;
SELECT * FROM sctoken.counters();
RESET ROLE;
DROP ROLE regress_sctoken_nobody;
