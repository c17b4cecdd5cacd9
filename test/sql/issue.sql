-- The start of a token family
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set jkt '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

-- The first use makes the server's secret.
SELECT count(*) FROM sctoken.server_secret;
CREATE TEMP TABLE answer AS SELECT * FROM sctoken.issue('app', 'alice', 'openid email', ARRAY['https://api.example.com'], json_build_object('jkt', :'jkt')::jsonb,
                            'session-1', 'grant-1', '{"amr": ["pwd"]}', context => '{"ip": "192.0.2.1"}');
SELECT refresh_token, family_id, expires_at, family_expires_at FROM answer \gset
SELECT count(*) FROM sctoken.server_secret;
SELECT outcome, error, reason, generation, client_id, subject, scope, audience, cnf, session_id, grant_id, details, next_nonce FROM answer;
-- Life: 30 days idle, 180 days at most, from the built-in defaults.
SELECT :'expires_at'::timestamptz - created_at AS idle, :'family_expires_at'::timestamptz - created_at AS absolute, rotated_at = created_at AS rotated_at_issue,
       expires_at = :'family_expires_at' AS same, created_at <= clock_timestamp() AND created_at > clock_timestamp() - interval '1 min' AS wall_clock
  FROM sctoken.family WHERE id = :'family_id';

-- A token is of fixed form (the regular expression is published for secret scanners) and names its family.
SELECT length(:'refresh_token'), :'refresh_token' ~ '^sct_[A-Za-z0-9_-]{96}[0-9A-Za-z]{6}$' AS form, sctoken.token_family_id(:'refresh_token') = :'family_id' AS family;
-- The id is a UUIDv7 of this moment; its version and home bits are zero.
SELECT substr(:'family_id', 15, 1) AS version, substr(:'family_id', 20, 4) AS variant_and_home,
       abs(('x0000' || replace(left(:'family_id', 13), '-', ''))::bit(64)::bigint / 1000 - extract(epoch FROM clock_timestamp())) < 60 AS now;
-- Nothing of the token is in the row but the hash of its secret.
SELECT secret_hash = sha256(substr(decode(translate(substr(:'refresh_token', 5, 96), '-_', '+/'), 'base64'), 25, 32)) AS hash, salt IS NULL AS no_salt, previous_hash IS NULL AS no_previous
  FROM sctoken.family WHERE id = :'family_id';
SELECT client_id, subject, scope, audience, binding, session_id, grant_id, generation, retries, revoked_at, revoke_reason, details FROM sctoken.family WHERE id = :'family_id';
SELECT kind, generation, client_id, subject, reason, detail FROM sctoken.event WHERE family_id = :'family_id';

-- token_family_id: null for what has not the form of our tokens.
SELECT count(*) AS others, count(sctoken.token_family_id(t)) AS taken FROM unnest(ARRAY['', 'sct_', left(:'refresh_token', 105), :'refresh_token' || 'A', upper(:'refresh_token'),
    overlay(:'refresh_token' PLACING 'scx' FROM 1 FOR 3), overlay(:'refresh_token' PLACING 'Ag' FROM 5 FOR 2), repeat('ü', 106), repeat('a', 1000000)]) AS t;
-- Any single changed character is found by the checksum.
SELECT count(*) AS changed, count(sctoken.token_family_id(overlay(:'refresh_token' PLACING CASE substr(:'refresh_token', i, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM i FOR 1))) AS taken
  FROM generate_series(1, 106) AS i;
-- Two tokens have nothing in common but form and key.
SELECT count(DISTINCT right((sctoken.issue('app', 'bob')).refresh_token, 70)) FROM generate_series(1, 100);

-- Only client and subject are needed; a bearer token is not bound.
SELECT outcome, scope, audience, cnf, session_id, grant_id, details FROM sctoken.issue('app', 'alice');
-- A public client's token is bound to what was presented; a confidential client's is not (RFC 9449 5).
INSERT INTO sctoken.client_policy (client_id, client_type) VALUES ('web', 'confidential');
CREATE TEMP TABLE bound AS SELECT i.*
  FROM unnest(ARRAY['app', 'web']) AS client,
       LATERAL sctoken.issue(client, 'alice', cnf => json_build_object('jkt', :'jkt', 'x5t#S256', 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0')::jsonb) AS i;
SELECT b.client_id, b.cnf AS into_access_token, f.binding AS of_refresh_token FROM bound AS b JOIN sctoken.family AS f ON f.id = b.family_id ORDER BY 1;

-- Policy: life, stop, required binding
INSERT INTO sctoken.client_policy (client_id, idle_ttl, absolute_ttl) VALUES ('short', '1 hour', '1 day');
SELECT outcome, expires_at AS e, family_expires_at AS f, family_id FROM sctoken.issue('short', 'alice') \gset
SELECT :'outcome' AS outcome, :'e' - created_at AS idle, :'f' - created_at AS absolute FROM sctoken.family WHERE id = :'family_id';
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('stopped', false);
SELECT outcome, error, reason, refresh_token FROM sctoken.issue('stopped', 'alice');
-- A family that not_before would revoke at once is not issued.
INSERT INTO sctoken.client_policy (client_id, not_before) VALUES ('later', 'infinity');
SELECT outcome, error FROM sctoken.issue('later', 'alice');
INSERT INTO sctoken.client_policy (client_id, required_binding) VALUES ('none', 'none'), ('dpop', 'dpop'), ('mtls', 'mtls'), ('any', 'any');
SELECT client, cnf, outcome, error
  FROM unnest(ARRAY['none', 'dpop', 'mtls', 'any']) AS client,
       unnest(ARRAY[NULL, '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}']::jsonb[]) AS cnf,
       LATERAL (SELECT outcome, error FROM sctoken.issue(client, 'alice', cnf => cnf)) AS i;

-- Misuse is an error with a meaning of its own, which repeats no value.
CREATE FUNCTION issue_error(client_id text DEFAULT 'app', subject text DEFAULT 'alice', scope text DEFAULT NULL, audience text[] DEFAULT NULL, cnf jsonb DEFAULT NULL,
                            session_id text DEFAULT NULL, grant_id text DEFAULT NULL, dpop_proof text DEFAULT NULL, certificate bytea DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (sctoken.issue(client_id, subject, scope, audience, cnf, session_id, grant_id, dpop_proof => dpop_proof, certificate => certificate)).outcome;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT issue_error(client_id => c) FROM unnest(ARRAY[NULL, '', '*', repeat('a', 1024), repeat('a', 1025)]) AS c;
SELECT issue_error(subject => s) FROM unnest(ARRAY[NULL, '', repeat('a', 1025)]) AS s;
SELECT issue_error(session_id => ''), issue_error(grant_id => '');
SELECT issue_error(scope => s) FROM unnest(ARRAY['', ' ', 'a ', ' a', 'a  b', 'a"b', 'a\b', 'é', E'a\nb', 'a b', repeat('a', 4097)]) AS s;
SELECT issue_error(audience => a::text[]) FROM (VALUES ('{}'), ('{NULL}'), ('{""}'), ('{{a,b},{c,d}}'), ('{a}')) AS v(a);
SELECT issue_error(cnf => c::jsonb) FROM (VALUES ('{}'), ('[]'), ('"jkt"'), ('null'), ('{"jkt": null}'), ('{"jkt": 1}'), ('{"jkt": ""}'), ('{"jkt": {}}'), ('{"jkt": ["0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"]}'),
    ('{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J"}'), ('{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I="}'), ('{"jwk": {}}'), ('{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "kid": "a"}')) AS v(c);
SELECT issue_error(dpop_proof => 'a.b.c'), issue_error(certificate => '\x30');
\set VERBOSITY terse
SELECT sctoken.issue('app', 'alice', details => to_jsonb(repeat('a', 70000)));
SELECT sctoken.issue('app', 'alice', context => to_jsonb(repeat('a', 70000)));
\set VERBOSITY default
BEGIN READ ONLY;
SELECT sctoken.issue('app', 'alice');
ROLLBACK;
DROP FUNCTION issue_error;
