/*
 * tables.sql
 *		For the regression tests through a proxy: what they do with the tables of the
 *		extension, they do with those of all shards.
 *
 * Run after proxy.sql, in which client_policy was made a table instead of a type.
 * Rows of a family are on its shard; those of proofs on any; policy and
 * certificates are written here, and from here to each shard.
 */
CREATE EXTENSION postgres_fdw;

CREATE TABLE sctoken.family (
    id uuid, created_at timestamptz, expires_at timestamptz, client_id text, subject text, session_id text, grant_id text, scope text, audience text[],
    binding jsonb, details jsonb, revoked_at timestamptz, revoke_reason text, generation bigint, rotated_at timestamptz, retries integer,
    key_id smallint, secret_hash bytea, previous_hash bytea, salt bytea
) PARTITION BY LIST ((uuid_hash(id) & 3));
CREATE TABLE sctoken.event (
    family_id uuid, at timestamptz, kind text, generation bigint, client_id text, subject text, reason text, detail jsonb
) PARTITION BY LIST ((uuid_hash(family_id) & 3));

CREATE TABLE sctoken.dpop_replay (digest bytea, expires_at timestamptz, bucket smallint);
CREATE TABLE sctoken.dpop_replay_store (store text, generation bigint, since timestamptz, max_age integer, future_skew integer, grace integer);
CREATE TABLE sctoken.dpop_replay_horizon (horizon timestamptz);
CREATE TABLE sctoken.server_secret (id smallint, secret bytea, created_at timestamptz, retired_at timestamptz, compromised boolean);

ALTER TABLE sctoken.client_policy ADD PRIMARY KEY (client_id);
CREATE TABLE sctoken.trust_anchor_set (
    name text PRIMARY KEY, crl_check text NOT NULL DEFAULT 'if_present', max_depth integer NOT NULL DEFAULT 4, partial_chain boolean NOT NULL DEFAULT false,
    strict boolean NOT NULL DEFAULT false);
CREATE TABLE sctoken.trust_anchor (set_name text NOT NULL, kind text NOT NULL DEFAULT 'certificate', der bytea NOT NULL, enabled boolean NOT NULL DEFAULT true);
CREATE TABLE sctoken.tls_client_auth (
    client_id text PRIMARY KEY, set_name text NOT NULL, tls_client_auth_subject_dn text, tls_client_auth_san_dns text, tls_client_auth_san_uri text,
    tls_client_auth_san_ip text, tls_client_auth_san_email text);
CREATE TABLE sctoken.client_certificate (
    client_id text NOT NULL, match text NOT NULL DEFAULT 'certificate', thumbprint text NOT NULL, check_validity boolean NOT NULL DEFAULT true,
    not_before timestamptz, not_after timestamptz, PRIMARY KEY (client_id, match, thumbprint));

CREATE FUNCTION sctoken_shard.forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 0 .. 3 LOOP
        IF TG_OP = 'TRUNCATE' THEN
            EXECUTE format('TRUNCATE at_%s.%I', n, TG_TABLE_NAME);
            CONTINUE;
        END IF;
        IF TG_OP <> 'INSERT' THEN
            EXECUTE format('DELETE FROM at_%s.%I AS t WHERE %s', n, TG_TABLE_NAME, TG_ARGV[0]) USING OLD;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            EXECUTE format('INSERT INTO at_%s.%I SELECT ($1).*', n, TG_TABLE_NAME) USING NEW;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

DO $$
DECLARE
    name text;
    same text;
BEGIN
    FOR n IN 0 .. 3 LOOP
        EXECUTE (SELECT format('CREATE SERVER shard_%s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)', n,
                               substring(o.option_value FROM 'host=(\S+)'), substring(o.option_value FROM 'port=(\S+)'), 'shard_' || n)
                   FROM pg_foreign_server AS s, pg_options_to_table(s.srvoptions) AS o
                  WHERE s.srvname = 'sctoken' AND o.option_name = 'p' || n);
        EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER shard_%s', n);
        EXECUTE format('CREATE SCHEMA at_%s', n);
        FOREACH name IN ARRAY ARRAY['family', 'event'] LOOP
            EXECUTE format('CREATE FOREIGN TABLE at_%s.%I PARTITION OF sctoken.%2$I FOR VALUES IN (%1$s) SERVER shard_%1$s OPTIONS (schema_name ''sctoken'')', n, name);
        END LOOP;
        FOREACH name IN ARRAY ARRAY['dpop_replay', 'dpop_replay_store', 'dpop_replay_horizon', 'server_secret'] LOOP
            EXECUTE format('CREATE FOREIGN TABLE at_%s.%I () INHERITS (sctoken.%2$I) SERVER shard_%1$s OPTIONS (schema_name ''sctoken'')', n, name);
        END LOOP;
        EXECUTE format('IMPORT FOREIGN SCHEMA sctoken LIMIT TO (client_policy, trust_anchor_set, trust_anchor, tls_client_auth, client_certificate) FROM SERVER shard_%s INTO at_%1$s', n);
    END LOOP;
    FOR name, same IN VALUES
        ('client_policy', 't.client_id = ($1).client_id'),
        ('trust_anchor_set', 't.name = ($1).name'),
        ('trust_anchor', '(t.set_name, t.der) = (($1).set_name, ($1).der)'),
        ('tls_client_auth', 't.client_id = ($1).client_id'),
        ('client_certificate', '(t.client_id, t.match, t.thumbprint) = (($1).client_id, ($1).match, ($1).thumbprint)')
    LOOP
        EXECUTE format('CREATE TRIGGER forward AFTER INSERT OR UPDATE OR DELETE ON sctoken.%I FOR EACH ROW EXECUTE FUNCTION sctoken_shard.forward(%L)', name, same);
        EXECUTE format('CREATE TRIGGER forward_truncate AFTER TRUNCATE ON sctoken.%I FOR EACH STATEMENT EXECUTE FUNCTION sctoken_shard.forward()', name);
    END LOOP;
END $$;
