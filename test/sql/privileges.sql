-- Who may do what: nothing but the pure functions is for everybody.
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
CREATE ROLE regress_sctoken_nobody;
CREATE ROLE regress_sctoken_as;
GRANT EXECUTE ON FUNCTION sctoken.issue, sctoken.rotate, sctoken.introspect, sctoken.revoke, sctoken.dpop_nonce, sctoken.dpop_challenge, sctoken.dpop_metadata TO regress_sctoken_as;

SET ROLE regress_sctoken_nobody;
SELECT sctoken.htu_normalize('HTTPS://example.com');
SELECT sctoken.issue('app', 'alice');
SELECT sctoken.rotate('x', 'app');
SELECT sctoken.introspect('x');
SELECT sctoken.revoke('x', 'app');
SELECT sctoken.revoke_family('00000000-0000-7000-8000-000000000000', 'x');
SELECT sctoken.dpop_nonce();
SELECT sctoken.dpop_challenge();
SELECT sctoken.dpop_metadata();
SELECT sctoken.cnf_matches('{}', '{}');
SELECT sctoken.hash_equal('x', 'x');
SELECT * FROM sctoken.family;
SELECT * FROM sctoken.server_secret;
SELECT * FROM sctoken.event;
SELECT * FROM sctoken.event_default;
SELECT * FROM sctoken.client_policy;
CREATE TABLE sctoken.mine ();
SET sctoken.audit = 'lifecycle';
SET sctoken.dpop_max_age = 600;
SET sctoken.dpop_algs = 'RS256';
SET sctoken.dpop_allow_http = on;
SET sctoken.dpop_freshness = 'nonce';
SET sctoken.dpop_nonce_step = 300;
SET sctoken.dpop_nonce_steps = 10;
SET sctoken.lock_timeout = 0;
RESET ROLE;

-- A role with EXECUTE alone works through the functions, and reaches no table.
SET ROLE regress_sctoken_as;
SELECT outcome, refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.introspect(:'t1');
SELECT sctoken.revoke(:'t1', 'app');
SELECT length(sctoken.dpop_nonce()), sctoken.dpop_challenge('invalid_token'), sctoken.dpop_metadata() ? 'dpop_signing_alg_values_supported' AS metadata;
SELECT sctoken.revoke_family(:'family_id', 'x');
SELECT * FROM sctoken.family;
SELECT current_user, session_user = current_user AS same;
RESET ROLE;

-- The caller's search_path, operators and casts change nothing.
CREATE SCHEMA hostile AUTHORIZATION regress_sctoken_as;
SET ROLE regress_sctoken_as;
SET search_path = hostile, pg_catalog;
CREATE FUNCTION hostile.yes(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'hostile operator as %', current_user; RETURN true; END $$;
CREATE OPERATOR hostile.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = hostile.yes);
CREATE FUNCTION hostile.text_yes(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'hostile operator as %', current_user; RETURN true; END $$;
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.text_yes);
CREATE OPERATOR hostile.> (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.text_yes);
CREATE TABLE hostile.family (LIKE pg_class);
CREATE FUNCTION hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''2000-01-01''::timestamptz';
SELECT outcome, refresh_token AS t1 FROM sctoken.issue('app', 'alice') \gset
SELECT outcome, refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app', context => '{"a": 1}') \gset
SELECT :'outcome' AS outcome;
SELECT outcome FROM sctoken.rotate(:'t1', 'other');
SELECT sctoken.introspect(:'t2') -> 'active' AS active;
SELECT sctoken.revoke(:'t2', 'app');
RESET ROLE;
-- A trigger that the owner has put on a table runs as the owner; it finds nothing that the caller has put in its way.
CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'trigger of %: %', current_user = 'regress_sctoken_as', lower(new.kind); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON sctoken.event FOR EACH ROW EXECUTE FUNCTION public.tell();
SET ROLE regress_sctoken_as;
CREATE FUNCTION hostile.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'hostile function as %', current_user; RETURN $1; END $$;
SELECT outcome FROM sctoken.issue('app', 'alice');
RESET search_path;
RESET ROLE;
DROP TRIGGER tell ON sctoken.event;
DROP FUNCTION public.tell;

-- Row security of the caller does not hide rows from the functions either.
SET row_security = off;
SELECT (sctoken.issue('app', 'alice')).outcome;
RESET row_security;
-- An error leaves nobody in the owner's shoes.
SET ROLE regress_sctoken_as;
DO $$ BEGIN PERFORM sctoken.issue('app', 'alice', 'bad  scope'); EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% as %', SQLERRM, current_user; END $$;
SET lock_timeout = '1ms';
SELECT current_user;
RESET ROLE;
DROP OWNED BY regress_sctoken_as;
DROP ROLE regress_sctoken_as, regress_sctoken_nobody;
