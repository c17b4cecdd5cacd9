/*
 * capacity.sql
 *		What each call writes and costs, for the model of doc/capacity.md.
 */
CREATE TABLE bench.presented (n serial PRIMARY KEY, proof text);
CREATE TABLE bench.held (n integer PRIMARY KEY, token text, family_id uuid);

/*
 * Families as a login makes them, each bound to the key of the proof of its number as
 * long as there is one; held in no order that their rows have.
 */
CREATE PROCEDURE bench.log_in(families integer) LANGUAGE plpgsql AS $$
DECLARE
    numbers integer[] := ARRAY(SELECT n FROM generate_series(1, families) AS n ORDER BY md5(n::text));
    batch integer := 500;       -- each login holds a lock until its transaction ends
BEGIN
    FOR i IN 0 .. (families - 1) / batch LOOP
        INSERT INTO bench.held
        SELECT f.n, g.refresh_token, g.family_id
          FROM unnest(numbers[i * batch + 1 : (i + 1) * batch]) AS f(n)
          LEFT JOIN bench.presented AS p USING (n)
          LEFT JOIN LATERAL sctoken.dpop_verify(p.proof, 'POST', 'https://server.example.com/token') AS v
               ON p.proof IS NOT NULL
         CROSS JOIN LATERAL sctoken.issue('6c4e0c1b-app', 'auth0|' || md5(f.n::text),
               'openid profile email offline_access', ARRAY['https://api.example.com'],
               jsonb_build_object('jkt', coalesce(v.jkt, '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I')),
               md5(f.n::text || 'session'), md5(f.n::text || 'grant')) AS g;
        COMMIT;
    END LOOP;
END $$;

/*
 * Calls, each in a transaction of its own, with the families and proofs of these
 * numbers.  cpu: microseconds, wal: bytes, of one call.
 */
CREATE PROCEDURE bench.cost(call text, first integer, last integer,
    INOUT cpu float8, INOUT wal float8)
LANGUAGE plpgsql AS $$
DECLARE
    held record;
    answer text;
    before pg_lsn;
BEGIN
    before := pg_current_wal_insert_lsn();
    cpu := bench.cpu();
    FOR i IN first .. last LOOP
        SELECT h.token, h.family_id, p.proof INTO held
          FROM bench.held AS h JOIN bench.presented AS p USING (n) WHERE n = i;
        CASE call
            WHEN 'issue' THEN
                answer := outcome FROM sctoken.issue('6c4e0c1b-app', 'auth0|' || md5(i::text),
                    'openid profile email offline_access', ARRAY['https://api.example.com'],
                    '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', md5(i::text), md5(i::text));
            WHEN 'rotate' THEN
                answer := outcome FROM sctoken.rotate(held.token, '6c4e0c1b-app',
                    dpop_proof => held.proof, htu => 'https://server.example.com/token');
            WHEN 'dpop_check' THEN
                answer := CASE WHEN valid THEN 'valid' ELSE reason END
                  FROM sctoken.dpop_check(held.proof, 'POST', 'https://server.example.com/token');
            WHEN 'introspect' THEN
                answer := CASE WHEN sctoken.introspect(held.token) -> 'active' = 'true' THEN 'active' END;
            WHEN 'revoke_family' THEN
                answer := CASE WHEN sctoken.revoke_family(held.family_id, 'logout') THEN 'revoked' END;
        END CASE;
        COMMIT;
        IF answer IS NULL OR answer NOT IN ('issued', 'rotated', 'valid', 'active', 'revoked') THEN
            RAISE EXCEPTION '% %: %', call, i, answer;
        END IF;
    END LOOP;
    cpu := (bench.cpu() - cpu) / (last - first + 1);
    wal := (pg_current_wal_insert_lsn() - before) / (last - first + 1);
END $$;
