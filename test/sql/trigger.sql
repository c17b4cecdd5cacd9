-- Triggers for tables of others.  The examples are those of doc/triggers.md.
\set supabase `awk '/^\140+sql supabase$/ { show = 1; next } /^\140/ { show = 0 } show' "$PG_ABS_SRCDIR/../doc/triggers.md"`
\set hydra `awk '/^\140+sql hydra$/ { show = 1; next } /^\140/ { show = 0 } show' "$PG_ABS_SRCDIR/../doc/triggers.md"`
\set oidc_provider `awk '/^\140+sql oidc-provider$/ { show = 1; next } /^\140/ { show = 0 } show' "$PG_ABS_SRCDIR/../doc/triggers.md"`
\set bind `awk '/^\140+sql bind$/ { show = 1; next } /^\140/ { show = 0 } show' "$PG_ABS_SRCDIR/../doc/triggers.md"`
\set append_only `awk '/^\140+sql append-only$/ { show = 1; next } /^\140/ { show = 0 } show' "$PG_ABS_SRCDIR/../doc/triggers.md"`
\set notify `awk '/^\140+sql notify$/ { show = 1; next } /^\140/ { show = 0 } show' "$PG_ABS_SRCDIR/../doc/triggers.md"`

-- Supabase Auth: the columns of github.com/supabase/auth, migrations/00_init_auth_schema, 20210927181326_add_refresh_token_parent, 20220811173540_add_sessions_table
CREATE SCHEMA auth;
CREATE TABLE auth.sessions (id uuid PRIMARY KEY, user_id uuid NOT NULL);
CREATE TABLE auth.refresh_tokens (
    id bigserial PRIMARY KEY,
    instance_id uuid,
    token varchar(255) UNIQUE,
    user_id varchar(255),
    revoked boolean,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz,
    parent varchar(255),
    session_id uuid REFERENCES auth.sessions ON DELETE CASCADE
);
CREATE INDEX ON auth.refresh_tokens (session_id, revoked);
:supabase
:notify
INSERT INTO auth.sessions VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-00000000000a'), ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-00000000000a');
INSERT INTO auth.refresh_tokens (token, revoked, session_id) VALUES ('t1', false, '00000000-0000-4000-8000-000000000001'), ('other', false, '00000000-0000-4000-8000-000000000002');
-- The first consumer wins; rotation goes on.
UPDATE auth.refresh_tokens SET revoked = true WHERE token = 't1' RETURNING token;
INSERT INTO auth.refresh_tokens (token, parent, revoked, session_id) VALUES ('t2', 't1', false, '00000000-0000-4000-8000-000000000001');
-- What does not name the consumed column is no consumption.
UPDATE auth.refresh_tokens SET user_id = 'alice' WHERE token = 't1' RETURNING token;
SELECT token, revoked FROM auth.refresh_tokens ORDER BY id;
-- A second consumption is 0 rows and no error, and kills the family, and no other one.
UPDATE auth.refresh_tokens SET revoked = true, user_id = 'mallory' WHERE token = 't1' RETURNING token;
SELECT token, revoked, user_id, updated_at IS NOT NULL AS marked FROM auth.refresh_tokens ORDER BY id;
-- The successor is dead: to consume it is a second consumption.
UPDATE auth.refresh_tokens SET revoked = true WHERE token = 't2' RETURNING token;
-- A consumed row never gets live again.
UPDATE auth.refresh_tokens SET revoked = false WHERE token = 't1';
UPDATE auth.refresh_tokens SET revoked = NULL WHERE token = 't1';
-- Without a family only the row itself is skipped.
INSERT INTO auth.refresh_tokens (token, revoked) VALUES ('old1', true), ('old2', false);
UPDATE auth.refresh_tokens SET revoked = true WHERE token = 'old1' RETURNING token;
SELECT token, revoked FROM auth.refresh_tokens WHERE session_id IS NULL ORDER BY id;
-- A revocation by hand names live rows.
INSERT INTO auth.refresh_tokens (token, revoked, session_id) VALUES ('o2', false, '00000000-0000-4000-8000-000000000002');
UPDATE auth.refresh_tokens SET revoked = true WHERE session_id = '00000000-0000-4000-8000-000000000002' AND NOT revoked;
-- One that comes to a consumed row before a live one of its family fails, and changes nothing.
INSERT INTO auth.sessions VALUES ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-00000000000a');
INSERT INTO auth.refresh_tokens (token, revoked, session_id) VALUES ('b1', true, '00000000-0000-4000-8000-000000000003'), ('b2', false, '00000000-0000-4000-8000-000000000003');
SET enable_indexscan = off;
SET enable_bitmapscan = off;
UPDATE auth.refresh_tokens SET revoked = true WHERE session_id = '00000000-0000-4000-8000-000000000003';
RESET enable_indexscan;
RESET enable_bitmapscan;
SELECT token, revoked FROM auth.refresh_tokens WHERE session_id = '00000000-0000-4000-8000-000000000003' ORDER BY id;
-- A savepoint that is rolled back takes the revocation with it.
BEGIN;
SAVEPOINT a;
UPDATE auth.refresh_tokens SET revoked = true WHERE token = 'b1';
SELECT revoked FROM auth.refresh_tokens WHERE token = 'b2';
ROLLBACK TO a;
SELECT revoked FROM auth.refresh_tokens WHERE token = 'b2';
COMMIT;
-- INSERT ... ON CONFLICT DO UPDATE is an update like any other, and so is MERGE.
INSERT INTO auth.refresh_tokens (token, revoked) VALUES ('b1', true) ON CONFLICT (token) DO UPDATE SET revoked = true RETURNING token;
SELECT token, revoked FROM auth.refresh_tokens WHERE session_id = '00000000-0000-4000-8000-000000000003' ORDER BY id;
INSERT INTO auth.refresh_tokens (token, revoked, session_id) VALUES ('b3', false, '00000000-0000-4000-8000-000000000003');
MERGE INTO auth.refresh_tokens AS r USING (VALUES ('b2')) AS v (token) ON r.token = v.token WHEN MATCHED THEN UPDATE SET revoked = true;
SELECT token, revoked FROM auth.refresh_tokens WHERE session_id = '00000000-0000-4000-8000-000000000003' ORDER BY id;

-- Ory Hydra: the columns of github.com/ory/hydra, persistence/sql/migrations (oauth2, nid, expires_at, refresh token rotation)
CREATE TABLE hydra_oauth2_refresh (
    signature varchar(255) PRIMARY KEY,
    request_id varchar(40) NOT NULL,
    requested_at timestamp NOT NULL DEFAULT now(),
    client_id varchar(255) NOT NULL,
    scope text NOT NULL,
    granted_scope text NOT NULL,
    form_data text NOT NULL,
    session_data text NOT NULL,
    subject varchar(255) NOT NULL DEFAULT '',
    active boolean NOT NULL DEFAULT true,
    requested_audience text DEFAULT '',
    granted_audience text DEFAULT '',
    challenge_id varchar(40),
    nid uuid NOT NULL,
    expires_at timestamp,
    first_used_at timestamp,
    access_token_signature varchar(255)
);
CREATE INDEX ON hydra_oauth2_refresh (request_id, nid);
:hydra
INSERT INTO hydra_oauth2_refresh (signature, request_id, client_id, scope, granted_scope, form_data, session_data, nid)
    SELECT s, left(s, 1), 'app', '', '', '', '', '00000000-0000-4000-8000-000000000001' FROM unnest(ARRAY['a1', 'a2', 'b1']) AS s;
UPDATE hydra_oauth2_refresh SET active = false, first_used_at = coalesce(first_used_at, now()) WHERE signature = 'a1' RETURNING signature;
UPDATE hydra_oauth2_refresh SET active = false, first_used_at = coalesce(first_used_at, now()) WHERE signature = 'a1' RETURNING signature;
SELECT signature, active, first_used_at IS NOT NULL AS marked FROM hydra_oauth2_refresh ORDER BY signature;
UPDATE hydra_oauth2_refresh SET active = true WHERE signature = 'a1';

-- node-oidc-provider: the models of its adapters (github.com/panva/node-oidc-provider, example/my_adapter.js) in one jsonb table, as in github.com/logto-io/logto, packages/schemas/tables/oidc_model_instances.sql
CREATE TABLE oidc_model_instances (
    model_name varchar(64) NOT NULL,
    id varchar(128) NOT NULL,
    payload jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz,
    PRIMARY KEY (model_name, id)
);
:oidc_provider
INSERT INTO oidc_model_instances (model_name, id, payload, expires_at) VALUES
    ('RefreshToken', 'r1', '{"grantId": "g1", "kind": "RefreshToken"}', 'infinity'), ('RefreshToken', 'r2', '{"grantId": "g1"}', 'infinity'),
    ('AccessToken', 'a1', '{"grantId": "g1"}', 'infinity'), ('RefreshToken', 'r3', '{"grantId": "g2"}', 'infinity'),
    ('Session', 's1', '{"uid": "u"}', 'infinity'), ('Session', 's2', '{"uid": "u"}', 'infinity');
UPDATE oidc_model_instances SET consumed_at = now() WHERE model_name = 'RefreshToken' AND id = 'r1' RETURNING id;
UPDATE oidc_model_instances SET consumed_at = now() WHERE model_name = 'RefreshToken' AND id = 'r1' RETURNING id;
SELECT id, consumed_at IS NOT NULL AS consumed, expires_at <= clock_timestamp() AS expired FROM oidc_model_instances ORDER BY id;
-- No grant is no family.
UPDATE oidc_model_instances SET consumed_at = now() WHERE id = 's1' RETURNING id;
UPDATE oidc_model_instances SET consumed_at = now() WHERE id = 's1' RETURNING id;
SELECT id, consumed_at IS NOT NULL AS consumed FROM oidc_model_instances WHERE id LIKE 's%' ORDER BY id;

-- The adapters with a column for the grant (example/adapters/contributed/knex.js, prisma.ts) have names that need quotes; here the schema has too.
CREATE SCHEMA "Od""d";
CREATE TABLE "Od""d"."oidc payloads" (id text, type integer, payload jsonb, "grantId" text, "expiresAt" timestamp(3), "consumedAt" timestamp(3), "select=x" text, PRIMARY KEY (id, type));
CREATE TRIGGER guard BEFORE UPDATE ON "Od""d"."oidc payloads" FOR EACH ROW EXECUTE FUNCTION sctoken.guard_single_use('consumedAt', 'grantId', 'expiresAt', 'select=x=it''s "a" = b');
INSERT INTO "Od""d"."oidc payloads" (id, type, "grantId") VALUES ('r1', 4, 'g''1'), ('r2', 4, 'g''1'), ('r3', 4, 'g2');
UPDATE "Od""d"."oidc payloads" SET "consumedAt" = now() WHERE id = 'r1';
UPDATE "Od""d"."oidc payloads" SET "consumedAt" = now() WHERE id = 'r1';
SELECT id, "consumedAt" IS NOT NULL AS consumed, "expiresAt" IS NOT NULL AS expired, "select=x" FROM "Od""d"."oidc payloads" ORDER BY id;

-- A status in words, an integer family, a table of partitions: the family is in all of them.
CREATE TYPE token_status AS ENUM ('live', 'used', 'revoked');
CREATE TABLE parted (id integer, family integer, status token_status NOT NULL DEFAULT 'live', reason text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
CREATE TABLE parted_2 (reason text, status token_status NOT NULL DEFAULT 'live', dropped text, family integer, id integer);
ALTER TABLE parted_2 DROP COLUMN dropped;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (20);
CREATE TRIGGER guard BEFORE UPDATE ON parted FOR EACH ROW EXECUTE FUNCTION sctoken.guard_single_use('status=used', 'family', 'reason=reuse');
INSERT INTO parted SELECT i, i % 2 FROM generate_series(1, 12) AS i;
UPDATE parted SET status = 'used' WHERE id = 11;
UPDATE parted SET status = 'used' WHERE id = 11;
SELECT tableoid::regclass, family, status, reason, count(*) FROM parted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
-- Addressed through the partition it is the same family.
UPDATE parted_1 SET status = 'used' WHERE id = 2;
UPDATE parted_1 SET status = 'used' WHERE id = 2;
SELECT family, status, reason, count(*) FROM parted GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- The role that presents needs no privilege on what the revocation writes or sees, and its search_path and operators change nothing.
CREATE ROLE regress_sctoken_owner;
CREATE ROLE regress_sctoken_app;
CREATE SCHEMA tokens AUTHORIZATION regress_sctoken_owner;
GRANT USAGE ON SCHEMA tokens TO regress_sctoken_app;
-- To create the trigger takes EXECUTE.
SET ROLE regress_sctoken_owner;
CREATE TABLE tokens.token (id text PRIMARY KEY, family text, tenant text, used_at timestamptz, revoked_at timestamptz);
CREATE TRIGGER guard BEFORE UPDATE ON tokens.token FOR EACH ROW EXECUTE FUNCTION sctoken.guard_single_use('used_at', 'family', 'revoked_at');
RESET ROLE;
GRANT EXECUTE ON FUNCTION sctoken.guard_single_use, sctoken.bind_thumbprint, sctoken.guard_append_only, sctoken.notify_event TO regress_sctoken_owner;
SET ROLE regress_sctoken_owner;
CREATE TRIGGER guard BEFORE UPDATE ON tokens.token FOR EACH ROW EXECUTE FUNCTION sctoken.guard_single_use('used_at', 'family', 'revoked_at');
ALTER TABLE tokens.token ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tokens.token USING (tenant = current_setting('app.tenant', true));
GRANT SELECT, UPDATE (used_at) ON tokens.token TO regress_sctoken_app;
RESET ROLE;
INSERT INTO tokens.token VALUES ('t1', 'f', 'a'), ('t2', 'f', 'b'), ('t3', 'g', 'b');
CREATE SCHEMA hostile AUTHORIZATION regress_sctoken_app;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
SET ROLE regress_sctoken_app;
SET search_path = hostile, pg_catalog;
CREATE FUNCTION hostile.no(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'hostile operator as %', current_user; RETURN false; END $$;
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.no);
CREATE TABLE hostile.token (LIKE pg_class);
SET app.tenant = 'a';
UPDATE tokens.token SET used_at = now() WHERE id OPERATOR(pg_catalog.=) 't1';
UPDATE tokens.token SET used_at = now() WHERE id OPERATOR(pg_catalog.=) 't1';
SELECT current_user;
RESET search_path;
RESET ROLE;
SELECT id, used_at IS NOT NULL AS used, revoked_at IS NOT NULL AS revoked FROM tokens.token ORDER BY id;
-- A renamed schema, table or column is found by the next call, or missed with a clear error.
ALTER SCHEMA tokens RENAME TO tokens2;
ALTER TABLE tokens2.token RENAME TO token2;
INSERT INTO tokens2.token2 VALUES ('t4', 'g', 'b', now());
UPDATE tokens2.token2 SET used_at = now() WHERE id = 't4';
SELECT id, used_at IS NOT NULL AS used, revoked_at IS NOT NULL AS revoked FROM tokens2.token2 WHERE family = 'g' ORDER BY id;
ALTER TABLE tokens2.token2 RENAME COLUMN revoked_at TO gone_at;
UPDATE tokens2.token2 SET tenant = 'c' WHERE id = 't3';

-- A family that another trigger protects is an error, not an endless loop.
CREATE TABLE stubborn (id text, family text, used boolean);
CREATE TRIGGER guard BEFORE UPDATE ON stubborn FOR EACH ROW EXECUTE FUNCTION sctoken.guard_single_use('used', 'family');
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER z_keep BEFORE UPDATE ON stubborn FOR EACH ROW EXECUTE FUNCTION keep();
INSERT INTO stubborn VALUES ('s1', 'f', true), ('s2', 'f', false);
UPDATE stubborn SET used = true WHERE id = 's1';
DROP TABLE stubborn;

-- A wrong definition says what is wrong, at the first fire.
CREATE TABLE defined (id integer, family point, fam text, used boolean, n integer, j json, g boolean GENERATED ALWAYS AS (used) STORED);
INSERT INTO defined (id, used) VALUES (1, false);
CREATE FUNCTION definition(how text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    context text;
BEGIN
    EXECUTE format('CREATE TRIGGER wrong %s EXECUTE FUNCTION sctoken.%s', how, call);
    INSERT INTO defined (id, used) VALUES (2, false);
    UPDATE defined SET used = true;
    RAISE EXCEPTION 'taken';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' (' || substring(context FROM '^argument [^\n]*') || ')', '');
END $$;
\set update 'BEFORE UPDATE ON defined FOR EACH ROW'
\set write 'BEFORE INSERT OR UPDATE ON defined FOR EACH ROW'
SELECT call, definition(:'update', 'guard_single_use(' || call || ')') FROM unnest(ARRAY[
    $$$$, $$'used'$$, $$'no', 'fam'$$, $$'used', 'no'$$, $$'used', 'fam', 'no'$$, $$'no=1', 'fam'$$, $$'used', 'no->>x'$$, $$'used', 'fam->>x'$$,
    $$'Used', 'fam'$$, $$'ctid', 'fam'$$, $$'n', 'fam'$$, $$'n=x', 'fam'$$, $$'used', 'family'$$, $$'used', 'j'$$, $$'j={}', 'fam'$$, $$'g', 'fam'$$,
    $$'used', 'fam', 'used=false'$$, $$'used', 'fam', 'n'$$, $$'used', 'j->>f', 'n=7'$$]) AS call;
SELECT how, definition(how || ' ON defined ' || level, 'guard_single_use(''used'', ''fam'')') FROM (VALUES ('AFTER UPDATE', 'FOR EACH ROW'),
    ('BEFORE UPDATE', 'FOR EACH STATEMENT'), ('BEFORE INSERT', 'FOR EACH ROW'), ('BEFORE UPDATE OF used', 'FOR EACH ROW')) AS v (how, level);
SELECT call, definition(:'write', 'bind_thumbprint(' || call || ')') FROM unnest(ARRAY[
    $$$$, $$'j'$$, $$'j', 'fam', 'n'$$, $$'no', 'fam'$$, $$'j', 'no'$$, $$'n', 'fam'$$, $$'j', 'n'$$, $$'fam', 'fam'$$, $$'g', 'fam'$$, $$'j', 'g'$$, $$'j', 'fam'$$]) AS call;
SELECT definition('AFTER INSERT ON defined FOR EACH ROW', $$bind_thumbprint('j', 'fam')$$);
SELECT definition('AFTER UPDATE ON defined FOR EACH ROW', 'notify_event(' || call || ')') FROM unnest(ARRAY[$$$$, $$''$$, $$'channel', 'no'$$, $$'channel', 'ctid'$$, format('%L', repeat('c', 64))]) AS call;
SELECT definition('BEFORE UPDATE ON defined FOR EACH ROW', $$notify_event('channel')$$);
SELECT definition('BEFORE INSERT ON defined FOR EACH ROW', 'guard_append_only()');
SELECT definition('AFTER UPDATE ON defined FOR EACH ROW', 'guard_append_only()');
SELECT definition('BEFORE UPDATE ON defined FOR EACH ROW', 'guard_append_only(''x'')');
-- None of them is anything but a trigger function.
SELECT sctoken.guard_single_use();
DROP FUNCTION definition;
DROP TABLE defined;

-- A column is filled with the thumbprint of its neighbour, whatever the client writes (RFC 7638 3.1; RFC 8705 3.1).
CREATE TABLE client_keys (id integer PRIMARY KEY, jwk json, jkt text DEFAULT 'mine', certificate bytea, "x5t#S256" varchar(43));
:bind
\set rsa '{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}'
\set okp '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
INSERT INTO client_keys (id, jwk, jkt, "x5t#S256") VALUES (1, :'rsa', 'forged', 'forged'), (2, :'okp', NULL, NULL), (3, NULL, 'forged', 'forged');
SELECT id, jkt, jkt = sctoken.jwk_thumbprint(jwk) AS same, "x5t#S256" FROM client_keys ORDER BY id;
UPDATE client_keys SET jkt = 'forged' WHERE id = 1 RETURNING jkt;
UPDATE client_keys SET jwk = NULL, jkt = 'forged' WHERE id = 1 RETURNING jkt;
-- A certificate is one SEQUENCE of SEQUENCE, SEQUENCE, BIT STRING from the first byte to the last.
INSERT INTO client_keys (id, certificate) VALUES (4, '\x3009300030000303000102');
SELECT "x5t#S256" = rtrim(translate(encode(sha256(certificate), 'base64'), '+/', '-_'), '=') AS same FROM client_keys WHERE id = 4;
INSERT INTO client_keys (id, certificate) VALUES
    (5, decode('30818d' || '308183' || repeat('00', 131) || '3000' || '0303000102', 'hex')), (6, decode('30820137' || '3082012c' || repeat('00', 300) || '3000' || '0303000102', 'hex'));
SELECT id, octet_length(certificate), "x5t#S256" IS NOT NULL AS filled FROM client_keys WHERE id IN (5, 6) ORDER BY id;
DELETE FROM client_keys WHERE id = 6;
CREATE FUNCTION refused(value bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO client_keys (id, certificate) VALUES (6, value);
    DELETE FROM client_keys WHERE id = 6;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- Refused: nothing, PEM, trailing bytes, a missing byte, an indefinite length, a length not in its shortest form, a public key, more elements, a SET.
SELECT left(v, 24) AS value, refused(v::bytea) FROM unnest(ARRAY['', '-----BEGIN CERTIFICATE-----', '\x300930003000030300010200', '\x30093000300003030001', '\x3080300030000303000102', '\x308109300030000303000102',
    '\x3082000b300030000303000102', '\x300730000303000102', '\x300b3000300003030001020500', '\x3109300030000303000102', '\x30', '\x3084ffffffff', '\x308affffffffffffffffffff', '\x3009300030000303000102']) AS v;
-- A malformed JWK is an error that does not show it; duplicate members are refused where they can be seen.
INSERT INTO client_keys (id, jwk) VALUES (7, '{"kty": "oct", "k": "c2VjcmV0"}');
INSERT INTO client_keys (id, jwk) VALUES (7, '{"kty":"OKP","crv":"Ed25519","x":"c2VjcmV0","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}');
ALTER TABLE client_keys ALTER jwk TYPE text;
INSERT INTO client_keys (id, jwk) VALUES (7, 'c2VjcmV0');
INSERT INTO client_keys (id, jwk) VALUES (7, :'okp') RETURNING jkt;
-- jsonb has lost the duplicate: the thumbprint is that of the key that the row holds.
ALTER TABLE client_keys ALTER jwk TYPE jsonb USING jwk::jsonb;
INSERT INTO client_keys (id, jwk) VALUES (8, '{"kty":"OKP","crv":"Ed25519","x":"c2VjcmV0","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}') RETURNING jwk ->> 'x' AS x, jkt;
INSERT INTO client_keys (id, jwk) VALUES (9, '"c2VjcmV0"');
-- A target that cannot hold it is the error of its type.
ALTER TABLE client_keys ALTER jkt TYPE varchar(20) USING NULL;
INSERT INTO client_keys (id, jwk) VALUES (9, :'okp');

-- An append-only table takes rows, and gives none back.
CREATE TABLE token_log (id integer, what text);
:append_only
INSERT INTO token_log VALUES (1, 'issued');
UPDATE token_log SET what = 'forged';
DELETE FROM token_log;
TRUNCATE token_log;
SELECT * FROM token_log;

-- What notify_event sends is in the isolation test trigger-notify, which sees notifications.
DROP SCHEMA auth, "Od""d", hostile, tokens2 CASCADE;
DROP TABLE hydra_oauth2_refresh, oidc_model_instances, parted, client_keys, token_log;
DROP TYPE token_status;
DROP FUNCTION keep, refused;
REVOKE ALL ON FUNCTION sctoken.guard_single_use, sctoken.bind_thumbprint, sctoken.guard_append_only, sctoken.notify_event FROM regress_sctoken_owner;
DROP ROLE regress_sctoken_owner, regress_sctoken_app;
