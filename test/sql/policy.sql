-- What a client may do: its own row over that of '*' over the built-in defaults
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'

-- The CHECKs keep it sane; null inherits.
CREATE FUNCTION policy_error(assignment text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE sctoken.client_policy SET ' || assignment || ' WHERE client_id = ''app''';
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
INSERT INTO sctoken.client_policy (client_id) VALUES ('app');
SELECT a, policy_error(a) FROM unnest(ARRAY['client_type = ''secret''', 'rotation = ''sometimes''', 'retry_window = ''-1 s''', 'retry_window = ''2 days''', 'max_retries = -1', 'idle_ttl = ''0''', 'absolute_ttl = ''-1 day''',
    'absolute_ttl = ''1000 years''', 'required_binding = ''tls''', 'on_reuse = ''ignore''', 'client_id = NULL', 'retry_window = ''0''', 'max_retries = 0']) AS a;
DELETE FROM sctoken.client_policy;
DROP FUNCTION policy_error;

-- A change holds from the next call on, for living families too.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('app', false);
SELECT outcome, error, reason FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.introspect(:'t1');
UPDATE sctoken.client_policy SET enabled = true;
SELECT outcome, refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT :'outcome' AS outcome;
-- The stops of '*' and of the client add up: neither lifts the other.
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('*', false);
SELECT outcome FROM sctoken.rotate(:'t2', 'app');
SELECT outcome FROM sctoken.issue('other', 'alice');
UPDATE sctoken.client_policy SET enabled = NULL WHERE client_id = '*';
-- An older not_before of the client does not lift the newer one of '*', nor the other way round.
UPDATE sctoken.client_policy SET not_before = CASE client_id WHEN '*' THEN clock_timestamp() ELSE '2000-01-01' END;
SELECT outcome, error, reason FROM sctoken.rotate(:'t2', 'app');
SELECT sctoken.introspect(:'t2');
UPDATE sctoken.client_policy SET not_before = CASE client_id WHEN '*' THEN '2000-01-01' ELSE clock_timestamp() END;
SELECT outcome, reason FROM sctoken.rotate(:'t2', 'app');
-- It writes nothing: the row does not know, and a family issued later lives.
SELECT generation, revoked_at FROM sctoken.family WHERE id = :'family_id';
SELECT outcome FROM sctoken.issue('app', 'alice');
UPDATE sctoken.client_policy SET not_before = NULL;
SELECT outcome FROM sctoken.rotate(:'t2', 'app');

-- Inheritance, column by column
TRUNCATE sctoken.client_policy;
INSERT INTO sctoken.client_policy (client_id, idle_ttl, absolute_ttl) VALUES ('*', '1 hour', '2 hours'), ('app', NULL, '3 hours');
CREATE TEMP TABLE answer AS SELECT i.* FROM unnest(ARRAY['app', 'other']) AS client, LATERAL sctoken.issue(client, 'alice') AS i;
SELECT a.client_id, a.expires_at - f.created_at AS idle, a.family_expires_at - f.created_at AS absolute FROM answer AS a JOIN sctoken.family AS f ON f.id = a.family_id ORDER BY 1;
-- A day is 24 hours and a month 30 days, in every time zone.
UPDATE sctoken.client_policy SET idle_ttl = '1 month', absolute_ttl = '1 year 1 day' WHERE client_id = 'app';
SET TimeZone = 'America/New_York';
SELECT expires_at AS e, family_expires_at AS f, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT round(extract(epoch FROM :'e' - created_at) / 86400, 3) AS idle_days, round(extract(epoch FROM :'f' - created_at) / 86400, 3) AS absolute_days FROM sctoken.family WHERE id = :'family_id';
RESET TimeZone;
-- A shorter life holds for living families, a longer one does not revive them.
SELECT refresh_token AS t1, family_id, family_expires_at FROM sctoken.issue('app', 'alice') \gset
UPDATE sctoken.client_policy SET absolute_ttl = '1 minute' WHERE client_id = 'app';
SELECT family_expires_at - created_at AS absolute FROM sctoken.rotate(:'t1', 'app') AS r JOIN sctoken.family AS f ON f.id = r.family_id;
UPDATE sctoken.client_policy SET absolute_ttl = '50 years' WHERE client_id = 'app';
UPDATE sctoken.family SET expires_at = clock_timestamp() - interval '1 s' WHERE id = :'family_id';
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'app');

-- rotation = never: the presented token stays, is used again and again, and is no alarm.
TRUNCATE sctoken.client_policy;
INSERT INTO sctoken.client_policy (client_id, rotation, retry_window) VALUES ('app', 'never', '1 day');
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT outcome, error, refresh_token = :'t1' AS same, generation FROM generate_series(1, 3), LATERAL sctoken.rotate(:'t1', 'app');
-- It moves rotated_at, but only once in a hundredth of idle_ttl.
SELECT rotated_at = created_at AS not_moved FROM sctoken.family WHERE id = :'family_id';
UPDATE sctoken.family SET rotated_at = rotated_at - interval '0.4 days' WHERE id = :'family_id';
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT rotated_at > created_at AS moved FROM sctoken.family WHERE id = :'family_id';
-- Switched on and off in mid-life: no false alarm; keeping closes the retry of the predecessor.
UPDATE sctoken.client_policy SET rotation = 'always';
SELECT outcome, refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
UPDATE sctoken.client_policy SET rotation = 'never';
SELECT outcome, refresh_token = :'t2' AS same FROM sctoken.rotate(:'t2', 'app');
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'app');
-- So does a rotation where policy has come to allow no retry: its own predecessor has none, and of the one before nothing is left.
UPDATE sctoken.client_policy SET rotation = 'always';
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
UPDATE sctoken.client_policy SET retry_window = '0';
SELECT outcome FROM sctoken.rotate(:'t2', 'app');
SELECT salt FROM sctoken.family WHERE id = :'family_id';
SELECT outcome, reason FROM sctoken.rotate(:'t2', 'app');
UPDATE sctoken.client_policy SET retry_window = '1 day';
-- rotation = bound_never: kept when sender-constrained, rotated otherwise.
UPDATE sctoken.client_policy SET rotation = 'bound_never';
SELECT refresh_token AS bound FROM sctoken.issue('app', 'alice', cnf => :'key1') \gset
SELECT refresh_token AS bearer FROM sctoken.issue('app', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'bound', 'app', cnf => :'key1');
SELECT outcome FROM sctoken.rotate(:'bound', 'app');
SELECT outcome FROM sctoken.rotate(:'bearer', 'app');

-- required_binding asks for one with each use, for living families too.
UPDATE sctoken.client_policy SET rotation = 'always', required_binding = 'dpop';
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', cnf => :'key1') \gset
SELECT outcome, error, reason FROM sctoken.rotate(:'t1', 'app');
SELECT outcome, error FROM sctoken.rotate(:'t1', 'app', cnf => '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}');
SELECT outcome FROM sctoken.rotate(:'t1', 'app', cnf => :'key1');

-- on_reuse
UPDATE sctoken.client_policy SET required_binding = NULL, retry_window = '0', on_reuse = 'refuse';
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT outcome, error FROM sctoken.rotate(:'t1', 'app');
SELECT outcome FROM sctoken.rotate(:'t2', 'app');
SELECT kind, generation FROM sctoken.event WHERE family_id = :'family_id' ORDER BY at;
-- revoke_subject_client takes all families of that subject and client, and no other.
UPDATE sctoken.client_policy SET on_reuse = 'revoke_subject_client';
DELETE FROM sctoken.family;
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
SELECT count(sctoken.issue(c, s)) FROM unnest(ARRAY['app', 'other']) AS c, unnest(ARRAY['alice', 'bob']) AS s;
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT client_id, subject, revoke_reason FROM sctoken.family ORDER BY client_id, subject, revoke_reason;

-- sctoken.audit = lifecycle leaves out the plain rotations only.
TRUNCATE sctoken.client_policy;
INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('*', '1 day');
SET sctoken.audit = 'lifecycle';
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT refresh_token AS t3 FROM sctoken.rotate(:'t2', 'app') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT kind, generation FROM sctoken.event WHERE family_id = :'family_id' ORDER BY at;
RESET sctoken.audit;

-- Without its triggers nothing would tell of a change: the policy is read anew each time.
ALTER TABLE sctoken.client_policy DISABLE TRIGGER invalidate_cache_row;
SELECT outcome FROM sctoken.issue('app', 'alice');
UPDATE sctoken.client_policy SET enabled = false;
SELECT outcome FROM sctoken.issue('app', 'alice');
UPDATE sctoken.client_policy SET enabled = true;
ALTER TABLE sctoken.client_policy ENABLE ALWAYS TRIGGER invalidate_cache_row;
-- A replica's apply worker fires them too.
SELECT outcome FROM sctoken.issue('app', 'alice');
SET session_replication_role = replica;
UPDATE sctoken.client_policy SET enabled = false;
RESET session_replication_role;
SELECT outcome FROM sctoken.issue('app', 'alice');
-- What is rolled back did not hold.
BEGIN;
UPDATE sctoken.client_policy SET enabled = true;
SELECT outcome FROM sctoken.issue('app', 'alice');
ROLLBACK;
SELECT outcome FROM sctoken.issue('app', 'alice');
TRUNCATE sctoken.client_policy;
SELECT outcome FROM sctoken.issue('app', 'alice');
SELECT sctoken.invalidate_cache();
