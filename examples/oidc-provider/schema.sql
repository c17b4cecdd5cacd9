-- schema.sql: what the authorization server needs in its database.
--
-- usage, as a superuser, after "createuser oidc_provider":
--     psql -d DATABASE -v ON_ERROR_STOP=1 -f schema.sql

BEGIN;

CREATE EXTENSION IF NOT EXISTS sctoken;

CREATE SCHEMA oidc_provider;

-- Everything that oidc-provider keeps but refresh tokens and DPoP proofs, which
-- are in the schema sctoken: sessions, interactions, grants, codes, access tokens.
CREATE TABLE oidc_provider.model (
    kind text,
    id text,
    payload json NOT NULL,
    grant_id text,
    uid text,
    user_code text,
    expires_at timestamptz,
    consumed_at timestamptz,
    PRIMARY KEY (kind, id)
);
CREATE INDEX ON oidc_provider.model (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX ON oidc_provider.model (uid) WHERE uid IS NOT NULL;
CREATE INDEX ON oidc_provider.model (user_code) WHERE user_code IS NOT NULL;
CREATE INDEX ON oidc_provider.model (expires_at);

-- The grant that a family of refresh tokens belongs to ends with it: its access
-- tokens, its codes, and the consent itself.  A function of its owner, since the
-- server may call sctoken's functions, and read none of its tables.
CREATE FUNCTION oidc_provider.end_grant(family_id uuid)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM oidc_provider.model AS m USING sctoken.family AS f
    WHERE f.id = end_grant.family_id
    AND (m.grant_id = f.grant_id OR m.kind = 'Grant' AND m.id = f.grant_id);
$$;
REVOKE ALL ON FUNCTION oidc_provider.end_grant FROM PUBLIC;

GRANT USAGE ON SCHEMA oidc_provider TO oidc_provider;
GRANT SELECT, INSERT, UPDATE, DELETE ON oidc_provider.model TO oidc_provider;
GRANT EXECUTE ON FUNCTION oidc_provider.end_grant TO oidc_provider;
SELECT sctoken.grant_to('oidc_provider', 'authorization_server');

-- What the clients of clients.json may do with refresh tokens.  The app uses DPoP
-- always, and may be open in many tabs that wake up together, each of which
-- sends the same token: one is answered with its successor, the others are
-- retries of that, of which the default allows 5.
INSERT INTO sctoken.client_policy (client_id, client_type, required_binding, max_retries)
VALUES ('app', 'public', 'dpop', 50), ('web', 'confidential', NULL, NULL);

COMMIT;
