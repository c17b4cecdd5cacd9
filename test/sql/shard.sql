-- Routing by the token and by the key, for the same databases that PL/Proxy's RUN ON takes: no table is read

-- 100,000 keys: the last bits of PostgreSQL's own hash.
SELECT shards, count(*) FILTER (WHERE sctoken.shard_of_key(jkt, shards) <> hashtext(jkt) & (shards - 1)) AS wrong, count(DISTINCT sctoken.shard_of_key(jkt, shards)) AS used
  FROM (SELECT rtrim(translate(encode(sha256(n::text::bytea), 'base64'), '+/', '-_'), '=') AS jkt FROM generate_series(1, 100000) AS n) AS keys,
       unnest(ARRAY[1, 2, 64, 1024]) AS shards GROUP BY shards ORDER BY shards;

-- 10,000 tokens, by their families; a family's tokens belong together.
BEGIN;
CREATE TEMPORARY TABLE held ON COMMIT DROP AS SELECT refresh_token, family_id FROM generate_series(1, 10000) AS n, LATERAL sctoken.issue('app', 'user ' || n);
SELECT shards, count(*) FILTER (WHERE sctoken.shard_of_token(refresh_token, shards) <> uuid_hash(family_id) & (shards - 1)) AS wrong, count(DISTINCT sctoken.shard_of_token(refresh_token, shards)) AS used
  FROM held, unnest(ARRAY[1, 2, 64, 1024]) AS shards GROUP BY shards ORDER BY shards;
SELECT count(*) AS successors, count(*) FILTER (WHERE sctoken.shard_of_token(r.refresh_token, 64) = sctoken.shard_of_token(h.refresh_token, 64)) AS with_their_predecessors
  FROM (SELECT refresh_token FROM held LIMIT 20) AS h, LATERAL sctoken.rotate(h.refresh_token, 'app') AS r;
ROLLBACK;

-- What is no token goes to one of them, which does not know it.
SELECT DISTINCT sctoken.shard_of_token(token, 16) FROM unnest(ARRAY['', 'sct_', repeat('x', 106), repeat('y', 10000)]) AS token;
SELECT sctoken.shard_of_key('', 16) = hashtext('') & 15 AS any_text;

-- Null, and numbers of shards that are none.
SELECT sctoken.shard_of_token(NULL, 4) AS token, sctoken.shard_of_token('', NULL) AS shards, sctoken.shard_of_key(NULL, 4) AS jkt, sctoken.shard_of_key('', NULL) AS shards;
SELECT sctoken.shard_of_key('', 1073741824) BETWEEN 0 AND 1073741823 AS largest;
SELECT sctoken.shard_of_token('', 0);
SELECT sctoken.shard_of_token('', 3);
SELECT sctoken.shard_of_key('', -2147483648);
SELECT sctoken.shard_of_key('', 2147483647);
