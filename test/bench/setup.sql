/*
 * setup.sql
 *		What every part of a bench finds in its database.
 */
CREATE EXTENSION sctoken;
ALTER TABLE sctoken.event DISABLE TRIGGER guard_append_only_truncate;
ALTER TABLE sctoken.event_default DISABLE TRIGGER guard_append_only_truncate;

-- For many clients with one token: its family must outlive that.
INSERT INTO sctoken.client_policy (client_id, on_reuse, max_retries)
VALUES ('hot', 'refuse', 1000000000);

-- node-oidc-provider is not asked for nonces either.
INSERT INTO sctoken.client_policy (client_id, require_nonce) VALUES ('endpoint', false);

CREATE SCHEMA bench;
CREATE TABLE bench.floor (LIKE sctoken.family INCLUDING ALL) WITH (fillfactor = 70);

-- Microseconds of CPU that this backend has used.
CREATE FUNCTION bench.cpu() RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT split_part(pg_read_file('/proc/' || pg_backend_pid() || '/schedstat', 0, 100),
        ' ', 1)::float8 / 1000
$$;
