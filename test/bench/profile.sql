/*
 * profile.sql
 *		Calls one after the other, each with a commit of its own, for profile.sh.  Which
 *		proofs are presented depends on their number, so that no run repeats another's.
 */
CREATE PROCEDURE bench.calls(kind text, count integer) LANGUAGE plpgsql AS $$
DECLARE
    hash bytea := sha256('hash');
    row_id uuid := gen_random_uuid();
    token text := refresh_token FROM sctoken.issue('bench', 'subject', 'openid profile');
    rival text := rival.issue('bench', 'subject', 'openid profile');
    held text;
    word text;
BEGIN
    INSERT INTO bench.floor SELECT row_id, now(), now(), 'bench', 'subject', NULL, NULL,
        'openid profile', NULL, NULL, NULL, NULL, NULL, 1, now(), 0, 0, hash, NULL, hash;
    FOR i IN 1 .. count LOOP
        CASE kind
            WHEN 'nothing' THEN
                NULL;
            WHEN 'update' THEN
                UPDATE bench.floor AS f SET generation = generation + 1,
                    rotated_at = clock_timestamp(), secret_hash = hash WHERE f.id = row_id;
            WHEN 'rotate' THEN
                SELECT outcome, refresh_token INTO word, token FROM sctoken.rotate(token, 'bench');
            WHEN 'rival' THEN
                SELECT outcome, refresh_token INTO word, rival FROM rival.rotate(rival, 'bench');
            WHEN 'dpop_verify' THEN
                SELECT proof INTO held FROM bench.presented WHERE n = count + i;
                word := coalesce(v.reason, 'rotated') FROM sctoken.dpop_verify(held, 'POST',
                    'https://server.example.com/token', at => to_timestamp(1700000000)) AS v;
            WHEN 'dpop_check' THEN
                SELECT proof INTO held FROM bench.presented WHERE n = count + i;
                word := coalesce(v.reason, 'rotated') FROM sctoken.dpop_check(held, 'POST',
                    'https://server.example.com/token', at => to_timestamp(1700000000)) AS v;
        END CASE;
        COMMIT;
        IF word <> 'rotated' THEN
            RAISE EXCEPTION '%: %', kind, word;
        END IF;
    END LOOP;
END $$;
