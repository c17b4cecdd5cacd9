-- The end of a family (RFC 7009), and what introspection says of it (RFC 7662)
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('*', '1 day');

-- Introspection: the answer for the one live token
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', 'a b', ARRAY['https://x', 'https://y'], :'key1', 'session-1', 'grant-1', '{"secret": "not told"}') \gset
SELECT i - 'iat' - 'exp' - 'family_id' AS answer, i ->> 'family_id' = :'family_id' AS family, (i ->> 'exp')::bigint - (i ->> 'iat')::bigint = 30 * 86400 AS idle,
       abs((i ->> 'iat')::bigint - extract(epoch FROM clock_timestamp())) < 60 AS now, jsonb_typeof(i -> 'exp') AS numbers
  FROM sctoken.introspect(:'t1') AS i;
-- exp is the earlier of idle and absolute expiry.
UPDATE sctoken.family SET expires_at = date_trunc('second', clock_timestamp()) + interval '1 hour' WHERE id = :'family_id';
SELECT (sctoken.introspect(:'t1') ->> 'exp')::bigint = extract(epoch FROM expires_at) AS absolute FROM sctoken.family WHERE id = :'family_id';
-- A bearer token has no cnf; null members are left out.
SELECT sctoken.introspect(refresh_token) - ARRAY['iat', 'exp', 'family_id'] AS answer FROM sctoken.issue('app', 'bob');
-- {"active": false} alone, for whatever reason.
SELECT DISTINCT sctoken.introspect(t) FROM unnest(ARRAY[NULL, '', 'x', :'t1' || 'x', repeat('ü', 10000)]) AS t;
-- It writes nothing, and works in a read-only transaction.
BEGIN READ ONLY;
SELECT sctoken.introspect(:'t1') -> 'active' AS active;
COMMIT;

-- Any generation of a token revokes its family, but only for its own client; again is no error.
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app', cnf => :'key1') \gset
SELECT refresh_token AS t3 FROM sctoken.rotate(:'t2', 'app', cnf => :'key1') \gset
SELECT sctoken.revoke(:'t3', 'other') AS other_client;
SELECT sctoken.introspect(:'t3') -> 'active' AS active;
SELECT sctoken.revoke(:'t1', 'app') AS first, sctoken.revoke(:'t3', 'app', 'again') AS second;
SELECT sctoken.introspect(:'t3');
SELECT revoke_reason FROM sctoken.family WHERE id = :'family_id';
SELECT kind, reason, generation, client_id, subject FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'revoked';
-- A token of it is revoked, not reused: a logout is no theft.
SELECT outcome, error, reason FROM unnest(ARRAY[:'t1', :'t2', :'t3']) AS t, LATERAL sctoken.rotate(t, 'app', cnf => :'key1');
SELECT count(*) FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'reuse_detected';
-- What is no token of ours is false (RFC 7009 2.2: the answer is 200 all the same).
SELECT sctoken.revoke(t, 'app') FROM unnest(ARRAY[NULL, '', 'x', left(:'t1', 105) || '!']) AS t;

-- By the family's id
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT sctoken.revoke_family(:'family_id', 'stolen laptop') AS first, sctoken.revoke_family(:'family_id', 'again') AS second, sctoken.revoke_family('00000000-0000-7000-8000-000000000000', 'none') AS unknown;
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT kind, reason FROM sctoken.event WHERE family_id = :'family_id' ORDER BY at;

-- Under a secret that others know, only the tokens whose secret the family knows count; older ones are refused and revoke nothing.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT refresh_token AS t3 FROM sctoken.rotate(:'t2', 'app') \gset
UPDATE sctoken.server_secret SET retired_at = clock_timestamp(), compromised = true;
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.revoke(:'t1', 'app') AS older;
SELECT outcome, refresh_token = :'t3' AS identical FROM sctoken.rotate(:'t2', 'app');
-- A new secret is made, and tokens go over to it with their next use; a retry is still byte by byte the same.
SELECT refresh_token AS t4, outcome FROM sctoken.rotate(:'t3', 'app') \gset
SELECT :'outcome' AS outcome, get_byte(decode(translate(substr(:'t4', 5, 96), '-_', '+/'), 'base64'), 1) AS key_id;
SELECT outcome, refresh_token = :'t4' AS identical FROM sctoken.rotate(:'t3', 'app');
SELECT sctoken.revoke(:'t3', 'app') AS predecessor;
SELECT id, retired_at IS NOT NULL AS retired, compromised FROM sctoken.server_secret ORDER BY id;

-- Misuse is an error with a meaning of its own.
CREATE FUNCTION revoke_error(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT q, revoke_error(q) FROM unnest(ARRAY['SELECT sctoken.revoke(''x'', NULL)', 'SELECT sctoken.revoke(''x'', ''app'', NULL)', 'SELECT sctoken.revoke(''x'', ''app'', '''')',
    'SELECT sctoken.revoke(''x'', ''app'', repeat(''a'', 257))', 'SELECT sctoken.revoke_family(NULL, ''x'')', 'SELECT sctoken.revoke_family(gen_random_uuid(), NULL)']) AS q;
BEGIN READ ONLY;
SELECT sctoken.revoke('x', 'app');
ROLLBACK;
BEGIN READ ONLY;
SELECT sctoken.revoke_family('00000000-0000-7000-8000-000000000000', 'x');
ROLLBACK;
DROP FUNCTION revoke_error;
