-- Stateless nonces for DPoP proofs (RFC 9449 8, 9)
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set jkt '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

-- An implementation of its own, from RFC 2104, RFC 5869 and core/nonce.h.
CREATE FUNCTION hmac(key bytea, data bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. length(key) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || data));
END $$;
CREATE FUNCTION nonce_of(secret bytea, key_id int, step bigint, step_length int, steps int, server text, jkt text) RETURNS text LANGUAGE sql AS $$
    SELECT translate(rtrim(encode(head || substr(hmac(key, 'sctoken nonce'::bytea || head || int4send(step_length) || int4send(steps) || int4send(octet_length(server)) || convert_to(server || coalesce(jkt, ''), 'UTF8')), 1, 24), 'base64'), '='), '+/', '-_')
      FROM (SELECT set_byte(set_byte('\x0000', 0, CASE WHEN jkt IS NULL THEN 1 ELSE 2 END), 1, key_id) || int8send(step) AS head,
                   hmac(hmac('\x00', secret), 'sctoken nonce'::bytea || '\x01'::bytea) AS key) AS s
$$;
-- Is dpop_nonce what it must be at this moment?  Asked again when a step ended meanwhile.
CREATE FUNCTION as_specified(server text, jkt text, secret_id int, step_length int DEFAULT 60, steps int DEFAULT 3) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    step bigint := floor(extract(epoch FROM clock_timestamp()) / step_length);
    nonce text := sctoken.dpop_nonce(server, jkt);
BEGIN
    IF step <> floor(extract(epoch FROM clock_timestamp()) / step_length) THEN
        RETURN as_specified(server, jkt, secret_id, step_length, steps);
    END IF;
    RETURN nonce = (SELECT nonce_of(secret, id::int, step, step_length, steps, server, jkt) FROM sctoken.server_secret WHERE id = secret_id);
END $$;

-- The first use makes the server's secret.
SELECT sctoken.dpop_nonce() ~ '^[A-Za-z0-9_-]{46}$' AS form;
SELECT count(*) FROM sctoken.server_secret;
-- A nonce is of the wall clock's step, the server, and the key where one is given.
SELECT left(server, 30) AS server, jkt IS NOT NULL AS bound, as_specified(server, jkt, 0)
  FROM unnest(ARRAY['as', 'https://rs.example.com/', 'ü', repeat('a', 256)]) AS server, unnest(ARRAY[NULL, :'jkt']) AS jkt;
-- Servers, and keys, have nonces of their own; the default is "as", for every key.
SELECT count(DISTINCT right(sctoken.dpop_nonce(server, jkt), 32)) FROM unnest(ARRAY['as', 'rs a', 'rs b']) AS server, unnest(ARRAY[NULL, :'jkt', sctoken.access_token_hash('a')]) AS jkt;
SELECT n[2] IN (n[1], n[3]) AS default_server FROM (SELECT ARRAY[sctoken.dpop_nonce('as', NULL), sctoken.dpop_nonce(), sctoken.dpop_nonce('as', NULL)]) AS s(n);
-- The length of a step is a setting.
SET sctoken.dpop_nonce_step = 10;
SELECT as_specified('as', NULL, 0, 10);
SET sctoken.dpop_nonce_step = '5 min';
SELECT as_specified('as', NULL, 0, 300);
RESET sctoken.dpop_nonce_step;
-- The settings are under the MAC: a change makes no nonce live again.
SET sctoken.dpop_nonce_steps = 10;
SELECT as_specified('as', NULL, 0, 60, 10);
RESET sctoken.dpop_nonce_steps;

-- The newest secret in use makes nonces.
INSERT INTO sctoken.server_secret (id, secret) VALUES (200, sha256('next'));
SELECT as_specified('as', NULL, 200), as_specified('as', NULL, 0);
UPDATE sctoken.server_secret SET retired_at = clock_timestamp() WHERE id = 200;
SELECT as_specified('as', NULL, 200), as_specified('as', NULL, 0);
-- Where all are retired, another one is made.
UPDATE sctoken.server_secret SET retired_at = clock_timestamp() WHERE id = 0;
SELECT as_specified('as', NULL, 201);

-- Misuse is an error with a meaning of its own, which repeats no value.
CREATE FUNCTION nonce_error(server text DEFAULT 'as', jkt text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN length(sctoken.dpop_nonce(server, jkt));
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT nonce_error(server => s) FROM unnest(ARRAY[NULL, '', 'a', repeat('a', 256), repeat('a', 257), repeat('a', 1000000)]) AS s;
SELECT nonce_error(jkt => j) FROM unnest(ARRAY['', left(:'jkt', 42), :'jkt' || 'A', :'jkt' || '=', translate(:'jkt', '-', '+'), left(:'jkt', 42) || 'J', :'jkt']) AS j;
-- A secret is there: nothing is written.
BEGIN READ ONLY;
SELECT nonce_error();
ROLLBACK;
-- There is none: it cannot be made here.
TRUNCATE sctoken.server_secret;
BEGIN READ ONLY;
SELECT sctoken.dpop_nonce();
ROLLBACK;

-- Settings have bounds: one that is too long lets old proofs live, one that is too short sends every client back.
\set VERBOSITY sqlstate
SET sctoken.dpop_nonce_step = 9;
SET sctoken.dpop_nonce_step = 301;
\set VERBOSITY default
SET sctoken.dpop_nonce_steps = 0;
SET sctoken.dpop_nonce_steps = 11;
SET sctoken.dpop_freshness = 'none';
DROP FUNCTION nonce_error, as_specified, nonce_of, hmac;
