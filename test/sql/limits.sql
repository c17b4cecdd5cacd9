-- Limits of client_policy that more than one column or family has a part in: profile and max_families
-- the columns of a row are not the matter here
\set VERBOSITY terse
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'

-- The row that says fapi2 says the rest itself: no rotation (FAPI 2.0 5.3.2.1), sender-constrained.
CREATE FUNCTION policy_error(profile text, rotation text, required_binding text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sctoken.client_policy (client_id, profile, rotation, required_binding) VALUES ('app', $1, $2, $3);
    DELETE FROM sctoken.client_policy;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
SELECT profile, rotation, binding, policy_error(profile, rotation, binding)
  FROM unnest(ARRAY['fapi2', 'none', NULL, 'fapi3']) WITH ORDINALITY AS p(profile, n), unnest(ARRAY['always', NULL, 'never', 'bound_never']) WITH ORDINALITY AS r(rotation, m), unnest(ARRAY['none', NULL, 'dpop', 'mtls', 'any']) WITH ORDINALITY AS b(binding, l)
 WHERE n = 1 OR (m = 1 AND l = 1) ORDER BY n, m, l;
DROP FUNCTION policy_error;
INSERT INTO sctoken.client_policy (client_id, profile, rotation, required_binding) VALUES ('app', 'fapi2', 'never', 'dpop');
-- A later change cannot leave it.
UPDATE sctoken.client_policy SET rotation = 'always';
UPDATE sctoken.client_policy SET required_binding = NULL;
TRUNCATE sctoken.client_policy;

-- A row that inherits fapi2 cannot contradict it either: the profile is the stronger one.
INSERT INTO sctoken.client_policy (client_id, client_type, profile, rotation, required_binding)
    VALUES ('*', 'confidential', 'fapi2', 'never', 'any'), ('app', NULL, NULL, 'always', 'none'), ('free', NULL, 'none', 'always', 'none');
SELECT outcome, error FROM sctoken.issue('app', 'alice');
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', cnf => :'key1') \gset
SELECT outcome, error FROM sctoken.rotate(:'t1', 'app');
SELECT outcome, refresh_token = :'t1' AS same FROM sctoken.rotate(:'t1', 'app', cnf => :'key1');
-- A client of no row of its own has it from '*'.
SELECT outcome, error FROM sctoken.issue('other', 'alice');
-- A client may be let off by its own row.
SELECT refresh_token AS t1 FROM sctoken.issue('free', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'free');
TRUNCATE sctoken.client_policy;

-- max_families: at least one
INSERT INTO sctoken.client_policy (client_id, max_families) VALUES ('app', 0);
INSERT INTO sctoken.client_policy (client_id, max_families) VALUES ('app', -1);
-- Each login more ends the oldest family, with a reason and an event of its own.
INSERT INTO sctoken.client_policy (client_id, max_families, idle_ttl, absolute_ttl) VALUES ('app', 2, '10 days', '20 days');
CREATE TEMP TABLE held (n serial, token text, family_id uuid);
CREATE FUNCTION pg_temp.log_in(client text, sub text) RETURNS text LANGUAGE sql AS $$
    INSERT INTO held (token, family_id) SELECT refresh_token, family_id FROM sctoken.issue(client, sub) RETURNING 'login ' || n;
$$;
CREATE VIEW pg_temp.living AS
    SELECT array_agg(n ORDER BY n) FILTER (WHERE sctoken.family_active(family_id)) AS living,
           array_agg(n ORDER BY n) FILTER (WHERE revoke_reason = 'max_families') AS surplus
    FROM held JOIN sctoken.family ON id = family_id;
SELECT pg_temp.log_in('app', 'alice') FROM generate_series(1, 2);
SELECT * FROM pg_temp.living;
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
SELECT n, kind, generation, client_id, subject, reason FROM held JOIN sctoken.event USING (family_id) WHERE kind = 'revoked';
SELECT outcome, error, reason FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 1;
-- The oldest by its login, however lately it was used.
SELECT outcome FROM held, LATERAL sctoken.rotate(token, 'app') WHERE n = 2;
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
-- Another subject and another client have room of their own.
SELECT pg_temp.log_in('app', 'bob'), pg_temp.log_in('web', 'alice');
SELECT * FROM pg_temp.living;
-- What is dead takes no room: revoked, expired, idle, not_before.
SELECT sctoken.revoke_family(family_id, 'x') FROM held WHERE n = 4;
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
UPDATE sctoken.family SET rotated_at = rotated_at - interval '10 days' WHERE id = (SELECT family_id FROM held WHERE n = 7);
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE id = (SELECT family_id FROM held WHERE n = 8);
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
UPDATE sctoken.family SET created_at = created_at - interval '20 days' WHERE id = (SELECT family_id FROM held WHERE n = 9);
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
SELECT sctoken.revoke_client('app', 'x') IS NOT NULL AS moved;
SELECT pg_temp.log_in('app', 'alice') FROM generate_series(1, 2);
SELECT * FROM pg_temp.living;
-- A smaller number holds from the next login on, and takes all that are too many.
UPDATE sctoken.client_policy SET max_families = 1;
SELECT pg_temp.log_in('app', 'alice');
SELECT * FROM pg_temp.living;
-- A login that fails takes no room from anybody.
UPDATE sctoken.client_policy SET required_binding = 'any';
SELECT outcome FROM sctoken.issue('app', 'alice');
BEGIN;
SELECT outcome FROM sctoken.issue('app', 'alice', cnf => :'key1');
ROLLBACK;
UPDATE sctoken.client_policy SET required_binding = NULL;
SELECT * FROM pg_temp.living;
-- '*' is inherited; a client may say otherwise.
TRUNCATE sctoken.client_policy, sctoken.family, held;
INSERT INTO sctoken.client_policy (client_id, max_families) VALUES ('*', 1), ('web', 2);
SELECT count(pg_temp.log_in(c, 'alice')) FROM unnest(ARRAY['app', 'web', 'app', 'web', 'app', 'web']) AS c;
SELECT client_id, count(*) FROM sctoken.families('alice') GROUP BY 1 ORDER BY 1;
