/*
 * distribute.sql
 *		Spreads the tables of sctoken over the workers of a Citus cluster, and makes
 *		schema sctoken_citus: the same functions, with what they are routed by as
 *		their first argument.
 *
 * On the coordinator, as a superuser, once, in a database with nothing in sctoken yet:
 *
 *		psql -X -d app -v shards=32 -f distribute.sql
 *
 * README.md says what comes before and after.
 *
 * One call of sctoken must run on one server: its locks and its records of proofs
 * are there.  Citus takes a call to the server of its first argument, if it is called
 * in a way that Citus can take there.  What makes the answers right is not that, but
 * sctoken_citus.enter(), which every call begins with: a call is an error unless the
 * shard of its argument is on this very server, and stays there until the call's
 * transaction ends.
 */
\set ON_ERROR_STOP on
\if :{?shards}
\else
\set shards 32
\endif
SET client_min_messages = warning;
SET citus.multi_shard_modify_mode = 'sequential';

DO $$
BEGIN
    IF NOT citus_is_coordinator() THEN
        RAISE EXCEPTION 'this server is no coordinator of Citus';
    END IF;
    PERFORM FROM sctoken.family;
    IF FOUND THEN
        RAISE EXCEPTION 'there are token families in this database'
            USING HINT = 'Begin with an empty one.';
    END IF;
    PERFORM FROM run_command_on_all_nodes('SELECT 1 FROM sctoken.dpop_replay_horizon') WHERE NOT success OR result <> '';
    IF FOUND THEN
        RAISE EXCEPTION 'proofs were accepted in this database'
            USING HINT = 'Begin with an empty one.';
    END IF;
    -- Secrets of their own would make each server call the others' tokens forged.
    PERFORM FROM run_command_on_all_nodes('SHOW sctoken.secret_file') WHERE NOT success OR result = '';
    IF FOUND THEN
        RAISE EXCEPTION 'sctoken.secret_file is not set on every server';
    END IF;
END $$;

BEGIN;
CREATE SCHEMA sctoken_citus;
COMMENT ON SCHEMA sctoken_citus IS
'The functions of extension sctoken, each on the server that it belongs to';
GRANT USAGE ON SCHEMA sctoken_citus TO PUBLIC;

/*
 * What does not work with tables that are spread: it would be an error when a login
 * or a reuse is just to be judged.
 */
ALTER TABLE sctoken.client_policy ADD CONSTRAINT client_policy_citus_check
    CHECK (max_families IS NULL AND
           (on_reuse IS NULL OR on_reuse OPERATOR(pg_catalog.<>) 'revoke_subject_client'));
COMMIT;

--
-- The servers
--

/*
 * Citus refuses triggers.  A server without those of the caches keeps nothing; with
 * them it would keep what nobody tells it to forget.
 */
CREATE FUNCTION sctoken_citus.prepare()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET citus.enable_ddl_propagation = off
AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT g.tgname, c.relname FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
              WHERE c.relnamespace = 'sctoken'::regnamespace AND NOT g.tgisinternal AND g.tgparentid = 0
                AND (c.relname ~ '^event' OR c.relname IN ('client_policy', 'trust_anchor_set', 'trust_anchor')) LOOP
        EXECUTE format('DROP TRIGGER %I ON sctoken.%I', t.tgname, t.relname);
    END LOOP;
    IF to_regclass('sctoken_citus.arrival') IS NULL THEN
        CREATE TABLE sctoken_citus.arrival (shard oid PRIMARY KEY);
        COMMENT ON TABLE sctoken_citus.arrival IS
        'On each server for itself: the shards of sctoken.family that it has had a call for. For one that has just come, proofs may be remembered where it was before. shard: the table that holds it, which is made anew at each arrival; a placement keeps its id on the workers, and the shard its name';
    END IF;
END $$;
COMMENT ON FUNCTION sctoken_citus.prepare() IS
'Internal: makes this server ready';

CREATE FUNCTION sctoken_citus.prepare_nodes(OUT node text, OUT error text)
RETURNS SETOF record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n record;
BEGIN
    FOR n IN SELECT format('%s:%s', d.nodename, d.nodeport) AS name, r.success, r.result
               FROM run_command_on_all_nodes('SELECT sctoken_citus.prepare()') AS r JOIN pg_dist_node AS d USING (nodeid) LOOP
        node := n.name;
        error := CASE WHEN NOT n.success THEN n.result END;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION sctoken_citus.prepare_nodes() IS
'Makes every server ready for calls: to be called once more when one was added. Until then calls there are errors. error: null where it is done';

SELECT create_distributed_function('sctoken_citus.prepare()');
SELECT * FROM sctoken_citus.prepare_nodes();

SELECT create_reference_table('sctoken.client_policy');
SELECT create_reference_table('sctoken.trust_anchor_set');
SELECT create_reference_table('sctoken.trust_anchor');
SELECT create_reference_table('sctoken.tls_client_auth');
SELECT create_reference_table('sctoken.client_certificate');
SELECT create_distributed_table('sctoken.family', 'id', colocate_with => 'none', shard_count => :shards);
SELECT create_distributed_table('sctoken.event', 'family_id', colocate_with => 'sctoken.family');

--
-- What calls are routed by: pure functions, never null
--

CREATE FUNCTION sctoken_citus.family_id(token text)
RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT coalesce(sctoken.token_family_id(token), '00000000-0000-0000-0000-000000000000'::uuid) $$;
COMMENT ON FUNCTION sctoken_citus.family_id(text) IS
'The family of a token, by which a call with it is routed. What is no token has the nil UUID';

CREATE FUNCTION sctoken_citus.subject_id(subject text)
RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.substr(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce(subject, ''), 'UTF8')), 'hex'), 1, 32)::uuid $$;
COMMENT ON FUNCTION sctoken_citus.subject_id(text) IS
'What issue is routed by: all families of a subject begin in one shard';

CREATE FUNCTION sctoken_citus.key_id(proof text)
RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.lpad(pg_catalog.to_hex(sctoken.shard_of_proof(coalesce(proof, ''), 1073741824)), 32, '0')::uuid $$;
COMMENT ON FUNCTION sctoken_citus.key_id(text) IS
'What dpop_check is routed by: all proofs of a key are remembered on one server';

--
-- Fail closed
--

/*
 * The records of proofs do not move with a shard.  So a server on which a shard has
 * just arrived refuses the proofs that may have been accepted where it was; they can
 * be as far ahead of that server's clock as a proof may be, and its clock by a second.
 */
CREATE FUNCTION sctoken_citus.forget_proofs()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken.htu_normalize('');    -- loads the library, and with it its settings
    INSERT INTO sctoken.dpop_replay_horizon AS h (horizon)
    VALUES (clock_timestamp() + current_setting('sctoken.dpop_future_skew')::interval + interval '1 second')
    ON CONFLICT ((true)) DO UPDATE SET horizon = greatest(h.horizon, excluded.horizon);
END $$;
COMMENT ON FUNCTION sctoken_citus.forget_proofs() IS
'Internal: refuses on this server all proofs that were made by now';

/*
 * The lock is the one that Citus takes against a shard that is about to move: who has
 * it keeps the shard here until the end of the transaction, and who gets it sees where
 * the shard is.  That needs READ COMMITTED, where each statement sees anew.
 */
CREATE FUNCTION sctoken_citus.keep(shard bigint)
RETURNS oid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM lock_shard_metadata(5, ARRAY[shard]);    -- ShareLock
    RETURN (SELECT to_regclass(shard_name('sctoken.family', shard))
              FROM pg_dist_placement AS p JOIN pg_dist_local_group AS g ON g.groupid = p.groupid
             WHERE p.shardid = shard AND p.shardstate = 1);
END $$;
COMMENT ON FUNCTION sctoken_citus.keep(bigint) IS
'Internal: keeps a shard of sctoken.family on this server until the transaction ends, and gives the table that holds it; null: it is not here';

CREATE FUNCTION sctoken_citus.enter(scope uuid, wanted uuid)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shard bigint;
    here oid;
BEGIN
    IF scope IS DISTINCT FROM wanted THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'the first argument does not belong to the others',
            HINT = 'It is sctoken_citus.family_id(token), subject_id(subject) or key_id(proof).';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE feature_not_supported USING MESSAGE = 'the isolation level must be READ COMMITTED';
    END IF;
    shard := get_shard_id_for_distribution_column('sctoken.family', scope);
    here := sctoken_citus.keep(shard);
    IF here IS NULL THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'the call is not on the server that it belongs to',
            HINT = 'Nothing has changed. Call it by itself, SELECT * FROM sctoken_citus.rotate(sctoken_citus.family_id($1), $1, ..), outside of functions, with constants or parameters only; a shard may also just have moved: then repeat it.';
    END IF;
    PERFORM FROM sctoken_citus.arrival AS a WHERE a.shard = here;
    IF NOT FOUND THEN
        INSERT INTO sctoken_citus.arrival VALUES (here) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            PERFORM sctoken_citus.forget_proofs();
        END IF;
    END IF;
    RETURN shard;
END $$;
COMMENT ON FUNCTION sctoken_citus.enter(uuid, uuid) IS
'Internal: an error unless the shard of scope is on this server, where it stays until the transaction ends. Gives the shard';

--
-- Calls with a token or a family
--

CREATE FUNCTION sctoken_citus.rotate(
    family_id uuid,
    refresh_token text,
    client_id text,
    scope text DEFAULT NULL,
    audience text[] DEFAULT NULL,
    cnf jsonb DEFAULT NULL,
    dpop_proof text DEFAULT NULL,
    htm text DEFAULT 'POST',
    htu text DEFAULT NULL,
    certificate bytea DEFAULT NULL,
    context jsonb DEFAULT NULL)
RETURNS sctoken.grant_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, sctoken_citus.family_id(refresh_token));
    RETURN sctoken.rotate(refresh_token, client_id, scope, audience, cnf, dpop_proof, htm, htu, certificate, context);
END $$;

CREATE FUNCTION sctoken_citus.introspect(family_id uuid, token text)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, sctoken_citus.family_id(token));
    RETURN sctoken.introspect(token);
END $$;

CREATE FUNCTION sctoken_citus.revoke(family_id uuid, token text, client_id text, reason text DEFAULT 'logout')
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, sctoken_citus.family_id(token));
    RETURN sctoken.revoke(token, client_id, reason);
END $$;

CREATE FUNCTION sctoken_citus.revoke_family(family_id uuid, reason text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, family_id);
    RETURN sctoken.revoke_family(family_id, reason);
END $$;

CREATE FUNCTION sctoken_citus.confirm(family_id uuid, generation bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, family_id);
    RETURN sctoken.confirm(family_id, generation);
END $$;

CREATE FUNCTION sctoken_citus.narrow(family_id uuid, scope text, audience text[], reason text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, family_id);
    RETURN sctoken.narrow(family_id, scope, audience, reason);
END $$;

CREATE FUNCTION sctoken_citus.rebind(family_id uuid, cnf jsonb, reason text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, family_id);
    PERFORM sctoken_citus.lock('binding', member.value, true) FROM jsonb_each_text(cnf) AS member ORDER BY member.value;
    RETURN sctoken.rebind(family_id, cnf, reason);
END $$;

CREATE FUNCTION sctoken_citus.family_active(family_id uuid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(family_id, family_id);
    RETURN sctoken.family_active(family_id);
END $$;

--
-- Logins, and the end of many families
--

/*
 * A login holds these shared, and who ends many families takes one of them for itself
 * on each server: a login is committed before, and its row is seen, or it begins after.
 */
CREATE FUNCTION sctoken_citus.lock(kind text, value text, shared boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    class CONSTANT integer := hashtext('sctoken_citus ' || kind);
BEGIN
    IF value IS NULL THEN
        RETURN;
    ELSIF shared THEN
        PERFORM pg_advisory_xact_lock_shared(class, hashtext(value));
    ELSE
        PERFORM pg_advisory_xact_lock(class, hashtext(value));
    END IF;
END $$;
COMMENT ON FUNCTION sctoken_citus.lock(text, text, boolean) IS
'Internal: keeps logins, and the end of the families that they begin, apart';

-- The id is drawn until its hash is one of this shard: the row is where the call is.
CREATE FUNCTION sctoken_citus.issue(
    subject_id uuid,
    client_id text,
    subject text,
    scope text DEFAULT NULL,
    audience text[] DEFAULT NULL,
    cnf jsonb DEFAULT NULL,
    session_id text DEFAULT NULL,
    grant_id text DEFAULT NULL,
    details jsonb DEFAULT NULL,
    dpop_proof text DEFAULT NULL,
    htm text DEFAULT 'POST',
    htu text DEFAULT NULL,
    certificate bytea DEFAULT NULL,
    context jsonb DEFAULT NULL)
RETURNS sctoken.grant_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    shard CONSTANT bigint := sctoken_citus.enter(subject_id, sctoken_citus.subject_id(subject));
    result sctoken.grant_result;
BEGIN
    PERFORM sctoken_citus.lock('subject', subject, true);
    PERFORM sctoken_citus.lock('session', session_id, true);
    PERFORM sctoken_citus.lock('grant', grant_id, true);
    PERFORM sctoken.htu_normalize('');    -- loads the library, and with it its settings
    PERFORM set_config('sctoken.shard', shardminvalue || '..' || shardmaxvalue, true)
       FROM pg_dist_shard WHERE shardid = shard;
    result := sctoken.issue(client_id, subject, scope, audience, cnf, session_id, grant_id, details, dpop_proof, htm, htu, certificate, context);
    PERFORM set_config('sctoken.shard', '', true);
    -- what binds it is known now
    PERFORM sctoken_citus.lock('binding', member.value, true) FROM jsonb_each_text(result.cnf) AS member ORDER BY member.value;
    RETURN result;
END $$;

-- One shard of the families, with that of their events; on its server.
CREATE FUNCTION sctoken_citus.revoke_rows(family_shard text, event_shard text, kind text, value text, reason text, client_id text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    shard CONSTANT bigint := substring(family_shard FROM '[0-9]+$');
    condition CONSTANT text := CASE kind
        WHEN 'subject' THEN 'subject = $1 AND ($3 IS NULL OR client_id = $3)'
        WHEN 'session' THEN 'session_id = $1'
        WHEN 'grant' THEN 'grant_id = $1'
        WHEN 'binding' THEN '(binding ->> ''jkt'' = $1 OR binding ->> ''x5t#S256'' = $1 OR binding ->> ''tbh'' = $1)' END;
    revoked bigint;
BEGIN
    PERFORM sctoken_citus.lock(kind, value, false);
    IF sctoken_citus.keep(shard) IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'the shard has just moved', HINT = 'Repeat the call.';
    END IF;
    SET LOCAL synchronous_commit = on;
    EXECUTE format($sql$
        WITH locked AS (SELECT id FROM %1$s WHERE %3$s AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE),
             revoked AS (UPDATE %1$s AS f SET revoked_at = clock_timestamp(), revoke_reason = $2
                           FROM locked WHERE f.id = locked.id AND f.revoked_at IS NULL
                         RETURNING f.id, f.revoked_at, f.generation, f.client_id, f.subject),
             told AS (INSERT INTO %2$s (family_id, at, kind, generation, client_id, subject, reason)
                      SELECT id, revoked_at, 'revoked', generation, client_id, subject, $2 FROM revoked)
        SELECT count(*) FROM revoked$sql$, family_shard::regclass, event_shard::regclass, condition)
      INTO revoked USING value, reason, client_id;
    RETURN revoked;
END $$;
COMMENT ON FUNCTION sctoken_citus.revoke_rows(text, text, text, text, text, text) IS
'Internal: revokes what matches in one shard, on its server';

CREATE FUNCTION sctoken_citus.revoke_all(kind text, value text, reason text, client_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    done bigint;
    failed bigint;
    failures text;
BEGIN
    IF value IS NULL OR reason IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'an argument must not be null';
    ELSIF octet_length(value) NOT BETWEEN 1 AND 1024 OR octet_length(reason) NOT BETWEEN 1 AND 256 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an argument is empty or too long';
    END IF;
    SELECT sum(CASE WHEN r.success THEN r.result::bigint END), count(*) FILTER (WHERE NOT r.success),
           string_agg(format('shard %s on %s:%s: %s', r.shardid1, r.nodename, r.nodeport, r.result), E'\n') FILTER (WHERE NOT r.success)
      INTO done, failed, failures
      FROM run_command_on_colocated_placements('sctoken.family', 'sctoken.event',
           'SELECT sctoken_citus.revoke_rows(%L, %L, '
           || replace(format('%L, %L, %L, %L', kind, value, reason, client_id), '%', '%%') || ')') AS r;
    IF failed > 0 THEN
        RAISE system_error USING
            MESSAGE = format('not done on %s shards', failed),
            DETAIL = format(E'%s\nthe others: %s', failures, coalesce(done, 0)),
            HINT = 'What is done stays done. Repeat the call.';
    END IF;
    RETURN done;
END $$;
COMMENT ON FUNCTION sctoken_citus.revoke_all(text, text, text, text) IS
'Internal: revokes what matches, shard by shard, each in a transaction of its own';

CREATE FUNCTION sctoken_citus.revoke_subject(subject text, reason text, client_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sctoken_citus.revoke_all('subject', subject, reason, client_id) $$;

CREATE FUNCTION sctoken_citus.revoke_session(session_id text, reason text)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sctoken_citus.revoke_all('session', session_id, reason) $$;

CREATE FUNCTION sctoken_citus.revoke_grant(grant_id text, reason text)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sctoken_citus.revoke_all('grant', grant_id, reason) $$;

CREATE FUNCTION sctoken_citus.revoke_binding(thumbprint text, reason text)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sctoken_citus.revoke_all('binding', thumbprint, reason) $$;

-- A row of a table that is the same everywhere, and its event: on any server.
CREATE FUNCTION sctoken_citus.revoke_client(client_id text, reason text)
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    result timestamptz;
BEGIN
    IF client_id IS NULL OR reason IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'an argument must not be null';
    ELSIF octet_length(client_id) NOT BETWEEN 1 AND 1024 OR octet_length(reason) NOT BETWEEN 1 AND 256 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an argument is empty or too long';
    END IF;
    SET LOCAL synchronous_commit = on;
    INSERT INTO sctoken.client_policy AS p (client_id, not_before) VALUES (client_id, at)
    ON CONFLICT ON CONSTRAINT client_policy_pkey DO UPDATE SET not_before = greatest(p.not_before, excluded.not_before)
    RETURNING p.not_before INTO result;
    INSERT INTO sctoken.event (family_id, at, kind, client_id, reason)
    VALUES ('00000000-0000-0000-0000-000000000000', at, 'client_revoked', client_id, reason);
    RETURN result;
END $$;

CREATE FUNCTION sctoken_citus.families(
    subject text,
    OUT family_id uuid,
    OUT client_id text,
    OUT session_id text,
    OUT grant_id text,
    OUT scope text,
    OUT audience text[],
    OUT bound boolean,
    OUT generation bigint,
    OUT created_at timestamptz,
    OUT rotated_at timestamptz,
    OUT expires_at timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    f sctoken.family;
    p sctoken.client_policy;
BEGIN
    PERFORM FROM sctoken_citus.arrival LIMIT 1;    -- an error where nobody has prepared the server
    FOR f IN SELECT * FROM sctoken.family AS t
              WHERE t.subject = families.subject AND t.revoked_at IS NULL ORDER BY t.rotated_at DESC, t.id LOOP
        p := sctoken.effective_policy(f.client_id);
        -- in seconds: a day is 24 hours
        expires_at := least(f.expires_at, f.created_at + interval '1 second' * extract(epoch FROM p.absolute_ttl)::double precision,
                            f.rotated_at + interval '1 second' * extract(epoch FROM p.idle_ttl)::double precision);
        CONTINUE WHEN NOT p.enabled OR f.created_at <= p.not_before OR expires_at <= clock_timestamp();
        family_id := f.id;
        client_id := f.client_id;
        session_id := f.session_id;
        grant_id := f.grant_id;
        scope := f.scope;
        audience := f.audience;
        bound := f.binding IS NOT NULL;
        generation := f.generation;
        created_at := f.created_at;
        rotated_at := f.rotated_at;
        RETURN NEXT;
    END LOOP;
END $$;

--
-- Proofs and certificates
--

CREATE FUNCTION sctoken_citus.dpop_check(
    key_id uuid,
    proof text,
    htm text,
    htu text,
    access_token text DEFAULT NULL,
    jkt text DEFAULT NULL,
    server text DEFAULT 'as',
    require_nonce boolean DEFAULT NULL)
RETURNS sctoken.dpop_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(key_id, sctoken_citus.key_id(proof));
    RETURN sctoken.dpop_check(proof, htm, htu, access_token, jkt, server, require_nonce);
END $$;

CREATE FUNCTION sctoken_citus.dpop_check_headers(
    key_id uuid,
    proofs text[],
    htm text,
    htu text,
    access_token text DEFAULT NULL,
    jkt text DEFAULT NULL,
    server text DEFAULT 'as',
    require_nonce boolean DEFAULT NULL)
RETURNS sctoken.dpop_result
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sctoken_citus.enter(key_id, sctoken_citus.key_id(proofs[1]));
    RETURN sctoken.dpop_check_headers(proofs, htm, htu, access_token, jkt, server, require_nonce);
END $$;

CREATE FUNCTION sctoken_citus.dpop_nonce(server text DEFAULT 'as', jkt text DEFAULT NULL)
RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sctoken.dpop_nonce(server, jkt) $$;

CREATE FUNCTION sctoken_citus.certificate_authenticate(
    client_id text,
    certificate bytea,
    chain bytea[] DEFAULT NULL,
    at timestamptz DEFAULT NULL)
RETURNS TABLE (valid boolean, method text, reason text, x5t text, subject text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM sctoken_citus.arrival LIMIT 1;    -- an error where nobody has prepared the server
    RETURN QUERY SELECT a.valid, a.method, a.reason, a.x5t, a.subject FROM sctoken.certificate_authenticate(client_id, certificate, chain, at) AS a;
END $$;

--
-- Maintenance
--

-- In batches, each in a transaction of its own; a row that somebody holds waits.
CREATE FUNCTION sctoken_citus.delete_rows(family_shard text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shard CONSTANT bigint := substring(family_shard FROM '[0-9]+$');
    deleted bigint;
BEGIN
    IF sctoken_citus.keep(shard) IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('WITH ended AS (SELECT id FROM %1$s WHERE expires_at <= clock_timestamp()
                                    ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
                    DELETE FROM %1$s AS f USING ended WHERE f.id = ended.id', family_shard::regclass);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$;
COMMENT ON FUNCTION sctoken_citus.delete_rows(text) IS
'Internal: deletes at most 1,000 families past their end in one shard, on its server';

CREATE PROCEDURE sctoken_citus.maintain(INOUT deleted bigint DEFAULT 0)
LANGUAGE plpgsql
AS $$
DECLARE
    week date;
    batch bigint;
BEGIN
    FOR week IN SELECT pg_catalog.generate_series(pg_catalog.date_trunc('week', pg_catalog.now() AT TIME ZONE 'UTC') + interval '1 week',
                                       pg_catalog.date_trunc('week', pg_catalog.now() AT TIME ZONE 'UTC') + interval '4 weeks', interval '1 week') LOOP
        CONTINUE WHEN pg_catalog.to_regclass('sctoken.event_' || pg_catalog.to_char(week, 'YYYYMMDD')) IS NOT NULL;
        EXECUTE pg_catalog.format('CREATE TABLE sctoken.event_%s PARTITION OF sctoken.event FOR VALUES FROM (%L) TO (%L)',
                                  pg_catalog.to_char(week, 'YYYYMMDD'), week || ' 00:00:00+00', week + 7 || ' 00:00:00+00');
        EXECUTE pg_catalog.format('CREATE INDEX ON sctoken.event_%s (family_id, at)', pg_catalog.to_char(week, 'YYYYMMDD'));
        COMMIT;
    END LOOP;
    deleted := 0;
    LOOP
        SELECT coalesce(pg_catalog.sum(r.result::bigint), 0) INTO batch
          FROM pg_catalog.run_command_on_placements('sctoken.family', 'SELECT sctoken_citus.delete_rows(%L)') AS r WHERE r.success;
        COMMIT;
        EXIT WHEN batch = 0;
        deleted := deleted + batch;
    END LOOP;
END $$;
COMMENT ON PROCEDURE sctoken_citus.maintain(bigint) IS
'Makes the weekly partitions of sctoken.event for the next 4 weeks, and deletes families past their end. On the coordinator, as a superuser, by itself, for example daily. deleted: how many';

--
-- Distribution, comments and privileges
--

-- On the coordinator; Citus takes the privileges to the other servers.
CREATE FUNCTION sctoken_citus.grant_to(role regrole, duty text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    names CONSTANT text[] := CASE duty
        WHEN 'authorization_server' THEN ARRAY['issue', 'rotate', 'introspect', 'revoke', 'revoke_family', 'revoke_grant', 'revoke_session', 'revoke_subject',
            'confirm', 'narrow', 'families', 'family_active', 'dpop_check', 'dpop_check_headers', 'dpop_nonce', 'certificate_authenticate']
        WHEN 'resource_server' THEN ARRAY['introspect', 'family_active', 'confirm', 'dpop_check', 'dpop_check_headers', 'dpop_nonce']
        WHEN 'operator' THEN ARRAY['families', 'family_active', 'narrow', 'rebind', 'revoke_family', 'revoke_grant', 'revoke_session', 'revoke_subject',
            'revoke_binding', 'revoke_client'] END;
    f regprocedure;
BEGIN
    IF names IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'argument "duty" is not a duty',
            HINT = 'Duties are authorization_server, resource_server and operator.';
    END IF;
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'sctoken_citus'::regnamespace AND proname = ANY (names) LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, role);
    END LOOP;
    IF duty = 'operator' THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON sctoken.client_policy, sctoken.trust_anchor_set, sctoken.trust_anchor, sctoken.tls_client_auth, sctoken.client_certificate TO %s', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION sctoken.trust_anchor_valid(text, bytea) TO %s', role);
    END IF;
END $$;
COMMENT ON FUNCTION sctoken_citus.grant_to(regrole, text) IS
'Grants a role what a duty needs: authorization_server, resource_server or operator; as a superuser. Errors: 22023 no such duty';

-- What is here by now is not about to arrive one by one.
CREATE FUNCTION sctoken_citus.settle()
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO sctoken_citus.arrival
    SELECT shard_name('sctoken.family', s.shardid)::regclass
      FROM pg_dist_placement AS p JOIN pg_dist_shard AS s USING (shardid) JOIN pg_dist_local_group AS g USING (groupid)
     WHERE s.logicalrelid = 'sctoken.family'::regclass
    ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION sctoken_citus.settle() IS
'Internal: takes the shards that are on this server for arrived';

DO $$
DECLARE
    f record;
BEGIN
    -- Only what is routed in a BEGIN block too is forced: its rows are all under its argument.
    FOR f IN SELECT p.oid::regprocedure AS call, p.proname, p.proargnames[1] AS key
               FROM pg_proc AS p WHERE p.pronamespace = 'sctoken_citus'::regnamespace AND p.prokind = 'f' AND p.proname NOT IN ('prepare_nodes', 'grant_to') LOOP
        IF f.key = 'subject_id' AND f.proname = 'issue' THEN
            PERFORM create_distributed_function(f.call, 'subject_id', colocate_with => 'sctoken.family');
        ELSIF f.key IN ('family_id', 'key_id') AND f.proname <> 'families' THEN
            PERFORM create_distributed_function(f.call, f.key, colocate_with => 'sctoken.family', force_delegation => true);
        ELSE
            PERFORM create_distributed_function(f.call);
        END IF;
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f.call);
        IF obj_description(f.call, 'pg_proc') IS NULL THEN
            EXECUTE format('COMMENT ON FUNCTION %s IS %L', f.call,
                           format('As sctoken.%s, on the server that it belongs to', f.proname));
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON PROCEDURE sctoken_citus.maintain(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sctoken_citus.prepare_nodes(), sctoken_citus.grant_to(regrole, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sctoken_citus.family_id(text), sctoken_citus.subject_id(text), sctoken_citus.key_id(text) TO PUBLIC;

DO $$
BEGIN
    PERFORM FROM run_command_on_all_nodes('SELECT sctoken_citus.settle()') WHERE NOT success;
    IF FOUND THEN
        RAISE EXCEPTION 'not every server is ready';
    END IF;
END $$;
