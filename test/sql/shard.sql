-- Routing by the token and by the key, for the same databases that PL/Proxy's RUN ON takes: no table is read

-- 100,000 keys: the last bits of PostgreSQL's own hash.
SELECT shards, count(*) FILTER (WHERE sctoken.shard_of_key(jkt, shards) <> hashtext(jkt) & (shards - 1)) AS wrong, count(DISTINCT sctoken.shard_of_key(jkt, shards)) AS used
  FROM (SELECT rtrim(translate(encode(sha256(n::text::bytea), 'base64'), '+/', '-_'), '=') AS jkt FROM generate_series(1, 100000) AS n) AS keys,
       unnest(ARRAY[1, 2, 64, 1024]) AS shards GROUP BY shards ORDER BY shards;

-- 10,000 tokens, by their families, whose ids are random: one of 1,024 shards may have none of them. A family's tokens belong together.
BEGIN;
CREATE TEMPORARY TABLE held ON COMMIT DROP AS SELECT refresh_token, family_id FROM generate_series(1, 10000) AS n, LATERAL sctoken.issue('app', 'user ' || n);
SELECT shards, count(*) FILTER (WHERE sctoken.shard_of_token(refresh_token, shards) <> uuid_hash(family_id) & (shards - 1)) AS wrong, count(DISTINCT sctoken.shard_of_token(refresh_token, shards)) > 0.95 * shards AS used
  FROM held, unnest(ARRAY[1, 2, 64, 1024]) AS shards GROUP BY shards ORDER BY shards;
SELECT count(*) AS successors, count(*) FILTER (WHERE sctoken.shard_of_token(r.refresh_token, 64) = sctoken.shard_of_token(h.refresh_token, 64)) AS with_their_predecessors
  FROM (SELECT refresh_token FROM held LIMIT 20) AS h, LATERAL sctoken.rotate(h.refresh_token, 'app') AS r;
ROLLBACK;

-- A proof belongs to its key, whatever else is true of it (the vectors have good and bad ones).
\set cases `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_cases.json`
SELECT count(*) AS accepted, count(*) FILTER (WHERE sctoken.shard_of_proof(c ->> 'proof', 1024) <> sctoken.shard_of_key(v.jkt, 1024)) AS wrong
  FROM json_array_elements(:'cases'::json -> 'cases') AS c,
       sctoken.dpop_verify(c ->> 'proof', c #>> '{request,htm}', c #>> '{request,htu}', c #>> '{request,access_token}', at => to_timestamp((c #>> '{request,now}')::numeric),
                           algs => '{ES256,ES384,ES512,PS256,PS384,PS512,RS256,RS384,RS512,EdDSA,Ed25519,Ed448}') AS v WHERE v.valid;
SELECT count(DISTINCT sctoken.shard_of_proof(h || rest, 1024)) AS shards
  FROM (SELECT split_part(c ->> 'proof', '.', 1) AS h FROM json_array_elements(:'cases'::json -> 'cases') AS c WHERE c ->> 'id' = 'PA001') AS header,
       unnest(ARRAY['.e30.AAAA', '.x.y', '.AAAA.AAAA']) AS rest;
SELECT DISTINCT sctoken.shard_of_proof(proof, 16) = sctoken.shard_of_key('', 16) AS no_key FROM unnest(ARRAY['', '.', '..', 'e30.e30.', 'bnVsbA..', repeat('x', 10000), repeat('e30.', 3)]) AS proof;

-- What begins here comes back here.
BEGIN;
CREATE TEMPORARY TABLE begun ON COMMIT DROP AS SELECT setting, n, NULL::text AS refresh_token, NULL::uuid AS family_id FROM unnest(ARRAY['0/1', '0/4', '1/4', '2/4', '3/4', '63/64', '1000/1024']) AS setting, generate_series(1, 20) AS n;
UPDATE begun SET (refresh_token, family_id) = (SELECT i.refresh_token, i.family_id FROM set_config('sctoken.shard', setting, true) AS s, LATERAL sctoken.issue('app', s || n) AS i);
SELECT setting, count(DISTINCT family_id) AS families,
       count(*) FILTER (WHERE sctoken.shard_of_token(refresh_token, split_part(setting, '/', 2)::integer) = split_part(setting, '/', 1)::integer) AS here,
       count(*) FILTER (WHERE substr(family_id::text, 15, 1) = '7' AND substr(family_id::text, 20, 4) = '8000') AS in_form
  FROM begun GROUP BY setting ORDER BY setting COLLATE "C";
ROLLBACK;

-- Likewise for a range of hashes, as Citus divides them.
BEGIN;
CREATE TEMPORARY TABLE ranged ON COMMIT DROP AS SELECT low, high, n, NULL::uuid AS family_id
  FROM (VALUES (-2147483648, 2147483647), (-2147483648, -2080374785), (-65536, -1), (0, 134217727), (2147418112, 2147483647)) AS ranges (low, high), generate_series(1, 20) AS n;
UPDATE ranged SET family_id = (SELECT i.family_id FROM set_config('sctoken.shard', low || '..' || high, true) AS s, LATERAL sctoken.issue('app', s || n) AS i);
SELECT low, high, count(DISTINCT family_id) AS families, count(*) FILTER (WHERE uuid_hash(family_id) BETWEEN low AND high) AS here,
       count(*) FILTER (WHERE substr(family_id::text, 15, 1) = '7' AND substr(family_id::text, 20, 4) = '8000') AS in_form
  FROM ranged GROUP BY low, high ORDER BY low, high;
ROLLBACK;

-- Ranges that are none, or so narrow that hardly any id would fit
SET sctoken.shard = '0..65535';
SET sctoken.shard = '';
SET sctoken.shard = '0..65534';
SET sctoken.shard = '5..0';
SET sctoken.shard = '-2147483649..0';
SET sctoken.shard = '0..2147483648';
SET sctoken.shard = '0..99999999999999999999';
SET sctoken.shard = '0..';
SET sctoken.shard = '..65536';
SET sctoken.shard = '0..65535x';
SET sctoken.shard = '0.65535';

-- Numbers that are none; anybody but a superuser may not set it.
SET sctoken.shard = '65535/65536';
SET sctoken.shard = '';
SET sctoken.shard = '4/4';
SET sctoken.shard = '0/3';
SET sctoken.shard = '0/131072';
SET sctoken.shard = '0/0';
SET sctoken.shard = '1';
SET sctoken.shard = '/4';
SET sctoken.shard = '1/';
SET sctoken.shard = ' 1/4';
SET sctoken.shard = '-1/4';
SET sctoken.shard = '1/4294967296';
CREATE ROLE regress_sctoken_shard;
SET ROLE regress_sctoken_shard;
SET sctoken.shard = '1/4';
RESET ROLE;
DROP ROLE regress_sctoken_shard;

-- What is no token goes to one of them, which does not know it.
SELECT DISTINCT sctoken.shard_of_token(token, 16) FROM unnest(ARRAY['', 'sct_', repeat('x', 106), repeat('y', 10000)]) AS token;
SELECT sctoken.shard_of_key('', 16) = hashtext('') & 15 AS any_text;

-- Null, and numbers of shards that are none.
SELECT sctoken.shard_of_token(NULL, 4) AS token, sctoken.shard_of_token('', NULL) AS shards, sctoken.shard_of_key(NULL, 4) AS jkt, sctoken.shard_of_key('', NULL) AS shards, sctoken.shard_of_proof(NULL, 4) AS proof, sctoken.shard_of_proof('', NULL) AS shards;
SELECT sctoken.shard_of_key('', 1073741824) BETWEEN 0 AND 1073741823 AS largest;
SELECT sctoken.shard_of_token('', 0);
SELECT sctoken.shard_of_token('', 3);
SELECT sctoken.shard_of_key('', -2147483648);
SELECT sctoken.shard_of_key('', 2147483647);
SELECT sctoken.shard_of_proof('', 3);
