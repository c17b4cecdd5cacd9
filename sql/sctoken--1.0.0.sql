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
'MAC keys of refresh tokens, as many as live tokens need. The first is made at first use, further ones by rotate_secret. With sctoken.secret_file set the secrets are in that file instead, and rows that are here only recognise tokens made under them before. Whoever reads this table can make token texts (which still do not pass: the current secret of a family must match its hash)';
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
    profile text,
    max_families integer,
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
        CHECK (on_reuse OPERATOR(pg_catalog.=) ANY (ARRAY['revoke_family', 'revoke_subject_client', 'refuse'])),
    CONSTRAINT client_policy_profile_check
        CHECK (profile OPERATOR(pg_catalog.=) ANY (ARRAY['none', 'fapi2'])),
    CONSTRAINT client_policy_fapi2_check
        CHECK (profile IS NULL OR profile OPERATOR(pg_catalog.<>) 'fapi2' OR
               (rotation IS NOT NULL AND rotation OPERATOR(pg_catalog.<>) 'always' AND
                required_binding IS NOT NULL AND required_binding OPERATOR(pg_catalog.<>) 'none')),
    CONSTRAINT client_policy_max_families_check
        CHECK (max_families OPERATOR(pg_catalog.>=) 1)
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
COMMENT ON COLUMN sctoken.client_policy.required_binding IS 'What must be presented at issue and rotate: none (default), dpop (jkt), mtls (x5t#S256) or any of the two, which tbh is not; otherwise binding_required';
COMMENT ON COLUMN sctoken.client_policy.require_nonce IS 'Whether a DPoP proof given to issue or rotate must carry a nonce of this server (RFC 9449 8); default: unless sctoken.dpop_freshness is iat';
COMMENT ON COLUMN sctoken.client_policy.on_reuse IS 'What a used token that comes back does: revoke_family (default), revoke_subject_client (all families of that subject and client), refuse (nothing but the refusal)';
COMMENT ON COLUMN sctoken.client_policy.profile IS 'none (default) or fapi2 (FAPI 2.0 Security Profile): refresh tokens are not rotated, and sender-constrained. The row that says fapi2 must say a rotation but always and a required_binding but none itself; in a row that inherits fapi2 from ''*'', always counts as bound_never and none as any';
COMMENT ON COLUMN sctoken.client_policy.max_families IS 'How many living families a subject may have with the client; issue revokes the oldest (reason max_families) to make room; default: any number';
COMMENT ON COLUMN sctoken.client_policy.enabled IS 'false: every issue and rotate of the client is client_disabled and changes nothing, and introspect says inactive; revocations work; adds up with that of ''*'' (either one stops)';
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
CREATE INDEX family_expires_at_idx ON sctoken.family (expires_at);
CREATE INDEX family_binding_jkt_idx ON sctoken.family ((binding OPERATOR(pg_catalog.->>) 'jkt'))
    WHERE (binding OPERATOR(pg_catalog.->>) 'jkt') IS NOT NULL;
CREATE INDEX family_binding_x5t_idx ON sctoken.family ((binding OPERATOR(pg_catalog.->>) 'x5t#S256'))
    WHERE (binding OPERATOR(pg_catalog.->>) 'x5t#S256') IS NOT NULL;
CREATE INDEX family_binding_tbh_idx ON sctoken.family ((binding OPERATOR(pg_catalog.->>) 'tbh'))
    WHERE (binding OPERATOR(pg_catalog.->>) 'tbh') IS NOT NULL;
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
COMMENT ON COLUMN sctoken.family.binding IS 'cnf that must be presented with each use, decided at issue and by rebind; null: unbound';
COMMENT ON COLUMN sctoken.family.details IS 'What the authorization server gave at issue and gets back with each grant; sctoken does not read it';
COMMENT ON COLUMN sctoken.family.revoked_at IS 'Since when nothing of the family is accepted; null: not revoked';
COMMENT ON COLUMN sctoken.family.revoke_reason IS 'Why; reuse_detected when a used token came back, max_families when a login took its place';
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
COMMENT ON TABLE sctoken.event IS
'Append-only audit of token families, partitioned by time; holds no token, secret or hash';
COMMENT ON COLUMN sctoken.event.family_id IS 'The family; the nil UUID: an event of a client (client_revoked)';
COMMENT ON COLUMN sctoken.event.at IS 'Wall clock of the call';
COMMENT ON COLUMN sctoken.event.kind IS 'issued, rotated, kept, replayed, confirmed, narrowed, rebound, reuse_detected, revoked, client_revoked; or a refusal of a genuine token: refused, ahead, orphan';
COMMENT ON COLUMN sctoken.event.generation IS 'Generation of the token presented or made';
COMMENT ON COLUMN sctoken.event.client_id IS 'Client that called';
COMMENT ON COLUMN sctoken.event.subject IS 'Subject of the family; null: the family is not there';
COMMENT ON COLUMN sctoken.event.reason IS 'Why: of a refusal the outcome, otherwise as in grant_result.reason or as given to the call; null: nothing to say';
COMMENT ON COLUMN sctoken.event.detail IS 'More, per kind: what changed as it was under "before", the caller''s context under "context", and under "cnf" what was presented with a family that is bound to nothing, or was refused; null: nothing';

/*
 * Each partition has an index of its own and the parent none: with one the parent
 * would make a partition's index when a dump is restored, and the dump's own
 * would collide with it.
 */
CREATE TABLE sctoken.event_default PARTITION OF sctoken.event DEFAULT;
CREATE INDEX event_default_family_id_at_idx ON sctoken.event_default (family_id, at);
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
    max_age integer NOT NULL,
    future_skew integer NOT NULL,
    grace integer NOT NULL,
    CONSTRAINT dpop_replay_store_pkey PRIMARY KEY (store),
    CONSTRAINT dpop_replay_store_store_check
        CHECK (store OPERATOR(pg_catalog.=) ANY (ARRAY['logged', 'unlogged']))
);
COMMENT ON TABLE sctoken.dpop_replay_store IS
'State of the stores of accepted proofs that may hold a live one. Not in a dump: a restored database has none, and refuses the proofs of the past';
COMMENT ON COLUMN sctoken.dpop_replay_store.store IS 'logged or unlogged (sctoken.replay_store)';
COMMENT ON COLUMN sctoken.dpop_replay_store.generation IS 'How often the ring moved; modulo 3 it is the current table';
COMMENT ON COLUMN sctoken.dpop_replay_store.since IS 'When it moved last';
COMMENT ON COLUMN sctoken.dpop_replay_store.max_age IS 'The largest sctoken.dpop_max_age that was used with it, in seconds: records live long enough for it';
COMMENT ON COLUMN sctoken.dpop_replay_store.future_skew IS 'The largest sctoken.dpop_future_skew that was used with it, in seconds';
COMMENT ON COLUMN sctoken.dpop_replay_store.grace IS 'By how much these two were raised since the first record, in seconds: records live that much longer than their expires_at';

CREATE TABLE sctoken.dpop_replay_horizon (
    horizon timestamptz NOT NULL
);
CREATE UNIQUE INDEX dpop_replay_horizon_one_row ON sctoken.dpop_replay_horizon ((true));

-- An UPDATE must not fail where a publication has all tables.
ALTER TABLE sctoken.dpop_replay_horizon REPLICA IDENTITY FULL;
COMMENT ON TABLE sctoken.dpop_replay_horizon IS
'One row from the first accepted proof on. In a dump, so that a restored database knows that it has a past';
COMMENT ON COLUMN sctoken.dpop_replay_horizon.horizon IS 'Proofs made at or before this time are refused; moves when accepted proofs may have been forgotten: a crash with the unlogged store, a restored dump, a raised sctoken.dpop_max_age';

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
COMMENT ON COLUMN sctoken.dpop_result.jti IS 'The proof''s jti; where the database''s encoding lacks a character of it, spelled as in JSON';
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
'ath of an access token: base64url of its SHA-256 (RFC 9449 4.2). access_token: 1 to 65536 printable ASCII characters (RFC 6749 A.12); null for null and for anything else';

CREATE FUNCTION sctoken.htu_normalize(uri text)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_htu_normalize'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.htu_normalize(text) IS
'The form in which htu is compared (RFC 9449 4.3, RFC 3986 6.2.2 and 6.2.3): normalized, query and fragment dropped. uri: an absolute http or https URI; null for null and for a malformed one';

CREATE FUNCTION sctoken.cnf_matches(cnf jsonb, presented jsonb)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_cnf_matches'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.cnf_matches(jsonb, jsonb) IS
'Does what was presented meet the confirmation of a token (RFC 7800 3.1, RFC 9449 6.1, RFC 8705 3.1)? cnf: of the token. presented: what the caller has verified, {"jkt": ..}, {"x5t#S256": ..} or, legacy, {"tbh": ..}, or several of them. True only if cnf has a member and each one is known and equal to the presented one, compared in constant time. False, never null, for null, for an empty cnf, for an unknown member of cnf, for a member that is no SHA-256 in base64url. No errors';

CREATE FUNCTION sctoken.token_family_id(token text)
RETURNS uuid
AS 'MODULE_PATHNAME', 'sctoken_token_family_id'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.token_family_id(text) IS
'The family that a refresh token names: a routing key. Null for null and for what has not the form of our tokens. Says nothing of whether the token is genuine';

CREATE FUNCTION sctoken.shard_of_token(token text, shards integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'sctoken_shard_of_token'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.shard_of_token(text, integer) IS
'Which of many databases keeps the family of a refresh token: 0 to shards - 1, uuid_hash of its family''s id, cut to the last bits, as PL/Proxy does. token: what is no token is unknown to each of them, and given to one. shards: how many, a power of two. Null for null. Machines of one byte order agree. Error 22023: another number of shards';

CREATE FUNCTION sctoken.shard_of_key(jkt text, shards integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'sctoken_shard_of_key'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.shard_of_key(text, integer) IS
'Which of many databases remembers the proofs of a key: 0 to shards - 1, hashtext of its thumbprint, cut to the last bits, as PL/Proxy does. jkt: any text; base64url of the SHA-256 of the JWK. shards: how many, a power of two. Null for null. Error 22023: another number of shards';

CREATE FUNCTION sctoken.shard_of_proof(proof text, shards integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'sctoken_shard_of_proof'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.shard_of_proof(text, integer) IS
'Which of many databases remembers a DPoP proof: shard_of_key of the key that its header names, nothing of it verified. proof: value of the DPoP header; what names no key is refused by each of them, and given to one. shards: how many, a power of two. Null for null. Error 22023: another number of shards';

--
-- Client certificates (RFC 8705)
--

CREATE FUNCTION sctoken.certificate_thumbprint(certificate bytea)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_certificate_thumbprint'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.certificate_thumbprint(bytea) IS
'x5t#S256 of a certificate: base64url of the SHA-256 over its DER (RFC 8705 3.1). certificate: DER; only its outline is checked (one SEQUENCE of SEQUENCE, SEQUENCE and BIT STRING that fills the value). Null for null. Error 22023: not that';

CREATE FUNCTION sctoken.certificate_info(certificate bytea)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sctoken_certificate_info'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION sctoken.certificate_info(bytea) IS
'What a certificate in DER says, nothing of it verified: subject and issuer (RFC 4514), serial (hexadecimal), not_before and not_after (RFC 3339, both inclusive), ca (may it issue others), extended_key_usage (names or OIDs; no member: any use), san with dns, uri, ip and email (bytes that are no visible ASCII as \xx), key with type, bits and jkt (RFC 7638, where JWK has such a key), x5t#S256. Null for null. Error 22023: not one certificate in DER';

CREATE FUNCTION sctoken.certificate_matches(certificate bytea, member text, value text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_certificate_matches'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION sctoken.certificate_matches(bytea, text, text) IS
'Does a client''s own certificate bear the name that the client has registered (RFC 8705 2.1.2)? Says nothing of who issued it: certificate_authenticate does. certificate: DER. member: tls_client_auth_subject_dn (value in RFC 4514), tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip or tls_client_auth_san_email. Compared as names: a DN attribute by attribute, in order, whatever string type and ASCII case; a DNS name in any case; a URI byte by byte, and a SPIFFE ID only where it is the one URI; an address in binary; a mailbox with its local part as it is. No fallback to the CN, no wildcard. False, never null, for null and for what is no certificate. Errors: 22023 another member, or a value that certificate_name_valid refuses';

CREATE FUNCTION sctoken.certificate_name_valid(member text, value text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_certificate_name_valid'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION sctoken.certificate_name_valid(text, text) IS
'May a client register this value of a member of RFC 8705 2.1.2 (see certificate_matches)? False: empty, no RFC 4514 string with known attribute types or OIDs, a DNS name with a wildcard, no URI, no IP address, no mailbox. Null for null. Error 22023: another member';

CREATE FUNCTION sctoken.certificate_from_header(value text, format text DEFAULT 'auto')
RETURNS bytea
AS 'MODULE_PATHNAME', 'sctoken_certificate_from_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION sctoken.certificate_from_header(text, text) IS
'The client certificate, in DER, from the header in which a proxy forwards it (RFC 9440 and others); of a chain the first one. value: the header as it came, at most 65536 bytes; which proxy wrote it, and that no client can, is for the caller to make sure. format: rfc9440, nginx, envoy, haproxy, apache, aws_alb, traefik, cloud_foundry, pem or base64, which accept what that sender writes and nothing else, or auto, which accepts any of them; name it in production. The certificate is parsed in full; its chain, its time and its names are not judged. Null for null and where there is none: an empty value, "-", "(null)". Error 22023, with the byte at which value goes wrong: not such a value, a fingerprint alone (thumbprint_from_header takes it), or an unknown format';

CREATE FUNCTION sctoken.thumbprint_from_header(value text, format text DEFAULT 'auto')
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_thumbprint_from_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.thumbprint_from_header(text, text) IS
'x5t#S256 of the client certificate in the header in which a proxy forwards it: base64url of the SHA-256 of its DER (RFC 8705 3.1). For a resource server, to compare with the cnf of an access token at each request. Arguments, null and errors as certificate_from_header; takes also a SHA-256 fingerprint where no more is forwarded: Hash alone from Envoy, or (format fingerprint, or auto) 64 hexadecimal digits, 44 characters of base64 or 43 of base64url. Of the certificate only the outline is checked, not the content: parsing costs some fifty times as much, and a comparison does not need it, since whatever else has that outline has another SHA-256. To bind to a certificate or to authenticate by it use certificate_from_header';

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
-- DPoP challenge and metadata
--

CREATE FUNCTION sctoken.dpop_challenge(
    error text DEFAULT NULL,
    algs text[] DEFAULT NULL,
    nonce text DEFAULT NULL,
    error_description text DEFAULT NULL,
    realm text DEFAULT NULL,
    scope text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_dpop_challenge'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.dpop_challenge(text, text[], text, text, text, text) IS
'Value of the WWW-Authenticate header of a resource server that asks for DPoP (RFC 9449 7.1, 9). error: as dpop_check gave it; null: none was sent. algs: JOSE names, announced in this order; null: sctoken.dpop_algs; an empty array: not announced. nonce: the one that the same answer carries in its DPoP-Nonce header; it is not in the value, but makes use_dpop_nonce of a null error. error_description, realm, scope: null: left out. Quotes and backslashes are escaped (RFC 9110 5.6.4). Errors: 22023 an unknown algorithm, a nonce that is none (RFC 9449 8.1), a control or non-ASCII character';

CREATE FUNCTION sctoken.dpop_metadata()
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sctoken_dpop_metadata'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.dpop_metadata() IS
'Members that DPoP adds to the metadata of an authorization server or protected resource (RFC 9449 5.1, RFC 9728 2): dpop_signing_alg_values_supported, as sctoken.dpop_algs says; no member where it is empty (RFC 8414 3.2). To be merged into the document with ||';

REVOKE ALL ON FUNCTION
    sctoken.dpop_challenge(text, text[], text, text, text, text),
    sctoken.dpop_metadata()
FROM PUBLIC;

--
-- DPoP nonces
--

CREATE FUNCTION sctoken.dpop_nonce(server text DEFAULT 'as', jkt text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_dpop_nonce'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.dpop_nonce(text, text) IS
'A nonce for the DPoP-Nonce header (RFC 9449 8, 9): 46 characters that only this server can make, the same for sctoken.dpop_nonce_step, accepted for sctoken.dpop_nonce_steps more. No table is written, but for the server''s secret at first use. server: for which of the servers that share the secret, 1 to 256 bytes; the others refuse it. jkt: the only key that may use it; null: every key. Errors: 22004 server is null; 22023 a malformed argument; 25006 there is no secret yet and the transaction is read-only; 55P03 another session makes it';

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
'The whole check of a DPoP proof: dpop_verify with the settings, then the nonce, then the replay record (RFC 9449 4.3, 8, 9, 11.1). A proof is accepted once; one that fails a check, or is answered with a nonce, is not used up. Commit before the request is served: a rolled back check forgets the proof. server: names the server in nonces and records, 1 to 256 bytes. require_nonce: whether a nonce is asked for; null: unless sctoken.dpop_freshness is iat. next_nonce: to be sent as DPoP-Nonce. Other arguments as dpop_verify. Errors: as dpop_verify; 25006 in a read-only transaction; 40001 at SERIALIZABLE, having changed nothing';

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
-- Token Binding (legacy)
--

CREATE FUNCTION sctoken.token_binding_verify(
    message bytea,
    ekm bytea,
    key_parameters integer,
    OUT valid boolean,
    OUT reason text,
    OUT provided_tbh text,
    OUT referred_tbh text)
RETURNS record
AS 'MODULE_PATHNAME', 'sctoken_token_binding_verify'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION sctoken.token_binding_verify(bytea, bytea, integer) IS
'Legacy. Verifies a Token Binding message against the TLS connection that it came over (RFC 8471 4.2, RFC 8473 2). message: as token_binding_from_header gives it; null: nothing was presented, the row is null. ekm: the 32 bytes that the TLS layer exported for this very connection (RFC 8471 3.3). key_parameters: what was negotiated on it, 0 rsa2048_pkcs1.5, 1 rsa2048_pss, 2 ecdsap256; null: nothing, ekm may be null then. valid: null only for a null message. reason: why not, a stable word: not_negotiated, malformed, provided_count, referred_count, key_parameters, provided_signature, other_signature, alg_unavailable; null when valid. provided_tbh: cnf.tbh of the key that the client proved to this server. referred_tbh: that of the key to bind a token to that is for another server; null: none, or its key parameters are unknown, so that nothing may be bound to it (RFC 8473 5.4). Both are null unless valid. Errors, where key_parameters is not null: 22004 ekm is null; 22023 ekm has not 32 bytes';

CREATE FUNCTION sctoken.token_binding_from_header(value text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'sctoken_token_binding_from_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.token_binding_from_header(text) IS
'Legacy. Decodes the one Sec-Token-Binding header of a request (RFC 8473 2), or a Sec-Provided-Token-Binding-ID or Sec-Referred-Token-Binding-ID header of a proxy that terminates TLS: base64url, not padded, in its one spelling. value: of the header; null for null and for the empty string, no header. What is inside is not looked at. Errors: 22023 anything else, two headers joined by a comma too; the answer to the client is 400';

CREATE FUNCTION sctoken.token_binding_hash(token_binding_id bytea)
RETURNS text
AS 'MODULE_PATHNAME', 'sctoken_token_binding_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sctoken.token_binding_hash(bytea) IS
'Legacy. tbh of a Token Binding ID: base64url of its SHA-256 (draft-ietf-oauth-token-binding-08). For the ID that a TLS-terminating proxy has verified and forwards; it proves nothing by itself. token_binding_id: key_parameters, key_length and the key (RFC 8471 3.2); the key is not looked at. Null for null. Errors: 22023 not one Token Binding ID';

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
'Starts a token family and gives its first refresh token. Call it in FROM: SELECT (f(..)).* would run it once for each column. client_id: authenticated or identified by the caller. subject: whose it is. scope: space-delimited (RFC 6749 3.3). audience: resources (RFC 8707). cnf: what the caller has verified itself, {"jkt": ..}, {"x5t#S256": ..} or, legacy, {"tbh": ..}, or several of them; a public client''s refresh token is bound to it. session_id, grant_id: for revocation. details: given back with each grant. dpop_proof, htm, htu: value of the DPoP header and the request it came with; it is checked as by dpop_check with server ''as'', and its key counts as presented. certificate: of the client''s TLS connection, DER (see certificate_from_header); its x5t#S256 counts as presented. context: goes into the event. Null: not given. Outcomes: issued, client_disabled, binding_required, binding_mismatch (cnf disagrees with proof or certificate), proof_invalid, nonce_required, busy. Errors: 22004 client_id or subject is null, htm or htu with a proof; 22023 a malformed argument, an unknown member of cnf; 25006 in a read-only transaction';

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
'Uses a refresh token: gives its successor, or says why not (RFC 6749 6, RFC 9700 4.14.2). Call it in FROM: SELECT (f(..)).* would run it once for each column. Commit before the client is answered, whatever the outcome: a rolled back reuse_detected revokes nothing. refresh_token: null is unknown_token. client_id: authenticated or identified by the caller. scope, audience: a subset for this access token; null: all. cnf: what the caller has verified itself; unknown members are ignored. dpop_proof, htm, htu: value of the DPoP header and the request it came with; it is checked as by dpop_check with server ''as'', and its key counts as presented. certificate: of the client''s TLS connection, DER (see certificate_from_header); its x5t#S256 counts as presented. context: goes into the event. Outcomes: see grant_result. Errors: 22004 client_id is null, htm or htu with a proof; 22023 a malformed cnf, htm, htu or certificate; 25006 in a read-only transaction; 40001 at SERIALIZABLE, and at REPEATABLE READ beside a bulk revocation, having changed nothing';

CREATE FUNCTION sctoken.introspect(token text, min_lsn pg_lsn DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'sctoken_introspect'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.introspect(text, pg_lsn) IS
'Introspection answer (RFC 7662 2.2) for a refresh token: active, client_id, sub, scope, aud, iat, exp (the earlier of idle and absolute expiry), cnf, sid, family_id, generation. {"active": false} alone for anything but the one live token of a family. A null token is inactive. Reads the latest committed state at every isolation level, writes nothing, runs on a standby. min_lsn: what last_write_lsn gave on the primary; null, the default, takes what the standby knows. The answer is null where a standby has not replayed the WAL up to min_lsn yet: ask the primary';

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
'Revokes a family. family_id: as issue gave it. reason: for the audit, 1 to 256 bytes. True: it is revoked when the caller commits, by this call or before. False: there is no such family. Errors: 22004 an argument is null; 22023 a malformed reason; 55P03 the family stayed locked for sctoken.lock_timeout';

REVOKE ALL ON FUNCTION
    sctoken.issue(text, text, text, text[], jsonb, text, text, jsonb, text, text, text, bytea, jsonb),
    sctoken.rotate(text, text, text, text[], jsonb, text, text, text, bytea, jsonb),
    sctoken.introspect(text, pg_lsn),
    sctoken.revoke(text, text, text),
    sctoken.revoke_family(uuid, text)
FROM PUBLIC;

--
-- Client authentication by certificate (RFC 8705 2)
--

CREATE FUNCTION sctoken.trust_anchor_valid(kind text, der bytea)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_trust_anchor_valid'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION sctoken.trust_anchor_valid(text, bytea) IS
'Internal: may der be the row of trust_anchor with this kind';

/*
 * No foreign keys: a parallel restore knows no order between the rows of an
 * extension's tables.  A set that is not there trusts nobody.
 */
CREATE TABLE sctoken.trust_anchor_set (
    name text NOT NULL,
    crl_check text NOT NULL DEFAULT 'if_present',
    max_depth integer NOT NULL DEFAULT 4,
    partial_chain boolean NOT NULL DEFAULT false,
    strict boolean NOT NULL DEFAULT false,
    CONSTRAINT trust_anchor_set_pkey PRIMARY KEY (name),
    CONSTRAINT trust_anchor_set_name_check
        CHECK (pg_catalog.octet_length(name) OPERATOR(pg_catalog.>=) 1 AND
               pg_catalog.octet_length(name) OPERATOR(pg_catalog.<=) 1024),
    CONSTRAINT trust_anchor_set_crl_check_check
        CHECK (crl_check OPERATOR(pg_catalog.=) ANY (ARRAY['if_present', 'leaf', 'chain'])),
    CONSTRAINT trust_anchor_set_max_depth_check
        CHECK (max_depth OPERATOR(pg_catalog.>=) 0 AND max_depth OPERATOR(pg_catalog.<=) 8)
);
COMMENT ON TABLE sctoken.trust_anchor_set IS
'Sets of trusted CAs, one for each group of clients: any CA of a set can make a certificate with any name, so clients of different CAs belong to different sets (RFC 8705 7.4). Plain DML; a change holds from the next call on, in every session';
COMMENT ON COLUMN sctoken.trust_anchor_set.name IS 'Name of the set. Where trust_anchor or tls_client_auth name one that is not here, nobody is trusted';
COMMENT ON COLUMN sctoken.trust_anchor_set.crl_check IS 'Which certificates a CRL of the set must cover: if_present (default) none, leaf the client''s own, chain all but the trusted one. A CRL that covers a certificate always counts; when it is out of date, the certificate is refused';
COMMENT ON COLUMN sctoken.trust_anchor_set.max_depth IS 'How many CAs may stand between a client''s certificate and the trusted one, 0 to 8; default 4';
COMMENT ON COLUMN sctoken.trust_anchor_set.partial_chain IS 'Whether a CA of the set that is not self-signed is trusted by itself; default false: the chain must reach a self-signed one';
COMMENT ON COLUMN sctoken.trust_anchor_set.strict IS 'Whether certificates that break RFC 5280 in form are refused (OpenSSL''s X509_V_FLAG_X509_STRICT), which many private CAs do; default false';

CREATE TABLE sctoken.trust_anchor (
    set_name text NOT NULL,
    kind text NOT NULL DEFAULT 'certificate',
    der bytea NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    CONSTRAINT trust_anchor_kind_check
        CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['certificate', 'crl'])),
    CONSTRAINT trust_anchor_der_check
        CHECK (sctoken.trust_anchor_valid(kind, der))
);
CREATE UNIQUE INDEX trust_anchor_set_name_sha256_idx ON sctoken.trust_anchor (set_name, pg_catalog.sha256(der));

-- It has no key of columns, which a publication would want for an UPDATE.
ALTER TABLE sctoken.trust_anchor REPLICA IDENTITY FULL;
COMMENT ON TABLE sctoken.trust_anchor IS
'The CAs and CRLs of the sets. Plain DML; a row that is added, disabled or deleted holds from the next call on, in every session';
COMMENT ON COLUMN sctoken.trust_anchor.set_name IS 'Set it belongs to';
COMMENT ON COLUMN sctoken.trust_anchor.kind IS 'certificate (default): of a CA; crl: a whole list of revoked certificates (RFC 5280 5; no delta, no indirect one, none for some reasons only), to be replaced before its nextUpdate';
COMMENT ON COLUMN sctoken.trust_anchor.der IS 'It, in DER: a certificate of at most 16 kB that may issue others, or a CRL of at most 1 MB';
COMMENT ON COLUMN sctoken.trust_anchor.enabled IS 'false: as if the row were not there';

CREATE TABLE sctoken.tls_client_auth (
    client_id text NOT NULL,
    set_name text NOT NULL,
    tls_client_auth_subject_dn text,
    tls_client_auth_san_dns text,
    tls_client_auth_san_uri text,
    tls_client_auth_san_ip text,
    tls_client_auth_san_email text,
    CONSTRAINT tls_client_auth_pkey PRIMARY KEY (client_id),
    CONSTRAINT tls_client_auth_one_member_check
        CHECK (pg_catalog.num_nonnulls(tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri,
                                       tls_client_auth_san_ip, tls_client_auth_san_email) OPERATOR(pg_catalog.=) 1),
    CONSTRAINT tls_client_auth_subject_dn_check
        CHECK (sctoken.certificate_name_valid('tls_client_auth_subject_dn', tls_client_auth_subject_dn)),
    CONSTRAINT tls_client_auth_san_dns_check
        CHECK (sctoken.certificate_name_valid('tls_client_auth_san_dns', tls_client_auth_san_dns)),
    CONSTRAINT tls_client_auth_san_uri_check
        CHECK (sctoken.certificate_name_valid('tls_client_auth_san_uri', tls_client_auth_san_uri)),
    CONSTRAINT tls_client_auth_san_ip_check
        CHECK (sctoken.certificate_name_valid('tls_client_auth_san_ip', tls_client_auth_san_ip)),
    CONSTRAINT tls_client_auth_san_email_check
        CHECK (sctoken.certificate_name_valid('tls_client_auth_san_email', tls_client_auth_san_email))
);
COMMENT ON TABLE sctoken.tls_client_auth IS
'Clients that authenticate by a certificate of a trusted CA (RFC 8705 2.1): whose CA, and the one name that the certificate must bear. Plain DML; a change holds from the next call on';
COMMENT ON COLUMN sctoken.tls_client_auth.client_id IS 'OAuth client_id';
COMMENT ON COLUMN sctoken.tls_client_auth.set_name IS 'The set of trusted CAs';
COMMENT ON COLUMN sctoken.tls_client_auth.tls_client_auth_subject_dn IS 'Subject (RFC 4514); null: another member says it';
COMMENT ON COLUMN sctoken.tls_client_auth.tls_client_auth_san_dns IS 'DNS name, no wildcard; null: another member says it';
COMMENT ON COLUMN sctoken.tls_client_auth.tls_client_auth_san_uri IS 'URI, for example a SPIFFE ID; null: another member says it';
COMMENT ON COLUMN sctoken.tls_client_auth.tls_client_auth_san_ip IS 'IPv4 or IPv6 address; null: another member says it';
COMMENT ON COLUMN sctoken.tls_client_auth.tls_client_auth_san_email IS 'Mailbox; null: another member says it';

CREATE TABLE sctoken.client_certificate (
    client_id text NOT NULL,
    match text NOT NULL DEFAULT 'certificate',
    thumbprint text NOT NULL,
    check_validity boolean NOT NULL DEFAULT true,
    not_before timestamptz,
    not_after timestamptz,
    CONSTRAINT client_certificate_pkey PRIMARY KEY (client_id, match, thumbprint),
    CONSTRAINT client_certificate_match_check
        CHECK (match OPERATOR(pg_catalog.=) ANY (ARRAY['certificate', 'key'])),
    CONSTRAINT client_certificate_thumbprint_check
        CHECK (thumbprint OPERATOR(pg_catalog.~) '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$')
);
COMMENT ON TABLE sctoken.client_certificate IS
'Certificates, or their keys, with which clients authenticate whoever issued them (RFC 8705 2.2): several at a time while one is renewed. Plain DML; a change holds from the next call on';
COMMENT ON COLUMN sctoken.client_certificate.client_id IS 'OAuth client_id';
COMMENT ON COLUMN sctoken.client_certificate.match IS 'certificate (default): this certificate and no other; key: every certificate with this key, so that a renewal needs no new row';
COMMENT ON COLUMN sctoken.client_certificate.thumbprint IS 'match certificate: x5t#S256 (certificate_thumbprint); match key: thumbprint of the key as JWK (jwk_thumbprint, or jkt of certificate_info)';
COMMENT ON COLUMN sctoken.client_certificate.check_validity IS 'Whether the certificate''s own dates count; default true';
COMMENT ON COLUMN sctoken.client_certificate.not_before IS 'When the registration begins to count; null: at once';
COMMENT ON COLUMN sctoken.client_certificate.not_after IS 'Until when it counts; null: for ever';

SELECT pg_catalog.pg_extension_config_dump('sctoken.trust_anchor_set', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.trust_anchor', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.tls_client_auth', '');
SELECT pg_catalog.pg_extension_config_dump('sctoken.client_certificate', '');

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
AS 'MODULE_PATHNAME', 'sctoken_certificate_authenticate'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION sctoken.certificate_authenticate(text, bytea, bytea[], timestamptz) IS
'Authenticates a client by the certificate of its TLS connection (RFC 8705 2), as registered in tls_client_auth or client_certificate. The TLS server must have seen that the client holds the key. certificate: the client''s own, DER; null: none was presented. chain: what else the client sent, in any order, at most 8; null: nothing. at: the clock to compare with; null: the wall clock. valid: never null. method: tls_client_auth or self_signed_tls_client_auth; null: none is registered. reason: null when valid, else a stable word; the answer to the client is invalid_client for each (RFC 6749 5.2). x5t: the certificate''s x5t#S256, for cnf. subject: RFC 4514, for the log. Reads the latest committed state, writes nothing, never uses the network, runs on a standby. Errors: 22004 client_id or an element of chain is null; 22023 a malformed client_id, more than 8 in chain, at is infinite; 55P03 a table stayed locked for sctoken.lock_timeout';

CREATE FUNCTION sctoken.register_client_certificates(client_id text, jwks json, match text DEFAULT 'certificate')
RETURNS integer
AS 'MODULE_PATHNAME', 'sctoken_register_client_certificates'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.register_client_certificates(text, json, text) IS
'Registers in client_certificate what a client''s JWK Set says (RFC 8705 2.2.2): its jwks, or what the caller has fetched from its jwks_uri. Replaces the rows of client_id with this match; a row that stays keeps its other columns. jwks: a JWK Set (RFC 7517 5), at most 64 kB and 256 values. match: certificate registers x5c[0] of each key that has one, which must have that key; key registers the keys, so that renewed certificates need no new row. Keys of unknown types, and those with use enc, are skipped. Gives how many were registered. Errors: 22004 an argument is null; 22023 a malformed argument, a key that is private, not safe or not that of its x5c, nothing to register; 25006 in a read-only transaction; 40001 above READ COMMITTED, beside another change of such a row; 55P03 the client''s rows stayed locked for sctoken.lock_timeout';

REVOKE ALL ON FUNCTION
    sctoken.register_client_certificates(text, json, text),
    sctoken.trust_anchor_valid(text, bytea),
    sctoken.certificate_authenticate(text, bytea, bytea[], timestamptz)
FROM PUBLIC;

--
-- Triggers for tables of others
--

CREATE FUNCTION sctoken.bind_thumbprint()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sctoken_bind_thumbprint'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.bind_thumbprint() IS
'Trigger BEFORE INSERT OR UPDATE FOR EACH ROW, arguments (source, target): fills column target (text, varchar, char) with the thumbprint of column source, whatever the statement wrote there. source: a JWK (json, jsonb, text, varchar) gives its jkt (RFC 7638, SHA-256), a DER certificate (bytea) its x5t#S256 (RFC 8705 3.1; only the outline of the DER is checked); null gives null. jsonb has lost duplicate members before anybody can refuse them. Errors: 22023 a malformed source; 39P01, 42P17, 42703, 42804 a wrong trigger definition, found when it fires';

CREATE FUNCTION sctoken.guard_single_use()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sctoken_guard_single_use'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.guard_single_use() IS
'Trigger BEFORE UPDATE FOR EACH ROW, arguments (consumed, family, mark, ...), for a table with a row per token (RFC 9700 4.14.2): the first consumption of a row passes; a second one is skipped (0 rows, no error; commit it) and consumes all live rows of the family in the same statement, as the owner of the table. consumed: column or column=value; the row is consumed when the column is true, not null, or equal to the value. family: column, or column->>member of jsonb or json; null: no family. mark: further columns to set on revoked rows, column or column=value; without value true or the time now. A statement that sets column consumed is a consumption; it must not ask for live rows in its WHERE. Errors: 40001 above READ COMMITTED, nothing has changed; 55000 a consumed row would become live, or a family cannot be revoked; 39P01, 42P17, 42703, 42804, 42883 and those of a value''s type: a wrong trigger definition, found when it fires';

CREATE FUNCTION sctoken.guard_append_only()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sctoken_guard_append_only'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.guard_append_only() IS
'Trigger BEFORE UPDATE OR DELETE FOR EACH ROW, or BEFORE TRUNCATE FOR EACH STATEMENT, no arguments: refuses, for the owner of the table too. Errors: 55000 always; 39P01, 42P17 a wrong trigger definition, found when it fires';

CREATE FUNCTION sctoken.notify_event()
RETURNS trigger
AS 'MODULE_PATHNAME', 'sctoken_notify_event'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.notify_event() IS
'Trigger AFTER INSERT, UPDATE or DELETE FOR EACH ROW, arguments (channel, column, ...): NOTIFY with a JSON object of schema, table, operation and row, the named columns (new ones, or the deleted ones). No column: no row. Beyond 7999 bytes truncated: true stands in place of row. Every role may LISTEN: name no column that is a secret. Errors: 22023 not a channel; 39P01, 42P17, 42703 a wrong trigger definition, found when it fires';

REVOKE ALL ON FUNCTION
    sctoken.bind_thumbprint(),
    sctoken.guard_single_use(),
    sctoken.guard_append_only(),
    sctoken.notify_event()
FROM PUBLIC;

--
-- Care of living families
--

CREATE FUNCTION sctoken.confirm(family_id uuid, generation bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_confirm'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.confirm(uuid, bigint) IS
'The refresh token of this generation, or an access token made with it, was seen in use: its predecessor cannot be retried any more, and is reuse. family_id, generation: as issue and rotate gave them. True: that is so when the caller commits, by this call or before. False: it is not the current generation of a family, or the family is revoked. Errors: 22004 an argument is null; 25006 in a read-only transaction; 55P03 the family stayed locked for sctoken.lock_timeout';

CREATE FUNCTION sctoken.narrow(family_id uuid, scope text, audience text[], reason text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_narrow'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.narrow(uuid, text, text[], text) IS
'Takes a part of its scope or audience from a family, from its next use on. scope, audience: a subset of what the family has (RFC 6749 3.3, RFC 8707); null: as it is. reason: for the audit, 1 to 256 bytes. True: the family has no more than that when the caller commits. False: there is no such family, or it is revoked. Errors: 22004 family_id, reason, or both scope and audience are null; 22023 not a subset, or malformed; 25006 in a read-only transaction; 55P03 the family stayed locked for sctoken.lock_timeout';

CREATE FUNCTION sctoken.rebind(family_id uuid, cnf jsonb, reason text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_rebind'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.rebind(uuid, jsonb, text) IS
'Binds a family to another key or certificate, or one that was unbound to its first. For operators, who know that the new one is the client''s. family_id: as issue gave it. cnf: {"jkt": ..}, {"x5t#S256": ..} or {"tbh": ..}, or several of them, as in issue; nothing makes a bound family a bearer one. reason: for the audit, 1 to 256 bytes. True: the family is bound to it when the caller commits. False: there is no such family, or it is revoked. Errors: 22004 an argument is null; 22023 an unknown or malformed member; 25006 in a read-only transaction; 55P03 the family stayed locked for sctoken.lock_timeout';

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
AS 'MODULE_PATHNAME', 'sctoken_families'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.families(text) IS
'The living families of a subject ("my sessions"), the one used last first: those for which family_active is true. bound: whether to a key or certificate. expires_at: when it ends if it is not used (the earlier of idle and absolute expiry). Reads the latest committed state at every isolation level, writes nothing, runs on a standby. Errors: 22004 subject is null';

CREATE FUNCTION sctoken.family_active(family_id uuid, min_lsn pg_lsn DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'sctoken_family_active'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.family_active(uuid, pg_lsn) IS
'Does a family live? For access tokens that carry the family''s id and are to die with it. family_id: as issue gave it. False: revoked, also by not_before, expired, idle for too long, its client disabled, no such family, or null. Reads the latest committed state at every isolation level, takes no lock, writes nothing, runs on a standby, which knows of a revocation once it has replayed it. min_lsn: what last_write_lsn gave on the primary; null, the default, takes what the standby knows. The answer is null only where a standby has not replayed the WAL up to min_lsn yet: ask the primary';

CREATE FUNCTION sctoken.last_write_lsn()
RETURNS pg_lsn
AS 'MODULE_PATHNAME', 'sctoken_last_write_lsn'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.last_write_lsn() IS
'The position in the WAL that a standby must have replayed to know what has been committed on this server, for min_lsn of introspect and family_active. Call it after the commit of what shall be seen, in any session of the same server: behind a pooler too. It is that of the server, not of the session. Errors: 25001 in a transaction that has written; 25006 on a standby';

REVOKE ALL ON FUNCTION
    sctoken.confirm(uuid, bigint),
    sctoken.narrow(uuid, text, text[], text),
    sctoken.rebind(uuid, jsonb, text),
    sctoken.families(text),
    sctoken.family_active(uuid, pg_lsn),
    sctoken.last_write_lsn()
FROM PUBLIC;

--
-- Revocation of many families
--

CREATE FUNCTION sctoken.revoke_grant(grant_id text, reason text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sctoken_revoke_grant'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke_grant(text, text) IS
'Revokes all families of a grant, for example when its authorization code comes twice (RFC 6749 4.1.2). grant_id: as given to issue. Gives how many were not revoked before. reason: for the audit, 1 to 256 bytes. A login or rotation that races with it does not escape. Errors: 22004 an argument is null; 22023 a malformed argument; 25006 in a read-only transaction; 40001 above READ COMMITTED, beside another change of such a family, having changed nothing; 55P03 a family or a login stayed locked for sctoken.lock_timeout';

CREATE FUNCTION sctoken.revoke_session(session_id text, reason text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sctoken_revoke_session'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke_session(text, text) IS
'Revokes all families of a login session. session_id: as given to issue. Otherwise as revoke_grant';

CREATE FUNCTION sctoken.revoke_subject(subject text, reason text, client_id text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sctoken_revoke_subject'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke_subject(text, text, text) IS
'Revokes all families of a subject ("log out everywhere"); with client_id only those with this client, null: with any. Otherwise as revoke_grant';

CREATE FUNCTION sctoken.revoke_binding(cnf jsonb, reason text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'sctoken_revoke_binding'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke_binding(jsonb, text) IS
'Revokes all families that are bound to a key or certificate, which is known to be in wrong hands. cnf: {"jkt": ..}, {"x5t#S256": ..} or {"tbh": ..}; several: families bound to any of them. Families of confidential clients are not bound, so not found. Otherwise as revoke_grant, and 22023 for an unknown or malformed member';

CREATE FUNCTION sctoken.revoke_client(client_id text, reason text)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'sctoken_revoke_client'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.revoke_client(text, text) IS
'Revokes all families of a client, or of every client, in constant time: moves client_policy.not_before to now, never back. client_id: ''*'' is every client. Gives the not_before that holds in that row; families issued later live. The rows of the families do not change, and the one event has kind client_revoked. reason: for the audit, 1 to 256 bytes. Errors: 22004 an argument is null; 22023 a malformed argument; 25006 in a read-only transaction; 40001 above READ COMMITTED, beside another change of the row';

REVOKE ALL ON FUNCTION
    sctoken.revoke_grant(text, text),
    sctoken.revoke_session(text, text),
    sctoken.revoke_subject(text, text, text),
    sctoken.revoke_binding(jsonb, text),
    sctoken.revoke_client(text, text)
FROM PUBLIC;

--
-- Operation
--

CREATE FUNCTION sctoken.rotate_secret(compromised boolean DEFAULT false)
RETURNS smallint
AS 'MODULE_PATHNAME', 'sctoken_rotate_secret'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.rotate_secret(boolean) IS
'Makes a new server secret and retires those in use: tokens under them stay valid, and each family goes over to the new one with its next rotation. compromised: marks all old ones as known to others, so that an old token under them revokes nothing. Deletes secrets retired for more than a day that no family which has not expired can need. Gives the new key id. Errors: 22004 compromised is null; 25006 in a read-only transaction; 54000 all 256 key ids are needed; 55000 the secrets are in a file (sctoken.secret_file); 55P03 another transaction was changing them for sctoken.lock_timeout';

CREATE FUNCTION sctoken.counters(OUT counter text, OUT value bigint, OUT since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sctoken_counters'
LANGUAGE C VOLATILE PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION sctoken.counters() IS
'What view stats shows';

CREATE VIEW sctoken.stats AS SELECT counter, value, since FROM sctoken.counters();
COMMENT ON VIEW sctoken.stats IS
'Counters of the whole server, all databases together, from its start or, without shared_preload_libraries, from the first use since. What is counted stays counted when the caller rolls back';
COMMENT ON COLUMN sctoken.stats.counter IS 'outcome_*: answers of issue and rotate, by outcome. proof_accepted and proof_*: verdicts on DPoP proofs, by reason. certificate_accepted and certificate_*: verdicts of certificate_authenticate, by reason. iat_*: how far the iat of proofs that were accepted, or refused for it alone, lay from the clock. retries_refused: of outcome_reuse_detected, those of an immediate predecessor. families_revoked; clients_revoked: calls of revoke_client. revocations_lost: reuse that was answered and rolled back, so that its family lives until the used token comes again. secrets_rotated: calls of rotate_secret. lock_waits, lock_wait_microseconds, lock_timeouts: waits for a lock, how long they took, and those that sctoken.lock_timeout ended. key_cache_hits, key_cache_misses: keys of proofs that were loaded already, or had to be. maintenance_*: calls of maintain that came to their end, and what it does, while it goes on';
COMMENT ON COLUMN sctoken.stats.value IS 'How many';
COMMENT ON COLUMN sctoken.stats.since IS 'Since when';

REVOKE ALL ON FUNCTION
    sctoken.rotate_secret(boolean),
    sctoken.counters()
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

CREATE TRIGGER invalidate_cache_row
    AFTER INSERT OR UPDATE OR DELETE ON sctoken.trust_anchor_set
    FOR EACH ROW EXECUTE FUNCTION sctoken.invalidate_cache();
CREATE TRIGGER invalidate_cache_truncate
    AFTER TRUNCATE ON sctoken.trust_anchor_set
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.invalidate_cache();
ALTER TABLE sctoken.trust_anchor_set ENABLE ALWAYS TRIGGER invalidate_cache_row;
ALTER TABLE sctoken.trust_anchor_set ENABLE ALWAYS TRIGGER invalidate_cache_truncate;

CREATE TRIGGER invalidate_cache_row
    AFTER INSERT OR UPDATE OR DELETE ON sctoken.trust_anchor
    FOR EACH ROW EXECUTE FUNCTION sctoken.invalidate_cache();
CREATE TRIGGER invalidate_cache_truncate
    AFTER TRUNCATE ON sctoken.trust_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.invalidate_cache();
ALTER TABLE sctoken.trust_anchor ENABLE ALWAYS TRIGGER invalidate_cache_row;
ALTER TABLE sctoken.trust_anchor ENABLE ALWAYS TRIGGER invalidate_cache_truncate;

--
-- Append-only events
--

/*
 * By row, because only row triggers pass on to partitions, present and to come;
 * one for TRUNCATE each partition must have itself.  ALWAYS, because
 * session_replication_role = replica is no way out.
 */
CREATE TRIGGER guard_append_only_row
    BEFORE UPDATE OR DELETE ON sctoken.event
    FOR EACH ROW EXECUTE FUNCTION sctoken.guard_append_only();
CREATE TRIGGER guard_append_only_truncate
    BEFORE TRUNCATE ON sctoken.event
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.guard_append_only();
CREATE TRIGGER guard_append_only_truncate
    BEFORE TRUNCATE ON sctoken.event_default
    FOR EACH STATEMENT EXECUTE FUNCTION sctoken.guard_append_only();
ALTER TABLE sctoken.event ENABLE ALWAYS TRIGGER guard_append_only_row;
ALTER TABLE sctoken.event ENABLE ALWAYS TRIGGER guard_append_only_truncate;
ALTER TABLE sctoken.event_default ENABLE ALWAYS TRIGGER guard_append_only_truncate;

--
-- Maintenance
--

CREATE PROCEDURE sctoken.maintain()
AS 'MODULE_PATHNAME', 'sctoken_maintain'
LANGUAGE C;
COMMENT ON PROCEDURE sctoken.maintain() IS
'Makes the weekly partitions of sctoken.event for the next 4 weeks, deletes families whose expires_at has passed, and drops partitions that are older than sctoken.event_retention as a whole. Runs beside traffic, in transactions of its own: CALL it by itself, for example hourly. A lock that rotations would have to wait behind is asked for 50 ms; what needs it is left to the next call otherwise, and the closing message says so. Nothing is judged differently without it. It tells every 100,000 deleted families and at its end what it has done (INFO; the background worker in the log), and sctoken.stats counts it on the way. Errors: 25001 inside a transaction block; 25006 in a read-only transaction or on a standby';

REVOKE ALL ON PROCEDURE sctoken.maintain() FROM PUBLIC;

--
-- Audit
--

CREATE FUNCTION sctoken.effective_policy(client_id text)
RETURNS sctoken.client_policy
AS 'MODULE_PATHNAME', 'sctoken_effective_policy'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION sctoken.effective_policy(text) IS
'The policy that holds for a client now: its row of sctoken.client_policy over that of ''*'' over the built-in defaults, the emergency stops added up. Only max_families and not_before may be null: there is none. Any client_id has one, known or not. Null for null';

/*
 * A view reads its tables as their owner; the functions in it are called as the
 * caller.  Views that show all rows of a table need no security_barrier, which
 * would keep a caller's conditions from the indexes.
 */
CREATE VIEW sctoken.family_overview AS
SELECT f.id AS family_id,
       f.client_id,
       f.subject,
       f.session_id,
       f.grant_id,
       CASE WHEN f.revoke_reason OPERATOR(pg_catalog.=) 'reuse_detected' THEN 'reused'
            WHEN f.revoked_at IS NOT NULL
              OR f.created_at OPERATOR(pg_catalog.<=) p.not_before THEN 'revoked'
            WHEN LEAST(f.expires_at, f.created_at OPERATOR(pg_catalog.+) l.absolute_ttl)
                 OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'expired'
            WHEN f.rotated_at OPERATOR(pg_catalog.+) l.idle_ttl
                 OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'idle_expired'
            ELSE 'active'
       END AS status,
       p.enabled AS client_enabled,
       f.binding,
       f.binding OPERATOR(pg_catalog.->>) 'jkt' AS jkt,
       f.binding OPERATOR(pg_catalog.->>) 'x5t#S256' AS x5t_s256,
       f.scope,
       f.audience,
       f.generation,
       f.retries,
       f.created_at,
       f.rotated_at,
       f.rotated_at OPERATOR(pg_catalog.+) l.idle_ttl AS idle_expires_at,
       LEAST(f.expires_at, f.created_at OPERATOR(pg_catalog.+) l.absolute_ttl) AS expires_at,
       COALESCE(f.revoked_at,
                CASE WHEN f.created_at OPERATOR(pg_catalog.<=) p.not_before THEN p.not_before END) AS revoked_at,
       COALESCE(f.revoke_reason,
                CASE WHEN f.created_at OPERATOR(pg_catalog.<=) p.not_before THEN 'not_before' END) AS revoke_reason
  FROM sctoken.family AS f,
       LATERAL sctoken.effective_policy(f.client_id) AS p,
       /* in seconds: a day is 24 hours here, whatever the time zone */
       LATERAL (SELECT interval '1 second' OPERATOR(pg_catalog.*) EXTRACT(epoch FROM p.idle_ttl)::double precision AS idle_ttl,
                       interval '1 second' OPERATOR(pg_catalog.*) EXTRACT(epoch FROM p.absolute_ttl)::double precision AS absolute_ttl) AS l;
COMMENT ON VIEW sctoken.family_overview IS
'Each token family that is still stored, with its state in a word, by the policy that holds now';
COMMENT ON COLUMN sctoken.family_overview.family_id IS 'The family';
COMMENT ON COLUMN sctoken.family_overview.client_id IS 'The only client that may use it';
COMMENT ON COLUMN sctoken.family_overview.subject IS 'Whose it is';
COMMENT ON COLUMN sctoken.family_overview.session_id IS 'Login session it belongs to; null: none';
COMMENT ON COLUMN sctoken.family_overview.grant_id IS 'Authorization it came from; null: none';
COMMENT ON COLUMN sctoken.family_overview.status IS 'active; idle_expired: not used for idle_ttl; expired: past its absolute end; revoked; reused: revoked because a used token came back. Revocation outlasts expiry';
COMMENT ON COLUMN sctoken.family_overview.client_enabled IS 'false: policy stops the client at present, so that not even an active family is accepted';
COMMENT ON COLUMN sctoken.family_overview.binding IS 'cnf that must be presented with each use; null: unbound';
COMMENT ON COLUMN sctoken.family_overview.jkt IS 'Thumbprint of the key it is bound to (RFC 9449 6.1); null: none';
COMMENT ON COLUMN sctoken.family_overview.x5t_s256 IS 'Thumbprint of the certificate it is bound to (RFC 8705 3.1); null: none';
COMMENT ON COLUMN sctoken.family_overview.scope IS 'Granted scope; null: none';
COMMENT ON COLUMN sctoken.family_overview.audience IS 'Granted resources; null: none';
COMMENT ON COLUMN sctoken.family_overview.generation IS 'Generation of the one live token, from 1';
COMMENT ON COLUMN sctoken.family_overview.retries IS 'How often its predecessor was retried';
COMMENT ON COLUMN sctoken.family_overview.created_at IS 'When the family was issued';
COMMENT ON COLUMN sctoken.family_overview.rotated_at IS 'When the live token was issued or, where policy keeps it, last seen';
COMMENT ON COLUMN sctoken.family_overview.idle_expires_at IS 'When it expires if it is not used';
COMMENT ON COLUMN sctoken.family_overview.expires_at IS 'When it expires, whatever the use';
COMMENT ON COLUMN sctoken.family_overview.revoked_at IS 'Since when nothing of it is accepted; null: not revoked';
COMMENT ON COLUMN sctoken.family_overview.revoke_reason IS 'Why; not_before: by the policy, without a row written';

CREATE VIEW sctoken.family_timeline AS
SELECT e.family_id,
       e.at,
       e.kind,
       e.generation,
       e.client_id,
       e.subject,
       e.reason,
       (e.detail OPERATOR(pg_catalog.->>) 'distance')::bigint AS distance,
       pg_catalog.make_interval(secs => (e.detail OPERATOR(pg_catalog.->>) 'age')::double precision) AS age,
       (e.detail OPERATOR(pg_catalog.->>) 'retryable')::boolean AS retryable,
       e.detail OPERATOR(pg_catalog.->) 'cnf' AS cnf,
       e.detail OPERATOR(pg_catalog.->) 'before' AS before,
       e.detail OPERATOR(pg_catalog.->) 'context' AS context
  FROM sctoken.event AS e;
COMMENT ON VIEW sctoken.family_timeline IS
'What happened to token families, also to those that are no longer stored: sctoken.event with its detail in columns. ORDER BY at gives the order';
COMMENT ON COLUMN sctoken.family_timeline.family_id IS 'The family';
COMMENT ON COLUMN sctoken.family_timeline.at IS 'Wall clock of the call';
COMMENT ON COLUMN sctoken.family_timeline.kind IS 'As sctoken.event.kind';
COMMENT ON COLUMN sctoken.family_timeline.generation IS 'Generation of the token presented or made';
COMMENT ON COLUMN sctoken.family_timeline.client_id IS 'Client that called';
COMMENT ON COLUMN sctoken.family_timeline.subject IS 'As sctoken.event.subject';
COMMENT ON COLUMN sctoken.family_timeline.reason IS 'Why; null: nothing to say';
COMMENT ON COLUMN sctoken.family_timeline.distance IS 'Generations that a used token is behind the live one; null: not such an event';
COMMENT ON COLUMN sctoken.family_timeline.age IS 'How long after the last rotation a used token came; null: not such an event';
COMMENT ON COLUMN sctoken.family_timeline.retryable IS 'Whether a retry was still thinkable: its successor was unused and could be derived; null: not such an event';
COMMENT ON COLUMN sctoken.family_timeline.cnf IS 'What was presented, where the family is bound to nothing or the call was refused; null: nothing';
COMMENT ON COLUMN sctoken.family_timeline.before IS 'What a narrowed or rebound family had before: scope and audience, or cnf; null: not such an event';
COMMENT ON COLUMN sctoken.family_timeline.context IS 'As the caller gave it; null: none';

/* A barrier: who may read this one alone must not see other events through it. */
CREATE VIEW sctoken.reuse_incident WITH (security_barrier = true) AS
SELECT t.family_id,
       t.at,
       t.client_id,
       t.subject,
       t.generation,
       t.generation OPERATOR(pg_catalog.+) t.distance AS live_generation,
       t.distance,
       t.age,
       t.retryable,
       t.reason,
       t.cnf,
       t.context,
       f.session_id,
       f.grant_id,
       f.binding,
       f.revoked_at IS NOT NULL AS revoked
  FROM sctoken.family_timeline AS t
  LEFT JOIN sctoken.family AS f ON f.id OPERATOR(pg_catalog.=) t.family_id
 WHERE t.kind OPERATOR(pg_catalog.=) 'reuse_detected';
COMMENT ON VIEW sctoken.reuse_incident IS
'Used tokens that came back, graded: distance 1 and retryable is likely a response that was lost, anything else likely a copy of the token (RFC 9700 4.14.2)';
COMMENT ON COLUMN sctoken.reuse_incident.family_id IS 'The family';
COMMENT ON COLUMN sctoken.reuse_incident.at IS 'When it came';
COMMENT ON COLUMN sctoken.reuse_incident.client_id IS 'Client that called';
COMMENT ON COLUMN sctoken.reuse_incident.subject IS 'Subject of the family';
COMMENT ON COLUMN sctoken.reuse_incident.generation IS 'Generation of the token that came';
COMMENT ON COLUMN sctoken.reuse_incident.live_generation IS 'Generation of the live token at that time';
COMMENT ON COLUMN sctoken.reuse_incident.distance IS 'Generations between the two';
COMMENT ON COLUMN sctoken.reuse_incident.age IS 'Time since the last rotation';
COMMENT ON COLUMN sctoken.reuse_incident.retryable IS 'Whether a retry was still thinkable: the successor was unused and could be derived';
COMMENT ON COLUMN sctoken.reuse_incident.reason IS 'Why it was no retry, as in grant_result.reason';
COMMENT ON COLUMN sctoken.reuse_incident.cnf IS 'What was presented with a family that is bound to nothing; null: nothing';
COMMENT ON COLUMN sctoken.reuse_incident.context IS 'As the caller gave it; null: none';
COMMENT ON COLUMN sctoken.reuse_incident.session_id IS 'Login session of the family; null: none, or the family is no longer stored';
COMMENT ON COLUMN sctoken.reuse_incident.grant_id IS 'Authorization of the family; null: none, or the family is no longer stored';
COMMENT ON COLUMN sctoken.reuse_incident.binding IS 'What the family is bound to; null: nothing, or the family is no longer stored';
COMMENT ON COLUMN sctoken.reuse_incident.revoked IS 'Whether the family is revoked now; false too when it is no longer stored';

/*
 * Generations at which more happened than a rotation, and where the retries and
 * incidents among them lead, are nodes; what lies between two is one edge.
 */
CREATE FUNCTION sctoken.family_graph(family_id uuid)
RETURNS text
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
WITH e AS (
    SELECT t.at, t.kind, t.generation, t.distance,
           regexp_replace(left(t.reason, 80), '[^[:alnum:] _.,:/@+-]', '?', 'g') AS reason
      FROM sctoken.family_timeline AS t
     WHERE t.family_id = $1
), mark AS (
    SELECT min(generation) AS g FROM e WHERE kind <> 'ahead'
    UNION SELECT max(generation) FROM e WHERE kind <> 'ahead'
    UNION SELECT generation FROM e WHERE kind <> 'rotated'
    UNION SELECT generation + 1 FROM e WHERE kind = 'replayed'
    UNION SELECT generation + distance FROM e WHERE kind = 'reuse_detected'
), ranked AS (
    SELECT g, row_number() OVER (ORDER BY g) AS first, row_number() OVER (ORDER BY g DESC) AS last
      FROM mark WHERE g IS NOT NULL
), node AS (
    SELECT g, lead(g) OVER (ORDER BY g) AS next FROM ranked WHERE first <= 50 OR last <= 150
), line AS (
    SELECT 1 AS part, 0::bigint AS g, 'flowchart LR' AS text
    UNION ALL
    SELECT 2, 0, format('%%%% %s more generations with events are left out', count(*))
      FROM ranked WHERE first > 50 AND last > 150 HAVING count(*) > 0
    UNION ALL
    SELECT 3, n.g,
           format('g%s["generation %s%s%s"]', n.g, n.g,
                  (SELECT '<br/>issued ' || to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                     FROM e WHERE e.kind = 'issued' AND e.generation = n.g LIMIT 1),
                  (SELECT string_agg(format('<br/>%s %s', m.kind, m.times), '' ORDER BY m.kind)
                     FROM (SELECT e.kind, CASE count(*) WHEN 1 THEN 'once' ELSE count(*) || ' times' END AS times
                             FROM e
                            WHERE e.kind IN ('kept', 'confirmed', 'narrowed', 'rebound') AND e.generation = n.g
                            GROUP BY e.kind) AS m))
      FROM node AS n
    UNION ALL
    SELECT 4, n.g,
           format('g%s -->|"%s"| g%s', n.g,
                  CASE n.next - n.g WHEN 1 THEN 'rotated' ELSE n.next - n.g || ' rotations' END, n.next)
      FROM node AS n
     WHERE n.next IS NOT NULL
    UNION ALL
    SELECT 5, n.g,
           format('g%s -.->|"retried %s, %s"| g%s', n.g,
                  CASE count(*) WHEN 1 THEN 'once' ELSE count(*) || ' times' END,
                  string_agg(DISTINCT e.reason, ', ' ORDER BY e.reason), n.g + 1)
      FROM e JOIN node AS n ON n.g = e.generation
     WHERE e.kind = 'replayed' GROUP BY n.g
    UNION ALL
    SELECT 6, n.g,
           format('g%s -.->|"%s, %s"| refused%s(("refused"))', n.g, e.kind || coalesce(': ' || e.reason, ''),
                  CASE count(*) WHEN 1 THEN 'once' ELSE count(*) || ' times' END, n.g)
      FROM e JOIN node AS n ON n.g = e.generation
     WHERE e.kind IN ('refused', 'ahead', 'orphan') GROUP BY n.g, e.kind, e.reason
    UNION ALL
    SELECT 7, n.g,
           format('g%s ==>|"reuse detected: %s, %s behind"| reuse%s{{"%s"}}', n.g, e.reason, e.distance, n.g,
                  to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
      FROM (SELECT DISTINCT ON (generation) * FROM e WHERE kind = 'reuse_detected' ORDER BY generation, at) AS e
      JOIN node AS n ON n.g = e.generation
    UNION ALL
    SELECT 8, 0,
           format('g%s --> dead(["revoked: %s<br/>%s"])', (SELECT max(g) FROM node),
                  coalesce(e.reason, 'no reason'), to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
      FROM (SELECT f.revoked_at AS at,
                   regexp_replace(left(f.revoke_reason, 80), '[^[:alnum:] _.,:/@+-]', '?', 'g') AS reason
              FROM sctoken.family_overview AS f WHERE f.family_id = $1 AND f.revoked_at IS NOT NULL
             UNION ALL
            SELECT e.at, e.reason FROM e WHERE e.kind = 'revoked'
             ORDER BY 1 LIMIT 1) AS e
)
SELECT string_agg(CASE WHEN part = 1 THEN text ELSE '    ' || text END, E'\n' ORDER BY part, g, text COLLATE "C")
  FROM line
HAVING count(*) > 1
$$;
COMMENT ON FUNCTION sctoken.family_graph(uuid) IS
'The life of a family as text for Mermaid (flowchart): generations, rotations, retries, refusals, reuse and revocation, as far as the events tell. family_id: also of one that is no longer stored. Rotations in a row are one edge, at most 200 generations are shown; times are UTC; what a caller gave as reason is shown without characters that could mean something to Mermaid. Null for a family without events, and for null. Needs SELECT on the views family_timeline and family_overview (duty auditor)';

CREATE FUNCTION sctoken.simulate_retry_window(
    retry_window interval,
    OUT client_id text,
    OUT incidents bigint,
    OUT would_be_retries bigint,
    OUT might_be_retries bigint,
    OUT retries bigint,
    OUT would_be_incidents bigint)
RETURNS SETOF record
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT t.client_id,
       count(*) FILTER (WHERE t.kind = 'reuse_detected'),
       count(*) FILTER (WHERE t.kind = 'reuse_detected' AND t.reason = 'retry_window_passed' AND t.age < $1),
       count(*) FILTER (WHERE t.kind = 'reuse_detected' AND t.reason = 'no_retry' AND t.distance = 1 AND t.age < $1
                          AND NOT EXISTS (SELECT FROM sctoken.family_timeline AS c
                                           WHERE c.family_id = t.family_id AND c.generation = t.generation + 1
                                             AND c.kind IN ('confirmed', 'kept'))),
       count(*) FILTER (WHERE t.kind = 'replayed'),
       count(*) FILTER (WHERE t.kind = 'replayed' AND t.reason = 'retry_window' AND t.age >= $1)
  FROM sctoken.family_timeline AS t
 WHERE t.kind IN ('reuse_detected', 'replayed')
 GROUP BY t.client_id
 ORDER BY t.client_id COLLATE "C"
$$;
COMMENT ON FUNCTION sctoken.simulate_retry_window(interval) IS
'What another retry_window would have made of the recorded events, per client. incidents: tokens that came back and were reuse. would_be_retries: of those, predecessors of the live token that came within this window, retried less than max_retries times, with the successor unused. might_be_retries: predecessors that came within this window, but nothing was kept to derive the successor from, and no event says that it had been used: policy allowed no retry then. retries: what was answered as a retry. would_be_incidents: of those, retries by virtue of the window that came later than this one (unless retry_until_confirmed allows them all the same). No rows for null. Needs SELECT on the view family_timeline (duty auditor)';

REVOKE ALL ON FUNCTION
    sctoken.effective_policy(text),
    sctoken.family_graph(uuid),
    sctoken.simulate_retry_window(interval)
FROM PUBLIC;

--
-- Duties
--

/* What each duty may do stands in this function and nowhere else. */
CREATE FUNCTION sctoken.grant_to(role regrole, duty text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    duties CONSTANT jsonb := '{
        "authorization_server": [
            "EXECUTE ON ROUTINE sctoken.issue",
            "EXECUTE ON ROUTINE sctoken.rotate",
            "EXECUTE ON ROUTINE sctoken.introspect",
            "EXECUTE ON ROUTINE sctoken.revoke",
            "EXECUTE ON ROUTINE sctoken.revoke_family",
            "EXECUTE ON ROUTINE sctoken.revoke_grant",
            "EXECUTE ON ROUTINE sctoken.revoke_session",
            "EXECUTE ON ROUTINE sctoken.revoke_subject",
            "EXECUTE ON ROUTINE sctoken.confirm",
            "EXECUTE ON ROUTINE sctoken.narrow",
            "EXECUTE ON ROUTINE sctoken.families",
            "EXECUTE ON ROUTINE sctoken.family_active",
            "EXECUTE ON ROUTINE sctoken.last_write_lsn",
            "EXECUTE ON ROUTINE sctoken.dpop_check",
            "EXECUTE ON ROUTINE sctoken.dpop_check_headers",
            "EXECUTE ON ROUTINE sctoken.dpop_nonce",
            "EXECUTE ON ROUTINE sctoken.dpop_challenge",
            "EXECUTE ON ROUTINE sctoken.dpop_metadata",
            "EXECUTE ON ROUTINE sctoken.certificate_authenticate"
        ],
        "resource_server": [
            "EXECUTE ON ROUTINE sctoken.introspect",
            "EXECUTE ON ROUTINE sctoken.family_active",
            "EXECUTE ON ROUTINE sctoken.last_write_lsn",
            "EXECUTE ON ROUTINE sctoken.confirm",
            "EXECUTE ON ROUTINE sctoken.dpop_check",
            "EXECUTE ON ROUTINE sctoken.dpop_check_headers",
            "EXECUTE ON ROUTINE sctoken.dpop_nonce",
            "EXECUTE ON ROUTINE sctoken.dpop_challenge",
            "EXECUTE ON ROUTINE sctoken.dpop_metadata"
        ],
        "auditor": [
            "SELECT ON sctoken.family_overview",
            "SELECT ON sctoken.family_timeline",
            "SELECT ON sctoken.reuse_incident",
            "EXECUTE ON ROUTINE sctoken.effective_policy",
            "EXECUTE ON ROUTINE sctoken.family_graph",
            "EXECUTE ON ROUTINE sctoken.simulate_retry_window",
            "SELECT ON sctoken.stats",
            "EXECUTE ON ROUTINE sctoken.counters"
        ],
        "operator": [
            "SELECT, INSERT, UPDATE, DELETE ON sctoken.client_policy",
            "SELECT, INSERT, UPDATE, DELETE ON sctoken.trust_anchor_set",
            "SELECT, INSERT, UPDATE, DELETE ON sctoken.trust_anchor",
            "SELECT, INSERT, UPDATE, DELETE ON sctoken.tls_client_auth",
            "SELECT, INSERT, UPDATE, DELETE ON sctoken.client_certificate",
            "EXECUTE ON ROUTINE sctoken.trust_anchor_valid",
            "EXECUTE ON ROUTINE sctoken.register_client_certificates",
            "EXECUTE ON ROUTINE sctoken.effective_policy",
            "EXECUTE ON ROUTINE sctoken.families",
            "EXECUTE ON ROUTINE sctoken.family_active",
            "EXECUTE ON ROUTINE sctoken.last_write_lsn",
            "EXECUTE ON ROUTINE sctoken.narrow",
            "EXECUTE ON ROUTINE sctoken.rebind",
            "EXECUTE ON ROUTINE sctoken.revoke_family",
            "EXECUTE ON ROUTINE sctoken.revoke_grant",
            "EXECUTE ON ROUTINE sctoken.revoke_session",
            "EXECUTE ON ROUTINE sctoken.revoke_subject",
            "EXECUTE ON ROUTINE sctoken.revoke_binding",
            "EXECUTE ON ROUTINE sctoken.revoke_client",
            "EXECUTE ON ROUTINE sctoken.maintain",
            "EXECUTE ON ROUTINE sctoken.rotate_secret",
            "SELECT ON sctoken.stats",
            "EXECUTE ON ROUTINE sctoken.counters"
        ],
        "monitor": [
            "SELECT ON sctoken.stats",
            "EXECUTE ON ROUTINE sctoken.counters"
        ]
    }';
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
    EXECUTE format('GRANT USAGE ON SCHEMA sctoken TO %s', role);
    FOR privilege IN SELECT jsonb_array_elements_text(duties -> duty) LOOP
        EXECUTE format('GRANT %s TO %s', privilege, role);
    END LOOP;
END $$;
COMMENT ON FUNCTION sctoken.grant_to(regrole, text) IS
'Grants a role what a duty needs, with plain GRANTs as the caller, who must own the objects or have grant options: authorization_server, resource_server (both reach tables through functions only), auditor (views without hashes, counters), operator (policy, maintenance, secrets, revocation, counters), monitor (counters). Again is no error; a role may have several duties. REVOKE and DROP OWNED take back. Null does nothing. Errors: 22023 no such duty; 42704 no such role; 42501 the caller may not grant';

REVOKE ALL ON FUNCTION sctoken.grant_to(regrole, text) FROM PUBLIC;
