-- The client certificate as a proxy forwards it (RFC 8705, RFC 9440)
\set rows `cat "$PG_ABS_SRCDIR"/vectors/mtls/cert_headers.tsv`
\set pem `cat "$PG_ABS_SRCDIR"/vectors/mtls/rfc8705_appendix_a.pem`
\set issuer `cat "$PG_ABS_SRCDIR"/vectors/mtls/pki/inter.pem`

-- RFC 8705 Appendix A
SELECT sctoken.thumbprint_from_header(:'pem') AS thumbprint,
       rtrim(translate(encode(sha256(sctoken.certificate_from_header(:'pem')), 'base64'), '+/', '-_'), '=') AS of_the_certificate,
       length(sctoken.certificate_from_header(:'pem'));

-- Every row of the vectors: the certificate, null, or an error that says where.
CREATE FUNCTION header_error(value text, format text DEFAULT 'auto', OUT code text, OUT message text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
    message := coalesce(length(sctoken.certificate_from_header(value, format)) || ' bytes', 'null');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
CREATE TABLE header AS
SELECT split_part(line, E'\t', 1) AS name,
       replace(replace(replace(split_part(line, E'\t', 2), '\n', E'\n'), '\r', E'\r'), '\t', E'\t') AS value,
       split_part(line, E'\t', 4) AS thumbprint
  FROM string_to_table(:'rows', E'\n') AS line WHERE line !~ '^#';
SELECT count(*), count(DISTINCT sctoken.thumbprint_from_header(value)) AS thumbprints,
       bool_and(sctoken.thumbprint_from_header(value) = thumbprint) AS as_expected,
       bool_and(sctoken.certificate_from_header(value) = sctoken.certificate_from_header(:'pem')) AS same_certificate
  FROM header WHERE thumbprint <> '-';
SELECT name, e.code, coalesce(e.detail, e.message) AS verdict
  FROM header, header_error(value) AS e WHERE thumbprint = '-';
SELECT DISTINCT e.message, e.hint FROM header, header_error(value) AS e WHERE thumbprint = '-' AND e.code IS NOT NULL ORDER BY e.hint;
-- An error repeats nothing of the value.
SELECT count(*) AS errors, bool_or((e.*)::text ~ 'MII|0380ed2f|1111|3333') AS repeats
  FROM header, header_error(value) AS e WHERE thumbprint = '-' AND e.code IS NOT NULL;

-- Null for null, and for what says that there is no certificate, in any format.
SELECT sctoken.certificate_from_header(NULL) IS NULL AND sctoken.certificate_from_header(:'pem', NULL) IS NULL
   AND sctoken.thumbprint_from_header(NULL) IS NULL AND sctoken.thumbprint_from_header(:'pem', NULL) IS NULL AS is_null;
SELECT bool_and(sctoken.certificate_from_header(v, f) IS NULL AND sctoken.thumbprint_from_header(v, f) IS NULL) AS is_null
  FROM unnest(ARRAY['', ' ', E' \t', '-', '(null)', ' (null) ']) AS v,
       unnest(ARRAY['auto', 'rfc9440', 'nginx', 'envoy', 'haproxy', 'apache', 'aws_alb', 'traefik', 'cloud_foundry', 'pem', 'base64', 'fingerprint']) AS f;

-- A format takes what its sender writes, and nothing else.
SELECT name, string_agg(f, ' ' ORDER BY n) AS formats
  FROM header, unnest(ARRAY['auto', 'rfc9440', 'nginx', 'envoy', 'haproxy', 'apache', 'aws_alb', 'traefik', 'cloud_foundry', 'pem', 'base64', 'fingerprint']) WITH ORDINALITY AS u (f, n), header_error(value, f) AS e
 WHERE thumbprint <> '-' AND e.code IS NULL GROUP BY name ORDER BY name COLLATE "C";
SELECT (header_error(:'pem', 'rfc9440')).*;
SELECT (header_error(:'pem', f)).* FROM unnest(ARRAY['', 'AUTO', 'nginx ', 'xfcc']) AS f;

-- The first certificate of a chain; two where one is sent are an error.
SELECT sctoken.thumbprint_from_header(:'pem' || E'\n' || :'issuer', 'pem') AS leaf,
       sctoken.thumbprint_from_header(:'issuer' || E'\n' || :'pem', 'pem') AS issuer;
SELECT (header_error(:'pem' || E'\n' || :'issuer', 'nginx')).*;

-- A fingerprint alone has a thumbprint and is no certificate.
SELECT name, f AS format, sctoken.thumbprint_from_header(v, f) FROM (VALUES
    ('Envoy, Hash alone', 'Hash=0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd;Subject="";URI=spiffe://td.example/a', 'envoy'),
    ('hexadecimal', '0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd', 'fingerprint'),
    ('capitals', '0380ED2F626650C840B2F263E6D2B29FAE12AB39AE5DB32B25AD27EFAD72E6FD', 'auto'),
    ('base64', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0=', 'fingerprint'),
    ('base64url', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0', 'auto')
) AS t(name, v, f);
SELECT sctoken.certificate_from_header('Hash=0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd', 'envoy');
SELECT sctoken.certificate_from_header('A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0=');
-- SHA-1, a digit too few, the wrong alphabet
SELECT sctoken.thumbprint_from_header('0380ed2f626650c840b2f263e6d2b29fae12ab39');
SELECT sctoken.thumbprint_from_header('0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6f');
SELECT sctoken.thumbprint_from_header('A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y+v0', 'fingerprint');
SELECT sctoken.thumbprint_from_header('A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y/v0');

-- No certificate meets no confirmation.
SELECT v IS NOT NULL AS present, sctoken.cnf_matches('{"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}', jsonb_build_object('x5t#S256', sctoken.thumbprint_from_header(v, 'pem')))
  FROM unnest(ARRAY[:'pem', '', '(null)', NULL]) AS v;

-- A certificate is parsed, a thumbprint is not: a certificate request (RFC 2986) has the outline of a certificate.
\set request 'MIHKMHECAQAwDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBGMDpDBFUJzOBw7wYfYRt4lG36k05CIhskyRB1BTXY7H2inBGg6GYX14s45fSnbyqV+3BZ6Dg18kwxPFHoHu5egADAKBggqhkjOPQQDAgNJADBGAiEAsacme83O1sNNDEQtAWUE4nkbw0o0JCiC+1B9iROwZ5ICIQDRCrLGr2f4i8C2Iw6ZF+bcf1cqmRaaWXTQPPX7gAKWFw=='
SELECT (header_error(:'request')).*, sctoken.thumbprint_from_header(:'request') IS NOT NULL AS has_thumbprint;

-- What is not ASCII, and what is too long, compressed or not
SELECT (header_error(:'pem' || 'ü')).*;
SELECT (header_error(U&'\00A0' || :'pem')).detail;
CREATE TABLE long (value text);
INSERT INTO long VALUES (rpad(:'pem', 65536)), (rpad(:'pem', 65537)), (repeat('A', 10000000));
SELECT length(value), pg_column_size(value) < length(value) / 10 AS compressed, e.*
  FROM long, header_error(value) AS e ORDER BY length(value);
SELECT e.* FROM generate_series(65536, 65537) AS n, header_error(rpad(:'pem', n)) AS e;
ALTER TABLE long ALTER COLUMN value SET STORAGE EXTERNAL;
UPDATE long SET value = value || '' WHERE length(value) = 65536;
SELECT length(value), pg_column_size(value) AS stored, sctoken.thumbprint_from_header(value) FROM long WHERE length(value) = 65536;
DROP TABLE long;

-- Pure: may stand in an index and in a generated column.
CREATE TABLE request_log (header text, x5t text GENERATED ALWAYS AS (sctoken.thumbprint_from_header(header, 'pem')) STORED);
CREATE INDEX ON request_log (sctoken.certificate_from_header(header, 'pem'));
INSERT INTO request_log VALUES (:'pem'), ('');
SELECT x5t FROM request_log;
DROP TABLE request_log, header;
DROP FUNCTION header_error;
