-- What each duty may do: every function, table and view, tried out
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
CREATE ROLE regress_sctoken_as;
CREATE ROLE regress_sctoken_rs;
CREATE ROLE "regress sctoken auditor";
CREATE ROLE regress_sctoken_operator;
CREATE ROLE regress_sctoken_monitor;
CREATE ROLE regress_sctoken_nobody;
SELECT sctoken.grant_to('regress_sctoken_as', 'authorization_server');
SELECT sctoken.grant_to('regress_sctoken_rs', 'resource_server');
SELECT sctoken.grant_to('"regress sctoken auditor"', 'auditor');
SELECT sctoken.grant_to('regress_sctoken_operator', 'operator');
SELECT sctoken.grant_to('regress_sctoken_monitor', 'monitor');
-- Again is no error, and grants nothing twice.
SELECT array_agg(a ORDER BY a::text) AS acl FROM pg_proc, unnest(proacl) AS a WHERE oid = 'sctoken.introspect'::regproc \gset
SELECT sctoken.grant_to('regress_sctoken_rs', 'resource_server');
SELECT array_agg(a ORDER BY a::text) = :'acl' AS same FROM pg_proc, unnest(proacl) AS a WHERE oid = 'sctoken.introspect'::regproc;
-- Another duty or role is an error that does not repeat what came; null does nothing.
\set VERBOSITY terse
SELECT sctoken.grant_to('regress_sctoken_as', 'root');
SELECT sctoken.grant_to('-', 'auditor');
SELECT sctoken.grant_to('4294967295', 'auditor');
SELECT sctoken.grant_to(NULL, 'auditor');
-- It has no power of its own: who may not grant cannot with it.
GRANT EXECUTE ON FUNCTION sctoken.grant_to TO regress_sctoken_as;
SET ROLE regress_sctoken_as;
SET client_min_messages = 'error';
SELECT sctoken.grant_to('regress_sctoken_as', 'operator');
SELECT sctoken.grant_to('regress_sctoken_nobody', 'authorization_server');
RESET client_min_messages;
RESET ROLE;
\set VERBOSITY default
REVOKE EXECUTE ON FUNCTION sctoken.grant_to FROM regress_sctoken_as;

-- Tries a statement as a role and undoes it: what privileges say, no more.
CREATE FUNCTION may(role text, statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    BEGIN
        EXECUTE statement;
        RAISE division_by_zero;
    EXCEPTION
        WHEN insufficient_privilege THEN
            RESET ROLE;
            RETURN false;
        WHEN OTHERS THEN
            RESET ROLE;
            RETURN true;
    END;
END $$;
CREATE TEMP TABLE duty (n integer, word text, role text);
INSERT INTO duty VALUES (1, 'as', 'regress_sctoken_as'), (2, 'rs', 'regress_sctoken_rs'), (3, 'auditor', 'regress sctoken auditor'), (4, 'operator', 'regress_sctoken_operator'), (5, 'monitor', 'regress_sctoken_monitor'), (6, 'public', 'regress_sctoken_nobody');

-- Functions; their arguments are nulls that the planner does not know of, or it would leave out the call.
SELECT routine, array_agg(word ORDER BY n) FILTER (WHERE may(role, call)) AS callable_by
  FROM (SELECT p.oid::regprocedure AS routine,
               format(CASE p.prokind WHEN 'p' THEN 'CALL %s(%s)' ELSE 'SELECT %s(%s)' END, p.oid::regproc, (SELECT string_agg('(SELECT NULL::' || format_type(t, NULL) || ')', ', ' ORDER BY o) FROM unnest(p.proargtypes) WITH ORDINALITY AS a(t, o))) AS call
          FROM pg_proc AS p
         WHERE p.pronamespace = 'sctoken'::regnamespace AND p.prorettype <> 'trigger'::regtype) AS r, duty
 GROUP BY routine ORDER BY routine::text COLLATE "C";
-- Trigger functions cannot be called; to use one needs EXECUTE.
SELECT p.oid::regprocedure AS trigger_function, array_agg(word ORDER BY n) FILTER (WHERE has_function_privilege(role, p.oid, 'EXECUTE')) AS usable_by
  FROM pg_proc AS p, duty
 WHERE p.pronamespace = 'sctoken'::regnamespace AND p.prorettype = 'trigger'::regtype
 GROUP BY p.oid ORDER BY p.proname;
-- Tables and views; partitions of a week are one line.
SELECT DISTINCT regexp_replace(relation, '[0-9]{8}$', 'YYYYMMDD') AS relation, readable_by, writable_by
  FROM (SELECT c.oid::regclass::text AS relation,
               array_agg(word ORDER BY n) FILTER (WHERE may(role, format('SELECT * FROM %s', c.oid::regclass))) AS readable_by,
               array_agg(word ORDER BY n) FILTER (WHERE CASE c.relkind WHEN 'v' THEN has_table_privilege(role, c.oid, 'INSERT, UPDATE, DELETE')
                                                             ELSE may(role, format('INSERT INTO %s DEFAULT VALUES', c.oid::regclass)) OR may(role, format('DELETE FROM %s WHERE false', c.oid::regclass))
                                                               OR may(role, format('UPDATE %s SET %I = NULL WHERE false', c.oid::regclass, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1)))
                                                               OR may(role, format('TRUNCATE %s', c.oid::regclass)) END) AS writable_by
          FROM pg_class AS c, duty
         WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
         GROUP BY c.oid) AS r
 ORDER BY 1;
-- Nobody may make objects in the schema, truncate a table or attach triggers.
SELECT word FROM duty WHERE has_schema_privilege(role, 'sctoken', 'CREATE');
SELECT c.oid::regclass, word FROM pg_class AS c, duty WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege(role, c.oid, 'TRUNCATE, REFERENCES, TRIGGER');
-- No view that an auditor reads has a column of bytes, or shows a hash, a salt or the caller's details.
SELECT DISTINCT a.attrelid::regclass, a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind = 'v' AND (a.atttypid = 'bytea'::regtype OR a.attname ~ '(hash|salt|secret|key_id|details)');

-- The duties work: issue, use, look, stop.
SET ROLE regress_sctoken_as;
SELECT outcome, refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice', details => '{"private": 1}') \gset
SELECT outcome, refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT * FROM sctoken.family_overview;
SET ROLE regress_sctoken_rs;
SELECT sctoken.introspect(:'t2') -> 'active' AS active;
SELECT outcome FROM sctoken.rotate(:'t2', 'app');
SET ROLE "regress sctoken auditor";
SELECT client_id, subject, status FROM sctoken.family_overview;
SELECT kind, generation FROM sctoken.family_timeline WHERE family_id = :'family_id' ORDER BY at;
SELECT secret_hash FROM sctoken.family;
-- A function of the reader's own in a condition sees the view's columns and no more.
CREATE FUNCTION pg_temp.spy(a anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', a; RETURN true; END $$;
SELECT count(*) FROM sctoken.reuse_incident AS r WHERE pg_temp.spy(r.generation) AND family_id = :'family_id';
SET ROLE regress_sctoken_operator;
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('app', false);
SELECT (sctoken.effective_policy('app')).enabled;
RESET ROLE;
SELECT outcome FROM sctoken.rotate(:'t2', 'app');
DROP OWNED BY regress_sctoken_as, regress_sctoken_rs, "regress sctoken auditor", regress_sctoken_operator, regress_sctoken_monitor, regress_sctoken_nobody;
DROP ROLE regress_sctoken_as, regress_sctoken_rs, "regress sctoken auditor", regress_sctoken_operator, regress_sctoken_monitor, regress_sctoken_nobody;
DROP FUNCTION may;
