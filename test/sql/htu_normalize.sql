-- The form in which htu is compared (RFC 9449 4.3, RFC 3986 6.2.2 and 6.2.3)
\set pairs `cat "$PG_ABS_SRCDIR"/vectors/dpop/htu_pairs.json`

-- Every pair of the vectors is equal exactly when it should be.
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE coalesce(sctoken.htu_normalize(p ->> 'htu_claim') = sctoken.htu_normalize(p ->> 'request_url'), false)
                              = (p ->> 'match')::boolean) AS as_expected
  FROM json_array_elements(:'pairs'::json -> 'pairs') AS p;

SELECT uri, sctoken.htu_normalize(uri) FROM (VALUES
    ('https://server.example.com/token'),
    ('HTTPS://Server.Example.COM:443/token?a=b#c'),
    ('http://server.example.com'),
    ('http://server.example.com:80'),
    ('http://server.example.com:443/'),
    ('https://server.example.com:/a/./b/../c/%7euser/%2e%2e/x%2fy'),
    ('https://server.example.com/../../a'),
    ('https://[2001:DB8::1]:8443/a'),
    ('https://server.example.com/a//b/'),
    ('https://server.example.com/a%3aB')
) AS v(uri);

-- Null for what is malformed, whatever it is.
SELECT count(*) AS malformed, count(sctoken.htu_normalize(uri)) AS taken FROM (VALUES
    (''), ('https'), ('https:'), ('https://'), ('https:///path'), ('//server.example.com/'), ('/token'), ('ftp://server.example.com/'),
    ('https:\\server.example.com\'), (' https://server.example.com/'), ('https://server.example.com/ '), (E'https://server.example.com/\t'),
    (E'https://server.example.com/\n'), ('https://user@server.example.com/'), ('https://server.example.com:x/'), ('https://server.example.com:65536/'),
    ('https://server.example.com/%'), ('https://server.example.com/%4'), ('https://server.example.com/%zz'), ('https://server.example.com/ü'),
    ('https://sërver.example.com/'), ('https://[::1/'), ('https://[::1'), ('https://[1:2]/'), ('https://[::g]/'), ('https://server.example.com/"'),
    ('https://server.example.com/?"'), ('https://server.example.com/#%4'), ('javascript:alert(1)'), ('https://server.example.com/' || repeat('a', 8192))
) AS v(uri);

-- Idempotent.
SELECT bool_and(sctoken.htu_normalize(sctoken.htu_normalize(u)) = sctoken.htu_normalize(u)) AS idempotent
  FROM json_array_elements(:'pairs'::json -> 'pairs') AS p, unnest(ARRAY[p ->> 'htu_claim', p ->> 'request_url']) AS u
 WHERE sctoken.htu_normalize(u) IS NOT NULL;
SELECT sctoken.htu_normalize(NULL) IS NULL AS is_null;

-- ath: RFC 9449 7.1; null for what is no access token (RFC 6749 A.12)
SELECT sctoken.access_token_hash('Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU');
SELECT sctoken.access_token_hash(t) IS NULL AS is_null FROM unnest(ARRAY[NULL, '', 'tökén', E'a\nb', repeat('a', 65537)]) AS t;
SELECT length(sctoken.access_token_hash(repeat('a', 65536)));
