-- The care of living families: confirm, narrow, rebind, families, family_active
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set key2 '{"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}'
\set certificate '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'
\set nobody '00000000-0000-7000-8000-000000000000'
INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('*', '1 day');

-- confirm: until then the predecessor may be retried, afterwards it is reuse.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT outcome, refresh_token = :'t2' AS identical FROM sctoken.rotate(:'t1', 'app');
-- Only the current generation counts; others, and unknown families, change nothing.
SELECT g, sctoken.confirm(:'family_id', g) FROM unnest(ARRAY[-1, 0, 1, 3]) AS g;
SELECT sctoken.confirm(:'nobody', 1);
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
-- It erases the salt, and is true again and again.
SELECT salt IS NOT NULL AS salt FROM sctoken.family WHERE id = :'family_id';
SELECT rotated_at FROM sctoken.family WHERE id = :'family_id' \gset
SELECT sctoken.confirm(:'family_id', 2) AS first, sctoken.confirm(:'family_id', 2) AS second;
SELECT salt IS NOT NULL AS salt, rotated_at = :'rotated_at' AS not_moved FROM sctoken.family WHERE id = :'family_id';
-- Only what wrote is an event.
SELECT kind, generation, client_id, subject, reason FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'confirmed';
-- The current token is not touched, and the retry of its own successor is open.
SELECT outcome, refresh_token AS t3 FROM sctoken.rotate(:'t2', 'app') \gset
SELECT :'outcome' AS outcome;
SELECT outcome FROM sctoken.rotate(:'t2', 'app');
SELECT sctoken.confirm(:'family_id', 2) AS older;
SELECT sctoken.confirm(:'family_id', 3);
SELECT outcome, reason FROM sctoken.rotate(:'t2', 'app');
-- A revoked family has nothing to confirm.
SELECT sctoken.confirm(:'family_id', 3);
-- A first token has no predecessor: confirmed already, nothing is written.
SELECT family_id FROM sctoken.issue('app', 'alice') \gset
SELECT sctoken.confirm(:'family_id', 1);
SELECT kind FROM sctoken.event WHERE family_id = :'family_id';
-- sctoken.audit = lifecycle leaves it out, like the rotations that it follows.
SET sctoken.audit = 'lifecycle';
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.confirm(:'family_id', 2);
SELECT kind FROM sctoken.event WHERE family_id = :'family_id';
RESET sctoken.audit;

-- narrow: what is left holds from the next use on; null leaves as it is.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', 'a b c', ARRAY['https://x', 'https://y']) \gset
SELECT sctoken.narrow(:'family_id', 'c a', NULL, 'consent');
SELECT refresh_token AS t2, scope, audience FROM sctoken.rotate(:'t1', 'app') \gset
SELECT :'scope' AS scope, :'audience' AS audience;
SELECT sctoken.introspect(:'t2') ->> 'scope' AS scope;
SELECT outcome, error FROM sctoken.rotate(:'t2', 'app', 'b');
SELECT outcome, scope, audience FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.narrow(:'family_id', NULL, ARRAY['https://y'], 'consent');
SELECT outcome, scope, audience FROM sctoken.rotate(:'t2', 'app');
-- Both at once
SELECT sctoken.narrow(:'family_id', 'a', ARRAY['https://y'], 'consent');
-- Once more changes nothing, in whatever order; only a change is an event, with what was before.
SELECT sctoken.narrow(:'family_id', 'a', ARRAY['https://y'], 'again'), sctoken.narrow(:'family_id', 'a', NULL, 'again');
SELECT kind, generation, client_id, subject, reason, detail FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'narrowed' ORDER BY at;
-- Widening is misuse, and does not change the other argument either.
SELECT sctoken.narrow(:'family_id', 'a b', NULL, 'x');
SELECT sctoken.narrow(:'family_id', NULL, ARRAY['https://y', 'https://x'], 'x');
SELECT family_id AS bare FROM sctoken.issue('app', 'alice') \gset
SELECT sctoken.narrow(:'bare', 'a', NULL, 'x');
SELECT sctoken.narrow(:'bare', NULL, ARRAY['https://x'], 'x');
SELECT scope, audience FROM sctoken.family WHERE id = :'family_id';
-- Unknown and revoked families: nothing to narrow, whatever is asked for.
SELECT sctoken.narrow(:'nobody', 'a', NULL, 'x');
SELECT sctoken.revoke_family(:'family_id', 'x');
SELECT sctoken.narrow(:'family_id', 'a b c d', NULL, 'x');

-- rebind: the new key is asked for, the old one is of no use, for the successor and for the retry.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', cnf => :'key1') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app', cnf => :'key1') \gset
SELECT sctoken.rebind(:'family_id', :'key2', 'new phone');
SELECT t.n, k.n AS key, outcome, reason FROM (VALUES (1, :'t1'), (2, :'t2')) AS t(n, token), (VALUES (1, :'key1'::jsonb), (2, :'key2')) AS k(n, key), LATERAL sctoken.rotate(token, 'app', cnf => key) ORDER BY t.n, k.n;
-- Once more changes nothing; only a change is an event, with what was before.
SELECT sctoken.rebind(:'family_id', :'key2', 'again');
SELECT sctoken.rebind(:'family_id', :'key2'::jsonb || :'certificate', 'and a certificate');
SELECT kind, reason, detail FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'rebound' ORDER BY at;
-- An unbound family, also one of a confidential client, gets its first binding.
INSERT INTO sctoken.client_policy (client_id, client_type) VALUES ('web', 'confidential');
SELECT refresh_token AS t1, family_id FROM sctoken.issue('web', 'alice', cnf => :'key1') \gset
SELECT sctoken.rebind(:'family_id', :'certificate', 'mTLS only');
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'web', cnf => :'key1');
SELECT outcome FROM sctoken.rotate(:'t1', 'web', cnf => :'certificate');
SELECT detail FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'rebound';
-- Unknown and revoked families
SELECT sctoken.rebind(:'nobody', :'key1', 'x');
SELECT sctoken.revoke_family(:'family_id', 'x');
SELECT sctoken.rebind(:'family_id', :'key1', 'x');

-- families and family_active: what lives, and nothing else, by the same rule as introspect.
TRUNCATE sctoken.family, sctoken.client_policy;
INSERT INTO sctoken.client_policy (client_id, enabled, not_before, idle_ttl, absolute_ttl)
    VALUES ('app', NULL, NULL, '10 days', '20 days'), ('off', true, NULL, NULL, NULL), ('old', NULL, NULL, NULL, NULL);
CREATE TEMP TABLE held AS
    SELECT v.name, r.refresh_token AS token, r.family_id
    FROM (VALUES ('living', 'app', 'alice', 'a', 'session', 'grant', :'key1'::jsonb), ('bearer', 'app', 'alice', NULL, NULL, NULL, NULL), ('expired', 'app', 'alice', NULL, NULL, NULL, NULL), ('too old', 'app', 'alice', NULL, NULL, NULL, NULL),
                 ('idle', 'app', 'alice', NULL, NULL, NULL, NULL), ('revoked', 'app', 'alice', NULL, NULL, NULL, NULL), ('disabled', 'off', 'alice', NULL, NULL, NULL, NULL), ('epoch', 'old', 'alice', NULL, NULL, NULL, NULL),
                 ('bob', 'app', 'bob', NULL, NULL, NULL, NULL)) AS v(name, client, sub, scope, session, grant_id, cnf),
         LATERAL sctoken.issue(client, sub, v.scope, NULL, v.cnf, session, v.grant_id) AS r;
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE id = (SELECT family_id FROM held WHERE name = 'expired');
UPDATE sctoken.family SET created_at = created_at - interval '20 days' WHERE id = (SELECT family_id FROM held WHERE name = 'too old');
UPDATE sctoken.family SET rotated_at = rotated_at - interval '10 days' WHERE id = (SELECT family_id FROM held WHERE name = 'idle');
UPDATE sctoken.client_policy SET enabled = false WHERE client_id = 'off';
UPDATE sctoken.client_policy SET not_before = clock_timestamp() WHERE client_id = 'old';
SELECT sctoken.revoke_family(family_id, 'x') FROM held WHERE name = 'revoked';
SELECT name, sctoken.family_active(family_id), (sctoken.introspect(token) ->> 'active')::boolean AS introspect, f.family_id IS NOT NULL AS listed
  FROM held LEFT JOIN sctoken.families('alice') AS f USING (family_id) ORDER BY name;
-- Neither a family that is not there nor none is active.
SELECT sctoken.family_active(:'nobody'), sctoken.family_active(NULL);
-- The one used last comes first; expires_at is the earlier of idle and absolute expiry; no hash, salt or thumbprint.
SELECT outcome FROM held, LATERAL sctoken.rotate(token, 'app', cnf => :'key1') WHERE name = 'living';
SELECT name, client_id, session_id, grant_id, scope, audience, bound, generation, expires_at - rotated_at AS idle, f.created_at < f.rotated_at AS used FROM sctoken.families('alice') AS f JOIN held USING (family_id);
UPDATE sctoken.family SET created_at = created_at - interval '15 days' WHERE id = (SELECT family_id FROM held WHERE name = 'living');
SELECT expires_at - created_at AS absolute FROM sctoken.families('alice') WHERE bound;
SELECT count(*) FROM sctoken.families('nobody');
-- What is switched on again was not dead.
UPDATE sctoken.client_policy SET enabled = true WHERE client_id = 'off';
SELECT name, sctoken.family_active(family_id) FROM held WHERE name = 'disabled';
-- Both write nothing, and work in a read-only transaction.
BEGIN READ ONLY;
SELECT count(*) FROM sctoken.families('bob');
SELECT sctoken.family_active(family_id) FROM held WHERE name = 'bob';
COMMIT;

-- Misuse is an error with a meaning of its own, which does not say what was passed.
CREATE FUNCTION care_error(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT q, care_error('SELECT sctoken.' || q) FROM unnest(ARRAY['confirm(NULL, 1)', 'confirm(gen_random_uuid(), NULL)', 'narrow(NULL, ''a'', NULL, ''x'')', 'narrow(gen_random_uuid(), NULL, NULL, ''x'')',
    'narrow(gen_random_uuid(), ''a'', NULL, NULL)', 'narrow(gen_random_uuid(), '' a'', NULL, ''x'')', 'narrow(gen_random_uuid(), '''', NULL, ''x'')', 'narrow(gen_random_uuid(), NULL, ''{}'', ''x'')',
    'narrow(gen_random_uuid(), ''a'', NULL, '''')', 'rebind(NULL, ''{"jkt": "x"}'', ''x'')', 'rebind(gen_random_uuid(), NULL, ''x'')', 'rebind(gen_random_uuid(), ''{"jkt": "x"}'', ''x'')',
    'rebind(gen_random_uuid(), ''{}'', ''x'')', 'rebind(gen_random_uuid(), ''[]'', ''x'')', 'rebind(gen_random_uuid(), ''{"kid": "x"}'', ''x'')',
    'rebind(gen_random_uuid(), ''{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'', NULL)', 'families(NULL)', 'families('''')']) AS q;
DROP FUNCTION care_error;
BEGIN READ ONLY;
SELECT sctoken.confirm(:'nobody', 1);
ROLLBACK;
BEGIN READ ONLY;
SELECT sctoken.narrow(:'nobody', 'a', NULL, 'x');
ROLLBACK;
BEGIN READ ONLY;
SELECT sctoken.rebind(:'nobody', :'key1', 'x');
ROLLBACK;
