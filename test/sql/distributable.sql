-- The rules that let tables be spread over many servers (contrib/citus), as far as the catalog shows them

-- What each table is then.  One that is new has no place yet, and is seen here.
CREATE VIEW public.place AS
SELECT c.oid, c.relname AS "table",
       CASE WHEN c.relname IN ('family', 'event') OR c.relname LIKE 'event\_%' THEN 'by family'
            WHEN c.relname IN ('client_policy', 'trust_anchor_set', 'trust_anchor', 'tls_client_auth', 'client_certificate') THEN 'the same everywhere'
            WHEN c.relname IN ('server_secret') THEN 'a file instead'
            WHEN c.relname LIKE 'dpop\_replay%' THEN 'one on each server' END AS place
  FROM pg_class AS c WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind IN ('r', 'p');
SELECT coalesce(place, 'none') AS place, string_agg("table", ' ' ORDER BY "table" COLLATE "C") AS tables FROM public.place WHERE "table" !~ '^event_[0-9]{8}$' GROUP BY 1 ORDER BY 1;

-- The id of the family comes first in every key of a table that is spread by it.
CREATE VIEW public.mistake AS
SELECT "table", 'key without the family''s id first: ' || pg_get_indexdef(i.indexrelid) AS mistake
  FROM public.place AS p JOIN pg_index AS i ON i.indrelid = p.oid
 WHERE place = 'by family' AND (i.indisunique OR i.indisexclusion)
   AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = p.oid AND a.attnum = i.indkey[0] AND a.atttypid = 'uuid'::regtype
                      AND a.attname = CASE "table" WHEN 'family' THEN 'id' ELSE 'family_id' END)
UNION ALL
SELECT "table", 'no family''s id' FROM public.place AS p
 WHERE place = 'by family' AND "table" <> 'family'
   AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = p.oid AND a.attname = 'family_id' AND a.atttypid = 'uuid'::regtype AND a.attnotnull)
UNION ALL
SELECT "table", 'a number that one server counts: ' || attname FROM public.place AS p JOIN pg_attribute ON attrelid = p.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attnum > 0 AND NOT attisdropped AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) ~ 'nextval')
UNION ALL
SELECT relname, 'a sequence' FROM pg_class WHERE relnamespace = 'sctoken'::regnamespace AND relkind = 'S'
UNION ALL
SELECT "table", 'a key that only a trigger holds: ' || conname FROM public.place AS p JOIN pg_constraint ON conrelid = p.oid WHERE contype IN ('f', 'x', 't')
UNION ALL
SELECT "table", 'a trigger that is no cache''s and no guard''s: ' || tgname FROM public.place AS p JOIN pg_trigger ON tgrelid = p.oid
 WHERE NOT tgisinternal AND tgname NOT IN ('invalidate_cache_row', 'invalidate_cache_truncate', 'guard_append_only_row', 'guard_append_only_truncate')
UNION ALL
SELECT relname, 'a rule: ' || rulename FROM pg_rewrite JOIN pg_class AS c ON c.oid = ev_class WHERE relnamespace = 'sctoken'::regnamespace AND relkind <> 'v'
UNION ALL
SELECT "table", 'row security' FROM public.place JOIN pg_class AS c USING (oid) WHERE c.relrowsecurity
UNION ALL
SELECT "table", 'a parent but for partitions: ' || inhparent::regclass FROM public.place AS p JOIN pg_inherits ON inhrelid = p.oid
 WHERE NOT (SELECT relispartition FROM pg_class AS c WHERE c.oid = inhrelid);
SELECT * FROM public.mistake;

-- And a mistake is seen.
BEGIN;
CREATE UNIQUE INDEX wrong ON sctoken.family (secret_hash) WHERE false;
CREATE UNIQUE INDEX order_matters ON sctoken.family (created_at, id) WHERE false;
CREATE UNIQUE INDEX expression ON sctoken.event_default ((family_id::text)) WHERE false;
ALTER TABLE sctoken.family ADD CONSTRAINT excluded EXCLUDE USING btree (subject WITH =) WHERE (false);
ALTER TABLE sctoken.client_policy ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE sctoken.family ADD COLUMN n bigserial;
ALTER TABLE sctoken.trust_anchor ADD CONSTRAINT set_is_there FOREIGN KEY (set_name) REFERENCES sctoken.trust_anchor_set (name);
CREATE TRIGGER tell AFTER INSERT ON sctoken.family FOR EACH ROW EXECUTE FUNCTION sctoken.notify_event();
CREATE RULE nothing AS ON DELETE TO sctoken.family DO INSTEAD NOTHING;
ALTER TABLE sctoken.family ENABLE ROW LEVEL SECURITY;
CREATE TABLE sctoken.more (family_id uuid PRIMARY KEY);
CREATE TABLE sctoken.event_more (at timestamptz);
SELECT "table" COLLATE "C" AS "table", mistake FROM public.mistake ORDER BY 1, mistake COLLATE "C";
SELECT "table" FROM public.place WHERE place IS NULL;
ROLLBACK;

-- How a token leads to its family, a pure function of it, with which a call is routed.
SELECT proname, provolatile, proparallel, proisstrict FROM pg_proc
 WHERE pronamespace = 'sctoken'::regnamespace AND proname IN ('token_family_id', 'shard_of_token', 'shard_of_key', 'shard_of_proof', 'hash_equal') ORDER BY 1;

-- No answer depends on a trigger: with all of them gone, each change holds at the next call.
BEGIN;
TRUNCATE sctoken.client_policy, sctoken.server_secret, sctoken.trust_anchor_set, sctoken.trust_anchor, sctoken.tls_client_auth, sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon, sctoken.dpop_replay_marker;
SELECT refresh_token AS token, family_id AS family FROM sctoken.issue('distributable', 'alice') \gset
SELECT outcome, sctoken.introspect(:'token') ->> 'active' AS active FROM sctoken.rotate('none', 'distributable');
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT tgname, tgrelid::regclass AS tgrelid FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid
              WHERE relnamespace = 'sctoken'::regnamespace AND NOT tgisinternal AND tgparentid = 0 LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid);
    END LOOP;
END $$;
SELECT count(*) AS triggers FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace = 'sctoken'::regnamespace;

-- Policy
SELECT sctoken.family_active(:'family') AS before;
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('distributable', false);
SELECT sctoken.family_active(:'family') AS disabled, outcome FROM sctoken.rotate(:'token', 'distributable');
UPDATE sctoken.client_policy SET enabled = true WHERE client_id = 'distributable';
SELECT sctoken.family_active(:'family') AS enabled;
INSERT INTO sctoken.client_policy (client_id, not_before) VALUES ('*', 'infinity');
SELECT sctoken.family_active(:'family') AS stopped, outcome FROM sctoken.rotate(:'token', 'distributable');
TRUNCATE sctoken.client_policy;
SELECT outcome, refresh_token AS token2 FROM sctoken.rotate(:'token', 'distributable') \gset
\echo :outcome

-- Secrets
SELECT sctoken.rotate_secret() IS NOT NULL AS another;
SELECT outcome, refresh_token AS token3 FROM sctoken.rotate(:'token2', 'distributable') \gset
\echo :outcome
SELECT (SELECT key_id FROM sctoken.family WHERE id = :'family') = max(id) AS new_one FROM sctoken.server_secret;
SAVEPOINT s;
DELETE FROM sctoken.server_secret;
SELECT outcome, reason FROM sctoken.rotate(:'token3', 'distributable');
ROLLBACK TO s;
SELECT outcome FROM sctoken.rotate(:'token3', 'distributable');

-- A used token kills its family, an append is an event, and a revocation holds.
SELECT outcome FROM sctoken.rotate(:'token', 'distributable');
SELECT sctoken.family_active(:'family') AS after_reuse, (SELECT string_agg(kind, ' ' ORDER BY at) FROM sctoken.event WHERE family_id = :'family') AS events;

-- Trusted CAs, and sets of them
\getenv abs_srcdir PG_ABS_SRCDIR
CREATE FUNCTION public.der(name text) RETURNS bytea LANGUAGE sql AS $$
    SELECT decode(regexp_replace(pg_read_file(name), '-----[^-]+-----|\s', '', 'g'), 'base64')
$$;
CREATE TEMPORARY TABLE leaf ON COMMIT DROP AS SELECT public.der(:'abs_srcdir' || '/vectors/mtls/pki/leaf_root.pem');
CREATE FUNCTION public.authenticates() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(reason, 'valid') FROM sctoken.certificate_authenticate('distributable', (SELECT der FROM leaf), NULL, to_timestamp(1780000000))
$$;
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn)
SELECT 'distributable', 'root', (sctoken.certificate_info(der) ->> 'subject') FROM leaf;
SELECT public.authenticates() AS no_set;
INSERT INTO sctoken.trust_anchor_set (name, max_depth) VALUES ('root', 0);
SELECT public.authenticates() AS no_anchor;
INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('root', public.der(:'abs_srcdir' || '/vectors/mtls/pki/root.pem'));
SELECT public.authenticates() AS trusted;
UPDATE sctoken.trust_anchor_set SET crl_check = 'leaf';
SELECT public.authenticates() AS crl_wanted;
UPDATE sctoken.trust_anchor_set SET crl_check = 'if_present';
UPDATE sctoken.trust_anchor SET enabled = false;
SELECT public.authenticates() AS anchor_disabled;

-- A proof that was accepted is refused, and so is one of before, when the unlogged store was lost.
\set proof `"$PG_ABS_SRCDIR"/../doc/tutorial/proof.sh ~/distributable.pem POST https://as.example.com/token`
SET LOCAL sctoken.replay_store = 'unlogged';
SELECT coalesce(reason, 'accepted') AS first FROM sctoken.dpop_check(:'proof', 'POST', 'https://as.example.com/token');
SELECT reason AS again FROM sctoken.dpop_check(:'proof', 'POST', 'https://as.example.com/token');
TRUNCATE sctoken.dpop_replay_marker, sctoken.dpop_replay;
SELECT reason AS after_a_loss FROM sctoken.dpop_check(:'proof', 'POST', 'https://as.example.com/token');
ROLLBACK;

-- This test can see what depends on them: with triggers in place that tell nothing, a change does not hold.
BEGIN;
TRUNCATE sctoken.client_policy;
DROP TRIGGER invalidate_cache_row ON sctoken.client_policy;
CREATE TRIGGER invalidate_cache_row AFTER UPDATE ON sctoken.client_policy FOR EACH ROW WHEN (false) EXECUTE FUNCTION sctoken.invalidate_cache();
ALTER TABLE sctoken.client_policy ENABLE ALWAYS TRIGGER invalidate_cache_row;
SELECT outcome FROM sctoken.issue('distributable', 'alice');
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('distributable', false);
SELECT outcome AS stale FROM sctoken.issue('distributable', 'alice');
ROLLBACK;
DROP VIEW public.mistake, public.place;
