-- Writes doc/reference.md from the catalog of a database that has the extension:
--     psql -XqAt -f doc/reference.sql >doc/reference.md
-- test/t/035_reference.pl sees to it that this was done.
\set ON_ERROR_STOP on
SET search_path = pg_catalog;
SET client_min_messages = warning;
SET IntervalStyle = postgres;
LOAD 'sctoken';

-- What would be Markdown in a text or a cell
CREATE FUNCTION pg_temp.md(value text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(value, '([|<>*\\])', '\\\1', 'g') $$;

\echo '# Reference'
\echo
\echo 'What the database says of each function, type, table, view and setting, also in psql: `\\df+ sctoken.*`, `\\dT+ sctoken.*`, `\\d+ sctoken.*`.'
\echo 'Written by [reference.sql](reference.sql) from the catalog. The other pages say how these belong together.'
\echo
\echo '* [Functions](#functions)'
\echo '* [Types](#types)'
\echo '* [Tables and views](#tables-and-views)'
\echo '* [Settings](#settings)'
\echo
\echo '## Functions'
\echo
\echo '*Pure* functions read no table, no setting and no clock, and may be called by PUBLIC; so may a few others, which are marked. All else is granted by'
\echo 'duty ([audit.md](audit.md#duties)).'

SELECT format(E'\n### %s\n\n```\n%s(%s)%s\n```\n%s%s',
        p.proname,
        p.oid::regproc,
        pg_get_function_arguments(p.oid),
        CASE WHEN p.prokind = 'p' THEN '' ELSE E'\n    RETURNS ' || pg_get_function_result(p.oid) END,
        pg_temp.md(obj_description(p.oid)),
        coalesce(E'\n\n*' || nullif(concat_ws(', ',
            CASE WHEN p.provolatile = 'i' THEN 'Pure' WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN 'For PUBLIC' END,
            CASE WHEN p.proisstrict THEN 'null gives null' END,
            CASE WHEN p.prokind = 'p' THEN 'a procedure: CALL' END), '') || '.*', ''))
  FROM pg_proc AS p
 WHERE p.pronamespace = 'sctoken'::regnamespace
 ORDER BY p.proname COLLATE "C", pg_get_function_arguments(p.oid) COLLATE "C";

\echo
\echo '## Types'

SELECT format(E'\n### %s\n\n%s\n\n| attribute | type | |\n|---|---|---|\n%s',
        t.typname, pg_temp.md(obj_description(t.oid, 'pg_type')),
        string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
            pg_temp.md(col_description(t.typrelid, a.attnum))), E'\n' ORDER BY a.attnum))
  FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid
       JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE t.typnamespace = 'sctoken'::regnamespace AND c.relkind = 'c'
 GROUP BY t.oid, t.typname, t.typrelid
 ORDER BY t.typname COLLATE "C";

\echo
\echo '## Tables and views'
\echo
\echo 'Partitions are left out.'

SELECT format(E'\n### %s\n\n%s. %s\n\n| column | type | |\n|---|---|---|\n%s',
        c.relname, CASE c.relkind WHEN 'v' THEN 'View' ELSE 'Table' END,
        pg_temp.md(obj_description(c.oid, 'pg_class')),
        string_agg(format('| `%s` | %s%s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
            pg_temp.md(col_description(c.oid, a.attnum))), E'\n' ORDER BY a.attnum))
  FROM pg_class AS c
       JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
 GROUP BY c.oid, c.relname, c.relkind
 ORDER BY c.relname COLLATE "C";

\echo
\echo '## Settings'
\echo
\echo '| setting | default | range | who sets it | |'
\echo '|---|---|---|---|---|'

SELECT format('| `%s` | %s | %s | %s | %s |', name,
        coalesce('`' || nullif(boot_val || CASE WHEN unit IS NULL OR boot_val = '0' THEN '' ELSE ' ' || unit END, '') || '`', ''),
        CASE WHEN enumvals IS NOT NULL THEN array_to_string(enumvals, ', ')
             WHEN min_val IS NOT NULL THEN min_val || ' to ' || max_val || coalesce(' ' || unit, '')
             ELSE '' END,
        CASE context WHEN 'superuser' THEN 'superusers' WHEN 'sighup' THEN 'configuration file, on reload'
             WHEN 'postmaster' THEN 'configuration file, at start' ELSE context END,
        concat_ws(' ', pg_temp.md(short_desc), pg_temp.md(extra_desc)))
  FROM pg_settings
 WHERE name ^@ 'sctoken.'
 ORDER BY name COLLATE "C";
