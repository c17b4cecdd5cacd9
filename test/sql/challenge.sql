-- What a server says of DPoP: challenge (RFC 9449 7.1, 9), metadata (5.1), confirmation of a token (6)
CREATE FUNCTION challenge(error text DEFAULT NULL, algs text[] DEFAULT NULL, nonce text DEFAULT NULL, error_description text DEFAULT NULL, realm text DEFAULT NULL, scope text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN sctoken.dpop_challenge(error, algs, nonce, error_description, realm, scope);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- The examples of RFC 9449 7.1 and 9
SELECT sctoken.dpop_challenge(algs => '{ES256,PS256}');
SELECT sctoken.dpop_challenge('invalid_token', '{ES256}', error_description => 'Invalid DPoP key binding');
SELECT sctoken.dpop_challenge('use_dpop_nonce', '{}', error_description => 'Resource server requires nonce in DPoP proof');
-- What is not said is left out; the scheme alone is a challenge too.
SELECT sctoken.dpop_challenge(algs => '{}');
SELECT sctoken.dpop_challenge('invalid_dpop_proof', '{EdDSA}', NULL, 'no', 'WallyWorld', 'read write');
-- A nonce has a header of its own: here it only says what the client is to do.
SELECT sctoken.dpop_challenge(algs => '{ES256}', nonce => 'eyJ7S_zG.eyJH0-Z.HX4w-7v');
SELECT sctoken.dpop_challenge('invalid_token', '{ES256}', nonce => 'eyJ7S_zG.eyJH0-Z.HX4w-7v');

-- algs come from the live setting, in its order, each once, with one space between them.
SELECT sctoken.dpop_challenge();
SELECT sctoken.dpop_metadata();
SET sctoken.dpop_algs = 'PS256 ,ES256,  RS512,PS256';
SELECT sctoken.dpop_challenge();
SELECT sctoken.dpop_metadata();
-- All that there are
SET sctoken.dpop_algs = 'Ed448,Ed25519,EdDSA,RS512,RS384,RS256,PS512,PS384,PS256,ES512,ES384,ES256';
SELECT sctoken.dpop_challenge();
SELECT sctoken.dpop_metadata();
-- An empty list is no member and no parameter (RFC 8414 3.2).
SET sctoken.dpop_algs = '';
SELECT sctoken.dpop_challenge();
SELECT sctoken.dpop_metadata();
RESET sctoken.dpop_algs;
SELECT challenge(algs => a::text[]) FROM (VALUES ('{PS256,ES256,PS256}'), ('{none}'), ('{HS256}'), ('{es256}'), ('{"ES256 PS256"}'), ('{"ES256\", error=\"x"}'), ('{NULL}'), ('{""}')) AS v(a);

-- Nothing that comes in ends a quoted string or the header.
SELECT challenge(p, '{}'), challenge(NULL, '{}', NULL, p), challenge(NULL, '{}', NULL, NULL, p), challenge(NULL, '{}', NULL, NULL, NULL, p)
  FROM unnest(ARRAY['', 'a"b', 'a\b', '"', '\', '\"', 'a", error="b', 'a, b=c; d~']) AS p;
SELECT to_hex(i) AS character, challenge(chr(i), '{}'), challenge(NULL, '{}', NULL, 'a' || chr(i) || 'b'), challenge(NULL, '{}', NULL, NULL, chr(i) || 'b'), challenge(NULL, '{}', NULL, NULL, NULL, 'a' || chr(i))
  FROM unnest(ARRAY[10, 13, 9, 8364]) AS i;
-- Each character alone: 95 are printable, two of them are escaped, all others are refused.
SELECT count(*) FILTER (WHERE c = format('DPoP error="%s"', chr(i))) AS as_it_is, count(*) FILTER (WHERE c = format('DPoP error="\%s"', chr(i))) AS escaped,
       count(*) FILTER (WHERE c = '22023 argument "error" must be printable ASCII') AS refused
  FROM generate_series(1, 255) AS i, LATERAL challenge(chr(i), '{}') AS c;
-- A nonce is 1*NQCHAR (8.1).
SELECT challenge(nonce => n) FROM unnest(ARRAY['', ' ', 'a b', 'a"', 'a\', E'a\nb', E'a\r\nSet-Cookie: b', 'ä', E'\x7f', '!#[]~']) AS n;

-- cnf_matches: every member of cnf is known, and equal to the presented one.
\set jkt '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'
\set x5t 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0'
CREATE TEMP TABLE cnf (name text, cnf jsonb);
INSERT INTO cnf VALUES
    ('jkt', jsonb_build_object('jkt', :'jkt')), ('x5t', jsonb_build_object('x5t#S256', :'x5t')),
    ('both', jsonb_build_object('x5t#S256', :'x5t', 'jkt', :'jkt')),
    ('other jkt', jsonb_build_object('jkt', :'x5t')), ('both, other x5t', jsonb_build_object('jkt', :'jkt', 'x5t#S256', :'jkt')),
    ('jkt and unknown', jsonb_build_object('jkt', :'jkt', 'kid', 'a')), ('unknown', '{"kid": "a"}'), ('JKT', jsonb_build_object('JKT', :'jkt')),
    ('empty', '{}'), ('null', NULL), ('json null', 'null'), ('array', '[]'), ('array of it', jsonb_build_array(jsonb_build_object('jkt', :'jkt'))), ('string', to_jsonb(:'jkt'::text)), ('number', '1'),
    ('jkt null', '{"jkt": null}'), ('jkt number', '{"jkt": 1}'), ('jkt empty', '{"jkt": ""}'), ('jkt array', jsonb_build_object('jkt', jsonb_build_array(:'jkt'))),
    ('jkt object', jsonb_build_object('jkt', jsonb_build_object('jkt', :'jkt'))), ('jkt padded', jsonb_build_object('jkt', :'jkt' || '=')), ('jkt respelled', jsonb_build_object('jkt', left(:'jkt', 42) || 'J'));
-- These pairs match, and no other.
SELECT c.name AS cnf, array_agg(p.name ORDER BY p.name COLLATE "C") AS met_by
  FROM cnf AS c, cnf AS p WHERE sctoken.cnf_matches(c.cnf, p.cnf) GROUP BY c.name ORDER BY c.name COLLATE "C";
-- The answer is never null.
SELECT count(*) AS pairs, count(sctoken.cnf_matches(c.cnf, p.cnf)) AS answers FROM cnf AS c, cnf AS p;
-- It is pure: it may stand in an index.
CREATE INDEX ON cnf (sctoken.cnf_matches(cnf, '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'));
DROP TABLE cnf;
DROP FUNCTION challenge;
