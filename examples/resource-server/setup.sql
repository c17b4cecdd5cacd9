-- setup.sql: what the example needs in a database of its own.
--
-- Each server has a role with its duty and nothing more.  They cannot log in: the
-- example connects as whoever runs it, and takes the role for its session.

BEGIN;

CREATE EXTENSION IF NOT EXISTS sctoken;

CREATE ROLE shop_login;
CREATE ROLE shop_api;
SELECT sctoken.grant_to('shop_login', 'authorization_server');
SELECT sctoken.grant_to('shop_api', 'resource_server');

-- Nobody gets a token that is bound to nothing.
INSERT INTO sctoken.client_policy (client_id, required_binding, require_nonce)
VALUES ('*', 'any', NULL),
       ('page', 'dpop', true),
       ('partner', 'mtls', NULL);

CREATE SCHEMA shop;

-- Codes wait here between the login and the token request, as their SHA-256.  One
-- that was used stays until it expires, so that its second use is seen.
CREATE TABLE shop.authorization_code (
    digest bytea PRIMARY KEY,
    client_id text NOT NULL,
    redirect_uri text NOT NULL,
    code_challenge text NOT NULL,
    dpop_jkt text,
    subject text NOT NULL,
    scope text NOT NULL,
    grant_id text NOT NULL,
    used boolean NOT NULL DEFAULT false,
    expires_at timestamptz NOT NULL DEFAULT now() + interval '1 minute');

CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now());

GRANT USAGE ON SCHEMA shop TO shop_login, shop_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.authorization_code TO shop_login;
GRANT SELECT, INSERT ON shop.orders TO shop_api;

COMMIT;
