/*
 * proxy.sql
 *		Makes of an empty database a proxy for many databases with sctoken: schema
 *		sctoken with the same functions, procedure and views, each of which calls
 *		the shard, or the shards, that it belongs to.
 *
 * As a superuser, once, with PL/Proxy, dblink and the files of sctoken installed:
 *
 *		psql -X -d proxy -f proxy.sql
 *
 * README.md says what comes before and after.  Nothing here is for everybody but
 * the functions that need no shard; sctoken.grant_to() gives a role what its duty needs.
 *
 * The server is named in each function, its shards nowhere: moving one is an
 * ALTER SERVER.  1073741824 stands for any number of shards, since shard_of_token()
 * gives the last bits of a hash, of which PL/Proxy takes as many as it needs.
 */
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS plproxy;

-- What the extension says of its functions, for those of the same name here
CREATE EXTENSION sctoken;
CREATE TEMPORARY TABLE said ON COMMIT DROP AS
SELECT CASE WHEN d.objsubid > 0 THEN 'column' ELSE o.type END AS kind, o.identity, d.description
  FROM pg_description AS d, pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
 WHERE o.schema = 'sctoken';
DROP EXTENSION sctoken;

CREATE SCHEMA sctoken;
COMMENT ON SCHEMA sctoken IS
'The functions and views of extension sctoken, each on the shards that it belongs to';
GRANT USAGE ON SCHEMA sctoken TO PUBLIC;
CREATE SCHEMA sctoken_shard;
COMMENT ON SCHEMA sctoken_shard IS
'The same by the number of a shard, and what the functions of schema sctoken are made of';

-- For maintain() alone: PL/Proxy calls functions, and no procedures.
CREATE EXTENSION IF NOT EXISTS dblink SCHEMA sctoken_shard;

--
-- Types: those of the extension, or a result would not fit
--

CREATE TYPE sctoken.dpop_result AS (
    valid boolean,
    error text,
    reason text,
    jkt text,
    jti text,
    iat timestamptz,
    nonce text,
    ath text,
    alg text,
    jwk json,
    claims json,
    next_nonce text
);

CREATE TYPE sctoken.grant_result AS (
    outcome text,
    error text,
    reason text,
    refresh_token text,
    family_id uuid,
    generation bigint,
    client_id text,
    subject text,
    scope text,
    audience text[],
    cnf jsonb,
    session_id text,
    grant_id text,
    details jsonb,
    expires_at timestamptz,
    family_expires_at timestamptz,
    next_nonce text
);

CREATE TYPE sctoken.client_policy AS (
    client_id text,
    client_type text,
    rotation text,
    retry_window interval,
    retry_until_confirmed boolean,
    max_retries integer,
    idle_ttl interval,
    absolute_ttl interval,
    required_binding text,
    require_nonce boolean,
    on_reuse text,
    profile text,
    max_families integer,
    enabled boolean,
    not_before timestamptz
);

--
-- Pure functions: here, by the extension's own code
--

CREATE FUNCTION sctoken.jwk_thumbprint(jwk json, hash text DEFAULT 'sha256')
RETURNS text
AS '$libdir/sctoken', 'sctoken_jwk_thumbprint'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.jwk_thumbprint_uri(jwk json, hash text DEFAULT 'sha256')
RETURNS text
AS '$libdir/sctoken', 'sctoken_jwk_thumbprint_uri'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.access_token_hash(access_token text)
RETURNS text
AS '$libdir/sctoken', 'sctoken_access_token_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.htu_normalize(uri text)
RETURNS text
AS '$libdir/sctoken', 'sctoken_htu_normalize'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.cnf_matches(cnf jsonb, presented jsonb)
RETURNS boolean
AS '$libdir/sctoken', 'sctoken_cnf_matches'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

CREATE FUNCTION sctoken.token_family_id(token text)
RETURNS uuid
AS '$libdir/sctoken', 'sctoken_token_family_id'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.shard_of_token(token text, shards integer)
RETURNS integer
AS '$libdir/sctoken', 'sctoken_shard_of_token'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.shard_of_key(jkt text, shards integer)
RETURNS integer
AS '$libdir/sctoken', 'sctoken_shard_of_key'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.shard_of_proof(proof text, shards integer)
RETURNS integer
AS '$libdir/sctoken', 'sctoken_shard_of_proof'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.certificate_thumbprint(certificate bytea)
RETURNS text
AS '$libdir/sctoken', 'sctoken_certificate_thumbprint'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.certificate_info(certificate bytea)
RETURNS jsonb
AS '$libdir/sctoken', 'sctoken_certificate_info'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

CREATE FUNCTION sctoken.certificate_matches(certificate bytea, member text, value text)
RETURNS boolean
AS '$libdir/sctoken', 'sctoken_certificate_matches'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;

CREATE FUNCTION sctoken.certificate_name_valid(member text, value text)
RETURNS boolean
AS '$libdir/sctoken', 'sctoken_certificate_name_valid'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

CREATE FUNCTION sctoken.certificate_from_header(value text, format text DEFAULT 'auto')
RETURNS bytea
AS '$libdir/sctoken', 'sctoken_certificate_from_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;

CREATE FUNCTION sctoken.thumbprint_from_header(value text, format text DEFAULT 'auto')
RETURNS text
AS '$libdir/sctoken', 'sctoken_thumbprint_from_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.token_binding_verify(
    message bytea,
    ekm bytea,
    key_parameters integer,
    OUT valid boolean,
    OUT reason text,
    OUT provided_tbh text,
    OUT referred_tbh text)
RETURNS record
AS '$libdir/sctoken', 'sctoken_token_binding_verify'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;

CREATE FUNCTION sctoken.token_binding_from_header(value text)
RETURNS bytea
AS '$libdir/sctoken', 'sctoken_token_binding_from_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sctoken.token_binding_hash(token_binding_id bytea)
RETURNS text
AS '$libdir/sctoken', 'sctoken_token_binding_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

--
-- What reads settings and the clock as well: here too, where the settings sctoken.dpop_*
-- must be those of the shards (sctoken_shard.states() looks)
--

CREATE FUNCTION sctoken.dpop_verify(
    proof text,
    htm text,
    htu text,
    access_token text DEFAULT NULL,
    jkt text DEFAULT NULL,
    max_age interval DEFAULT NULL,
    future_skew interval DEFAULT NULL,
    algs text[] DEFAULT NULL,
    at timestamptz DEFAULT NULL)
RETURNS sctoken.dpop_result
AS '$libdir/sctoken', 'sctoken_dpop_verify'
LANGUAGE C VOLATILE PARALLEL SAFE COST 1000;

CREATE FUNCTION sctoken.dpop_challenge(
    error text DEFAULT NULL,
    algs text[] DEFAULT NULL,
    nonce text DEFAULT NULL,
    error_description text DEFAULT NULL,
    realm text DEFAULT NULL,
    scope text DEFAULT NULL)
RETURNS text
AS '$libdir/sctoken', 'sctoken_dpop_challenge'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION sctoken.dpop_metadata()
RETURNS jsonb
AS '$libdir/sctoken', 'sctoken_dpop_metadata'
LANGUAGE C STABLE PARALLEL SAFE;

--
-- By the token
--

CREATE FUNCTION sctoken.rotate(
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
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(sctoken.shard_of_token(refresh_token, 1073741824), 0);
$$;

CREATE FUNCTION sctoken.introspect(token text, min_lsn pg_lsn DEFAULT NULL)
RETURNS jsonb
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(sctoken.shard_of_token(token, 1073741824), 0);
$$;

CREATE FUNCTION sctoken.revoke(token text, client_id text, reason text DEFAULT 'logout')
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(sctoken.shard_of_token(token, 1073741824), 0);
$$;

--
-- By the family
--

CREATE FUNCTION sctoken.revoke_family(family_id uuid, reason text)
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
$$;

CREATE FUNCTION sctoken.confirm(family_id uuid, generation bigint)
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
$$;

CREATE FUNCTION sctoken.narrow(family_id uuid, scope text, audience text[], reason text)
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
$$;

CREATE FUNCTION sctoken.rebind(family_id uuid, cnf jsonb, reason text)
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
$$;

CREATE FUNCTION sctoken.family_active(family_id uuid, min_lsn pg_lsn DEFAULT NULL)
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
$$;

CREATE FUNCTION sctoken.family_graph(family_id uuid)
RETURNS text
LANGUAGE plproxy STRICT AS $$
    CLUSTER 'sctoken';
    RUN ON pg_catalog.uuid_hash(family_id);
$$;

--
-- By the proof's key
--

CREATE FUNCTION sctoken.dpop_check(
    proof text,
    htm text,
    htu text,
    access_token text DEFAULT NULL,
    jkt text DEFAULT NULL,
    server text DEFAULT 'as',
    require_nonce boolean DEFAULT NULL,
    at timestamptz DEFAULT NULL)
RETURNS sctoken.dpop_result
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(sctoken.shard_of_proof(proof, 1073741824), 0);
$$;

CREATE FUNCTION sctoken.dpop_check_headers(
    proofs text[],
    htm text,
    htu text,
    access_token text DEFAULT NULL,
    jkt text DEFAULT NULL,
    server text DEFAULT 'as',
    require_nonce boolean DEFAULT NULL,
    at timestamptz DEFAULT NULL)
RETURNS sctoken.dpop_result
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(sctoken.shard_of_proof(pg_catalog.array_to_string(proofs, ''), 1073741824), 0);
$$;

--
-- A shard by its number: what the functions below are made of
--

CREATE FUNCTION sctoken_shard.shards()
RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*)::integer
      FROM pg_foreign_server AS s, unnest(s.srvoptions) AS o
     WHERE s.srvname = 'sctoken' AND o ~ '^p[0-9]+='
$$;
COMMENT ON FUNCTION sctoken_shard.shards() IS
'How many shards server sctoken has; their numbers are 0 to shards() - 1';

CREATE FUNCTION sctoken_shard.failure(shard integer, message text, state text)
RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('shard %s: %s (%s)', shard, rtrim(regexp_replace(message, '\s+', ' ', 'g')), state)
$$;
COMMENT ON FUNCTION sctoken_shard.failure(integer, text, text) IS
'The error of a shard, with its SQLSTATE, in one line';

CREATE FUNCTION sctoken_shard.answers(shard integer)
RETURNS boolean
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT true;
$$;
COMMENT ON FUNCTION sctoken_shard.answers(integer) IS
'True, or the error with which the shard does not answer';

CREATE FUNCTION sctoken_shard.any_shard()
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shards CONSTANT integer := sctoken_shard.shards();
    first CONSTANT integer := floor(random() * shards);
    shard integer;
    failures text[];
BEGIN
    FOR n IN 0 .. shards - 1 LOOP
        shard := (first + n) % shards;
        BEGIN
            PERFORM sctoken_shard.answers(shard);
            RETURN shard;
        EXCEPTION WHEN OTHERS THEN
            failures := failures || sctoken_shard.failure(shard, sqlerrm, sqlstate);
        END;
    END LOOP;
    RAISE connection_exception USING
        MESSAGE = 'no shard answers',
        DETAIL = array_to_string(failures, E'\n');
END $$;
COMMENT ON FUNCTION sctoken_shard.any_shard() IS
'The number of a shard that answers, for calls which are answered alike by all. Error 08000: none does';

CREATE FUNCTION sctoken_shard.on_all(call text, VARIADIC arguments text[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shards CONSTANT integer := sctoken_shard.shards();
    result text;
    results text[];
    failures text[];
    first_state text;
    first_message text;
    alike boolean := true;
BEGIN
    FOR shard IN 0 .. shards - 1 LOOP
        BEGIN
            EXECUTE 'SELECT ' || call INTO result USING shard, arguments;
            results := results || result;
        EXCEPTION WHEN OTHERS OR query_canceled THEN
            /* a shard may have cancelled its part; the caller's cancel is another thing */
            IF sqlstate = '57014' AND sqlerrm NOT LIKE '%] REMOTE %' THEN
                RAISE;
            END IF;
            failures := failures || sctoken_shard.failure(shard, sqlerrm, sqlstate);
            first_state := coalesce(first_state, sqlstate);
            first_message := coalesce(first_message, sqlerrm);
            alike := alike AND sqlstate = first_state;
        END;
    END LOOP;
    IF failures IS NULL THEN
        RETURN results;
    END IF;
    IF results IS NULL AND alike THEN
        RAISE EXCEPTION USING ERRCODE = first_state, MESSAGE = first_message;
    END IF;
    RAISE system_error USING
        MESSAGE = format('not done on %s of %s shards', cardinality(failures), shards),
        DETAIL = array_to_string(failures, E'\n')
            || coalesce(format(E'\nthe others: %s', array_to_string(results, ', ')), ''),
        HINT = 'What is done on the others stays done. Repeat the call: it may be repeated until it succeeds.';
END $$;
COMMENT ON FUNCTION sctoken_shard.on_all(text, text[]) IS
'Makes a call on each shard, one after the other, whatever becomes of it on the others, and gives the results. call: an expression with $1, the shard, and $2, the arguments; it is run as the caller. Errors: 58000 a shard failed, with one line for each that did, after the call was made on all of them; where all failed with one SQLSTATE, that one';

CREATE FUNCTION sctoken_shard.rows_of_all(call text, argument text, row_type anyelement)
RETURNS SETOF anyelement
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOR shard IN 0 .. sctoken_shard.shards() - 1 LOOP
        BEGIN
            RETURN QUERY EXECUTE 'SELECT * FROM ' || call USING shard, argument;
        EXCEPTION WHEN OTHERS OR query_canceled THEN
            IF sqlstate ^@ '22' OR (sqlstate = '57014' AND sqlerrm NOT LIKE '%] REMOTE %') THEN
                RAISE;
            END IF;
            RAISE WARNING USING
                ERRCODE = sqlstate,
                MESSAGE = format('shard %s is missing from the result: %s', shard, sqlerrm);
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION sctoken_shard.rows_of_all(text, text, anyelement) IS
'The rows of a call on each shard, one after the other. call: a function call with $1, the shard, and $2, the argument; it is run as the caller. A shard that fails is a WARNING with the SQLSTATE of the failure, and the rows of the others are given; misuse of the call (class 22) is its error';

CREATE FUNCTION sctoken_shard.issue(
    shard integer,
    client_id text,
    subject text,
    scope text,
    audience text[],
    cnf jsonb,
    session_id text,
    grant_id text,
    details jsonb,
    dpop_proof text,
    htm text,
    htu text,
    certificate bytea,
    context jsonb)
RETURNS sctoken.grant_result
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.issue(client_id, subject, scope, audience, cnf, session_id, grant_id, details, dpop_proof, htm, htu, certificate, context);
$$;

--
-- issue: on the subject's shard, so that what policy says of a subject's families
-- (max_families, revoke_subject_client) finds all of them in one place
--

CREATE FUNCTION sctoken.issue(
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
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shards CONSTANT integer := sctoken_shard.shards();
    shard CONSTANT integer := coalesce(hashtext(subject), 0) & (shards - 1);
    result sctoken.grant_result;
BEGIN
    result := sctoken_shard.issue(shard, client_id, subject, scope, audience, cnf, session_id, grant_id,
                                  details, dpop_proof, htm, htu, certificate, context);
    IF result.family_id IS NOT NULL AND uuid_hash(result.family_id) & (shards - 1) <> shard THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('shard %s made a family that its token does not lead back to', shard),
            HINT = format('It needs sctoken.shard = ''%s/%s'' (ALTER DATABASE .. SET).', shard, shards);
    END IF;
    RETURN result;
END $$;

--
-- By any shard: what depends on secrets and tables that are the same on all
--

CREATE FUNCTION sctoken_shard.dpop_nonce(shard integer, server text, jkt text)
RETURNS text
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.dpop_nonce(server, jkt);
$$;

CREATE FUNCTION sctoken.dpop_nonce(server text DEFAULT 'as', jkt text DEFAULT NULL)
RETURNS text
LANGUAGE sql
AS $$
    SELECT * FROM sctoken_shard.dpop_nonce(sctoken_shard.any_shard(), server, jkt)
$$;

CREATE FUNCTION sctoken_shard.certificate_authenticate(
    shard integer,
    client_id text,
    certificate bytea,
    chain bytea[],
    at timestamptz,
    OUT valid boolean,
    OUT method text,
    OUT reason text,
    OUT x5t text,
    OUT subject text)
RETURNS record
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.certificate_authenticate(client_id, certificate, chain, at);
$$;

CREATE FUNCTION sctoken.certificate_authenticate(
    client_id text,
    certificate bytea,
    chain bytea[] DEFAULT NULL,
    at timestamptz DEFAULT NULL,
    OUT valid boolean,
    OUT method text,
    OUT reason text,
    OUT x5t text,
    OUT subject text)
RETURNS record
LANGUAGE sql
AS $$
    SELECT * FROM sctoken_shard.certificate_authenticate(sctoken_shard.any_shard(), client_id, certificate, chain, at)
$$;

CREATE FUNCTION sctoken_shard.effective_policy(shard integer, client_id text)
RETURNS sctoken.client_policy
LANGUAGE plproxy STRICT AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.effective_policy(client_id);
$$;

CREATE FUNCTION sctoken.effective_policy(client_id text)
RETURNS sctoken.client_policy
LANGUAGE sql STRICT
AS $$
    SELECT * FROM sctoken_shard.effective_policy(sctoken_shard.any_shard(), client_id)
$$;

--
-- On all shards
--

CREATE FUNCTION sctoken_shard.revoke_grant(shard integer, grant_id text, reason text)
RETURNS bigint
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.revoke_grant(grant_id, reason);
$$;

CREATE FUNCTION sctoken.revoke_grant(grant_id text, reason text)
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sum(result::bigint)::bigint
      FROM unnest(sctoken_shard.on_all('sctoken_shard.revoke_grant($1, $2[1], $2[2])',
                                       grant_id, reason)) AS result
$$;

CREATE FUNCTION sctoken_shard.revoke_session(shard integer, session_id text, reason text)
RETURNS bigint
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.revoke_session(session_id, reason);
$$;

CREATE FUNCTION sctoken.revoke_session(session_id text, reason text)
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sum(result::bigint)::bigint
      FROM unnest(sctoken_shard.on_all('sctoken_shard.revoke_session($1, $2[1], $2[2])',
                                       session_id, reason)) AS result
$$;

CREATE FUNCTION sctoken_shard.revoke_subject(shard integer, subject text, reason text, client_id text)
RETURNS bigint
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.revoke_subject(subject, reason, client_id);
$$;

CREATE FUNCTION sctoken.revoke_subject(subject text, reason text, client_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sum(result::bigint)::bigint
      FROM unnest(sctoken_shard.on_all('sctoken_shard.revoke_subject($1, $2[1], $2[2], $2[3])',
                                       subject, reason, client_id)) AS result
$$;

CREATE FUNCTION sctoken_shard.revoke_binding(shard integer, cnf jsonb, reason text)
RETURNS bigint
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.revoke_binding(cnf, reason);
$$;

CREATE FUNCTION sctoken.revoke_binding(cnf jsonb, reason text)
RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sum(result::bigint)::bigint
      FROM unnest(sctoken_shard.on_all('sctoken_shard.revoke_binding($1, $2[1]::pg_catalog.jsonb, $2[2])',
                                       cnf::text, reason)) AS result
$$;

CREATE FUNCTION sctoken_shard.revoke_client(shard integer, client_id text, reason text)
RETURNS timestamptz
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.revoke_client(client_id, reason);
$$;

CREATE FUNCTION sctoken.revoke_client(client_id text, reason text)
RETURNS timestamptz
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT max(result::timestamptz)
      FROM unnest(sctoken_shard.on_all('sctoken_shard.revoke_client($1, $2[1], $2[2])',
                                       client_id, reason)) AS result
$$;

CREATE FUNCTION sctoken_shard.register_client_certificates(shard integer, client_id text, jwks json, match text)
RETURNS integer
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.register_client_certificates(client_id, jwks, match);
$$;

CREATE FUNCTION sctoken.register_client_certificates(client_id text, jwks json, match text DEFAULT 'certificate')
RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT max(result::integer)
      FROM unnest(sctoken_shard.on_all('sctoken_shard.register_client_certificates($1, $2[1], $2[2]::pg_catalog.json, $2[3])',
                                       client_id, jwks::text, match)) AS result
$$;

CREATE FUNCTION sctoken_shard.families(
    shard integer,
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
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.families(subject);
$$;

CREATE TYPE sctoken_shard.families AS (
    family_id uuid,
    client_id text,
    session_id text,
    grant_id text,
    scope text,
    audience text[],
    bound boolean,
    generation bigint,
    created_at timestamptz,
    rotated_at timestamptz,
    expires_at timestamptz
);

CREATE FUNCTION sctoken.families(
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
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT *
      FROM sctoken_shard.rows_of_all('sctoken_shard.families($1, $2)', subject, NULL::sctoken_shard.families) AS f
     ORDER BY f.rotated_at DESC
$$;

CREATE FUNCTION sctoken_shard.simulate_retry_window(
    shard integer,
    retry_window interval,
    OUT client_id text,
    OUT incidents bigint,
    OUT would_be_retries bigint,
    OUT might_be_retries bigint,
    OUT retries bigint,
    OUT would_be_incidents bigint)
RETURNS SETOF record
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.simulate_retry_window(retry_window);
$$;

CREATE TYPE sctoken_shard.simulate_retry_window AS (
    client_id text,
    incidents bigint,
    would_be_retries bigint,
    might_be_retries bigint,
    retries bigint,
    would_be_incidents bigint
);

CREATE FUNCTION sctoken.simulate_retry_window(
    retry_window interval,
    OUT client_id text,
    OUT incidents bigint,
    OUT would_be_retries bigint,
    OUT might_be_retries bigint,
    OUT retries bigint,
    OUT would_be_incidents bigint)
RETURNS SETOF record
LANGUAGE sql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.client_id, sum(s.incidents)::bigint, sum(s.would_be_retries)::bigint, sum(s.might_be_retries)::bigint,
           sum(s.retries)::bigint, sum(s.would_be_incidents)::bigint
      FROM sctoken_shard.rows_of_all('sctoken_shard.simulate_retry_window($1, $2::pg_catalog.interval)', retry_window::text,
                                     NULL::sctoken_shard.simulate_retry_window) AS s
     GROUP BY s.client_id
     ORDER BY s.client_id COLLATE "C"
$$;

--
-- Audit: the rows of all shards.  A condition does not reach the shards, so each of
-- these views fetches everything; what happened to one family is to be had from its
-- shard alone.
--

CREATE TYPE sctoken_shard.family_overview AS (
    family_id uuid,
    client_id text,
    subject text,
    session_id text,
    grant_id text,
    status text,
    client_enabled boolean,
    binding jsonb,
    jkt text,
    x5t_s256 text,
    scope text,
    audience text[],
    generation bigint,
    retries integer,
    created_at timestamptz,
    rotated_at timestamptz,
    idle_expires_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoke_reason text
);

CREATE TYPE sctoken_shard.family_timeline AS (
    family_id uuid,
    at timestamptz,
    kind text,
    generation bigint,
    client_id text,
    subject text,
    reason text,
    distance bigint,
    age interval,
    retryable boolean,
    cnf jsonb,
    before jsonb,
    context jsonb
);

CREATE TYPE sctoken_shard.reuse_incident AS (
    family_id uuid,
    at timestamptz,
    client_id text,
    subject text,
    generation bigint,
    live_generation bigint,
    distance bigint,
    age interval,
    retryable boolean,
    reason text,
    cnf jsonb,
    context jsonb,
    session_id text,
    grant_id text,
    binding jsonb,
    revoked boolean
);

CREATE FUNCTION sctoken_shard.family_overview(shard integer)
RETURNS SETOF sctoken_shard.family_overview
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.family_overview;
$$;

CREATE FUNCTION sctoken_shard.family_timeline(shard integer)
RETURNS SETOF sctoken_shard.family_timeline
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.family_timeline;
$$;

CREATE FUNCTION sctoken_shard.reuse_incident(shard integer)
RETURNS SETOF sctoken_shard.reuse_incident
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT * FROM sctoken.reuse_incident;
$$;

CREATE VIEW sctoken.family_overview AS
SELECT * FROM sctoken_shard.rows_of_all('sctoken_shard.family_overview($1)', NULL, NULL::sctoken_shard.family_overview);

CREATE VIEW sctoken.family_timeline AS
SELECT * FROM sctoken_shard.rows_of_all('sctoken_shard.family_timeline($1)', NULL, NULL::sctoken_shard.family_timeline);

CREATE VIEW sctoken.reuse_incident AS
SELECT * FROM sctoken_shard.rows_of_all('sctoken_shard.reuse_incident($1)', NULL, NULL::sctoken_shard.reuse_incident);

CREATE FUNCTION sctoken_shard.family_overview(family_id uuid)
RETURNS SETOF sctoken_shard.family_overview
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
    SELECT * FROM sctoken.family_overview AS o WHERE o.family_id OPERATOR(pg_catalog.=) family_id;
$$;
COMMENT ON FUNCTION sctoken_shard.family_overview(uuid) IS
'The row of sctoken.family_overview for a family, from its shard alone';

CREATE FUNCTION sctoken_shard.family_timeline(family_id uuid)
RETURNS SETOF sctoken_shard.family_timeline
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON coalesce(pg_catalog.uuid_hash(family_id), 0);
    SELECT * FROM sctoken.family_timeline AS t WHERE t.family_id OPERATOR(pg_catalog.=) family_id ORDER BY t.at;
$$;
COMMENT ON FUNCTION sctoken_shard.family_timeline(uuid) IS
'The rows of sctoken.family_timeline for a family, in order, from its shard alone';

--
-- Counters: they are those of a server, which may have several of the shards
--

CREATE TYPE sctoken_shard.counter AS (
    server bigint,
    counter text,
    value bigint,
    since timestamptz
);

CREATE FUNCTION sctoken_shard.counters(shard integer)
RETURNS SETOF sctoken_shard.counter
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT s.system_identifier AS server, c.counter, c.value, c.since
      FROM pg_catalog.pg_control_system() AS s, sctoken.counters() AS c;
$$;

CREATE FUNCTION sctoken.counters(OUT counter text, OUT value bigint, OUT since timestamptz)
RETURNS SETOF record
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.counter, sum(c.value)::bigint, max(c.since)
      FROM (SELECT DISTINCT ON (server, counter) *
              FROM sctoken_shard.rows_of_all('sctoken_shard.counters($1)', NULL, NULL::sctoken_shard.counter)
             ORDER BY server, counter, value DESC) AS c
     GROUP BY c.counter
     ORDER BY c.counter COLLATE "C"
$$;

CREATE VIEW sctoken.stats AS SELECT counter, value, since FROM sctoken.counters();
COMMENT ON VIEW sctoken.stats IS
'The counters of all servers together; since: the latest of them';

--
-- Operation
--

CREATE PROCEDURE sctoken.maintain()
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shards CONSTANT integer := sctoken_shard.shards();
    servers text;
    credentials text;
    failures text[];
BEGIN
    SELECT string_agg(' ' || o.option_name || '=''' || replace(replace(o.option_value, '\', '\\'), '''', '\''') || '''', '')
      INTO credentials
      FROM (SELECT * FROM pg_user_mappings
             WHERE srvname = 'sctoken' AND usename IN (current_user, 'public')
             ORDER BY usename = current_user DESC LIMIT 1) AS m,
           pg_options_to_table(m.umoptions) AS o;
    FOR shard IN 0 .. shards - 1 LOOP
        SELECT o.option_value INTO servers
          FROM pg_foreign_server AS s, pg_options_to_table(s.srvoptions) AS o
         WHERE s.srvname = 'sctoken' AND o.option_name = 'p' || shard;
        BEGIN
            PERFORM sctoken_shard.dblink_connect('sctoken_maintain', servers || coalesce(credentials, ''));
            PERFORM sctoken_shard.dblink_exec('sctoken_maintain', 'CALL sctoken.maintain()');
        EXCEPTION WHEN OTHERS THEN
            failures := failures || sctoken_shard.failure(shard, sqlerrm, sqlstate);
        END;
        IF 'sctoken_maintain' = ANY (sctoken_shard.dblink_get_connections()) THEN
            PERFORM sctoken_shard.dblink_disconnect('sctoken_maintain');
        END IF;
    END LOOP;
    IF failures IS NOT NULL THEN
        RAISE system_error USING
            MESSAGE = format('not done on %s of %s shards', cardinality(failures), shards),
            DETAIL = array_to_string(failures, E'\n'),
            HINT = 'What is done on the others stays done.';
    END IF;
END $$;
COMMENT ON PROCEDURE sctoken.maintain() IS
'Calls maintain() on each shard, one after the other, as the user that is mapped to the caller. Errors: 58000 a shard failed, with one line for each that did, after all were tried';

CREATE FUNCTION sctoken.rotate_secret(compromised boolean DEFAULT false)
RETURNS smallint
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE object_not_in_prerequisite_state USING
        MESSAGE = 'the server''s secrets are in a file on each shard',
        HINT = 'Put the new line into each file, marked retired, before one of them makes tokens under it.';
END $$;

CREATE FUNCTION sctoken_shard.last_write_lsn(shard integer)
RETURNS pg_lsn
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT sctoken.last_write_lsn();
$$;
COMMENT ON FUNCTION sctoken_shard.last_write_lsn(integer) IS
'last_write_lsn of a shard''s server, for a standby of it';

CREATE FUNCTION sctoken.last_write_lsn()
RETURNS pg_lsn
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'each shard has a WAL of its own',
        HINT = 'sctoken_shard.last_write_lsn(shard) gives the position of one, which shard_of_token() names.';
END $$;

CREATE TYPE sctoken_shard.state AS (
    shard integer,
    ready boolean,
    error text,
    setting text,
    version text,
    policy text,
    settings text,
    ahead interval
);

CREATE FUNCTION sctoken_shard.settings()
RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(s.name || '=' || s.setting, ' ' ORDER BY s.name COLLATE "C")
      FROM sctoken.htu_normalize('') AS loads_the_module, pg_settings AS s
     WHERE s.name ^@ 'sctoken.dpop_'
$$;
COMMENT ON FUNCTION sctoken_shard.settings() IS
'The settings sctoken.dpop_* of the proxy';

CREATE FUNCTION sctoken_shard.state(number integer, shards integer, expected text)
RETURNS sctoken_shard.state
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON number;
    SELECT number AS shard,
           NOT pg_catalog.pg_is_in_recovery() AND e.extversion IS NOT NULL
           AND s.settings OPERATOR(pg_catalog.=) expected
           AND (shards OPERATOR(pg_catalog.=) 1
                OR s.place IS NOT DISTINCT FROM pg_catalog.format('%s/%s', number, shards)) AS ready,
           NULL::text AS error, s.place AS setting, e.extversion AS version,
           (SELECT pg_catalog.md5(pg_catalog.string_agg((pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.-) 'not_before')::text, ',' ORDER BY p.client_id COLLATE "C"))
              FROM sctoken.client_policy AS p) AS policy,
           s.settings,
           NULL::interval AS ahead
      FROM (SELECT pg_catalog.max(g.setting) FILTER (WHERE g.name OPERATOR(pg_catalog.=) 'sctoken.shard') AS place,
                   pg_catalog.string_agg(g.name OPERATOR(pg_catalog.||) '=' OPERATOR(pg_catalog.||) g.setting, ' ' ORDER BY g.name COLLATE "C")
                       FILTER (WHERE g.name OPERATOR(pg_catalog.^@) 'sctoken.dpop_') AS settings
              FROM sctoken.htu_normalize('') AS loads_the_module, pg_catalog.pg_settings AS g) AS s
      LEFT JOIN pg_catalog.pg_extension AS e ON e.extname OPERATOR(pg_catalog.=) 'sctoken';
$$;

CREATE FUNCTION sctoken_shard.clock(shard integer)
RETURNS timestamptz
LANGUAGE plproxy AS $$
    CLUSTER 'sctoken';
    RUN ON shard;
    SELECT pg_catalog.clock_timestamp();
$$;

CREATE FUNCTION sctoken_shard.states()
RETURNS SETOF sctoken_shard.state
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shards CONSTANT integer := sctoken_shard.shards();
    settings CONSTANT text := sctoken_shard.settings();
    sent timestamptz;
    clock timestamptz;
    result sctoken_shard.state;
BEGIN
    FOR shard IN 0 .. shards - 1 LOOP
        BEGIN
            result := sctoken_shard.state(shard, shards, settings);
            sent := clock_timestamp();
            clock := sctoken_shard.clock(shard);
            result.ahead := clock - (sent + (clock_timestamp() - sent) / 2);
        EXCEPTION WHEN OTHERS THEN
            result := ROW(shard, false, sctoken_shard.failure(shard, sqlerrm, sqlstate), NULL, NULL, NULL, NULL, NULL);
        END;
        RETURN NEXT result;
    END LOOP;
END $$;
COMMENT ON FUNCTION sctoken_shard.states() IS
'What there is to know of each shard, for operators. ready: it answers, writes, has the extension, its sctoken.shard (setting) is its place in the server''s options, and its sctoken.dpop_* (settings) are those of the proxy. error: why it does not answer. version: of the extension. policy: a hash of client_policy without not_before, to be the same everywhere; null: no row. ahead: how far its clock is before the proxy''s';

--
-- Privileges
--

/* The duties of the extension, as far as they go through a proxy. */
CREATE FUNCTION sctoken.grant_to(role regrole, duty text)
RETURNS void
LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    duties CONSTANT jsonb := '{
        "authorization_server": [
            "issue", "rotate", "introspect", "revoke", "revoke_family", "revoke_grant", "revoke_session", "revoke_subject",
            "confirm", "narrow", "families", "family_active", "dpop_check", "dpop_check_headers", "dpop_nonce",
            "dpop_challenge", "dpop_metadata", "certificate_authenticate", "last_write_lsn"
        ],
        "resource_server": [
            "introspect", "family_active", "confirm", "dpop_check", "dpop_check_headers", "dpop_nonce", "dpop_challenge",
            "dpop_metadata", "last_write_lsn"
        ],
        "auditor": [
            "family_overview", "family_timeline", "reuse_incident", "effective_policy", "family_graph",
            "simulate_retry_window", "stats", "counters"
        ],
        "operator": [
            "register_client_certificates", "effective_policy", "families", "family_active", "narrow", "rebind",
            "revoke_family", "revoke_grant", "revoke_session", "revoke_subject", "revoke_binding", "revoke_client",
            "maintain", "rotate_secret", "last_write_lsn", "stats", "counters", "state", "states", "settings", "clock",
            "dblink_connect", "dblink_exec", "dblink_disconnect", "dblink_get_connections"
        ],
        "monitor": [
            "stats", "counters"
        ]
    }';
    made_of CONSTANT jsonb := '["shards", "failure", "answers", "any_shard", "on_all", "rows_of_all"]';
    privilege text;
BEGIN
    IF NOT duties ? duty THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'argument "duty" is not a duty',
            HINT = 'Duties are authorization_server, resource_server, auditor, operator and monitor.';
    END IF;
    PERFORM FROM pg_roles WHERE oid = role;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = 'argument "role" is not a role';
    END IF;
    FOR privilege IN
        SELECT 'USAGE ON SCHEMA sctoken, sctoken_shard'
        UNION ALL
        SELECT 'USAGE ON FOREIGN SERVER sctoken'
        UNION ALL
        SELECT format('EXECUTE ON ROUTINE %s', p.oid::regprocedure)
          FROM pg_proc AS p
         WHERE p.pronamespace IN ('sctoken'::regnamespace, 'sctoken_shard'::regnamespace)
           AND (duties -> duty || made_of) ? p.proname
        UNION ALL
        SELECT format('SELECT ON %s', c.oid::regclass)
          FROM pg_class AS c
         WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind = 'v' AND duties -> duty ? c.relname
    LOOP
        EXECUTE format('GRANT %s TO %s', privilege, role);
    END LOOP;
END $$;
COMMENT ON FUNCTION sctoken.grant_to(regrole, text) IS
'Grants a role of the proxy what a duty needs here. It needs a user mapping too, to a role that has the same duty on each shard. Errors: 22023 no such duty; 42704 no such role, or no server sctoken yet; 42501 the caller may not grant';

DO $$
DECLARE
    comment text;
BEGIN
    FOR comment IN
        SELECT format('COMMENT ON %s %s IS %L', said.kind, said.identity, said.description)
          FROM said,
               (SELECT 'pg_proc'::regclass, p.oid, 0, p.pronamespace FROM pg_proc AS p
                UNION ALL
                SELECT 'pg_class'::regclass, c.oid, 0, c.relnamespace FROM pg_class AS c
                UNION ALL
                SELECT 'pg_class'::regclass, a.attrelid, a.attnum, c.relnamespace
                  FROM pg_attribute AS a, pg_class AS c
                 WHERE c.oid = a.attrelid AND a.attnum > 0
                UNION ALL
                SELECT 'pg_type'::regclass, t.oid, 0, t.typnamespace FROM pg_type AS t) AS here(class, object, part, schema),
               pg_identify_object(here.class, here.object, here.part) AS o
         WHERE here.schema = 'sctoken'::regnamespace AND o.identity = said.identity
           AND CASE WHEN here.part > 0 THEN 'column' ELSE o.type END = said.kind
           AND NOT EXISTS (SELECT FROM pg_description AS d
                            WHERE (d.classoid, d.objoid, d.objsubid) = (here.class, here.object, here.part))
    LOOP
        EXECUTE comment;
    END LOOP;
END $$;

REVOKE ALL ON ALL ROUTINES IN SCHEMA sctoken, sctoken_shard FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    sctoken.jwk_thumbprint(json, text),
    sctoken.jwk_thumbprint_uri(json, text),
    sctoken.access_token_hash(text),
    sctoken.htu_normalize(text),
    sctoken.cnf_matches(jsonb, jsonb),
    sctoken.token_family_id(text),
    sctoken.shard_of_token(text, integer),
    sctoken.shard_of_key(text, integer),
    sctoken.shard_of_proof(text, integer),
    sctoken.certificate_thumbprint(bytea),
    sctoken.certificate_info(bytea),
    sctoken.certificate_matches(bytea, text, text),
    sctoken.certificate_name_valid(text, text),
    sctoken.certificate_from_header(text, text),
    sctoken.thumbprint_from_header(text, text),
    sctoken.token_binding_verify(bytea, bytea, integer),
    sctoken.token_binding_from_header(text),
    sctoken.token_binding_hash(bytea),
    sctoken.dpop_verify(text, text, text, text, text, interval, interval, text[], timestamptz)
TO PUBLIC;

COMMIT;
