/*
 * replay.sql
 *		Proofs that are presented one after the other, each in a transaction of its own,
 *		at the time that they were made.
 */
CREATE TABLE bench.presented (n serial PRIMARY KEY, iat integer, proof text);
CREATE TABLE bench.latency (call text, us float8);

-- As before the first proof.
CREATE PROCEDURE bench.forget_proofs() LANGUAGE sql AS $$
    TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon,
        sctoken.dpop_replay_marker
$$;

-- call: check or verify.  cpu: microseconds of CPU of one call, its commit included.
CREATE PROCEDURE bench.present(call text, first integer, last integer, INOUT cpu float8)
LANGUAGE plpgsql AS $$
DECLARE
    before timestamptz;
    spent float8[];
    held record;
    ok boolean;
BEGIN
    cpu := bench.cpu();
    FOR i IN first .. last LOOP
        SELECT proof, to_timestamp(iat) AS at INTO held FROM bench.presented WHERE n = i;
        before := clock_timestamp();
        IF call = 'check' THEN
            ok := valid FROM sctoken.dpop_check(held.proof, 'POST', 'https://server.example.com/token',
                at => held.at);
        ELSE
            ok := valid FROM sctoken.dpop_verify(held.proof, 'POST', 'https://server.example.com/token',
                at => held.at);
        END IF;
        COMMIT;
        IF ok IS NOT TRUE THEN
            RAISE EXCEPTION 'proof % was refused', i;
        END IF;
        spent[i - first + 1] := extract(epoch FROM clock_timestamp() - before) * 1e6;
    END LOOP;
    cpu := (bench.cpu() - cpu) / (last - first + 1);
    INSERT INTO bench.latency SELECT call, unnest(spent);
END $$;

-- Records of other proofs of that time, which live as long; they are only written.
CREATE PROCEDURE bench.fill_records(first bigint, last bigint, iat integer) LANGUAGE plpgsql AS $$
DECLARE
    bucket integer := generation % 3 FROM sctoken.dpop_replay_store WHERE store = 'logged';
BEGIN
    EXECUTE format('INSERT INTO sctoken.dpop_replay_logged_%s
        SELECT sha256(i::text::bytea), to_timestamp(%s), %s FROM generate_series(%s, %s) AS i',
        bucket, iat + 71, bucket, first, last);
END $$;
