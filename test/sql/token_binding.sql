-- Token Binding (RFC 8471, RFC 8473), legacy: messages, hashes, and families bound by tbh
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
-- To the authorization server: its own key provided, the resource server's referred. To the resource server: that one provided. All made for this test.
\set as_header 'ARIAAgBBQDte6i5GfCwlpdyqXaLVxDScwJOQ-yajYLwMBpMLJlgrQ3Si8_Z5n1KYJUEf3l88cwAaPG3Efzu586Pr1VkgR8UAQChmjwEiYQpfxnJYrQ1cLfwdVXbdHh7kMU40xqGMJqmwvWON4C0xjiHqTEVdMAXp-s1VXJrWAJ0EMqkPY6sc0_EAAAECAEFA9medb7gALmIIPYLur96zEHgtl6pCbr6GpOO3oO0pqjlAZgvk_TAUlTCPkWF9oQ7NaC1dGXNetHcTJJVgfqn8WgBAVHUSz_w5eAkUsO89T7jkYJlrdqf6qbVftmbTMtegwY4rG6hT9SZjcQsqNQhEADrxn3KNGxXVCcuN6U-vTbHzjAAA'
\set rs_header 'AIkAAgBBQPZnnW-4AC5iCD2C7q_esxB4LZeqQm6-hqTjt6DtKao5QGYL5P0wFJUwj5FhfaEOzWgtXRlzXrR3EySVYH6p_FoAQLVSGp-619b1QecXhr8kdwlm4a4QzYOrRceXPWKdi6QJld8p3gzaIc2piNVHz5fHjDPoqTBcUNasuIMX9C_RBGQAAA'
\set as_tbh 'uxiF426DpnlNtWyggtxhxQ7Djx7jcow5GmM7VSbqX04'
\set rs_tbh 'mpsxWOFyubgq4YxHfILNu35vNsl2-hLoQ-IysyZq4sQ'
SELECT sctoken.token_binding_from_header(:'as_header') AS as_message, sha256('sctoken test: connection to the authorization server') AS as_ekm,
       sctoken.token_binding_from_header(:'rs_header') AS rs_message, sha256('sctoken test: connection to the resource server') AS rs_ekm \gset
CREATE FUNCTION error_of(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- Each server learns its own key, and the authorization server also the one to bind a token to that is for the resource server.
SELECT valid, reason, provided_tbh = :'as_tbh' AS provided, referred_tbh = :'rs_tbh' AS referred FROM sctoken.token_binding_verify(:'as_message', :'as_ekm', 2);
SELECT valid, reason, provided_tbh = :'rs_tbh' AS provided, referred_tbh FROM sctoken.token_binding_verify(:'rs_message', :'rs_ekm', 2);
-- A message belongs to one connection: refused on another one right after it was accepted, and accepted again.
SELECT n, v.* FROM (VALUES (1, :'rs_ekm'::bytea), (2, :'as_ekm'), (3, :'rs_ekm')) AS c(n, ekm), LATERAL sctoken.token_binding_verify(:'rs_message', ekm, 2) AS v ORDER BY n;
-- What was not negotiated is refused; without keying material too, where there is none.
SELECT k, v.* FROM unnest(ARRAY[NULL, -1, 0, 1, 3, 255, 258, 2147483647]) AS k, LATERAL sctoken.token_binding_verify(:'rs_message', :'rs_ekm', k) AS v;
SELECT * FROM sctoken.token_binding_verify(:'rs_message', NULL, NULL);
-- Nothing presented is null, whatever the rest.
SELECT sctoken.token_binding_verify(NULL, :'rs_ekm', 2) IS NULL AND sctoken.token_binding_verify(NULL, NULL, NULL) IS NULL AND sctoken.token_binding_verify(NULL, '', 7) IS NULL AS is_null;
-- Every other refusal, and nothing else is said then. Bytes: 2 type, 3 key parameters, 7 to 70 point, 73 to 136 signature, 139 the second binding.
SELECT what, v.*
  FROM (VALUES (1, 'empty', ''::bytea), (2, 'empty list', '\x0000'), (3, 'a byte more', :'as_message'::bytea || '\x00'), (4, 'a byte less', substr(:'as_message'::bytea, 1, 275)),
               (5, 'nine bindings', '\x04d1'::bytea || substr(:'as_message'::bytea, 3, 137) || decode(repeat(encode(substr(:'as_message'::bytea, 140), 'hex'), 8), 'hex')),
               (6, 'eight, of which seven are referred', '\x0448'::bytea || substr(:'as_message'::bytea, 3, 137) || decode(repeat(encode(substr(:'as_message'::bytea, 140), 'hex'), 7), 'hex')),
               (7, 'two provided', set_byte(:'as_message'::bytea, 139, 0)), (8, 'none provided', set_byte(:'as_message'::bytea, 2, 9)),
               (9, 'unknown key parameters', set_byte(:'as_message'::bytea, 3, 88)), (10, 'point off the curve', set_byte(:'as_message'::bytea, 70, 0)),
               (11, 'signature', set_byte(:'as_message'::bytea, 73, 0)), (12, 'signature of the referred one', set_byte(:'as_message'::bytea, 210, 0)),
               (13, 'signature of one of unknown type', set_byte(:'as_message'::bytea, 139, 9))) AS m(n, what, message),
       LATERAL sctoken.token_binding_verify(message, :'as_ekm', 2) AS v ORDER BY n;
-- Referred with key parameters that nobody knows: no refusal, but nothing to bind a token to.
SELECT valid, provided_tbh = :'as_tbh' AS provided, referred_tbh FROM sctoken.token_binding_verify(set_byte(:'as_message'::bytea, 140, 88), :'as_ekm', 2);
-- A caller must have the keying material where there is a connection with Token Binding; the errors do not repeat it.
SELECT error_of(format('SELECT sctoken.token_binding_verify(%L, %s, 2)', :'rs_message', ekm))
  FROM unnest(ARRAY['NULL', '''''', quote_literal(substr(:'rs_ekm'::bytea, 2)), quote_literal(:'rs_ekm'::bytea || '\x00')]) AS ekm;

-- The header: base64url in its one spelling; absent is null.
SELECT octet_length(:'as_message'::bytea) AS two_keys, octet_length(:'rs_message'::bytea) AS one_key,
       sctoken.token_binding_from_header(NULL) IS NULL AS absent, sctoken.token_binding_from_header('') IS NULL AS empty, sctoken.token_binding_from_header('AAA') AS empty_list;
-- 139 bytes are 186 characters with two bits to spare
SELECT what, error_of(format('SELECT sctoken.token_binding_from_header(%L)', value))
  FROM (VALUES (1, 'padding', :'rs_header' || '=='), (2, 'other alphabet', translate(:'rs_header', '-_', '+/')), (3, 'blank', ' ' || :'rs_header'),
               (4, 'line break', overlay(:'rs_header' placing E'\n' from 76 for 0)), (5, 'two headers', :'rs_header' || ', ' || :'rs_header'), (6, 'stray bits', left(:'rs_header', 185) || 'B'),
               (7, 'a character left over', 'AAAAA'), (8, 'no ASCII', 'ä'), (9, 'longest', repeat('A', 87383)), (10, 'longer', repeat('A', 87384))) AS v(n, what, value) ORDER BY n;

-- The hash: of one Token Binding ID as a proxy forwards it.
SELECT sctoken.token_binding_hash(substr(:'as_message'::bytea, 4, 68)) = :'as_tbh' AS provided, sctoken.token_binding_hash(substr(:'as_message'::bytea, 141, 68)) = :'rs_tbh' AS referred,
       sctoken.token_binding_hash(sctoken.token_binding_from_header('AgBBQPZnnW-4AC5iCD2C7q_esxB4LZeqQm6-hqTjt6DtKao5QGYL5P0wFJUwj5FhfaEOzWgtXRlzXrR3EySVYH6p_Fo')) = :'rs_tbh' AS header,
       sctoken.token_binding_hash(NULL) IS NULL AS is_null;
SELECT what, error_of(format('SELECT sctoken.token_binding_hash(%L)', id))
  FROM (VALUES (1, 'empty', ''::bytea), (2, 'a byte less', substr(:'as_message'::bytea, 4, 67)), (3, 'a byte more', substr(:'as_message'::bytea, 4, 69)),
               (4, 'the message', :'as_message'), (5, 'only its form counts', '\x020000')) AS v(n, what, id) ORDER BY n;
-- Pure: may stand in an index and in a generated column.
CREATE TEMP TABLE known (id bytea, tbh text GENERATED ALWAYS AS (sctoken.token_binding_hash(id)) STORED);
CREATE INDEX ON known ((sctoken.token_binding_hash(id)));
INSERT INTO known VALUES (substr(:'as_message'::bytea, 4, 68));
SELECT tbh = :'as_tbh' AS same FROM known;
DROP TABLE known;

-- cnf_matches knows the member tbh, and demands it like the others.
\set key '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set certificate '{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'
SELECT jsonb_build_object('tbh', :'as_tbh') AS as_cnf, jsonb_build_object('tbh', :'rs_tbh') AS rs_cnf, jsonb_build_object('jkt', :'as_tbh') AS as_jkt \gset
SELECT sctoken.cnf_matches(:'as_cnf', :'as_cnf') AS same, sctoken.cnf_matches(:'as_cnf', :'rs_cnf') AS other, sctoken.cnf_matches(:'as_cnf', :'as_jkt') AS as_jkt, sctoken.cnf_matches(:'as_jkt', :'as_cnf') AS of_jkt,
       sctoken.cnf_matches(:'as_cnf', NULL) AS none, sctoken.cnf_matches(:'as_cnf'::jsonb || :'key', :'as_cnf') AS one_of_two, sctoken.cnf_matches(:'as_cnf'::jsonb || :'key', :'key') AS the_other,
       sctoken.cnf_matches(:'as_cnf'::jsonb || :'key', :'key'::jsonb || :'as_cnf') AS both, sctoken.cnf_matches('{"tbh": "short"}', '{"tbh": "short"}') AS short;
-- A refresh token is bound to the key provided at the token endpoint; with another or none nothing is consumed, not even after it was used.
INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('*', '1 day');
SELECT outcome, cnf = :'as_cnf' AS cnf, refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', cnf => :'as_cnf') \gset
SELECT :'outcome' AS outcome, :'cnf' AS cnf, binding = :'as_cnf' AS bound FROM sctoken.family WHERE id = :'family_id';
SELECT n, outcome, error, reason
  FROM (VALUES (1, NULL), (2, :'rs_cnf'::jsonb), (3, :'as_jkt'), (4, :'key'), (5, '{"kid": "a"}')) AS v(n, c), LATERAL sctoken.rotate(:'t1', 'app', cnf => c) ORDER BY n;
SELECT outcome, cnf = :'as_cnf' AS cnf, refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app', cnf => :'as_cnf') \gset
SELECT :'outcome' AS outcome, :'cnf' AS cnf;
SELECT outcome, refresh_token = :'t2' AS identical FROM sctoken.rotate(:'t1', 'app', cnf => :'as_cnf');
SELECT outcome FROM sctoken.rotate(:'t2', 'app', cnf => :'rs_cnf');
SELECT sctoken.introspect(:'t2') -> 'cnf' = :'as_cnf' AS cnf, sctoken.introspect(:'t2') -> 'generation' AS generation;
SELECT bound FROM sctoken.families('alice');
SELECT kind, reason, detail -> 'cnf' = :'rs_cnf' AS presented, count(*) FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'refused' GROUP BY 1, 2, 3 ORDER BY 3;
-- rebind, to it and away from it; unknown and malformed members are refused as ever.
SELECT sctoken.rebind(:'family_id', :'rs_cnf', 'new key');
SELECT outcome FROM sctoken.rotate(:'t2', 'app', cnf => :'as_cnf');
SELECT outcome FROM sctoken.rotate(:'t2', 'app', cnf => :'rs_cnf');
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', cnf => :'key') \gset
SELECT sctoken.rebind(:'family_id', :'key'::jsonb || :'as_cnf', 'both');
SELECT outcome FROM sctoken.rotate(:'t1', 'app', cnf => :'key');
SELECT outcome FROM sctoken.rotate(:'t1', 'app', cnf => :'key'::jsonb || :'as_cnf');
SELECT error_of(format('SELECT sctoken.issue(''app'', ''alice'', cnf => %L)', c)) FROM unnest(ARRAY['{"tbh": 1}', '{"tbh": "short"}', '{"TBH": "x"}', :'as_cnf'::jsonb || '{"kid": "a"}']) AS c;
-- A token endpoint binds in one statement, and does not where the message is refused or absent.
SELECT n, i.outcome, i.cnf = :'as_cnf' AS cnf
  FROM (VALUES (1, :'as_header', :'as_ekm'::bytea), (2, :'as_header', :'rs_ekm'), (3, NULL, :'as_ekm')) AS r(n, header, ekm), LATERAL sctoken.token_binding_verify(sctoken.token_binding_from_header(header), ekm, 2) AS t,
       LATERAL sctoken.issue('app', 'alice', cnf => jsonb_build_object('tbh', t.provided_tbh)) AS i WHERE t.valid ORDER BY n;
-- A resource server takes the access token that names the key which is provided to it, over its connection, and no other.
SELECT n, t.valid AND sctoken.cnf_matches(cnf, jsonb_build_object('tbh', t.provided_tbh)) AS accepted
  FROM (VALUES (1, :'rs_cnf'::jsonb, :'rs_header', :'rs_ekm'::bytea), (2, :'as_cnf', :'rs_header', :'rs_ekm'), (3, :'rs_cnf', :'rs_header', :'as_ekm'), (4, :'rs_cnf', NULL, :'rs_ekm')) AS r(n, cnf, header, ekm),
       LATERAL sctoken.token_binding_verify(sctoken.token_binding_from_header(header), ekm, 2) AS t ORDER BY n;
-- A policy that asks for a binding asks for one of the other two, in any of its words, also of a family that has tbh.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'carol', cnf => :'as_cnf') \gset
CREATE FUNCTION asked(required text, presented jsonb, token text, OUT required_binding text, OUT issued text, OUT rotated text, OUT error text, OUT reason text) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sctoken.client_policy SET required_binding = required WHERE client_id = '*';
    required_binding := required;
    issued := (SELECT outcome FROM sctoken.issue('app', 'carol', cnf => presented));
    SELECT r.outcome, r.error, r.reason INTO rotated, error, reason FROM sctoken.rotate(token, 'app', cnf => presented) AS r;
END $$;
SELECT a.* FROM unnest(ARRAY['dpop', 'mtls', 'any']) AS r, LATERAL asked(r, :'as_cnf', :'t1') AS a;
SELECT a.* FROM unnest(ARRAY['dpop', 'any', 'none']) AS r, LATERAL asked(r, :'as_cnf'::jsonb || :'key', :'t1') AS a;
SELECT a.* FROM unnest(ARRAY['mtls', 'any']) AS r, LATERAL asked(r, :'as_cnf'::jsonb || :'certificate', :'t1') AS a;
-- FAPI 2.0 has the other two only: a profile inherited from '*' asks for any of them.
UPDATE sctoken.client_policy SET required_binding = 'any', rotation = 'never', profile = 'fapi2' WHERE client_id = '*';
INSERT INTO sctoken.client_policy (client_id, required_binding) VALUES ('app', 'none');
SELECT outcome, error, reason FROM sctoken.issue('app', 'carol', cnf => :'as_cnf');
DELETE FROM sctoken.client_policy;
-- A confidential client's token is not bound to it; the access token is.
INSERT INTO sctoken.client_policy (client_id, client_type) VALUES ('web', 'confidential');
SELECT cnf = :'as_cnf' AS access_token, family_id FROM sctoken.issue('web', 'alice', cnf => :'as_cnf') \gset
SELECT :'access_token' AS access_token, binding IS NULL AS unbound FROM sctoken.family WHERE id = :'family_id';

-- revoke_binding finds it, alone and among others.
TRUNCATE sctoken.family, sctoken.client_policy;
CREATE FUNCTION log_in() RETURNS void LANGUAGE sql AS $$
    TRUNCATE sctoken.family;
    SELECT sctoken.issue('app', n::text, cnf => c)
      FROM (VALUES (1, NULL), (2, '{"tbh": "uxiF426DpnlNtWyggtxhxQ7Djx7jcow5GmM7VSbqX04"}'::jsonb), (3, '{"tbh": "mpsxWOFyubgq4YxHfILNu35vNsl2-hLoQ-IysyZq4sQ"}'), (4, '{"jkt": "uxiF426DpnlNtWyggtxhxQ7Djx7jcow5GmM7VSbqX04"}'),
                   (5, '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "tbh": "uxiF426DpnlNtWyggtxhxQ7Djx7jcow5GmM7VSbqX04"}')) AS v(n, c);
$$;
CREATE VIEW dead AS SELECT string_agg(subject, ' ' ORDER BY subject) AS revoked FROM sctoken.family WHERE revoked_at IS NOT NULL;
SELECT log_in(), sctoken.revoke_binding(:'as_cnf', 'leaked');
SELECT * FROM dead;
SELECT sctoken.revoke_binding(:'as_cnf', 'again') AS again, sctoken.revoke_binding(jsonb_build_object('tbh', repeat('A', 43)), 'unknown') AS unknown;
SELECT log_in(), sctoken.revoke_binding(:'rs_cnf'::jsonb || :'key' || :'certificate', 'all three leaked');
SELECT * FROM dead;
SELECT log_in(), sctoken.revoke_binding(:'as_jkt', 'leaked');
SELECT * FROM dead;
-- One lock for each member that a family has or a revocation names.
BEGIN;
SELECT sctoken.revoke_binding(:'rs_cnf'::jsonb || :'key' || :'certificate', 'leaked');
SELECT count(*) AS advisory_locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
DROP VIEW dead;
DROP FUNCTION log_in;
DROP FUNCTION asked;
DROP FUNCTION error_of;
TRUNCATE sctoken.family;
