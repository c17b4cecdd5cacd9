-- The ten queries of doc/audit.md, run from the page, with the duty that they are for
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
ALTER TABLE sctoken.event_default DISABLE TRIGGER guard_append_only_row;
DELETE FROM sctoken.event_default;
ALTER TABLE sctoken.event_default ENABLE ALWAYS TRIGGER guard_append_only_row;
\set jkt 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set key2 '{"jkt": "kwtnlmjlQ4Ptk6ZaYH89oysGT93bBPN_5QNtXhoeySk"}'
\set subject alice
\set victim bob
CREATE ROLE regress_sctoken_auditor;
SELECT sctoken.grant_to('regress_sctoken_auditor', 'auditor');
INSERT INTO sctoken.client_policy (client_id, client_type, retry_window, retry_until_confirmed) VALUES ('app', 'public', '0', false), ('web', 'confidential', '1 day', NULL);

-- Alice has two sessions bound to key 1, one of which is used after she left, and one that was revoked before.
SELECT refresh_token AS a1 FROM sctoken.issue('app', 'alice', cnf => :'key1', session_id => 'laptop') \gset
SELECT refresh_token AS a2, family_id AS gone FROM sctoken.issue('app', 'alice', cnf => :'key1', session_id => 'phone') \gset
SELECT refresh_token AS a3 FROM sctoken.issue('web', 'alice', cnf => :'key1', session_id => 'desk', context => '{"address": "192.0.2.1"}') \gset
SELECT sctoken.revoke_family(:'gone', 'logout');
SELECT clock_timestamp() AS left_at \gset
SELECT outcome FROM sctoken.rotate(:'a1', 'app', cnf => :'key1');
-- Her confidential client's token is used from two keys in turns, and from two addresses; once it is retried.
SELECT refresh_token AS a4 FROM sctoken.rotate(:'a3', 'web', cnf => :'key2', context => '{"address": "198.51.100.7"}') \gset
SELECT refresh_token AS a5 FROM sctoken.rotate(:'a4', 'web', cnf => :'key1', context => '{"address": "192.0.2.1"}') \gset
SELECT outcome FROM sctoken.rotate(:'a4', 'web', cnf => :'key2', context => '{"address": "198.51.100.7"}');
-- Bob's token is copied: the thief is refused as another client and with another key, then a used token comes back.
SELECT refresh_token AS b1 FROM sctoken.issue('app', 'bob', cnf => :'key2') \gset
SELECT refresh_token AS b2 FROM sctoken.rotate(:'b1', 'app', cnf => :'key2') \gset
SELECT refresh_token AS b3 FROM sctoken.rotate(:'b2', 'app', cnf => :'key2') \gset
SELECT outcome FROM sctoken.rotate(:'b3', 'web', cnf => :'key1');
SELECT outcome FROM sctoken.rotate(:'b3', 'app', cnf => :'key1');
SELECT outcome FROM sctoken.rotate(:'b1', 'app', cnf => :'key2', context => '{"address": "203.0.113.9"}');
-- Carol's is retried where policy allows none; and one of hers a restore threw back.
SELECT refresh_token AS c1 FROM sctoken.issue('app', 'carol') \gset
SELECT refresh_token AS c2 FROM sctoken.rotate(:'c1', 'app') \gset
SELECT outcome FROM sctoken.rotate(:'c1', 'app');
SELECT refresh_token AS d1, family_id FROM sctoken.issue('app', 'carol') \gset
BEGIN;
SELECT refresh_token AS d2 FROM sctoken.rotate(:'d1', 'app') \gset
ROLLBACK;
SELECT outcome, reason FROM sctoken.rotate(:'d2', 'app');
-- From now on policy asks for a key.
UPDATE sctoken.client_policy SET required_binding = 'dpop' WHERE client_id = 'app';

\getenv source PG_ABS_SRCDIR
\getenv build PG_ABS_BUILDDIR
\set page :source '/../doc/audit.md'
\set queries :build '/results/audit_page.queries'
\setenv PAGE :page
\setenv QUERIES :queries
\! sed -n '/^## Ten questions/,$ { /^```sql$/,/^```$/ { /^```/!p } }' "$PAGE" >"$QUERIES"
-- There are ten.
\! grep -c '^-- [0-9]*\. ' "$QUERIES"
SET ROLE regress_sctoken_auditor;
\i :queries
RESET ROLE;
DROP OWNED BY regress_sctoken_auditor;
DROP ROLE regress_sctoken_auditor;
