/* sctoken--1.0.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION sctoken" to load this file. \quit

-- A plain CREATE: a schema of this name that somebody else owns must not be used.
CREATE SCHEMA sctoken;
COMMENT ON SCHEMA sctoken IS
'Sender-constrained tokens: DPoP proofs (RFC 9449) and refresh token families with rotation and reuse detection (RFC 9700 4.14)';

-- Only the functions without a table, a setting or a clock are for everybody.
GRANT USAGE ON SCHEMA sctoken TO PUBLIC;

--
-- Tables
--

CREATE TABLE sctoken.server_secret (
    id smallint NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    retired_at timestamptz,
    compromised boolean NOT NULL DEFAULT false,
    CONSTRAINT server_secret_pkey PRIMARY KEY (id),
    CONSTRAINT server_secret_id_check
        CHECK (id OPERATOR(pg_catalog.>=) 0 AND id OPERATOR(pg_catalog.<=) 255),
    CONSTRAINT server_secret_secret_check
        CHECK (pg_catalog.octet_length(secret) OPERATOR(pg_catalog.=) 32),
    CONSTRAINT server_secret_compromised_check
        CHECK (NOT compromised OR retired_at IS NOT NULL)
);
COMMENT ON TABLE sctoken.server_secret IS
'MAC keys of refresh tokens, as many as live tokens need. The first is made at first use. Whoever reads this table can make token texts (which still do not pass: the current secret of a family must match its hash)';
COMMENT ON COLUMN sctoken.server_secret.id IS 'Key id that stands in each token, 0 to 255';
COMMENT ON COLUMN sctoken.server_secret.secret IS '32 random bytes; each purpose derives a key of its own from it (HKDF)';
COMMENT ON COLUMN sctoken.server_secret.created_at IS 'When it was made; the newest that is not retired makes new tokens';
COMMENT ON COLUMN sctoken.server_secret.retired_at IS 'Since when it makes no new tokens; null: in use';
COMMENT ON COLUMN sctoken.server_secret.compromised IS 'Known to others: a token under it that is older than the predecessor of the current one is refused, and never revokes a family';

CREATE TABLE sctoken.client_policy (
    client_id text NOT NULL,
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
    enabled boolean,
    not_before timestamptz,
    CONSTRAINT client_policy_pkey PRIMARY KEY (client_id),
    CONSTRAINT client_policy_client_type_check
        CHECK (client_type OPERATOR(pg_catalog.=) ANY (ARRAY['public', 'confidential'])),
    CONSTRAINT client_policy_rotation_check
        CHECK (rotation OPERATOR(pg_catalog.=) ANY (ARRAY['always', 'never', 'bound_never'])),
    CONSTRAINT client_policy_retry_window_check
        CHECK (retry_window OPERATOR(pg_catalog.>=) interval '0' AND
               retry_window OPERATOR(pg_catalog.<=) interval '1 day'),
    CONSTRAINT client_policy_max_retries_check
        CHECK (max_retries OPERATOR(pg_catalog.>=) 0),
    CONSTRAINT client_policy_idle_ttl_check
        CHECK (idle_ttl OPERATOR(pg_catalog.>) interval '0' AND
               idle_ttl OPERATOR(pg_catalog.<=) interval '100 years'),
    CONSTRAINT client_policy_absolute_ttl_check
        CHECK (absolute_ttl OPERATOR(pg_catalog.>) interval '0' AND
               absolute_ttl OPERATOR(pg_catalog.<=) interval '100 years'),
    CONSTRAINT client_policy_required_binding_check
        CHECK (required_binding OPERATOR(pg_catalog.=) ANY (ARRAY['none', 'dpop', 'mtls', 'any'])),
    CONSTRAINT client_policy_on_reuse_check
        CHECK (on_reuse OPERATOR(pg_catalog.=) ANY (ARRAY['revoke_family', 'revoke_subject_client', 'refuse']))
);
COMMENT ON TABLE sctoken.client_policy IS
'What a client may do. The row ''*'' holds for every client; a null column takes the value of ''*'', or the built-in default where that is null or missing too. Plain DML; a change holds from the next call on, for living families too. Lengths of time: a day is 24 hours, a month 30 days';
COMMENT ON COLUMN sctoken.client_policy.client_id IS 'OAuth client_id, or ''*''';
COMMENT ON COLUMN sctoken.client_policy.client_type IS 'public (default) or confidential (RFC 6749 2.1). A refresh token of a public client is bound to the key or certificate presented at issue, one of a confidential client is not (RFC 9449 5)';
COMMENT ON COLUMN sctoken.client_policy.rotation IS 'always (default): each use gives a successor; never; bound_never: not when the token is sender-constrained';
COMMENT ON COLUMN sctoken.client_policy.retry_window IS 'How long after a rotation the predecessor may come again and gets the same successor; 0: not at all; default 10 seconds';
COMMENT ON COLUMN sctoken.client_policy.retry_until_confirmed IS 'Whether a key-bound token, or one of a confidential client, may be retried after retry_window too, until its successor was used; default true';
COMMENT ON COLUMN sctoken.client_policy.max_retries IS 'How many retries one rotation allows; default 5';
COMMENT ON COLUMN sctoken.client_policy.idle_ttl IS 'How long a refresh token lives when it is not used; default 30 days';
COMMENT ON COLUMN sctoken.client_policy.absolute_ttl IS 'How long a family lives at most; fixed at issue, a shorter one holds for living families too; default 180 days';
COMMENT ON COLUMN sctoken.client_policy.required_binding IS 'What must be presented at issue and rotate: none (default), dpop (jkt), mtls (x5t#S256) or any of the two; otherwise binding_required';
COMMENT ON COLUMN sctoken.client_policy.require_nonce IS 'Whether a DPoP proof given to issue or rotate must carry a nonce of this server (RFC 9449 8); default false';
COMMENT ON COLUMN sctoken.client_policy.on_reuse IS 'What a used token that comes back does: revoke_family (default), revoke_subject_client (all families of that subject and client), refuse (nothing but the refusal)';
COMMENT ON COLUMN sctoken.client_policy.enabled IS 'false: every call for the client is client_disabled and changes nothing; adds up with that of ''*'' (either one stops)';
COMMENT ON COLUMN sctoken.client_policy.not_before IS 'Families created at or before this time are revoked; adds up with that of ''*'' (the later one holds)';

/*
 * The columns that a rotation changes stand side by side at the end, so that
 * WAL holds little more than them, and none of them is in an index, so that each
 * rotation is a HOT update in the room that the fillfactor leaves.
 */
CREATE TABLE sctoken.family (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    client_id text NOT NULL,
    subject text NOT NULL,
    session_id text,
    grant_id text,
    scope text,
    audience text[],
    binding jsonb,
    details jsonb,
    revoked_at timestamptz,
    revoke_reason text,
    generation bigint NOT NULL,
    rotated_at timestamptz NOT NULL,
    retries integer NOT NULL,
    key_id smallint NOT NULL,
    secret_hash bytea NOT NULL,
    previous_hash bytea,
    salt bytea,
    CONSTRAINT family_pkey PRIMARY KEY (id)
) WITH (fillfactor = 70);
CREATE INDEX family_subject_client_id_idx ON sctoken.family (subject, client_id);
CREATE INDEX family_session_id_idx ON sctoken.family (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX family_grant_id_idx ON sctoken.family (grant_id) WHERE grant_id IS NOT NULL;
COMMENT ON TABLE sctoken.family IS
'One row per token family: all of its current state, whatever its age';
COMMENT ON COLUMN sctoken.family.id IS 'UUIDv7; stands in each token of the family';
COMMENT ON COLUMN sctoken.family.created_at IS 'When the family was issued';
COMMENT ON COLUMN sctoken.family.expires_at IS 'Absolute expiry, whatever the use';
COMMENT ON COLUMN sctoken.family.client_id IS 'The only client that may use it';
COMMENT ON COLUMN sctoken.family.subject IS 'Whose it is';
COMMENT ON COLUMN sctoken.family.session_id IS 'Login session it belongs to; null: none';
COMMENT ON COLUMN sctoken.family.grant_id IS 'Authorization (consent, code) it came from; null: none';
COMMENT ON COLUMN sctoken.family.scope IS 'Granted scope (RFC 6749 3.3); null: none';
COMMENT ON COLUMN sctoken.family.audience IS 'Granted resources (RFC 8707); null: none';
COMMENT ON COLUMN sctoken.family.binding IS 'cnf that must be presented with each use, decided at issue; null: unbound';
COMMENT ON COLUMN sctoken.family.details IS 'What the authorization server gave at issue and gets back with each grant; sctoken does not read it';
COMMENT ON COLUMN sctoken.family.revoked_at IS 'Since when nothing of the family is accepted; null: not revoked';
COMMENT ON COLUMN sctoken.family.revoke_reason IS 'Why; reuse_detected when a used token came back';
COMMENT ON COLUMN sctoken.family.generation IS 'Generation of the one live token, from 1';
COMMENT ON COLUMN sctoken.family.rotated_at IS 'When that token was issued: anchor of the retry window and of idle expiry';
COMMENT ON COLUMN sctoken.family.retries IS 'How often its predecessor was retried';
COMMENT ON COLUMN sctoken.family.key_id IS 'server_secret.id under which it was made';
COMMENT ON COLUMN sctoken.family.secret_hash IS 'SHA-256 of its secret';
COMMENT ON COLUMN sctoken.family.previous_hash IS 'First 8 bytes of SHA-256 of its predecessor''s secret: tells a used token from one that a failover lost';
COMMENT ON COLUMN sctoken.family.salt IS 'Derives it from its predecessor''s secret; null: the predecessor cannot be retried';

CREATE TABLE sctoken.event (
    family_id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    generation bigint,
    client_id text,
    subject text,
    reason text,
    detail jsonb
) PARTITION BY RANGE (at);
CREATE INDEX event_family_id_at_idx ON sctoken.event (family_id, at);
COMMENT ON TABLE sctoken.event IS
'Append-only audit of token families, partitioned by time; holds no token, secret or hash';
COMMENT ON COLUMN sctoken.event.family_id IS 'The family';
COMMENT ON COLUMN sctoken.event.at IS 'Wall clock of the call';
COMMENT ON COLUMN sctoken.event.kind IS 'issued, rotated, kept, replayed, reuse_detected, revoked; or a refusal of a genuine token: refused, ahead, orphan';
COMMENT ON COLUMN sctoken.event.generation IS 'Generation of the token presented or made';
COMMENT ON COLUMN sctoken.event.client_id IS 'Client that called';
COMMENT ON COLUMN sctoken.event.subject IS 'Subject of the family';
COMMENT ON COLUMN sctoken.event.reason IS 'Why, as in grant_result.reason or as given to the call; null: nothing to say';
COMMENT ON COLUMN sctoken.event.detail IS 'More, per kind, and the caller''s context under "context"; null: nothing';

CREATE TABLE sctoken.event_default PARTITION OF sctoken.event DEFAULT;
COMMENT ON TABLE sctoken.event_default IS 'Events of times that have no partition of their own';

/*
 * Accepted proofs.  Two stores, each a ring of three tables; src/replay.c says
 * how they are used.
 */
CREATE TABLE sctoken.dpop_replay (
    digest bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    bucket smallint NOT NULL
) PARTITION BY LIST (bucket);
CREATE INDEX dpop_replay_expires_at_idx ON sctoken.dpop_replay (expires_at);
COMMENT ON TABLE sctoken.dpop_replay IS
'Accepted DPoP proofs, until they expire by themselves. Bounded by the traffic within a few windows without anything running. Not in a dump';
COMMENT ON COLUMN sctoken.dpop_replay.digest IS 'SHA-256 over server, jkt, htm, normalized htu and jti, each with its length before it';
COMMENT ON COLUMN sctoken.dpop_replay.expires_at IS 'Last moment at which the proof could be accepted';
COMMENT ON COLUMN sctoken.dpop_replay.bucket IS 'Which of the tables: 0 to 2 of the logged store, 3 to 5 of the unlogged one';
CREATE TABLE sctoken.dpop_replay_logged_0 PARTITION OF sctoken.dpop_replay (CONSTRAINT dpop_replay_logged_0_pkey PRIMARY KEY (digest)) FOR VALUES IN (0);
CREATE TABLE sctoken.dpop_replay_logged_1 PARTITION OF sctoken.dpop_replay (CONSTRAINT dpop_replay_logged_1_pkey PRIMARY KEY (digest)) FOR VALUES IN (1);
CREATE TABLE sctoken.dpop_replay_logged_2 PARTITION OF sctoken.dpop_replay (CONSTRAINT dpop_replay_logged_2_pkey PRIMARY KEY (digest)) FOR VALUES IN (2);
CREATE UNLOGGED TABLE sctoken.dpop_replay_unlogged_0 PARTITION OF sctoken.dpop_replay (CONSTRAINT dpop_replay_unlogged_0_pkey PRIMARY KEY (digest)) FOR VALUES IN (3);
CREATE UNLOGGED TABLE sctoken.dpop_replay_unlogged_1 PARTITION OF sctoken.dpop_replay (CONSTRAINT dpop_replay_unlogged_1_pkey PRIMARY KEY (digest)) FOR VALUES IN (4);
CREATE UNLOGGED TABLE sctoken.dpop_replay_unlogged_2 PARTITION OF sctoken.dpop_replay (CONSTRAINT dpop_replay_unlogged_2_pkey PRIMARY KEY (digest)) FOR VALUES IN (5);
COMMENT ON TABLE sctoken.dpop_replay_logged_0 IS 'Accepted proofs of the logged store';
COMMENT ON TABLE sctoken.dpop_replay_logged_1 IS 'Accepted proofs of the logged store';
COMMENT ON TABLE sctoken.dpop_replay_logged_2 IS 'Accepted proofs of the logged store';
COMMENT ON TABLE sctoken.dpop_replay_unlogged_0 IS 'Accepted proofs of the unlogged store';
COMMENT ON TABLE sctoken.dpop_replay_unlogged_1 IS 'Accepted proofs of the unlogged store';
COMMENT ON TABLE sctoken.dpop_replay_unlogged_2 IS 'Accepted proofs of the unlogged store';

CREATE TABLE sctoken.dpop_replay_store (
    store text NOT NULL,
    generation bigint NOT NULL,
    since timestamptz NOT NULL,
    future_skew integer NOT NULL,
    CONSTRAINT dpop_replay_store_pkey PRIMARY KEY (store),
    CONSTRAINT dpop_replay_store_store_check
        CHECK (store OPERATOR(pg_catalog.=) ANY (ARRAY['logged', 'unlogged']))
);
COMMENT ON TABLE sctoken.dpop_replay_store IS
'State of the stores of accepted proofs that may hold a live one. Not in a dump: a restored database has none, and refuses the proofs of the past';
COMMENT ON COLUMN sctoken.dpop_replay_store.store IS 'logged or unlogged (sctoken.replay_store)';
COMMENT ON COLUMN sctoken.dpop_replay_store.generation IS 'How often the ring moved; modulo 3 it is the current table';
COMMENT ON COLUMN sctoken.dpop_replay_store.since IS 'When it moved last';
COMMENT ON COLUMN sctoken.dpop_replay_store.future_skew IS 'The largest sctoken.dpop_future_skew that was used with it, in seconds';

CREATE TABLE sctoken.dpop_replay_horizon (
    horizon timestamptz NOT NULL
);
CREATE UNIQUE INDEX dpop_replay_horizon_one_row ON sctoken.dpop_replay_horizon ((true));

-- An UPDATE must not fail where a publication has all tables.
ALTER TABLE sctoken.dpop_replay_horizon REPLICA IDENTITY FULL;
COMMENT ON TABLE sctoken.dpop_replay_horizon IS
'One row from the first accepted proof on. In a dump, so that a restored database knows that it has a past';
COMMENT ON COLUMN sctoken.dpop_replay_horizon.horizon IS 'Proofs made at or before this time are refused; moves when accepted proofs may have been forgotten: a crash with the unlogged store, a restored dump';

CREATE UNLOGGED TABLE sctoken.dpop_replay_marker (
    made_at timestamptz NOT NULL
);
COMMENT ON TABLE sctoken.dpop_replay_marker IS
'A row that is lost whenever the unlogged store is';
COMMENT ON COLUMN sctoken.dpop_replay_marker.made_at IS 'When it was made';

SELECT pg_catalog.pg_extension_config_dump('sctoken.dpop_replay_horizon', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.server_secret', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.client_policy', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.family', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.event_default', '');

--
-- Result types
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
COMMENT ON TYPE sctoken.dpop_result IS
'Verdict on a DPoP proof. Refused: valid false, error the OAuth error code, reason the word for the log, and alg and iat as far as they were read, unverified; the rest is null. Accepted: error and reason null';
COMMENT ON COLUMN sctoken.dpop_result.valid IS 'Whether the proof is accepted; never null';
COMMENT ON COLUMN sctoken.dpop_result.error IS 'OAuth error code: invalid_dpop_proof, use_dpop_nonce, invalid_token';
COMMENT ON COLUMN sctoken.dpop_result.reason IS 'Which check failed, a stable word';
COMMENT ON COLUMN sctoken.dpop_result.jkt IS 'SHA-256 thumbprint of the proof''s key (RFC 9449 6.1)';
COMMENT ON COLUMN sctoken.dpop_result.jti IS 'The proof''s jti; null also where the encoding of the database cannot hold it';
COMMENT ON COLUMN sctoken.dpop_result.iat IS 'When the client says it made the proof';
COMMENT ON COLUMN sctoken.dpop_result.nonce IS 'The nonce claim; null: absent';
COMMENT ON COLUMN sctoken.dpop_result.ath IS 'The ath claim; null: absent';
COMMENT ON COLUMN sctoken.dpop_result.alg IS 'JOSE name of the signature algorithm';
COMMENT ON COLUMN sctoken.dpop_result.jwk IS 'The public key, required members only (RFC 7638 3.2)';
COMMENT ON COLUMN sctoken.dpop_result.claims IS 'The whole payload';
COMMENT ON COLUMN sctoken.dpop_result.next_nonce IS 'Nonce to hand out; always null from dpop_verify';

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
COMMENT ON TYPE sctoken.grant_result IS
'Answer of issue and rotate. Success: error null. Failure: only outcome, error, reason, next_nonce and, once the token proved genuine, family_id and generation are filled. Commit, then answer the client';
COMMENT ON COLUMN sctoken.grant_result.outcome IS 'issued, rotated, kept, replayed; or reuse_detected, revoked, expired, unknown_token, client_mismatch, client_disabled, binding_mismatch, binding_required, proof_invalid, nonce_required, scope_exceeded, audience_exceeded, busy';
COMMENT ON COLUMN sctoken.grant_result.error IS 'OAuth error code for the client; null on success';
COMMENT ON COLUMN sctoken.grant_result.reason IS 'More exactly why, a stable word for the log; not for the client';
COMMENT ON COLUMN sctoken.grant_result.refresh_token IS 'The one live refresh token of the family now';
COMMENT ON COLUMN sctoken.grant_result.family_id IS 'The family';
COMMENT ON COLUMN sctoken.grant_result.generation IS 'Success: of refresh_token. Failure: of the token presented';
COMMENT ON COLUMN sctoken.grant_result.client_id IS 'The client';
COMMENT ON COLUMN sctoken.grant_result.subject IS 'The subject';
COMMENT ON COLUMN sctoken.grant_result.scope IS 'Scope of the access token to make now';
COMMENT ON COLUMN sctoken.grant_result.audience IS 'Resources of the access token to make now';
COMMENT ON COLUMN sctoken.grant_result.cnf IS 'Confirmation that belongs into the access token to make now (RFC 7800); null: bearer';
COMMENT ON COLUMN sctoken.grant_result.session_id IS 'As given to issue';
COMMENT ON COLUMN sctoken.grant_result.grant_id IS 'As given to issue';
COMMENT ON COLUMN sctoken.grant_result.details IS 'As given to issue';
COMMENT ON COLUMN sctoken.grant_result.expires_at IS 'When refresh_token expires if it is not used';
COMMENT ON COLUMN sctoken.grant_result.family_expires_at IS 'When the family expires, whatever the use';
COMMENT ON COLUMN sctoken.grant_result.next_nonce IS 'DPoP nonce to hand out; null: none';

--
-- Pure functions
--

CREATE FUNCTION sctoken.jwk_thumbprint(jwk json, hash text DEFAULT 'sha256')
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_jwk_thumbprint'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.jwk_thumbprint(json, text) IS
'JWK thumbprint (RFC 7638), base64url. jwk: an EC, RSA or OKP key, private members are ignored. hash: sha256, sha384 or sha512. Null for null. Error 22023: not such a JWK, or another hash';

CREATE FUNCTION sctoken.jwk_thumbprint_uri(jwk json, hash text DEFAULT 'sha256')
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_jwk_thumbprint_uri'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.jwk_thumbprint_uri(json, text) IS
'JWK thumbprint URI (RFC 9278). Arguments and errors as jwk_thumbprint';

CREATE FUNCTION sctoken.access_token_hash(access_token text)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_access_token_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.access_token_hash(text) IS
'ath of an access token: base64url of its SHA-256 (RFC 9449 4.2). Null for null and for what is no access token (RFC 6749 A.12: 1 to 65536 printable ASCII characters)';

CREATE FUNCTION sctoken.htu_normalize(uri text)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_htu_normalize'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.htu_normalize(text) IS
'The form in which htu is compared (RFC 9449 4.3, RFC 3986 6.2.2 and 6.2.3): an absolute http or https URI normalized, query and fragment dropped. Null for null and for a malformed URI';

CREATE FUNCTION sctoken.token_family_id(token text)
RETURNS uuid
AS 'MODULE_PATHNAME', 'sctoken_token_family_id'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.token_family_id(text) IS
'The family that a refresh token names: a routing key. Null for null and for what has not the form of our tokens. Says nothing of whether the token is genuine';

--
-- DPoP
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
AS 'MODULE_PATHNAME', 'sctoken_dpop_verify'
LANGUAGE C VOLATILE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION sctoken.dpop_verify(text, text, text, text, text, interval, interval, text[], timestamptz) IS
'Checks a DPoP proof against a request (RFC 9449 4.3) without nonce and replay; reads no table. proof: value of the one DPoP header; null gives reason missing. htm: method of the request. htu: its URI as the client sees it. access_token: requires the matching ath; null: none was sent, a proof with ath is refused. jkt: thumbprint the key must have, else invalid_token; null: any key. max_age (1 s to 10 min), future_skew (0 to 60 s), algs (JOSE names; an empty array refuses all): null means the setting. at: the clock to compare with; null: the wall clock. Errors: 22004 htm or htu is null; 22023 htm or htu malformed, max_age, future_skew, algs or at out of range';

--
-- DPoP nonces
--

CREATE FUNCTION sctoken.dpop_nonce(server text DEFAULT 'as', jkt text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_dpop_nonce'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.dpop_nonce(text, text) IS
'A nonce for the DPoP-Nonce header (RFC 9449 8, 9): 46 characters that only this server can make, the same for sctoken.dpop_nonce_step, accepted for sctoken.dpop_nonce_steps more. No table is written, but for the server''s secret at first use. server: for which of the servers that share the secret, 1 to 1024 bytes; the others refuse it. jkt: the only key that may use it; null: every key. Errors: 22004 server is null; 22023 a malformed argument; 25006 there is no secret yet and the transaction is read-only; 55P03 another session makes it';

REVOKE ALL ON FUNCTION sctoken.dpop_nonce(text, text) FROM PUBLIC;

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
AS 'MODULE_PATHNAME', 'sctoken_dpop_check'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION sctoken.dpop_check(text, text, text, text, text, text, boolean, timestamptz) IS
'The whole check of a DPoP proof: dpop_verify with the settings, then the nonce, then the replay record (RFC 9449 4.3, 8, 9, 11.1). A proof is accepted once; one that fails a check, or is answered with a nonce, is not used up. Commit before the request is served: a rolled back check forgets the proof. server: names the server in nonces and records, 1 to 256 bytes. require_nonce: whether a nonce is asked for; null: no. next_nonce: to be sent as DPoP-Nonce. Other arguments as dpop_verify. Errors: as dpop_verify; 25006 in a read-only transaction; 40001 at SERIALIZABLE, having changed nothing';

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
AS 'MODULE_PATHNAME', 'sctoken_dpop_check_headers'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION sctoken.dpop_check_headers(text[], text, text, text, text, text, boolean, timestamptz) IS
'dpop_check on the raw DPoP headers of a request (RFC 9449 4.3 (1)). proofs: their values; none, null or an empty array gives reason missing; more than one, or a value with a comma (two headers joined by a proxy), header_count. Else as dpop_check';

REVOKE ALL ON FUNCTION
    sctoken.dpop_check(text, text, text, text, text, text, boolean, timestamptz),
    sctoken.dpop_check_headers(text[], text, text, text, text, text, boolean, timestamptz)
FROM PUBLIC;

--
-- Token families
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
AS 'MODULE_PATHNAME', 'sctoken_issue'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.issue(text, text, text, text[], jsonb, text, text, jsonb, text, text, text, bytea, jsonb) IS
'Starts a token family and gives its first refresh token. client_id: authenticated or identified by the caller. subject: whose it is. scope: space-delimited (RFC 6749 3.3). audience: resources (RFC 8707). cnf: what the caller has verified itself, {"jkt": ..} or {"x5t#S256": ..} or both; a public client''s refresh token is bound to it. session_id, grant_id: for revocation. details: given back with each grant. dpop_proof, htm, htu: value of the DPoP header and the request it came with; it is checked as by dpop_check with server ''as'', and its key counts as presented. certificate: not yet supported (0A000). context: goes into the event. Null: not given. Outcomes: issued, client_disabled, binding_required, binding_mismatch (cnf and proof disagree), proof_invalid, nonce_required, busy. Errors: 22004 client_id or subject is null, htm or htu with a proof; 22023 a malformed argument, an unknown member of cnf; 25006 in a read-only transaction';

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
AS 'MODULE_PATHNAME', 'sctoken_rotate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.rotate(text, text, text, text[], jsonb, text, text, text, bytea, jsonb) IS
'Uses a refresh token: gives its successor, or says why not (RFC 6749 6, RFC 9700 4.14.2). Commit before the client is answered, whatever the outcome: a rolled back reuse_detected revokes nothing. refresh_token: null is unknown_token. client_id: authenticated or identified by the caller. scope, audience: a subset for this access token; null: all. cnf: what the caller has verified itself; unknown members are ignored. dpop_proof, htm, htu: value of the DPoP header and the request it came with; it is checked as by dpop_check with server ''as'', and its key counts as presented. certificate: not yet supported (0A000). context: goes into the event. Outcomes: see grant_result. Errors: 22004 client_id is null, htm or htu with a proof; 22023 a malformed cnf, htm or htu; 25006 in a read-only transaction; 40001 at SERIALIZABLE, having changed nothing';

CREATE FUNCTION sctoken.introspect(token text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sctoken_introspect'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.introspect(text) IS
'Introspection answer (RFC 7662 2.2) for a refresh token: active, client_id, sub, scope, aud, iat, exp (the earlier of idle and absolute expiry), cnf, sid, family_id, generation. {"active": false} alone for anything but the one live token of a family. Null is inactive. Reads the latest committed state at every isolation level, writes nothing, runs on a standby';

CREATE FUNCTION sctoken.revoke(token text, client_id text, reason text DEFAULT 'logout')
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_revoke'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke(text, text, text) IS
'Revokes the family of a refresh token (RFC 7009): any generation of it, but only for its own client. True: the family is revoked when the caller commits, by this call or before. False: not a genuine token of this client; RFC 7009 2.2 answers 200 all the same. reason: for the audit, 1 to 256 bytes. Errors: 22004 client_id or reason is null; 22023 a malformed reason; 55P03 the family stayed locked for sctoken.lock_timeout';

CREATE FUNCTION sctoken.revoke_family(family_id uuid, reason text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_revoke_family'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke_family(uuid, text) IS
'Revokes a family. True: it is revoked when the caller commits, by this call or before. False: there is no such family. Errors: 22004 an argument is null; 22023 a malformed reason; 55P03 the family stayed locked for sctoken.lock_timeout';

REVOKE ALL ON FUNCTION
    sctoken.issue(text, text, text, text[], jsonb, text, text, jsonb, text, text, text, bytea, jsonb),
    sctoken.rotate(text, text, text, text[], jsonb, text, text, text, bytea, jsonb),
    sctoken.introspect(text),
    sctoken.revoke(text, text, text),
    sctoken.revoke_family(uuid, text)
FROM PUBLIC;

--
-- Internal
--

CREATE FUNCTION sctoken.hash_equal(a bytea, b bytea)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_hash_equal'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.hash_equal(bytea, bytea) IS
'Internal: are two hashes equal, compared in constant time';

CREATE FUNCTION sctoken.invalidate_cache()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sctoken_invalidate_cache'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.invalidate_cache() IS
'Internal: makes every session forget what it keeps of the table';

REVOKE ALL ON FUNCTION
    sctoken.hash_equal(bytea, bytea),
    sctoken.invalidate_cache()
FROM PUBLIC;

/*
 * By row, because changes that logical replication brings fire no statement
 * triggers; ALWAYS, because they come with session_replication_role = replica.
 */
CREATE TRIGGER invalidate_cache_row
    AFTER INSERT OR UPDATE OR DELETE ON sctoken.client_policy
    FOR EACH ROW EXECUTE FUNCTION sctoken.invalidate_cache();
CREATE TRIGGER invalidate_cache_truncate
    AFTER TRUNCATE ON sctoken.client_policy
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.invalidate_cache();
ALTER TABLE sctoken.client_policy ENABLE ALWAYS TRIGGER invalidate_cache_row;
ALTER TABLE sctoken.client_policy ENABLE ALWAYS TRIGGER invalidate_cache_truncate;

CREATE TRIGGER invalidate_cache_row
    AFTER INSERT OR UPDATE OR DELETE ON sctoken.server_secret
    FOR EACH ROW EXECUTE FUNCTION sctoken.invalidate_cache();
CREATE TRIGGER invalidate_cache_truncate
    AFTER TRUNCATE ON sctoken.server_secret
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.invalidate_cache();
ALTER TABLE sctoken.server_secret ENABLE ALWAYS TRIGGER invalidate_cache_row;
ALTER TABLE sctoken.server_secret ENABLE ALWAYS TRIGGER invalidate_cache_truncate;

CREATE TRIGGER invalidate_cache_row
    AFTER INSERT OR UPDATE OR DELETE ON sctoken.dpop_replay_marker
    FOR EACH ROW EXECUTE FUNCTION sctoken.invalidate_cache();
CREATE TRIGGER invalidate_cache_truncate
    AFTER TRUNCATE ON sctoken.dpop_replay_marker
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.invalidate_cache();
ALTER TABLE sctoken.dpop_replay_marker ENABLE ALWAYS TRIGGER invalidate_cache_row;
ALTER TABLE sctoken.dpop_replay_marker ENABLE ALWAYS TRIGGER invalidate_cache_truncate;
