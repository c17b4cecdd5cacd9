-- Certificate-bound tokens (RFC 8705 3, 4 and 7.1) through issue, rotate, introspect and rebind: A54 to A64 of the notes.

\getenv abs_srcdir PG_ABS_SRCDIR
CREATE TABLE pki (name text PRIMARY KEY, der bytea NOT NULL);
INSERT INTO pki
SELECT name, decode(regexp_replace(pg_read_file(:'abs_srcdir' || '/vectors/mtls/pki/' || name || '.pem'), '-----[^-]+-----|\s', '', 'g'), 'base64')
  FROM unnest(ARRAY['leaf', 'leaf_noeku', 'selfsigned']) AS name;
CREATE FUNCTION cert(text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT der FROM pki WHERE name = $1 $$;
CREATE FUNCTION x5t(text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT sctoken.certificate_thumbprint(cert($1)) $$;
\set jkt '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
INSERT INTO sctoken.client_policy (client_id, client_type, rotation, required_binding)
VALUES ('app', NULL, NULL, NULL), ('web', 'confidential', NULL, NULL), ('kept', NULL, 'never', NULL), ('mtls', NULL, NULL, 'mtls'), ('any', NULL, NULL, 'any');
CREATE FUNCTION state(token text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT format('generation %s%s', generation, CASE WHEN revoked_at IS NOT NULL THEN ', revoked' END) FROM sctoken.family WHERE id = sctoken.token_family_id(token)
$$;
-- A refresh with a certificate of that name; null: none.
CREATE FUNCTION use(token text, client_id text, name text, cnf jsonb DEFAULT NULL, OUT outcome text, OUT error text, OUT reason text, OUT x5t_of text, OUT state text) LANGUAGE sql VOLATILE AS $$
    SELECT r.outcome, r.error, r.reason, (SELECT p.name FROM pki AS p WHERE x5t(p.name) = r.cnf ->> 'x5t#S256'), state($1)
      FROM sctoken.rotate($1, $2, certificate => cert(name), cnf => use.cnf) AS r
$$;

-- A public client's tokens are bound to the certificate that it presents, its refresh token too.
SELECT outcome, cnf = jsonb_build_object('x5t#S256', x5t('leaf')) AS cnf, refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', certificate => cert('leaf')) \gset
\echo :outcome :cnf
SELECT binding = jsonb_build_object('x5t#S256', x5t('leaf')) AS bound FROM sctoken.family WHERE id = :'family_id';
SELECT i -> 'active' AS active, i -> 'cnf' = jsonb_build_object('x5t#S256', x5t('leaf')) AS cnf FROM sctoken.introspect(:'t1') AS i;

-- A54, A55: what a resource server makes of the cnf: no certificate, or another one of the same key, is not the one.
SELECT name, sctoken.cnf_matches(jsonb_build_object('x5t#S256', x5t('leaf')), jsonb_build_object('x5t#S256', sctoken.certificate_thumbprint(cert(name)))) FROM unnest(ARRAY[NULL, 'leaf_noeku', 'leaf']) AS name;

-- A56: without it, or with another one, a refresh gets nothing and uses up nothing.
SELECT * FROM use(:'t1', 'app', NULL);
SELECT * FROM use(:'t1', 'app', 'leaf_noeku');
-- A59: a proof of a key is not the certificate.
SELECT * FROM use(:'t1', 'app', NULL, :'jkt');
SELECT * FROM use(:'t1', 'app', 'leaf');
-- A62: neither is a used token with another certificate told that it was used, nor does it revoke; with the right one it does.
SELECT refresh_token AS t2 FROM sctoken.issue('app', 'alice', certificate => cert('leaf')) \gset
SELECT refresh_token AS t3 FROM sctoken.rotate(:'t2', 'app', certificate => cert('leaf')) \gset
SELECT outcome FROM sctoken.rotate(:'t3', 'app', certificate => cert('leaf'));
SELECT * FROM use(:'t2', 'app', 'leaf_noeku');
SELECT * FROM use(:'t2', 'app', 'leaf');

-- A57: a confidential client may renew its certificate; its access token is bound to the one presented now.
SELECT refresh_token AS t1 FROM sctoken.issue('web', 'alice', certificate => cert('leaf')) \gset
SELECT binding FROM sctoken.family WHERE id = sctoken.token_family_id(:'t1');
SELECT * FROM use(:'t1', 'web', 'selfsigned');
-- A58: it need not present one at all.
SELECT outcome, cnf FROM sctoken.issue('web', 'alice');

-- A60: a family that is bound to both needs both.
SELECT outcome, cnf = :'jkt'::jsonb || jsonb_build_object('x5t#S256', x5t('leaf')) AS cnf, refresh_token AS t1 FROM sctoken.issue('app', 'alice', cnf => :'jkt', certificate => cert('leaf')) \gset
\echo :outcome :cnf
SELECT n, u.* FROM (VALUES (1, NULL, NULL), (2, 'leaf', NULL), (3, NULL, :'jkt'::jsonb), (4, 'leaf_noeku', :'jkt'), (5, 'leaf', '{"jkt": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"}'), (6, 'leaf', :'jkt')) AS v(n, name, cnf),
       LATERAL use(:'t1', 'app', name, cnf) AS u ORDER BY n;

-- What the caller has verified and the certificate must be one.
SELECT outcome, error, reason FROM sctoken.issue('app', 'alice', cnf => jsonb_build_object('x5t#S256', x5t('leaf_noeku')), certificate => cert('leaf'));
SELECT outcome, cnf -> 'x5t#S256' IS NOT NULL AS bound FROM sctoken.issue('app', 'alice', cnf => jsonb_build_object('x5t#S256', x5t('leaf')), certificate => cert('leaf'));
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', certificate => cert('leaf')) \gset
SELECT * FROM use(:'t1', 'app', 'leaf', jsonb_build_object('x5t#S256', x5t('leaf_noeku')));

-- A61: a stored member that nobody knows is never met.
UPDATE sctoken.family SET binding = binding || '{"unknown": "x"}' WHERE id = sctoken.token_family_id(:'t1');
SELECT * FROM use(:'t1', 'app', 'leaf');

-- A63: where tokens are not rotated the same one comes back.
SELECT refresh_token AS t1 FROM sctoken.issue('kept', 'alice', certificate => cert('leaf')) \gset
SELECT outcome, refresh_token = :'t1' AS same, cnf ->> 'x5t#S256' = x5t('leaf') AS cnf FROM sctoken.rotate(:'t1', 'kept', certificate => cert('leaf'));
SELECT * FROM use(:'t1', 'kept', 'selfsigned');

-- A64: an operator binds the family to the renewed certificate of a public client.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', certificate => cert('leaf')) \gset
SELECT sctoken.rebind(:'family_id', jsonb_build_object('x5t#S256', x5t('selfsigned')), 'renewed');
SELECT * FROM use(:'t1', 'app', 'leaf');
SELECT * FROM use(:'t1', 'app', 'selfsigned');
SELECT kind, reason, detail -> 'before' -> 'cnf' = jsonb_build_object('x5t#S256', x5t('leaf')) AS before FROM sctoken.event WHERE family_id = :'family_id' AND kind = 'rebound';

-- Known to be in wrong hands: all families that are bound to it.
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'bob', certificate => cert('leaf_noeku')) \gset
SELECT sctoken.revoke_binding(jsonb_build_object('x5t#S256', x5t('leaf_noeku')), 'certificate leaked'), state(:'t1');

-- A policy that asks for a certificate, or for any binding.
SELECT c AS client_id, n, r.outcome, r.reason
  FROM unnest(ARRAY['mtls', 'any']) AS c, (VALUES (1, NULL, NULL), (2, NULL, :'jkt'::jsonb), (3, 'leaf', NULL)) AS v(n, name, cnf), LATERAL sctoken.issue(c, 'alice', cnf => v.cnf, certificate => cert(name)) AS r ORDER BY 1, 2;

-- What is no certificate is misuse, of whoever passed it, and uses up nothing.
CREATE FUNCTION error(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT refresh_token AS t1 FROM sctoken.issue('app', 'alice', certificate => cert('leaf')) \gset
SELECT n, error(format('SELECT sctoken.issue(%L, %L, certificate => %L)', 'app', 'alice', value)) AS issue, error(format('SELECT sctoken.rotate(%L, %L, certificate => %L)', :'t1', 'app', value)) AS rotate, state(:'t1')
  FROM (VALUES (1, ''::bytea), (2, '-----BEGIN CERTIFICATE-----'), (3, cert('leaf') || cert('leaf'))) AS v(n, value) ORDER BY n;

DELETE FROM sctoken.client_policy;
DROP FUNCTION use, state, x5t, cert, error;
DROP TABLE pki;
