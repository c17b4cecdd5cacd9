-- Client authentication by certificate (RFC 8705 2): tls_client_auth under the CAs of a set, self_signed_tls_client_auth
-- with what the client registered.  C01 to C25 and A44 to A51 of the notes; times are those of the test PKI.

\getenv abs_srcdir PG_ABS_SRCDIR
SET timezone = 'UTC';
CREATE TABLE pki (name text PRIMARY KEY, der bytea NOT NULL);
INSERT INTO pki
SELECT name, decode(regexp_replace(pg_read_file(:'abs_srcdir' || '/vectors/mtls/pki/' || name), '-----[^-]+-----|\s', '', 'g'), 'base64')
  FROM pg_ls_dir(:'abs_srcdir' || '/vectors/mtls/pki') AS name WHERE name ~ '\.(pem|crl)$';
CREATE FUNCTION cert(text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT der FROM pki WHERE name = $1 || '.pem' $$;
CREATE FUNCTION auth(certificate text, chain text[] DEFAULT '{inter}', client_id text DEFAULT 'bank', at timestamptz DEFAULT to_timestamp(1780000000),
                     OUT valid boolean, OUT method text, OUT reason text, OUT x5t text, OUT subject text) LANGUAGE sql VOLATILE AS $$
    SELECT * FROM sctoken.certificate_authenticate(client_id, cert(certificate), (SELECT array_agg(cert(name) ORDER BY n) FROM unnest(chain) WITH ORDINALITY AS c(name, n)), at)
$$;
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    detail text;
BEGIN
    IF query ~ '^(INSERT|UPDATE|DELETE)' THEN
        EXECUTE query;
        RETURN 'done';
    END IF;
    EXECUTE query INTO result;
    RETURN result;
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN rtrim(SQLSTATE || ': ' || SQLERRM || ' ' || detail);
WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- Nothing is registered: nobody authenticates.
SELECT * FROM auth('leaf');

INSERT INTO sctoken.trust_anchor_set (name) VALUES ('root'), ('inter'), ('partial'), ('strict'), ('direct'), ('empty');
UPDATE sctoken.trust_anchor_set SET partial_chain = true WHERE name = 'partial';
UPDATE sctoken.trust_anchor_set SET strict = true WHERE name = 'strict';
UPDATE sctoken.trust_anchor_set SET max_depth = 0 WHERE name = 'direct';
INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('root', cert('root')), ('inter', cert('inter')), ('partial', cert('inter')), ('strict', cert('root')), ('direct', cert('root'));
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn)
SELECT client_id, set_name, E'CN=client-1,O=Acme\\, Inc.,C=FR'
  FROM (VALUES ('bank', 'root'), ('inter', 'inter'), ('partial', 'partial'), ('strict', 'strict'), ('direct', 'direct'), ('empty', 'empty')) AS v(client_id, set_name);

-- C01: the whole answer.
SELECT * FROM auth('leaf');
SELECT x5t = sctoken.certificate_thumbprint(cert('leaf')) AS same FROM auth('leaf');

-- C02 to C19: the chain.
SELECT id, certificate, chain, client_id, valid, reason
  FROM (VALUES ('C02', 'leaf', '{}', 'bank'), ('C03', 'leaf_noeku', '{inter}', 'bank'), ('C04', 'leaf_server', '{inter}', 'bank'), ('C05', 'leaf_any', '{inter}', 'bank'),
               ('C06', 'leaf_expired', '{inter}', 'bank'), ('C07', 'leaf', '{}', 'inter'), ('C07', 'leaf', '{}', 'partial'), ('C07', 'leaf', '{inter}', 'partial'),
               ('C09', 'selfsigned', '{inter}', 'bank'), ('C10', 'fakeleaf', '{leaf,inter}', 'bank'), ('C11', 'leaf_sub', '{sub,inter}', 'bank'), ('C12', 'leaf', '{inter}', 'direct'),
               ('C12', 'leaf_root', '{}', 'direct'), ('C13', 'leaf_rsa1024', '{inter}', 'bank'), ('C15', 'leaf', '{inter}', 'strict'), ('C16', 'leaf_isca', '{inter}', 'bank'),
               ('C16', 'leaf_ca_ds', '{inter}', 'bank'), ('C17', 'leaf_v1like', '{inter}', 'bank'), ('C18', 'dn_nul', '{inter}', 'bank'), ('C19', 'root', '{}', 'bank'),
               ('C23', 'leaf', '{root,dn_esc,inter,san}', 'bank'), ('set without anchors', 'leaf', '{inter}', 'empty'), ('CA alone in chain', 'leaf', '{inter,root}', 'empty')
       ) AS v(id, certificate, chain, client_id), LATERAL auth(certificate, chain::text[], client_id);
-- C06: OpenSSL counts the last second as past.
SELECT at, valid, reason
  FROM unnest(ARRAY['2025-12-31 23:59:59', '2026-01-01 00:00:00', '2035-12-29 23:59:59', '2035-12-30 00:00:01']::timestamptz[]) AS at, LATERAL auth('leaf', at => at);
-- C08, C09: no certificate that is no CA's becomes an anchor, nor anything else.
SELECT answer(format('INSERT INTO sctoken.trust_anchor VALUES (%L, %L, %L)', 'root', kind, value))
  FROM (VALUES (1, 'certificate', cert('leaf')), (2, 'certificate', cert('selfsigned')), (3, 'certificate', ''), (4, 'certificate', cert('root') || '\x00'),
               (5, 'crl', cert('root')), (6, 'certificate', (SELECT der FROM pki WHERE name = 'inter.crl')), (7, 'crl', (SELECT der || '\x00' FROM pki WHERE name = 'inter.crl')),
               (8, 'ocsp', cert('root')), (9, 'certificate', cert('root'))) AS v(n, kind, value) ORDER BY n;
-- Nor does a CRL that does not speak of every certificate until a time: a delta CRL, one of some reasons or of other issuers, one whose scope cannot be read, one without end.
BEGIN;
SELECT kind, answer(format('INSERT INTO sctoken.trust_anchor VALUES (%L, %L, %L)', 'empty', 'crl', decode(value, 'base64')))
  FROM (VALUES
    (1, 'whole', 'MIG5MGACAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWhcNMzUxMjMwMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFowCgYIKoZIzj0EAwIDSQAwRgIhAIW1LIs633RypSBDlEnfin7TYWUDvzU22mK49kKXhFh/AiEAkAENCrBeFdxtHLFQbC2hOihPH4+5neSMt/T8/Cvbb3A='),
    (2, 'of users', 'MIHMMHUCAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWhcNMzUxMjMwMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFqgEzARMA8GA1UdHAEB/wQFMAOBAf8wCgYIKoZIzj0EAwIDRwAwRAIgZs0WgwtuVpOobRKyiGqe30sIEVBihy7KrkbqaFRPl1ACIHvj/IRyYdEeB+iSSCDJyK13DAO99yfc17+7nfaRfECH'),
    (3, 'delta', 'MIHWMH8CAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWhcNMzUxMjMwMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFqgHTAbMAoGA1UdFAQDAgEFMA0GA1UdGwEB/wQDAgEBMAoGCCqGSM49BAMCA0cAMEQCIFKL9oQ7n8LdVohx6w+Lma6sgP/ShfHByrN+nfd1MscAAiBnEdSiG8XXoyT+Z8SKgvLe8s45lut1Jn7GxNie5zy+ww=='),
    (4, 'unreadable scope', 'MIHMMHQCAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWhcNMzUxMjMwMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFqgEjAQMA4GA1UdHAEB/wQEMAOBATAKBggqhkjOPQQDAgNIADBFAiEA4jmh2x+qXDaYX/HYW4N0VxrnVo4F0F0u6TCfXXzuLG4CICQxE20lwD7iWXo9dRmuuTou4VwUSYz48NN8ayyj6c+q'),
    (5, 'indirect', 'MIHNMHUCAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWhcNMzUxMjMwMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFqgEzARMA8GA1UdHAEB/wQFMAOEAf8wCgYIKoZIzj0EAwIDSAAwRQIgetY590IaVfCgLpTreg/UdWM/JKNQgashbjmI7uc/ZWsCIQCgTsJOi7Ilx2yhNDk2rB4u0rRxcNO7bNu5xOfqXMN8qA=='),
    (6, 'some reasons', 'MIHOMHYCAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWhcNMzUxMjMwMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFqgFDASMBAGA1UdHAEB/wQGMASDAgFAMAoGCCqGSM49BAMCA0gAMEUCIQCmgFN/IVtFTPRpwz0FfZMTWQEPtFhiqYHgWdfzbv4ZMAIgYurCYyP5EJmO2Bt3MxFGsWNcOt9t9IR0QJzwJ0uj5EM='),
    (7, 'no nextUpdate', 'MIGpMFECAQEwCgYIKoZIzj0EAwIwGzEKMAgGA1UECgwBQTENMAsGA1UEAwwEUm9vdBcNMjYwMTAxMDAwMDAwWjAUMBICAQcXDTI2MDEwMTAwMDAwMFowCgYIKoZIzj0EAwIDSAAwRQIgOAf3L7ifgov5iL+CvOQLCrJ4FjqNDudW8T+u8GnKLwQCIQCKlkfwn/5+OQUDP/sL1dLaer6UrkriapKPy/lcBU5YlQ==')) AS v(n, kind, value) ORDER BY n;
ROLLBACK;

-- C14: revocation.  A CRL counts as soon as it is there, one that is out of date refuses, and so does one that is missing where there must be one.
CREATE FUNCTION with_crls(crl_check text, crls text[], certificate text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sctoken.trust_anchor_set AS s SET crl_check = $1 WHERE name = 'root';
    DELETE FROM sctoken.trust_anchor WHERE kind = 'crl';
    INSERT INTO sctoken.trust_anchor SELECT 'root', 'crl', der FROM pki WHERE name = ANY (crls);
    RETURN (SELECT coalesce(reason, 'valid') FROM auth(certificate));
END $$;
SELECT crl_check, crls, with_crls(crl_check, crls, 'leaf') AS revoked_leaf, with_crls(crl_check, crls, 'leaf_noeku') AS other_leaf
  FROM (VALUES (1, 'if_present', ARRAY[]::text[]), (2, 'leaf', '{}'), (3, 'chain', '{}'), (4, 'if_present', '{inter.crl}'), (5, 'leaf', '{inter.crl}'), (6, 'chain', '{inter.crl}'),
               (7, 'if_present', '{inter_old.crl}'), (8, 'leaf', '{inter_old.crl}'), (9, 'leaf', '{inter_old.crl,inter.crl}')) AS v(n, crl_check, crls) ORDER BY n;
SELECT answer('UPDATE sctoken.trust_anchor_set SET crl_check = ''none''');
UPDATE sctoken.trust_anchor_set SET crl_check = 'if_present';
DELETE FROM sctoken.trust_anchor WHERE kind = 'crl';

-- C20, C21: what is disabled or removed is gone at the next call, also within the transaction, and back when that is rolled back.
SELECT valid, reason FROM auth('leaf');
BEGIN;
UPDATE sctoken.trust_anchor SET enabled = false WHERE set_name = 'root';
SELECT valid, reason FROM auth('leaf');
ROLLBACK;
SELECT valid, reason FROM auth('leaf');
BEGIN;
DELETE FROM sctoken.trust_anchor WHERE set_name = 'root';
SELECT valid, reason FROM auth('leaf');
ROLLBACK;
BEGIN;
TRUNCATE sctoken.trust_anchor;
SELECT valid, reason FROM auth('leaf');
ROLLBACK;
SELECT valid, reason FROM auth('leaf');
-- Where nothing tells of a change, nothing is kept.
BEGIN;
ALTER TABLE sctoken.trust_anchor DISABLE TRIGGER invalidate_cache_row;
SELECT valid, reason FROM auth('leaf');
DELETE FROM sctoken.trust_anchor WHERE set_name = 'root';
SELECT valid, reason FROM auth('leaf');
ROLLBACK;

-- What a statement brings that then fails was never there: not for a call within it that comes before the trigger, nor afterwards.
SELECT answer(format('WITH i AS (INSERT INTO sctoken.trust_anchor (set_name, der) VALUES (%L, %L) RETURNING 1) '
                     'SELECT 1 / (CASE WHEN valid THEN 0 END) FROM i, LATERAL auth(%L, client_id => %L) AS a', 'empty', cert('root'), 'leaf', 'empty'));
SELECT valid, reason FROM auth('leaf', client_id => 'empty');
BEGIN;
UPDATE sctoken.trust_anchor_set SET max_depth = max_depth;
SAVEPOINT s;
WITH i AS (INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('empty', cert('root')) RETURNING 1) SELECT valid FROM i, LATERAL auth('leaf', client_id => 'empty') AS a;
ROLLBACK TO s;
SELECT valid, reason FROM auth('leaf', client_id => 'empty');
COMMIT;
-- More sets than a session keeps are as good.
INSERT INTO sctoken.trust_anchor_set (name) SELECT 's' || n FROM generate_series(1, 40) AS n;
INSERT INTO sctoken.trust_anchor (set_name, der) SELECT 's' || n, cert('root') FROM generate_series(1, 40, 2) AS n;
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn) SELECT 's' || n, 's' || n, E'CN=client-1,O=Acme\\, Inc.,C=FR' FROM generate_series(1, 40) AS n;
SELECT count(*), count(*) FILTER (WHERE valid) AS valid, count(*) FILTER (WHERE valid = (n % 2 = 1)) AS right
  FROM generate_series(1, 80) AS m, LATERAL (SELECT 1 + m % 40) AS s(n), LATERAL auth('leaf', client_id => 's' || n);
-- Of an intermediate CA that is trusted by itself nobody trusted could say that it is revoked: it needs no CRL.
UPDATE sctoken.trust_anchor_set SET crl_check = 'chain' WHERE name = 'partial';
INSERT INTO sctoken.trust_anchor SELECT 'partial', 'crl', der FROM pki WHERE name = 'inter.crl';
SELECT certificate, valid, reason FROM unnest(ARRAY['leaf', 'leaf_noeku']) AS certificate, LATERAL auth(certificate, client_id => 'partial');

-- C22: a CA of one set says nothing in another.  A set that is not there trusts nobody.
SELECT client_id, valid, reason FROM unnest(ARRAY['bank', 'empty', 'nobody']) AS client_id, LATERAL auth('leaf', client_id => client_id);
BEGIN;
DELETE FROM sctoken.trust_anchor_set WHERE name = 'root';
SELECT valid, reason FROM auth('leaf');
ROLLBACK;
SELECT valid, reason FROM auth('leaf');

-- C24: at most 8 besides the client's own; what they are is the client's doing, and no error.
SELECT answer(format('SELECT valid FROM auth(%L, array_fill(''inter''::text, ARRAY[%s]))', 'leaf', n)) FROM unnest(ARRAY[8, 9]) AS n;
SELECT valid, reason FROM sctoken.certificate_authenticate('bank', cert('leaf'), ARRAY[cert('inter'), '\x3000'], to_timestamp(1780000000));
SELECT answer(format('SELECT sctoken.certificate_authenticate(%L, %L, ARRAY[NULL]::bytea[])', 'bank', cert('leaf')));

-- What was not presented, or is no certificate, is a row; what the caller must not pass is an error.
SELECT * FROM sctoken.certificate_authenticate('bank', NULL);
SELECT * FROM sctoken.certificate_authenticate('bank', NULL, ARRAY[cert('inter')]);
SELECT * FROM sctoken.certificate_authenticate('bank', '\x3000');
SELECT * FROM sctoken.certificate_authenticate('bank', cert('leaf') || '\x00');
SELECT answer(format('SELECT sctoken.certificate_authenticate(NULL, %L)', cert('leaf')));
SELECT answer(format('SELECT sctoken.certificate_authenticate(%L, %L)', '', cert('leaf')));
SELECT answer(format('SELECT sctoken.certificate_authenticate(%L, %L, NULL, %L)', 'bank', cert('leaf'), 'infinity'));

-- The name must be the client's: A44 exactly one of the five is registered, A36, A39 and A-t5 a value that can be one.
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_san_dns) VALUES ('dns', 'root', 'api.example.com');
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_san_uri) VALUES ('uri', 'root', 'spiffe://td.example/a');
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_san_ip) VALUES ('ip', 'root', '2001:db8::1');
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_san_email) VALUES ('email', 'root', 'Bob@example.com');
SELECT client_id, certificate, valid, reason
  FROM unnest(ARRAY['bank', 'dns', 'uri', 'ip', 'email']) AS client_id, unnest(ARRAY['leaf', 'san']) AS certificate, LATERAL auth(certificate, client_id => client_id);
SELECT answer(format('INSERT INTO sctoken.tls_client_auth VALUES (%L, %L, %L, %L, %L, %L, %L)', 'new', 'root', dn, dns, uri, ip, email))
  FROM (VALUES (1, NULL, NULL, NULL, NULL, NULL), (2, 'CN=a', 'a.example', NULL, NULL, NULL), (3, '', NULL, NULL, NULL, NULL), (4, NULL, '*.x', NULL, NULL, NULL),
               (5, NULL, NULL, 'example', NULL, NULL), (6, NULL, NULL, NULL, '192.0.2.007', NULL), (7, NULL, NULL, NULL, NULL, 'Bob')) AS v(n, dn, dns, uri, ip, email) ORDER BY n;
-- A45 (CVE-2023-2422): the client's own certificate counts, whatever else it sends along.
SELECT client_id, valid, reason, subject FROM unnest(ARRAY['dns', 'bank']) AS client_id, LATERAL auth('leaf', '{san,inter}', client_id);
-- A46: somebody else's certificate is the answer of a wrong name, and of an unknown client that of one who registered nothing.
SELECT client_id, valid, method, reason FROM unnest(ARRAY['dns', 'nobody']) AS client_id, LATERAL auth('leaf', client_id => client_id);

-- self_signed_tls_client_auth: what was registered, whoever issued it.  A48: by certificate or by key; leaf_noeku has the key of leaf.
INSERT INTO sctoken.client_certificate (client_id, match, thumbprint)
VALUES ('cert', 'certificate', sctoken.certificate_thumbprint(cert('leaf'))), ('key', 'key', sctoken.certificate_info(cert('leaf')) -> 'key' ->> 'jkt'),
       ('crossed', 'key', sctoken.certificate_thumbprint(cert('leaf'))), ('crossed', 'certificate', sctoken.certificate_info(cert('leaf')) -> 'key' ->> 'jkt');
SELECT * FROM auth('leaf', NULL, 'cert');
SELECT client_id, certificate, valid, method, reason
  FROM unnest(ARRAY['cert', 'key', 'crossed']) AS client_id, unnest(ARRAY['leaf', 'leaf_noeku', 'fakeleaf']) AS certificate, LATERAL auth(certificate, NULL, client_id);
-- A49: the certificate's own dates, unless they shall not count; and those of the registration.
INSERT INTO sctoken.client_certificate (client_id, thumbprint, check_validity, not_before, not_after)
VALUES ('strict dates', sctoken.certificate_thumbprint(cert('leaf_expired')), true, NULL, NULL), ('any dates', sctoken.certificate_thumbprint(cert('leaf_expired')), false, NULL, NULL),
       ('for a year', sctoken.certificate_thumbprint(cert('leaf_expired')), false, '2026-01-01', '2027-01-01');
SELECT client_id, at, valid, reason
  FROM (VALUES (1, 'strict dates', '2025-12-20'), (2, 'strict dates', '2026-05-28'), (3, 'strict dates', '2025-12-01'), (4, 'any dates', '2026-05-28'), (5, 'for a year', '2025-12-31'),
               (6, 'for a year', '2026-01-01'), (7, 'for a year', '2027-01-01'), (8, 'for a year', '2027-01-02')) AS v(n, client_id, day),
       LATERAL (SELECT day::timestamptz) AS t(at), LATERAL auth('leaf_expired', NULL, client_id, at) ORDER BY n;
-- A51: two at a time while one is renewed; the one that is removed is refused at once.
INSERT INTO sctoken.client_certificate (client_id, thumbprint) SELECT 'renewing', sctoken.certificate_thumbprint(cert(name)) FROM unnest(ARRAY['leaf', 'selfsigned']) AS name;
SELECT certificate, valid, reason FROM unnest(ARRAY['leaf', 'selfsigned']) AS certificate, LATERAL auth(certificate, NULL, 'renewing');
DELETE FROM sctoken.client_certificate WHERE client_id = 'renewing' AND thumbprint = sctoken.certificate_thumbprint(cert('leaf'));
SELECT certificate, valid, reason FROM unnest(ARRAY['leaf', 'selfsigned']) AS certificate, LATERAL auth(certificate, NULL, 'renewing');
-- Both methods while a client changes from one to the other: either one, and the reason of tls_client_auth.
INSERT INTO sctoken.client_certificate (client_id, thumbprint) VALUES ('bank', sctoken.certificate_thumbprint(cert('selfsigned')));
SELECT certificate, valid, method, reason FROM unnest(ARRAY['leaf', 'selfsigned', 'leaf_server', 'fakeleaf']) AS certificate, LATERAL auth(certificate, '{inter}', 'bank');
SELECT answer(format('INSERT INTO sctoken.client_certificate (client_id, match, thumbprint) VALUES (%L, %L, %L)', 'new', match, thumbprint))
  FROM (VALUES (1, 'issuer', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0'), (2, 'key', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v'),
               (3, 'key', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v1'), (4, 'key', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0=')) AS v(n, match, thumbprint) ORDER BY n;

-- From a JWK Set: A47 x5c[0] alone is the client's, A50 the JWK and the certificate have one key.
CREATE FUNCTION x5c(VARIADIC text[]) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('x5c', json_agg(translate(encode(cert(name), 'base64'), E'\n', '') ORDER BY n)) FROM unnest($1) WITH ORDINALITY AS c(name, n)
$$;
CREATE FUNCTION jwk(members json DEFAULT '{}', x text DEFAULT 'UvnMaxswU5Ix61rf0sewrv7UMsZ8fwC_UaHYxofJWJg') RETURNS json LANGUAGE sql IMMUTABLE AS $$
    SELECT (json_build_object('kty', 'EC', 'crv', 'P-256', 'x', x, 'y', 'jEpb9gArlzAxH9qBTce2n6WcNBEl2oGLukFqLfZouU0')::jsonb || members::jsonb)::json
$$;
CREATE FUNCTION jwks(VARIADIC json[]) RETURNS json LANGUAGE sql IMMUTABLE AS $$ SELECT json_build_object('keys', to_json($1)) $$;
SELECT sctoken.register_client_certificates('set', jwks(jwk(x5c('leaf', 'selfsigned')))), sctoken.register_client_certificates('set by key', jwks(jwk()), 'key');
SELECT client_id, certificate, valid, reason
  FROM unnest(ARRAY['set', 'set by key']) AS client_id, unnest(ARRAY['leaf', 'selfsigned', 'fakeleaf']) AS certificate, LATERAL auth(certificate, NULL, client_id);
-- A later set replaces an earlier one, and keeps what was set in a row that stays.
UPDATE sctoken.client_certificate SET check_validity = false WHERE client_id = 'set';
SELECT sctoken.register_client_certificates('set', jwks(jwk(x5c('leaf')), jwk(x5c('leaf_noeku')), jwk(x5c('leaf'))));
SELECT p.name, c.match, c.check_validity FROM sctoken.client_certificate AS c JOIN pki AS p ON p.name LIKE '%.pem' AND c.thumbprint = sctoken.certificate_thumbprint(p.der) WHERE client_id = 'set' ORDER BY 1;
SELECT sctoken.register_client_certificates('set', jwks(jwk(x5c('selfsigned'))));
SELECT certificate, valid, reason FROM unnest(ARRAY['leaf', 'leaf_noeku', 'selfsigned']) AS certificate, LATERAL auth(certificate, NULL, 'set');
-- Skipped: keys of unknown types, for encryption, or without a certificate where one must be.
SELECT sctoken.register_client_certificates('set', jwks('{"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}', jwk('{"use": "enc"}'), jwk(), '{}', jwk(x5c('leaf'))));
-- Refused as a whole.
SELECT n, answer(format('SELECT sctoken.register_client_certificates(%L, %L, %L)', 'set', jwks, match))
  FROM (VALUES (1, 'certificate', jwks(jwk(x5c('fakeleaf')))), (2, 'certificate', jwks(jwk(x5c('leaf'), 'jEpb9gArlzAxH9qBTce2n6WcNBEl2oGLukFqLfZouU0'))), (3, 'key', jwks(jwk(x5c('fakeleaf')))),
               (4, 'certificate', jwks(jwk(x5c('leaf')), jwk('{"d": "secret"}'))), (5, 'certificate', jwks(jwk('{"x5c": []}'))), (6, 'certificate', jwks(jwk('{"x5c": "MIIB"}'))),
               (7, 'certificate', jwks(jwk('{"x5c": ["MIIB"]}'))), (8, 'certificate', jwks(jwk('{"x5c": [1]}'))), (9, 'certificate', jwks(jwk('{"x5c": [["MIIB"]]}'))),
               (10, 'certificate', jwks(jwk((x5c('leaf')::jsonb || '{"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}')::json))), (11, 'certificate', jwks(jwk())), (12, 'key', '{"keys": []}'),
               (13, 'key', '{"keys": {}}'), (14, 'key', '[]'), (15, 'key', '{"keys": [1]}'), (16, 'key', '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}'),
               (17, 'key', '{"keys": [], "keys": []}'), (18, 'issuer', jwks(jwk())), (19, 'certificate', NULL), (20, NULL, jwks(jwk()))) AS v(n, match, jwks) ORDER BY n;
SELECT certificate, valid FROM unnest(ARRAY['leaf', 'selfsigned']) AS certificate, LATERAL auth(certificate, NULL, 'set');
-- A key that is too weak for a chain is too weak here, and so is a curve that is not a named one.
INSERT INTO pki VALUES ('explicit.pem', decode('MIICZDCCAgugAwIBAgIUDYRnbwjWySYq4Z2ybLwjp92sUV4wCgYIKoZIzj0EAwIwDjEMMAoGA1UEAwwDZXhwMB4XDTI2MTEyNDA3NDI0MFoXDTM2MTEyMTA3NDI0MFowDjEMMAoGA1UEAwwDZXhwMIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABPfrKZlDIytCkdaiD148YfzaGIjNqXhYOCfp3ne4Q+9kJ+/PTVaPYZhNS58ngo1NOdZnKScMTx2L9ihIkXOeojmjUzBRMB0GA1UdDgQWBBRxQ6Y6MeuSixKujfFtyX+1Ea1OhTAfBgNVHSMEGDAWgBRxQ6Y6MeuSixKujfFtyX+1Ea1OhTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIBxN5l52IC+0ZLcrwcjRdsitZ0HwqtTKqJ0wXG8NvkfdAiBLx3Qc4T8nmAYxX3aV58jhU2kuwrN+otgwkZuvkevj3Q==', 'base64'));
INSERT INTO sctoken.client_certificate (client_id, thumbprint) SELECT 'weak', sctoken.certificate_thumbprint(cert(name)) FROM unnest(ARRAY['leaf_rsa1024', 'explicit']) AS name;
SELECT certificate, valid, reason FROM unnest(ARRAY['leaf_rsa1024', 'explicit']) AS certificate, LATERAL auth(certificate, NULL, 'weak', '2027-01-01');

-- A client that is stopped authenticates with nothing.
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('bank', false);
SELECT * FROM auth('leaf');
DELETE FROM sctoken.client_policy;

-- Its time is the wall clock unless one is given.
SELECT reason FROM auth('leaf_expired', at => NULL);

-- C25: a failure leaves nothing in OpenSSL's queue that another user of it would take for its own.
SELECT reason, length(encode(sha256('a'), 'hex')), sctoken.jwk_thumbprint('{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}') FROM auth('leaf', '{}');

-- Who has the duty of an authorization server may call it, and sees none of its tables.
CREATE ROLE sctoken_test_server;
SELECT sctoken.grant_to('sctoken_test_server', 'authorization_server');
GRANT SELECT ON pki TO sctoken_test_server;
SET ROLE sctoken_test_server;
SELECT valid FROM auth('leaf');
SELECT answer(format('SELECT count(*) FROM sctoken.%I', name)) FROM unnest(ARRAY['trust_anchor_set', 'trust_anchor', 'tls_client_auth', 'client_certificate']) AS name;
RESET ROLE;
-- An operator keeps them.
CREATE ROLE sctoken_test_operator;
SELECT sctoken.grant_to('sctoken_test_operator', 'operator');
GRANT SELECT ON pki TO sctoken_test_operator;
SET ROLE sctoken_test_operator;
BEGIN;
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('new');
INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('new', cert('root'));
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_san_dns) VALUES ('new', 'new', 'a.example');
INSERT INTO sctoken.client_certificate (client_id, thumbprint) VALUES ('new', sctoken.certificate_thumbprint(cert('root')));
ROLLBACK;
RESET ROLE;
DROP OWNED BY sctoken_test_server, sctoken_test_operator;
DROP ROLE sctoken_test_server, sctoken_test_operator;

DELETE FROM sctoken.client_certificate;
DELETE FROM sctoken.tls_client_auth;
DELETE FROM sctoken.trust_anchor;
DELETE FROM sctoken.trust_anchor_set;
DROP FUNCTION auth, cert, answer, with_crls, x5c, jwk, jwks;
DROP TABLE pki;
