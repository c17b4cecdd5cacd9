-- What the extension consists of, so that a careless change shows.
-- A function without STRICT must look at its arguments for nulls; one that
-- PUBLIC may call must be pure; SECURITY DEFINER needs a search_path of its own.
SELECT p.oid::regprocedure AS function,
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       p.proisstrict AS strict, p.prosecdef AS definer, p.proleakproof AS leakproof, p.proconfig AS config,
       array(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE 'owner' END
               FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
              ORDER BY a.grantee) AS may_execute
  FROM pg_depend AS d
  JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
  JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
 WHERE e.extname = 'sctoken' AND d.deptype = 'e'
 ORDER BY p.proname, p.oid::regprocedure::text COLLATE "C";

-- Tables: nobody but the owner has a privilege on them.
SELECT c.oid::regclass AS relation, c.relkind, c.relpersistence, c.reloptions,
       c.relacl IS NULL AS owner_only
  FROM pg_class AS c
 WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
 ORDER BY c.relname;

-- Indexes: none on a column that a rotation changes.
SELECT pg_get_indexdef(i.indexrelid)
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indrelid
 WHERE c.relnamespace = 'sctoken'::regnamespace
 ORDER BY i.indexrelid::regclass::text COLLATE "C";

-- Tables whose rows a dump keeps.
SELECT array(SELECT c::regclass::text FROM unnest(extconfig) AS c ORDER BY c::regclass::text COLLATE "C") AS dumped
  FROM pg_extension WHERE extname = 'sctoken';

-- The install script inserts no row.
SELECT (SELECT count(*) FROM sctoken.server_secret) + (SELECT count(*) FROM sctoken.client_policy)
       + (SELECT count(*) FROM sctoken.family) + (SELECT count(*) FROM sctoken.event) AS rows;

-- Every object and column has a comment.
SELECT 'function ' || p.oid::regprocedure AS without_comment
  FROM pg_proc AS p
 WHERE p.pronamespace = 'sctoken'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'column ' || c.relname || '.' || a.attname
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'c')
   AND NOT c.relispartition AND col_description(c.oid, a.attnum) IS NULL
UNION ALL
SELECT 'relation ' || c.relname
  FROM pg_class AS c
 WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p', 'v')
   AND obj_description(c.oid, 'pg_class') IS NULL
UNION ALL
SELECT 'type ' || t.typname
  FROM pg_type AS t
  JOIN pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c'
 WHERE t.typnamespace = 'sctoken'::regnamespace AND obj_description(t.oid, 'pg_type') IS NULL;

-- Settings: superusers only.
LOAD 'sctoken';
SELECT name, setting, unit, context, vartype, min_val, max_val, enumvals
  FROM pg_settings WHERE name LIKE 'sctoken.%' ORDER BY name COLLATE "C";
