-- DPoP proofs against a request (RFC 9449 4.3)
\set cases `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_cases.json`

-- Every case of the vectors gives the expected verdict and error, but those that
-- are about a nonce that the server requires: dpop_verify knows no nonces, so it
-- ignores one and refuses a malformed one.  dpop_check gets all of them right.
CREATE TEMP TABLE vector AS
SELECT c ->> 'id' AS id, c ->> 'name' AS name, c ->> 'expect' AS expect, c ->> 'error' AS expected_error, c ->> 'jkt' AS expected_jkt, v.*
  FROM json_array_elements(:'cases'::json -> 'cases') AS c,
       sctoken.dpop_verify(c ->> 'proof', c #>> '{request,htm}', c #>> '{request,htu}', c #>> '{request,access_token}', c #>> '{request,expected_jkt}',
                           '60 s', '10 s', ARRAY['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512', 'EdDSA', 'Ed25519', 'Ed448'],
                           to_timestamp((c #>> '{request,now}')::numeric)) AS v;
SELECT count(*) AS cases, count(*) FILTER (WHERE valid = (expect = 'valid') AND error IS NOT DISTINCT FROM expected_error
                                                 AND (expected_jkt IS NULL OR jkt = expected_jkt)) AS as_expected FROM vector;
SELECT id, name, valid, error, nonce FROM vector
 WHERE (valid IS DISTINCT FROM (expect = 'valid') OR error IS DISTINCT FROM expected_error OR jkt <> expected_jkt) ORDER BY id;
-- A verdict is never half a verdict.
SELECT count(*) AS half FROM vector
 WHERE valid IS NULL OR valid = (error IS NOT NULL) OR valid = (reason IS NOT NULL)
    OR valid <> (jkt IS NOT NULL AND jti IS NOT NULL AND iat IS NOT NULL AND alg IS NOT NULL AND jwk IS NOT NULL AND claims IS NOT NULL)
    OR (NOT valid AND (jkt IS NOT NULL OR jti IS NOT NULL OR jwk IS NOT NULL OR claims IS NOT NULL OR nonce IS NOT NULL OR ath IS NOT NULL))
    OR next_nonce IS NOT NULL;
-- What was refused for what.
SELECT reason, count(*) FROM vector WHERE NOT valid GROUP BY reason ORDER BY reason COLLATE "C";

-- RFC 9449 4.1 and 7.1: the example proofs, at the times they were made
\set proof1 'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg'
\x
SELECT * FROM sctoken.dpop_verify(:'proof1', 'POST', 'https://server.example.com/token', at => to_timestamp(1562262616));
-- Refused: nothing that a caller could take for proven, but what helps to see why.
SELECT * FROM sctoken.dpop_verify(:'proof1', 'POST', 'https://server.example.com/token', at => to_timestamp(1562262616 + 61));
SELECT * FROM sctoken.dpop_verify(:'proof1', 'POST', 'https://server.example.com/token', jkt => '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J', at => to_timestamp(1562262616));
\x

CREATE FUNCTION verdict(p text, htm text DEFAULT 'POST', htu text DEFAULT 'https://server.example.com/token', access_token text DEFAULT NULL, jkt text DEFAULT NULL,
                        max_age interval DEFAULT NULL, future_skew interval DEFAULT NULL, algs text[] DEFAULT NULL, at timestamptz DEFAULT to_timestamp(1562262616))
RETURNS text LANGUAGE plpgsql AS $$
DECLARE r sctoken.dpop_result;
BEGIN
    r := sctoken.dpop_verify(p, htm, htu, access_token, jkt, max_age, future_skew, algs, at);
    RETURN CASE WHEN r.valid THEN 'valid' ELSE r.error || ' ' || r.reason END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- The wall clock counts, not the transaction's start, when at is null.
SELECT verdict(:'proof1', at => NULL);
-- The window is inclusive at both ends, and the settings are the defaults.
SELECT off, verdict(:'proof1', at => to_timestamp(1562262616 + off)) FROM unnest(ARRAY[-11, -10, 0, 60, 61]) AS off;
SET sctoken.dpop_max_age = '5 s';
SET sctoken.dpop_future_skew = 0;
SELECT off, verdict(:'proof1', at => to_timestamp(1562262616 + off)) FROM unnest(ARRAY[-1, 0, 5, 6]) AS off;
-- Arguments go before settings.
SELECT off, verdict(:'proof1', max_age => '10 min', future_skew => '1 min', at => to_timestamp(1562262616 + off)) FROM unnest(ARRAY[-61, -60, 600, 601]) AS off;
RESET sctoken.dpop_max_age;
RESET sctoken.dpop_future_skew;

-- Protocol outcomes are rows: null, empty, huge and odd proofs; whatever the client sends.
SELECT verdict(NULL), verdict(''), verdict('..'), verdict('a.b'), verdict('a.b.c'), verdict(:'proof1' || '.'), verdict(:'proof1' || ',' || :'proof1'), verdict(repeat('a', 8193)), verdict(repeat('.', 8000)), verdict('ü.ü.ü');
SELECT verdict(:'proof1', htm => 'GET'), verdict(:'proof1', htu => 'https://server.example.com/other');
SELECT verdict(:'proof1', access_token => t) FROM unnest(ARRAY['token', '', 'tökén', repeat('a', 70000)]) AS t;
SELECT verdict(:'proof1', jkt => j) FROM unnest(ARRAY['0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I', '', 'x', '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I=']) AS j;

-- Misuse is an error with a meaning of its own, which repeats nothing.
SELECT verdict(:'proof1', htm => NULL), verdict(:'proof1', htu => NULL);
SELECT verdict(:'proof1', htm => m) FROM unnest(ARRAY['', 'GET POST', 'GÉT', repeat('A', 65)]) AS m;
SELECT verdict(:'proof1', htu => u) FROM unnest(ARRAY['', '/token', 'https://user@server.example.com/', repeat('a', 9000)]) AS u;
SELECT verdict(:'proof1', max_age => i) FROM unnest(ARRAY['0', '-1 s', '11 min', '1 month', '178000000 years']::interval[]) AS i;
SELECT verdict(:'proof1', future_skew => i) FROM unnest(ARRAY['-1 s', '61 s']::interval[]) AS i;
SELECT verdict(:'proof1', at => t) FROM unnest(ARRAY['infinity', '-infinity']::timestamptz[]) AS t;
SELECT verdict(:'proof1', at => t) FROM unnest(ARRAY['4713-01-01 BC', '294276-12-31']::timestamptz[]) AS t;

-- http is for whoever says that its own URI is http; off, that is misuse.  A proof made for the other scheme never passes.
SELECT verdict(:'proof1', htu => 'http://server.example.com/token');
SET sctoken.dpop_allow_http = off;
SELECT verdict(:'proof1', htu => u) FROM unnest(ARRAY['https://server.example.com/token', 'http://server.example.com/token', 'HTTP://server.example.com', 'http://[', 'ftp://server.example.com/']) AS u;
-- The pure function reads no setting.
SELECT sctoken.htu_normalize('HTTP://server.example.com');
RESET sctoken.dpop_allow_http;

-- Algorithms: an unknown name is misuse, an empty list refuses all.
SELECT verdict(:'proof1', algs => a::text[]) FROM (VALUES ('{}'), ('{ES256}'), ('{PS256,EdDSA}'), ('{none}'), ('{HS256}'), ('{es256}'), ('{NULL}'), ('{ES256K}')) AS v(a);
SET sctoken.dpop_algs = 'PS256, RS256';
SELECT verdict(:'proof1');
SET sctoken.dpop_algs = '';
SELECT verdict(:'proof1');
SET sctoken.dpop_algs = 'ES256,none';
SET sctoken.dpop_algs = 'HS256';
RESET sctoken.dpop_algs;
SELECT verdict(:'proof1');
\set VERBOSITY sqlstate
SET sctoken.dpop_max_age = 601;
SET sctoken.dpop_future_skew = 61;
\set VERBOSITY default
SET sctoken.no_such_setting = 1;

-- A session's time zone and formats change nothing.
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German';
SET IntervalStyle = 'sql_standard';
SELECT verdict(:'proof1', max_age => '00:01:00');
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;

-- Pure and parallel safe: the same in parallel workers.
CREATE TABLE proofs AS SELECT :'proof1'::text AS proof FROM generate_series(1, 1000);
ALTER TABLE proofs SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) FROM proofs WHERE (sctoken.dpop_verify(proof, 'POST', 'https://server.example.com/token', at => to_timestamp(1562262616))).valid;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DROP TABLE proofs;
DROP FUNCTION verdict;
