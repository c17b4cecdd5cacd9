-- The use of a refresh token (RFC 6749 6, RFC 9700 4.14)
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set key2 '{"jkt": "kwtnlmjlQ4Ptk6ZaYH89oysGT93bBPN_5QNtXhoeySk"}'
INSERT INTO sctoken.client_policy (client_id, client_type, retry_window, retry_until_confirmed, max_retries) VALUES
    ('app', 'public', '1 day', NULL, NULL), ('web', 'confidential', '0', true, NULL), ('strict', 'public', '0', NULL, NULL), ('strict-web', 'confidential', '0', false, NULL),
    ('once', 'public', '1 day', NULL, 1), ('none', 'public', '1 day', NULL, 0);
-- What a step says, in one row; "state" is what the family says afterwards.
CREATE FUNCTION use(token text, client text DEFAULT 'app', cnf jsonb DEFAULT NULL, scope text DEFAULT NULL, audience text[] DEFAULT NULL, OUT outcome text, OUT error text, OUT reason text,
                    OUT generation bigint, OUT refresh_token text, OUT grant_cnf jsonb, OUT grant_scope text, OUT grant_audience text[])
LANGUAGE sql AS $$ SELECT outcome, error, reason, generation, refresh_token, cnf, scope, audience FROM sctoken.rotate(token, client, scope, audience, cnf) $$;
CREATE FUNCTION state(token text) RETURNS text LANGUAGE sql AS
$$ SELECT format('generation %s, %s, retries %s, %s', generation, coalesce(revoke_reason, 'alive'), retries, CASE WHEN salt IS NULL THEN 'no retry' ELSE 'retry open' END) FROM sctoken.family WHERE id = sctoken.token_family_id(token) $$;

-- Each use gives a successor; the old token is inactive at once, everything else stays.
SELECT refresh_token AS t1, family_id, expires_at AS e1, family_expires_at AS f1 FROM sctoken.issue('app', 'alice', 'a b c', ARRAY['https://x', 'https://y'], :'key1', 'session-1', 'grant-1', '{"k": 1}') \gset
CREATE TEMP TABLE answer AS SELECT * FROM sctoken.rotate(:'t1', 'app', cnf => :'key1');
SELECT refresh_token AS t2 FROM answer \gset
SELECT outcome, error, reason, refresh_token <> :'t1' AS new, family_id = :'family_id' AS same_family, generation, client_id, subject, scope, audience, cnf,
       session_id, grant_id, details, family_expires_at = :'f1' AS same_end, expires_at > :'e1' AS idle_moves FROM answer;
SELECT state(:'t1'), sctoken.introspect(:'t1') AS spent, sctoken.introspect(:'t2') -> 'active' AS current;

-- A retry with the immediate predecessor gives the identical successor, as often as max_retries says, and moves nothing.
SELECT outcome, reason, generation, refresh_token = :'t2' AS identical FROM use(:'t1', cnf => :'key1');
SELECT outcome, reason, generation, refresh_token = :'t2' AS identical FROM use(:'t1', cnf => :'key1');
SELECT state(:'t1');
-- Using the successor closes it: the predecessor is reuse, and the family dies with every token of it.
SELECT outcome, generation, refresh_token AS t3 FROM use(:'t2', cnf => :'key1') \gset
SELECT outcome, reason, generation, refresh_token = :'t3' AS identical FROM use(:'t2', cnf => :'key1');
SELECT outcome, error, reason, generation, refresh_token FROM use(:'t1', cnf => :'key1');
SELECT state(:'t1');
SELECT outcome, error, reason FROM unnest(ARRAY[:'t1', :'t2', :'t3']) AS t, LATERAL use(t, cnf => :'key1') AS u;
SELECT sctoken.introspect(:'t3');
SELECT kind, generation, reason, detail - 'age' AS detail FROM sctoken.event WHERE family_id = :'family_id' ORDER BY at;

-- A wrong client, key or scope neither consumes the token nor revokes, not even for a used token.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', 'a b c', ARRAY['https://x', 'https://y'], :'key1') \gset
SELECT refresh_token AS t2 FROM use(:'t1', cnf => :'key1') \gset
SELECT refresh_token AS t3 FROM use(:'t2', cnf => :'key1') \gset
SELECT n, w, u.outcome, u.error, u.reason, u.generation, u.refresh_token
  FROM (VALUES (1, :'t1'), (2, :'t2'), (3, :'t3')) AS t(n, token),
       (VALUES ('other client', 'web', :'key1'::jsonb, NULL, NULL::text[]), ('unknown client', 'nobody', :'key1', NULL, NULL), ('other key', 'app', :'key2', NULL, NULL), ('no key', 'app', NULL, NULL, NULL),
               ('key in another member', 'app', '{"x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', NULL, NULL), ('unknown member only', 'app', '{"kid": "1"}', NULL, NULL),
               ('more scope', 'app', :'key1', 'a d', NULL), ('no scope', 'app', :'key1', '', NULL), ('scope as prefix', 'app', :'key1', 'a b c a b c', NULL),
               ('other audience', 'app', :'key1', NULL, '{https://z}'), ('no audience', 'app', :'key1', NULL, '{}')) AS v(w, client, cnf, scope, audience),
       LATERAL use(token, client, cnf, scope, audience) AS u;
SELECT state(:'t1');
-- More than what the family is bound to may be presented; it goes into the access token.
SELECT outcome, grant_cnf FROM use(:'t3', cnf => :'key1'::jsonb || '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0", "kid": "ignored"}') \gset
SELECT :'outcome' AS outcome, :'grant_cnf' AS grant_cnf;

-- Scope and audience narrow this access token only; the family keeps all of it.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', 'a b c', ARRAY['https://x', 'https://y']) \gset
SELECT refresh_token AS t2, outcome, grant_scope, grant_audience FROM use(:'t1', scope => 'c a', audience => '{https://y}') \gset
SELECT :'outcome' AS outcome, :'grant_scope' AS grant_scope, :'grant_audience' AS grant_audience;
SELECT outcome, grant_scope, grant_audience FROM use(:'t2');
-- A family without scope has none to give.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
SELECT outcome FROM use(:'t1', scope => 'a');
SELECT outcome FROM use(:'t1', audience => '{a}');

-- A confidential client may come with another key, also for a retry: the same refresh token, and the new key for the access token.
SELECT refresh_token AS t1 FROM sctoken.issue('web', 'alice', cnf => :'key1') \gset
SELECT refresh_token AS t2, outcome, grant_cnf FROM use(:'t1', 'web', :'key2') \gset
SELECT outcome, reason, refresh_token = :'t2' AS identical, grant_cnf FROM use(:'t1', 'web', :'key1');
SELECT outcome, grant_cnf FROM use(:'t2', 'web');

-- Without retry_window a public bearer token has no retry: no salt is kept, the predecessor is reuse.
SELECT refresh_token AS t1 FROM sctoken.issue('strict', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1', 'strict') \gset
SELECT state(:'t1');
SELECT outcome, reason FROM use(:'t1', 'strict');
SELECT outcome FROM use(:'t2', 'strict');
-- Its successor is random: no two tokens have a secret in common.
SELECT refresh_token AS t1 FROM sctoken.issue('strict', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1', 'strict') \gset
SELECT refresh_token AS t3 FROM use(:'t2', 'strict') \gset
SELECT count(DISTINCT substr(decode(translate(substr(token, 5, 96), '-_', '+/'), 'base64'), 25, 32)) AS secrets FROM unnest(ARRAY[:'t1', :'t2', :'t3']) AS token;
-- But one that is bound to a key may be retried until its successor was used (retry_until_confirmed).
SELECT refresh_token AS t1 FROM sctoken.issue('strict', 'alice', cnf => :'key1') \gset
SELECT refresh_token AS t2 FROM use(:'t1', 'strict', :'key1') \gset
SELECT outcome, reason, refresh_token = :'t2' AS identical FROM use(:'t1', 'strict', :'key1');
-- And with that off not even a confidential client's.
SELECT refresh_token AS t1 FROM sctoken.issue('strict-web', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1', 'strict-web') \gset
SELECT outcome, reason FROM use(:'t1', 'strict-web');
-- Over max_retries is reuse.
SELECT refresh_token AS t1 FROM sctoken.issue('once', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1', 'once') \gset
SELECT outcome FROM use(:'t1', 'once');
SELECT outcome, reason FROM use(:'t1', 'once');
SELECT refresh_token AS t1 FROM sctoken.issue('none', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1', 'none') \gset
SELECT outcome, reason FROM use(:'t1', 'none');
-- The window is counted from the rotation, not from the last retry: rotated_at does not move.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1') \gset
SELECT rotated_at FROM sctoken.family WHERE id = :'family_id' \gset
SELECT outcome FROM use(:'t1');
SELECT rotated_at = :'rotated_at' AS same FROM sctoken.family WHERE id = :'family_id';
UPDATE sctoken.family SET rotated_at = rotated_at - interval '1 day 1 second' WHERE id = :'family_id';
SELECT outcome, reason FROM use(:'t1');
SELECT detail -> 'retryable' AS retryable, (detail ->> 'age')::numeric > 86400 AS late FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'reuse_detected';

-- 127 rotations: each intermediate token worked once; the generation counts; one row.
SELECT refresh_token AS t FROM sctoken.issue('app', 'alice') \gset
CREATE TABLE chain (n integer, token text);
INSERT INTO chain VALUES (1, :'t');
DO $$
BEGIN
    FOR i IN 2..128 LOOP
        INSERT INTO chain SELECT i, (sctoken.rotate(token, 'app')).refresh_token FROM chain WHERE n = i - 1;
    END LOOP;
END $$;
SELECT count(DISTINCT token) FROM chain;
SELECT generation FROM sctoken.family WHERE id = sctoken.token_family_id(:'t');
SELECT count(*) FILTER (WHERE (sctoken.introspect(token) -> 'active')::boolean) AS active FROM chain;
SELECT outcome, reason FROM chain, LATERAL use(token) AS u WHERE n = 3;
DROP TABLE chain;

-- Unknown tokens: forged, from elsewhere, malformed; nothing is touched, nothing is told.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
CREATE FUNCTION checksum(text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE crc bigint := 4294967295; d text := '';
BEGIN
    FOR i IN 1..length($1) LOOP
        crc := crc # ascii(substr($1, i, 1));
        FOR j IN 1..8 LOOP crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 3988292384 ELSE crc >> 1 END; END LOOP;
    END LOOP;
    crc := crc # 4294967295;
    FOR i IN 1..6 LOOP d := substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', (crc % 62)::integer + 1, 1) || d; crc := crc / 62; END LOOP;
    RETURN d;
END $$;
-- a token in whose byte n these bits were flipped, with a right checksum
CREATE FUNCTION forged(token text, n integer, bits integer) RETURNS text LANGUAGE sql AS $$
    SELECT body || checksum(body) FROM (SELECT 'sct_' || translate(encode(set_byte(bytes, n, get_byte(bytes, n) # bits), 'base64'), E'+/\n', '-_') AS body FROM decode(translate(substr(token, 5, 96), '-_', '+/'), 'base64') AS bytes) AS b $$;
SELECT checksum(left(:'t1', 100)) = right(:'t1', 6) AS checksum_is_crc32;
SELECT what, u.outcome, u.error, u.reason, u.generation FROM (VALUES
    ('null', NULL), ('empty', ''), ('not ours', 'eyJhbGciOi'), ('cut', left(:'t1', 105)), ('checksum', left(:'t1', 105) || CASE right(:'t1', 1) WHEN '0' THEN '1' ELSE '0' END),
    ('version', forged(:'t1', 0, 3)), ('unknown key id', forged(:'t1', 1, 77)), ('other family', forged(:'t1', 17, 1)), ('other generation', forged(:'t1', 23, 9)), ('other secret', forged(:'t1', 30, 1)),
    ('other MAC', forged(:'t1', 71, 1))) AS v(what, token), LATERAL use(token) AS u;
SELECT state(:'t1');

-- A family that is not there (its issue was rolled back): a loss to be recorded, until it is so old that maintain() would have deleted it anyway.
BEGIN;
SELECT refresh_token AS gone, family_id FROM sctoken.issue('app', 'alice') \gset
ROLLBACK;
SELECT outcome, reason, generation FROM use(:'gone');
INSERT INTO sctoken.client_policy (client_id, idle_ttl, absolute_ttl) VALUES ('brief', '1 microsecond', '1 microsecond');
SELECT outcome, reason, generation FROM sctoken.rotate(:'gone', 'brief');
DELETE FROM sctoken.client_policy WHERE client_id = 'brief';
SELECT kind, generation, client_id, subject, reason, detail FROM sctoken.event WHERE family_id = :'family_id';

-- Answers that a failover lost: ahead of the row, or another token of its generation; refused and recorded, never a revocation.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
CREATE TABLE lost AS SELECT * FROM sctoken.family WHERE id = :'family_id';
SELECT refresh_token AS t2 FROM use(:'t1') \gset
SELECT refresh_token AS t3 FROM use(:'t2') \gset
DELETE FROM sctoken.family WHERE id = :'family_id';
INSERT INTO sctoken.family SELECT * FROM lost;
SELECT outcome, error, reason, generation FROM use(:'t3');
SELECT refresh_token AS t2b FROM use(:'t1') \gset
SELECT outcome, reason FROM use(:'t2');
SELECT refresh_token AS t3b FROM use(:'t2b') \gset
SELECT outcome, reason FROM use(:'t2');
SELECT outcome, reason FROM use(:'t3');
SELECT outcome FROM use(:'t3b');
SELECT kind, reason, generation FROM sctoken.event WHERE family_id = :'family_id' AND kind IN ('ahead', 'orphan') ORDER BY at;

-- Expiry: idle and absolute, at the very moment too; refused, not reuse, and nothing changes.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM use(:'t1') \gset
UPDATE sctoken.family SET rotated_at = rotated_at - interval '30 days' WHERE id = :'family_id';
SELECT outcome, error, reason FROM use(:'t2');
SELECT outcome, error, reason FROM use(:'t1');
SELECT sctoken.introspect(:'t2');
UPDATE sctoken.family SET rotated_at = clock_timestamp(), expires_at = clock_timestamp() WHERE id = :'family_id';
SELECT outcome, error, reason FROM use(:'t2');
SELECT state(:'t1');
-- Rotation never moves the absolute expiry, and idle expiry never passes it.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
UPDATE sctoken.family SET expires_at = clock_timestamp() + interval '1 hour' WHERE id = :'family_id';
SELECT r.outcome, r.expires_at = r.family_expires_at AS capped, r.family_expires_at = f.expires_at AS not_moved FROM sctoken.rotate(:'t1', 'app') AS r, sctoken.family AS f WHERE f.id = :'family_id';

-- The wall clock, not the transaction's start.
BEGIN;
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
SELECT pg_sleep(0.01);
SELECT expires_at > now() + interval '30 days 0.01 s' AS wall_clock FROM sctoken.rotate(:'t1', 'app');
ROLLBACK;

-- Two uses in one statement see one another, and what was rolled back did not happen.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
SELECT (sctoken.rotate(:'t1', 'app')).outcome, (sctoken.rotate(:'t1', 'app')).outcome AS again;
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
BEGIN;
SAVEPOINT s;
SELECT outcome, generation FROM use(:'t1');
ROLLBACK TO s;
SELECT outcome, generation FROM use(:'t1');
COMMIT;

-- A family's lock is its own, by 64 bits: with half of them strangers would soon wait for one another.
BEGIN;
SELECT count(r.outcome) FROM generate_series(1, 50) AS n, LATERAL sctoken.issue('app', 'user ' || n) AS i, LATERAL use(i.refresh_token) AS r;
SELECT count(*) AS families_and_subjects, count(DISTINCT classid) > 90 AS high, count(DISTINCT objid) > 90 AS low FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;

-- Misuse is an error with a meaning of its own, which repeats no value.
CREATE FUNCTION rotate_error(token text, client_id text, cnf jsonb DEFAULT NULL, dpop_proof text DEFAULT NULL, certificate bytea DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (sctoken.rotate(token, client_id, cnf => cnf, dpop_proof => dpop_proof, certificate => certificate)).outcome;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT rotate_error(:'t1', c) FROM unnest(ARRAY[NULL, '', repeat('a', 1025)]) AS c;
SELECT rotate_error(:'t1', 'app', c::jsonb) FROM (VALUES ('[]'), ('{"jkt": 1}'), ('{"jkt": "short"}')) AS v(c);
SELECT rotate_error(:'t1', 'app', dpop_proof => 'a.b.c'), rotate_error(:'t1', 'app', certificate => '\x30');
BEGIN READ ONLY;
SELECT sctoken.rotate(:'t1', 'app');
ROLLBACK;
DROP TABLE lost;
DROP FUNCTION rotate_error, forged, checksum, state, use;
