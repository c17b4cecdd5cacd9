-- JWK thumbprints (RFC 7638) and their URIs (RFC 9278)

-- RFC 7638 3.1
SELECT sctoken.jwk_thumbprint('{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}')
       = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' AS rfc7638;
-- RFC 8037 A.3
SELECT sctoken.jwk_thumbprint('{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}')
       = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k' AS rfc8037;
-- RFC 9449 6.1
\set jwk '{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}'
SELECT sctoken.jwk_thumbprint(:'jwk') = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' AS rfc9449;
SELECT sctoken.jwk_thumbprint_uri(:'jwk');
SELECT hash, sctoken.jwk_thumbprint(:'jwk', hash), sctoken.jwk_thumbprint_uri(:'jwk', hash)
  FROM unnest(ARRAY['sha256', 'sha384', 'sha512']) AS hash;

-- Order of members, white space, escapes and other members do not matter.
SELECT DISTINCT sctoken.jwk_thumbprint(jwk) = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' AS same
  FROM (VALUES
    (' { "crv" : "P-256", "y" : "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA", "x" : "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "kty" : "EC" } '::json),
    ('{"\u006bty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P\u002d256"}'),
    ('{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256","d":"secret","kid":"1","x5c":[["a"],{"b":null}]}')
  ) AS v(jwk);

-- Null for null.
SELECT sctoken.jwk_thumbprint(NULL) IS NULL AND sctoken.jwk_thumbprint_uri(:'jwk', NULL) IS NULL AS is_null;

-- What has no thumbprint is an error that repeats nothing of it.
CREATE FUNCTION thumbprint_error(jwk json, hash text DEFAULT 'sha256') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN sctoken.jwk_thumbprint(jwk, hash);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT what, thumbprint_error(jwk::json) FROM (VALUES
    ('no object', '[]'), ('a string', '"EC"'), ('empty', '{}'),
    ('no x', '{"kty":"EC","crv":"P-256","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}'),
    ('x is a number', '{"kty":"OKP","crv":"Ed25519","x":1}'),
    ('x with padding', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}'),
    ('x with stray bits', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}'),
    ('x too short', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHU"}'),
    ('two x', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
    ('unknown curve', '{"kty":"EC","crv":"secp256k1","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}'),
    ('symmetric key', '{"kty":"oct","k":"c2VjcmV0"}'),
    ('n with a leading zero', '{"kty":"RSA","n":"AAEC","e":"AQAB"}'),
    ('deep', '{"kty":"OKP","a":' || repeat('[', 17) || repeat(']', 17) || '}')
) AS v(what, jwk);
SELECT thumbprint_error(:'jwk', 'md5'), thumbprint_error(:'jwk', 'SHA256');

-- Pure: may stand in an index and in a generated column.
CREATE TABLE client_key (jwk json, jkt text GENERATED ALWAYS AS (sctoken.jwk_thumbprint(jwk)) STORED);
CREATE INDEX ON client_key (sctoken.jwk_thumbprint(jwk));
INSERT INTO client_key VALUES (:'jwk');
SELECT jkt FROM client_key;
DROP TABLE client_key;
DROP FUNCTION thumbprint_error;
