-- A session whose statements are planned while a table has a row or two must not read all of it when it has grown
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret, sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon;
\set cases `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_cases.json`
SELECT c ->> 'proof' AS proof, to_timestamp((c #>> '{request,now}')::bigint) AS now FROM json_array_elements(:'cases'::json -> 'cases') AS c WHERE c ->> 'id' = 'PA001' \gset
\set cnf '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set certificate `sed '/-----/d' "$PG_ABS_SRCDIR"/vectors/mtls/pki/leaf.pem | tr -d '\n'`
INSERT INTO sctoken.client_policy (client_id, rotation, max_families, retry_until_confirmed, max_retries) VALUES ('app', NULL, 2, NULL, 1), ('kept', 'never', NULL, NULL, NULL);
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('root');
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn) VALUES ('app', 'root', 'CN=app');
INSERT INTO sctoken.client_certificate (client_id, thumbprint) VALUES ('self', sctoken.certificate_thumbprint(decode(:'certificate', 'base64')));
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', 'a b') \gset
SELECT valid FROM sctoken.dpop_check(:'proof', 'POST', 'https://server.example.com/token', at => :'now');
VACUUM (ANALYZE) sctoken.family, sctoken.client_policy, sctoken.tls_client_auth, sctoken.client_certificate, sctoken.dpop_replay;

-- A statement that reads few rows of one of them without its index is a fault; what the rest reads whole has a row or two for ever.
\c -
BEGIN;
SELECT outcome, refresh_token AS t2, family_id FROM sctoken.rotate(:'t1', 'app') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.introspect(:'t2') -> 'active' AS active, sctoken.family_active(:'family_id'), sctoken.confirm(:'family_id', 2);
SELECT sctoken.narrow(:'family_id', 'a', NULL, 'test'), sctoken.rebind(:'family_id', :'cnf', 'test');
SELECT outcome FROM sctoken.rotate(:'t1', 'app', cnf => :'cnf');
SELECT refresh_token AS kept FROM sctoken.issue('kept', 'bob', session_id => 's', grant_id => 'g') \gset
SELECT outcome FROM sctoken.rotate(:'kept', 'kept');
SELECT count(*) FROM generate_series(1, 3) AS n, sctoken.issue('app', 'carol', cnf => :'cnf', session_id => 's' || n);
SELECT count(*) FROM sctoken.families('carol');
SELECT sctoken.revoke(:'kept', 'kept'), sctoken.revoke_grant('g', 'test'), sctoken.revoke_session('s2', 'test'), sctoken.revoke_binding(:'cnf', 'test'),
       sctoken.revoke_subject('carol', 'test');
SELECT reason FROM sctoken.dpop_check(:'proof', 'POST', 'https://server.example.com/token', at => :'now');
SELECT reason FROM sctoken.certificate_authenticate('app', decode(:'certificate', 'base64'));
SELECT reason FROM sctoken.certificate_authenticate('self', decode(:'certificate', 'base64'), at => '2026-06-01');
SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'sctoken' AND seq_scan > 0 ORDER BY 1;
ROLLBACK;
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret, sctoken.client_certificate, sctoken.tls_client_auth, sctoken.trust_anchor_set,
    sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon;
