-- The whole check of a proof: verification, nonce, replay (RFC 9449 4.3, 8, 11.1)
\set cases `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_cases.json`
\set sequences `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_sequences.json`
TRUNCATE sctoken.server_secret, sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon;
SET sctoken.dpop_algs = 'ES256,ES384,ES512,PS256,PS384,PS512,RS256,RS384,RS512,EdDSA,Ed25519,Ed448';

-- Every case of the vectors gives the expected verdict and error, nonces included.
CREATE TEMP TABLE vector AS
SELECT c ->> 'id' AS id, c ->> 'name' AS name, c ->> 'expect' AS expect, c ->> 'error' AS expected_error, c ->> 'jkt' AS expected_jkt, v.*
  FROM json_array_elements(:'cases'::json -> 'cases') AS c,
       sctoken.dpop_check(c ->> 'proof', c #>> '{request,htm}', c #>> '{request,htu}', c #>> '{request,access_token}', c #>> '{request,expected_jkt}',
                          server => c ->> 'id', require_nonce => (c #>> '{request,require_nonce}')::boolean, at => to_timestamp((c #>> '{request,now}')::numeric)) AS v;
SELECT count(*) AS cases, count(*) FILTER (WHERE valid = (expect = 'valid') AND error IS NOT DISTINCT FROM expected_error
                                                 AND (expected_jkt IS NULL OR jkt = expected_jkt)) AS as_expected FROM vector;
SELECT id, name, valid, error, reason FROM vector
 WHERE (valid IS DISTINCT FROM (expect = 'valid') OR error IS DISTINCT FROM expected_error OR jkt <> expected_jkt) ORDER BY id;
-- A challenge comes with a nonce to use; nothing else does.
SELECT error, count(*) AS cases, count(next_nonce) AS nonces FROM vector GROUP BY error ORDER BY error COLLATE "C";
-- Only what was accepted is remembered, and for iat + max age + skew + 1 s.
SELECT (SELECT count(*) FROM sctoken.dpop_replay) = (SELECT count(*) FROM vector WHERE valid) AS only_accepted;
SELECT DISTINCT r.expires_at - v.iat AS life FROM sctoken.dpop_replay AS r, vector AS v WHERE v.id = 'PA001' AND r.expires_at = v.iat + interval '71 s';

-- Every sequence of the vectors, each on a server of its own.
CREATE TEMP TABLE step AS
SELECT s ->> 'id' AS id, n, x ->> 'expect' AS expect, x AS request
  FROM json_array_elements(:'sequences'::json -> 'sequences') AS s, json_array_elements(s -> 'steps') WITH ORDINALITY AS t(x, n);
CREATE FUNCTION run(id text, request json) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN valid THEN 'valid' WHEN reason = 'replayed' THEN 'replay' ELSE error END
      FROM sctoken.dpop_check(request ->> 'proof', request ->> 'htm', request ->> 'htu', request ->> 'access_token', request ->> 'expected_jkt',
                              server => id, require_nonce => (request ->> 'require_nonce')::boolean, at => to_timestamp((request ->> 'now')::numeric)) $$;
SELECT id, n, expect, got, got = expect AS right FROM (SELECT id, n, expect, run(id, request) AS got FROM (SELECT * FROM step ORDER BY id, n OFFSET 0) AS ordered OFFSET 0) AS s;

-- A record is kept by server, key, method, URI and jti: each of them makes another one.
SELECT request ->> 'proof' AS proof FROM step WHERE id = 'SEQ08' AND n = 1 \gset
CREATE FUNCTION verdict(proof text, server text DEFAULT 'x', htu text DEFAULT 'https://server.example.com/token', at integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(reason, 'accepted') FROM sctoken.dpop_check(proof, 'POST', htu, server => server, at => to_timestamp(1700000000 + at)) $$;
SELECT request ->> 'proof' AS proof FROM step WHERE id = 'SEQ02' AND n = 1 \gset
SELECT verdict(:'proof'), verdict(:'proof'), verdict(:'proof', 'y'), verdict(:'proof', 'y');
-- It is gone when it has expired, however long the row stays.
UPDATE sctoken.dpop_replay SET expires_at = to_timestamp(1700000000 + 9);
SELECT verdict(:'proof', at => 9), verdict(:'proof', at => 10), verdict(:'proof', at => 10);
-- Plain DELETE forgets.
DELETE FROM sctoken.dpop_replay;
SELECT verdict(:'proof');
-- A rolled back check did not happen, in a transaction or a savepoint.
BEGIN;
SELECT verdict(:'proof', 'rollback');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT verdict(:'proof', 'rollback');
ROLLBACK TO s;
SELECT verdict(:'proof', 'rollback');
COMMIT;
SELECT verdict(:'proof', 'rollback');
-- A challenge for a nonce uses up nothing.
SELECT reason FROM sctoken.dpop_check(:'proof', 'POST', 'https://server.example.com/token', server => 'challenge', require_nonce => true, at => to_timestamp(1700000000));
SELECT verdict(:'proof', 'challenge');
-- A proof is locked until the transaction ends: who presents it too waits for what becomes of it.
BEGIN;
SELECT verdict(:'proof', 'lock');
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND objsubid = x'5C04'::integer AND pid = pg_backend_pid();
ROLLBACK;
-- Two checks in one statement see one another.
SELECT verdict(:'proof', 'twice'), verdict(:'proof', 'twice');

-- Both stores know what the other accepted.
SET sctoken.replay_store = 'unlogged';
SELECT verdict(:'proof', 'twice'), verdict(:'proof', 'unlogged'), verdict(:'proof', 'unlogged');
SET sctoken.replay_store = 'logged';
SELECT verdict(:'proof', 'twice'), verdict(:'proof', 'unlogged'), verdict(:'proof', 'logged');
SELECT store, generation FROM sctoken.dpop_replay_store ORDER BY store;

-- Behind the horizon everything is refused, the very moment included.
UPDATE sctoken.dpop_replay_horizon SET horizon = to_timestamp(1700000000);
SELECT verdict(:'proof', 'horizon');
UPDATE sctoken.dpop_replay_horizon SET horizon = to_timestamp(1699999999);
SELECT verdict(:'proof', 'horizon');
-- A lost unlogged store (its marker is lost with it) moves the horizon to the present and the skew: by the wall clock, whatever clock the call was given.
DELETE FROM sctoken.dpop_replay_marker;
SELECT verdict(:'proof', 'lost', at => 5);
SELECT horizon > clock_timestamp() - interval '1 min' AND horizon <= clock_timestamp() + interval '10 s' AS present FROM sctoken.dpop_replay_horizon;
SELECT count(*) AS markers FROM sctoken.dpop_replay_marker;
-- A restored dump has a horizon and no store, and moves it too.
TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store;
UPDATE sctoken.dpop_replay_horizon SET horizon = '-infinity';
SELECT verdict(:'proof', 'restored', at => 20);
SELECT horizon > clock_timestamp() - interval '1 min' AND horizon <= clock_timestamp() + interval '10 s' AS present FROM sctoken.dpop_replay_horizon;
-- A new database has neither.
TRUNCATE sctoken.dpop_replay_store, sctoken.dpop_replay_horizon;
SELECT verdict(:'proof', 'new');

-- A session that accepts older proofs than any before must not accept what the others have forgotten; from then on all remember longer.
SET sctoken.dpop_max_age = '10 s';
TRUNCATE sctoken.dpop_replay_store;
DELETE FROM sctoken.dpop_replay_horizon;
SELECT verdict(:'proof', 'window');
DELETE FROM sctoken.dpop_replay;
SET sctoken.dpop_max_age = '10 min';
SELECT verdict(:'proof', 'window', at => 21);
SELECT max_age, future_skew, horizon > clock_timestamp() - interval '1 min' AND horizon <= clock_timestamp() - interval '20 s' AS behind FROM sctoken.dpop_replay_store, sctoken.dpop_replay_horizon;
-- Nor what they remember only for as long as they accept it themselves, in either store.
SET sctoken.dpop_max_age = '10 s';
TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store;
DELETE FROM sctoken.dpop_replay_horizon;
SELECT verdict(:'proof', 'window');
SET sctoken.replay_store = 'unlogged';
SET sctoken.dpop_max_age = '10 min';
SELECT verdict(:'proof', 'wider', at => 1);
UPDATE sctoken.dpop_replay_horizon SET horizon = '-infinity';
SELECT verdict(:'proof', 'window', at => 21), verdict(:'proof', 'window', at => 600);
RESET sctoken.replay_store;
SELECT verdict(:'proof', 'window', at => 600);
SELECT store, max_age, future_skew, grace FROM sctoken.dpop_replay_store ORDER BY store;
TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store;
DELETE FROM sctoken.dpop_replay_horizon;
SELECT verdict(:'proof', 'window');
UPDATE sctoken.dpop_replay_horizon SET horizon = '-infinity';
RESET sctoken.dpop_max_age;
DELETE FROM sctoken.dpop_replay;
SELECT verdict(:'proof', 'window');
SELECT extract(epoch FROM expires_at) - 1700000000 AS life FROM sctoken.dpop_replay;
DELETE FROM sctoken.dpop_replay;

-- A call with an earlier clock than that by which records were emptied away does not accept what they were about.
UPDATE sctoken.dpop_replay_store SET since = to_timestamp(1700000000 + 1000);
SELECT verdict(:'proof', 'earlier');
UPDATE sctoken.dpop_replay_store SET since = to_timestamp(1700000000);
SELECT verdict(:'proof', 'earlier');
DELETE FROM sctoken.dpop_replay;

-- The ring of tables moves when its turn has come, but not over a record that is alive: this one lives by a nonce, longer than the window.
TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store;
DELETE FROM sctoken.dpop_replay_horizon;
SELECT verdict(:'proof', 'ring');
UPDATE sctoken.dpop_replay SET expires_at = to_timestamp(1700000000 + 240);
UPDATE sctoken.dpop_replay_store SET since = to_timestamp(1700000000 - 81);
SELECT verdict(:'proof', 'first move', at => 2);
SELECT generation FROM sctoken.dpop_replay_store;
UPDATE sctoken.dpop_replay_store SET since = to_timestamp(1700000000 - 81);
SELECT verdict(:'proof', 'second move', at => 4);
SELECT generation FROM sctoken.dpop_replay_store;
SELECT verdict(:'proof', 'ring', at => 6);
-- Once it has expired nothing holds the ring up.
UPDATE sctoken.dpop_replay SET expires_at = to_timestamp(1700000000 + 7) WHERE bucket = 0;
SELECT verdict(:'proof', 'third move', at => 8);
SELECT generation FROM sctoken.dpop_replay_store;
TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store;
DELETE FROM sctoken.dpop_replay_horizon;

-- The raw headers of a request: exactly one, and no two joined by a comma (RFC 9449 4.3 (1)).
SELECT h, coalesce(v.error || ' ' || v.reason, 'accepted') AS verdict
  FROM (VALUES ('null', NULL::text[]), ('none', '{}'), ('a null', '{NULL}'), ('empty', '{""}'), ('two', ARRAY[:'proof', :'proof']), ('joined', ARRAY[:'proof' || ',' || :'proof']),
               ('joined with a space', ARRAY[:'proof' || ', ' || :'proof']), ('one', ARRAY[:'proof'])) AS h(h, proofs),
       sctoken.dpop_check_headers(proofs, 'POST', 'https://server.example.com/token', server => 'headers', at => to_timestamp(1700000000)) AS v;

-- Misuse is an error with a meaning of its own.
CREATE FUNCTION check_error(proof text, server text DEFAULT 'as', htm text DEFAULT 'POST', htu text DEFAULT 'https://server.example.com/token', at timestamptz DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (sctoken.dpop_check(proof, htm, htu, server => server, at => at)).reason;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT check_error(:'proof', server => s) FROM unnest(ARRAY[NULL, '', repeat('a', 257)]) AS s;
SELECT check_error(:'proof', htm => NULL), check_error(:'proof', htu => NULL), check_error(:'proof', at => 'infinity'), check_error(NULL);
BEGIN READ ONLY;
SELECT sctoken.dpop_check(:'proof', 'POST', 'https://server.example.com/token');
ROLLBACK;
TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon;
DROP FUNCTION run, verdict, check_error;
