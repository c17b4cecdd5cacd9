-- Authorization codes bound to a key: dpop_jkt and pushed authorization requests (RFC 9449 10, 10.1), with the calls of doc/dpop.md
\set cases `cat "$PG_ABS_SRCDIR"/vectors/dpop/dpop_cases.json`

-- Proofs of two keys.  One URI stands for both endpoints, since it is the one that they were made for.
SELECT c ->> 'proof' AS proof1, c ->> 'jkt' AS jkt1, to_timestamp((c #>> '{request,now}')::bigint) AS now FROM json_array_elements(:'cases'::json -> 'cases') AS c WHERE c ->> 'id' = 'PA001' \gset
SELECT c ->> 'proof' AS proof2, c ->> 'jkt' AS jkt2 FROM json_array_elements(:'cases'::json -> 'cases') AS c WHERE c ->> 'id' = 'PA010' \gset
SELECT :'jkt1' <> :'jkt2' AS two_keys;
\set at '''https://server.example.com/token'', at => :''now'''

-- The parameter alone: is it a thumbprint?  (10c 44: 42 and 44 characters, padding, "+", null, stray bits)
SELECT left(dpop_jkt, 3) AS start, length(dpop_jkt), sctoken.cnf_matches(c, c)
  FROM unnest(ARRAY[:'jkt1', left(:'jkt1', 42), :'jkt1' || 'A', :'jkt1' || '=', overlay(:'jkt1' PLACING '+' FROM 5 FOR 1), left(:'jkt1', 42) || 'l', '', NULL]) AS dpop_jkt, jsonb_build_object('jkt', dpop_jkt) AS c;

-- 10c 45: a pushed request with the header alone is bound to the proof's key.
SELECT valid, reason, jkt = :'jkt1' AS of_the_proof FROM sctoken.dpop_verify(:'proof1', 'POST', :at, jkt => NULL);
-- 10c 46: with the parameter too, both equal
SELECT valid, reason, jkt = :'jkt1' AS of_the_proof FROM sctoken.dpop_verify(:'proof1', 'POST', :at, jkt => :'jkt1');
-- 10c 47: both, but different: refused for this reason, to be answered with invalid_request
SELECT valid, reason, jkt FROM sctoken.dpop_verify(:'proof1', 'POST', :at, jkt => :'jkt2');
SELECT valid, reason, jkt FROM sctoken.dpop_verify(:'proof2', 'POST', :at, jkt => :'jkt1');
-- A malformed parameter equals no key.
SELECT valid, reason, jkt FROM sctoken.dpop_verify(:'proof1', 'POST', :at, jkt => :'jkt1' || '=');

-- At the token endpoint: the key of the code, whichever of the two ways it came.
CREATE TEMP TABLE code (code text, dpop_jkt text, used boolean DEFAULT false);
INSERT INTO code VALUES ('bound', :'jkt1'), ('unbound', NULL);
PREPARE redeem(text, text) AS
    WITH proof AS (SELECT p.* FROM code AS c, sctoken.dpop_verify($2, 'POST', :at, jkt => c.dpop_jkt) AS p WHERE c.code = $1),
    redeemed AS (UPDATE code SET used = true WHERE code = $1 AND NOT used AND (SELECT valid FROM proof) RETURNING true AS redeemed)
    SELECT p.reason, coalesce(r.redeemed, false) AS redeemed FROM proof AS p LEFT JOIN redeemed AS r ON true;
-- 10c 49: a proof of another key does not consume the code; 10c 48: nor does none at all; nor one that says nothing.
EXECUTE redeem('bound', :'proof2');
EXECUTE redeem('bound', NULL);
EXECUTE redeem('bound', '');
-- 10c 44: the right key redeems it, once.
EXECUTE redeem('bound', :'proof1');
EXECUTE redeem('bound', :'proof1');
-- 10c 44: a code without dpop_jkt takes any key.
EXECUTE redeem('unbound', :'proof2');
DROP TABLE code;
DEALLOCATE redeem;
