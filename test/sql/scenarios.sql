-- What went wrong elsewhere: scenarios of other systems' suites and threads; the numbers are those of the notes on rotation, section 6
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set key2 '{"jkt": "kwtnlmjlQ4Ptk6ZaYH89oysGT93bBPN_5QNtXhoeySk"}'
\set certificate1 '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'
\set certificate2 '{"x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
INSERT INTO sctoken.client_policy (client_id, client_type, retry_window, retry_until_confirmed, max_retries, max_families, on_reuse) VALUES
    ('app', 'public', '1 day', NULL, NULL, NULL, NULL), ('web', 'confidential', '1 day', NULL, NULL, NULL, NULL), ('single', 'public', '1 day', NULL, NULL, 1, NULL), ('refuser', 'public', '1 day', false, NULL, NULL, 'refuse');
CREATE FUNCTION state(token text) RETURNS text LANGUAGE sql AS
$$ SELECT format('generation %s, %s, retries %s', generation, coalesce(revoke_reason, 'alive'), retries) FROM sctoken.family WHERE id = sctoken.token_family_id(token) $$;
CREATE FUNCTION life(client text, rotations integer, VARIADIC tokens text[] DEFAULT '{}') RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    tokens := ARRAY[(sctoken.issue(client, 'alice', 'a b c', ARRAY['https://x', 'https://y'])).refresh_token];
    FOR i IN 1..rotations LOOP tokens := tokens || (sctoken.rotate(tokens[i], client)).refresh_token; END LOOP;
    RETURN tokens;
END $$;

-- 2: a token of any length and any bytes is unknown, and no error.
SELECT outcome, error, count(*) FROM unnest(ARRAY[repeat('A', 1000000), 'sct_' || repeat('A', 1000000), repeat(' ', 110), E'sct_\x01\n', 'sct_', 'é', '']) AS t, LATERAL sctoken.rotate(t, 'app') GROUP BY outcome, error;
-- 18: after 127 rotations all but the last two tokens fail, each for itself.
SELECT life('refuser', 127) AS tokens \gset
SELECT outcome, min(generation), max(generation), count(*) FROM unnest(:'tokens'::text[]) WITH ORDINALITY AS t(token, n), LATERAL sctoken.rotate(token, 'refuser') WHERE n < 128 GROUP BY outcome ORDER BY 2;
SELECT outcome, generation FROM sctoken.rotate((:'tokens'::text[])[128], 'refuser');
-- 30: what the login said (auth_time, acr, ...) is in every later answer: rotation, retry, narrowed scope.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', 'a b', details => '{"auth_time": 1700000000, "acr": "2", "nonce": null}') \gset
SELECT outcome, details, subject FROM sctoken.rotate(:'t1', 'app');
SELECT outcome, details, subject FROM sctoken.rotate(:'t1', 'app', scope => 'b');

-- 48: a retry that names the same scope and audience in another order gets the same token.
SELECT (life('app', 0))[1] AS t1 \gset
SELECT refresh_token AS t2, scope, audience FROM sctoken.rotate(:'t1', 'app', 'a b', ARRAY['https://x', 'https://y']) \gset
SELECT outcome, refresh_token = :'t2' AS identical FROM sctoken.rotate(:'t1', 'app', 'b a', ARRAY['https://y', 'https://x']);
-- 49: one that asks for something else gets the same refresh token, but what it asks for now in the access token; too much is refused and no retry is counted.
SELECT outcome, refresh_token = :'t2' AS identical, scope, audience FROM sctoken.rotate(:'t1', 'app', 'c', ARRAY['https://y']);
SELECT outcome, refresh_token, scope, audience FROM sctoken.rotate(:'t1', 'app', 'a d');
SELECT outcome, refresh_token, scope, audience FROM sctoken.rotate(:'t1', 'app', audience => ARRAY['https://z']);
SELECT state(:'t1');
-- 50: a retry without the key, or with another, gets nothing and counts for nothing.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', cnf => :'key1') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app', cnf => :'key1');
SELECT outcome, refresh_token, cnf, subject FROM sctoken.rotate(:'t1', 'app');
SELECT outcome, refresh_token, cnf, subject FROM sctoken.rotate(:'t1', 'app', cnf => :'key2');
SELECT state(:'t1');
-- 53: a retry within its window, but after the end of the family, is refused as expired, not as reuse.
SELECT life('app', 1) AS tokens \gset
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE id = sctoken.token_family_id((:'tokens'::text[])[1]);
SELECT outcome, error, reason, state(t) FROM unnest(:'tokens'::text[]) AS t, LATERAL sctoken.rotate(t, 'app');
-- 60: whatever was retried, one token is live.
SELECT life('app', 3) AS tokens \gset
SELECT count(*) AS retries FROM generate_series(1, 3), LATERAL sctoken.rotate((:'tokens'::text[])[3 + 0 * generate_series], 'app') WHERE outcome = 'replayed' AND refresh_token = (:'tokens'::text[])[4];
SELECT n FROM unnest(:'tokens'::text[]) WITH ORDINALITY AS t(token, n) WHERE sctoken.introspect(token) -> 'active' = 'true';
-- 64: a smaller number of retries, or a shorter window, counts from the next call on (103).
UPDATE sctoken.client_policy SET max_retries = 4 WHERE client_id = 'app';
SELECT outcome, reason FROM sctoken.rotate((:'tokens'::text[])[3], 'app');
UPDATE sctoken.client_policy SET max_retries = 2 WHERE client_id = 'app';
SELECT outcome, reason, state((:'tokens'::text[])[3]) FROM sctoken.rotate((:'tokens'::text[])[3], 'app');
UPDATE sctoken.client_policy SET max_retries = NULL WHERE client_id = 'app';
SELECT life('app', 1) AS tokens \gset
UPDATE sctoken.client_policy SET retry_window = '0' WHERE client_id = 'app';
SELECT outcome, reason FROM sctoken.rotate((:'tokens'::text[])[1], 'app');
UPDATE sctoken.client_policy SET retry_window = '1 day' WHERE client_id = 'app';

-- 36: whatever is presented of a dead family, the answer for the wire is one and the same, for ever.
SELECT life('app', 5) AS tokens \gset
SELECT outcome, error FROM sctoken.rotate((:'tokens'::text[])[2], 'app');
SELECT DISTINCT outcome, error, reason FROM generate_series(1, 3), unnest(:'tokens'::text[]) AS t, LATERAL sctoken.rotate(t, 'app');
-- 44: the event says of which family, client and subject, how far back and how old; and nothing of the token.
SELECT kind, generation, client_id, subject, detail ->> 'distance' AS distance, detail ? 'age' AS age, strpos(e::text, substr((:'tokens'::text[])[2], 5, 20)) AS token_found
  FROM sctoken.event AS e WHERE family_id = sctoken.token_family_id((:'tokens'::text[])[1]) AND kind = 'reuse_detected';

-- 85: a key presented with an unbound token is not dropped in silence: the access token is bound, the refresh token stays what it was.
SELECT (life('app', 0))[1] AS t1 \gset
SELECT outcome, cnf, refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app', cnf => :'key1') \gset
SELECT :'outcome' AS outcome, :'cnf' AS cnf, sctoken.introspect(:'t2') ? 'cnf' AS refresh_token_bound;
-- 88: another certificate, a key in its place or none neither gets nor consumes anything; a confidential client may renew its own (91).
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', cnf => :'certificate1') \gset
SELECT n, outcome, reason, state(:'t1') FROM (VALUES (1, :'certificate2'::jsonb), (2, :'key1'), (3, '{}'), (4, NULL)) AS v(n, cnf), LATERAL sctoken.rotate(:'t1', 'app', cnf => v.cnf);
SELECT outcome FROM sctoken.rotate(:'t1', 'app', cnf => :'certificate1');
SELECT refresh_token AS t1 FROM sctoken.issue('web', 'alice', cnf => :'certificate1') \gset
SELECT outcome, cnf FROM sctoken.rotate(:'t1', 'web', cnf => :'certificate2');

-- 98: after a logout the old token is of no use, and the next login has a family of its own.
SELECT life('app', 2) AS tokens \gset
SELECT sctoken.revoke((:'tokens'::text[])[1], 'app');
SELECT (life('app', 1))[2] AS t2 \gset
SELECT outcome FROM unnest((:'tokens'::text[]) || :'t2'::text) AS t, LATERAL sctoken.rotate(t, 'app');
-- 99: one session for each user: the next login ends the last one.
SELECT life('single', 1) AS tokens \gset
SELECT (life('single', 0))[1] AS t1 \gset
SELECT outcome, state(t) FROM unnest((:'tokens'::text[])[2:2] || :'t1'::text) AS t, LATERAL sctoken.rotate(t, 'single');
-- 100: the end of a session leaves alone what was not given in it (offline access).
SELECT refresh_token AS offline FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS online FROM sctoken.issue('app', 'alice', session_id => 'browser') \gset
SELECT sctoken.revoke_session('browser', 'logged out');
SELECT outcome FROM unnest(ARRAY[:'offline', :'online']) AS t, LATERAL sctoken.rotate(t, 'app');
-- 101: when something else fails after the call, in its statement or its transaction, the token was not used, however often; no retry is counted.
SELECT (life('app', 0))[1] AS t1 \gset
SELECT 1 / 0 * generation FROM sctoken.rotate(:'t1', 'app');
CREATE TEMP TABLE mine AS SELECT :'t1'::text AS token;
DO $$ BEGIN FOR i IN 1..10 LOOP
    BEGIN PERFORM sctoken.rotate((SELECT token FROM pg_temp.mine), 'app'); RAISE 'claims failed'; EXCEPTION WHEN raise_exception THEN NULL; END;
END LOOP; END $$;
SELECT state(:'t1');
SELECT outcome, generation FROM sctoken.rotate(:'t1', 'app');
-- A call is the same from a cursor, a trigger, a prepared statement, or a plan that would be parallel.
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT outcome, generation FROM sctoken.rotate((SELECT token FROM mine), 'app');
FETCH c;
COMMIT;
FETCH c;
CLOSE c;
CREATE FUNCTION at_use() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.outcome := (sctoken.rotate(NEW.token, 'app')).outcome; RETURN NEW; END $$;
CREATE TEMP TABLE used (token text, outcome text);
CREATE TRIGGER at_use BEFORE INSERT ON used FOR EACH ROW EXECUTE FUNCTION at_use();
INSERT INTO used VALUES (:'t2') RETURNING outcome;
PREPARE use_it AS SELECT outcome, generation FROM sctoken.rotate($1, 'app');
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
EXECUTE use_it(:'t2');
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT state(:'t1');

-- 104, 105: what is past its end goes, what lives stays; and a used token of the living is still known as used.
SELECT life('app', 4) AS tokens \gset
SELECT life('app', 1) AS ended \gset
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE id = sctoken.token_family_id((:'ended'::text[])[1]);
DO $$ BEGIN EXECUTE coalesce((SELECT string_agg(format('DROP TABLE %s', inhrelid::regclass), ';') FROM pg_inherits
    WHERE inhparent = 'sctoken.event'::regclass AND inhrelid <> 'sctoken.event_default'::regclass), 'SELECT'); END $$;
CALL sctoken.maintain();
SELECT outcome, reason FROM unnest(:'ended'::text[]) AS t, LATERAL sctoken.rotate(t, 'app');
SELECT outcome, reason FROM sctoken.rotate((:'tokens'::text[])[1], 'app');
-- 108: introspection of what is used, revoked, expired or yet to come says that it is not active, and no more.
SELECT life('app', 1) AS tokens \gset
SELECT life('app', 1) AS revoked \gset
SELECT sctoken.revoke((:'revoked'::text[])[2], 'app');
SELECT life('app', 2) AS ahead \gset
UPDATE sctoken.family SET generation = 2 WHERE id = sctoken.token_family_id((:'ahead'::text[])[1]);
SELECT sctoken.introspect(t) FROM unnest(ARRAY[(:'tokens'::text[])[1], (:'revoked'::text[])[2], (:'ended'::text[])[2], (:'ahead'::text[])[3], 'sct_', NULL]) AS t;

-- A storm of refusals fills no table: a session records 60 a minute, and refuses all of them. (The session is new.)
SELECT (life('app', 0))[1] AS t1 \gset
\c -
SELECT outcome, count(*) FROM generate_series(1, 200) AS n, LATERAL sctoken.rotate(:'t1', 'web', context => to_jsonb(n)) GROUP BY outcome;
SELECT count(*), state(:'t1') FROM sctoken.event WHERE family_id = sctoken.token_family_id(:'t1') AND kind = 'refused';

DROP FUNCTION state, life, at_use;
