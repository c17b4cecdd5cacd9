/*
 * rival_plpgsql.sql
 *		Refresh tokens with one row a token, as a careful engineer writes them by
 *		hand: the same checks as sctoken.rotate(), no events.
 *
 * The common case is one UPDATE that consumes the token and one INSERT; a row is
 * read again only to say why not.  Of concurrent uses one wins, because the others
 * wait for the row and find it used.  Revocation is one row, the family's, which
 * every use looks at.
 *
 * What it lacks: a retry gets reuse_detected instead of the same successor (whose
 * text is not kept), a proof is not verified but its thumbprint taken as given, and
 * used rows have to stay until their family ends, or their reuse is not noticed.
 */
CREATE EXTENSION pgcrypto;
CREATE SCHEMA rival;

CREATE TABLE rival.client (
    client_id text PRIMARY KEY,
    enabled boolean NOT NULL DEFAULT true,
    idle_ttl interval NOT NULL DEFAULT '30 days',
    requires_key boolean NOT NULL DEFAULT false
);

CREATE TABLE rival.family (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client_id text NOT NULL REFERENCES rival.client,
    subject text NOT NULL,
    scope text,
    audience text[],
    jkt text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoke_reason text
);
CREATE INDEX ON rival.family (subject, client_id);

CREATE TABLE rival.token (
    hash bytea PRIMARY KEY,
    family_id uuid NOT NULL REFERENCES rival.family ON DELETE CASCADE,
    generation bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
) WITH (fillfactor = 90);       -- room for the one HOT update of each row
CREATE INDEX ON rival.token (family_id);

INSERT INTO rival.client (client_id) VALUES ('bench');

CREATE FUNCTION rival.issue(client text, subject text, scope text, jkt text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    successor text := encode(gen_random_bytes(32), 'hex');
    family uuid;
BEGIN
    INSERT INTO rival.family (client_id, subject, scope, jkt, expires_at)
    VALUES (client, subject, scope, jkt, now() + interval '180 days')
    RETURNING id INTO family;
    INSERT INTO rival.token (hash, family_id, generation, expires_at)
    VALUES (sha256(successor::bytea), family, 1, now() + interval '30 days');
    RETURN successor;
END $$;

CREATE FUNCTION rival.rotate(token text, client text, jkt text DEFAULT NULL,
    scope text DEFAULT NULL, audience text[] DEFAULT NULL,
    OUT outcome text, OUT refresh_token text, OUT subject text, OUT granted_scope text,
    OUT expires_at timestamptz)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    presented bytea := sha256(rotate.token::bytea);
    at timestamptz := clock_timestamp();
    policy rival.client;
    old record;
BEGIN
    SELECT * INTO policy FROM rival.client AS c WHERE c.client_id = rotate.client;
    IF NOT FOUND OR NOT policy.enabled THEN
        outcome := 'client_disabled';
        RETURN;
    END IF;
    IF policy.requires_key AND rotate.jkt IS NULL THEN
        outcome := 'binding_required';
        RETURN;
    END IF;

    UPDATE rival.token AS t SET used_at = at
      FROM rival.family AS f
     WHERE t.hash = presented AND t.used_at IS NULL AND t.expires_at > at
       AND f.id = t.family_id AND f.client_id = rotate.client
       AND f.revoked_at IS NULL AND f.expires_at > at
       AND (f.jkt IS NULL OR f.jkt = rotate.jkt)
       AND (rotate.scope IS NULL OR
            string_to_array(rotate.scope, ' ') <@ string_to_array(f.scope, ' '))
       AND (rotate.audience IS NULL OR rotate.audience <@ f.audience)
    RETURNING t.family_id, t.generation, f.subject, f.scope, f.expires_at INTO old;
    IF FOUND THEN
        outcome := 'rotated';
        refresh_token := encode(gen_random_bytes(32), 'hex');
        subject := old.subject;
        granted_scope := coalesce(rotate.scope, old.scope);
        expires_at := least(at + policy.idle_ttl, old.expires_at);
        INSERT INTO rival.token (hash, family_id, generation, expires_at)
        VALUES (sha256(refresh_token::bytea), old.family_id, old.generation + 1,
                rotate.expires_at);
        RETURN;
    END IF;

    SELECT t.family_id, t.used_at, t.expires_at, f.client_id, f.revoked_at, f.jkt,
           f.expires_at AS family_expires_at
      INTO old
      FROM rival.token AS t JOIN rival.family AS f ON f.id = t.family_id
     WHERE t.hash = presented;
    outcome := CASE
        WHEN NOT FOUND THEN 'unknown_token'
        WHEN old.client_id <> rotate.client THEN 'client_mismatch'
        WHEN old.jkt IS NOT NULL AND old.jkt IS DISTINCT FROM rotate.jkt
            THEN 'binding_mismatch'
        WHEN old.revoked_at IS NOT NULL THEN 'revoked'
        WHEN old.family_expires_at <= at THEN 'expired'
        WHEN old.used_at IS NOT NULL THEN 'reuse_detected'
        WHEN old.expires_at <= at THEN 'expired'
        ELSE 'scope_exceeded'
    END;
    IF outcome = 'reuse_detected' THEN
        UPDATE rival.family SET revoked_at = at, revoke_reason = 'reuse_detected'
         WHERE id = old.family_id AND revoked_at IS NULL;
    END IF;
END $$;

CREATE FUNCTION rival.revoke(token text, client text)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE rival.family AS f SET revoked_at = clock_timestamp(), revoke_reason = 'logout'
      FROM rival.token AS t
     WHERE t.hash = sha256(revoke.token::bytea) AND f.id = t.family_id
       AND f.client_id = revoke.client AND f.revoked_at IS NULL;
    RETURN FOUND;
END $$;
