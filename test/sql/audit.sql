-- What an auditor sees: policy in effect, state in a word, timeline, incidents, graph, simulation
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
\set key1 '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'
\set key2 '{"jkt": "kwtnlmjlQ4Ptk6ZaYH89oysGT93bBPN_5QNtXhoeySk"}'

-- The policy in effect: built-in, then that of '*', then the client's own; the stops add up; every column of the table has a value.
SELECT p.* FROM sctoken.effective_policy('app') AS p;
INSERT INTO sctoken.client_policy (client_id, idle_ttl, enabled, not_before) VALUES ('*', '1 month 1 day 1:30', false, '2020-01-01');
INSERT INTO sctoken.client_policy (client_id, client_type, retry_window, enabled, not_before) VALUES ('app', 'confidential', '0', true, '2019-01-01');
SELECT p.* FROM unnest(ARRAY['app', 'unknown', '*', '']) AS c, sctoken.effective_policy(c) AS p;
SELECT sctoken.effective_policy(NULL) IS NULL AS none;
-- Where no policy says whether a nonce is asked for, the setting does.
SET sctoken.dpop_freshness = 'both';
SELECT (sctoken.effective_policy('app')).require_nonce;
UPDATE sctoken.client_policy SET require_nonce = false WHERE client_id = '*';
SELECT (sctoken.effective_policy('app')).require_nonce;
RESET sctoken.dpop_freshness;
TRUNCATE sctoken.client_policy;

-- Status in a word, as rotate would judge, by the policy of now
INSERT INTO sctoken.client_policy (client_id, idle_ttl, absolute_ttl, retry_window) VALUES ('app', '10 days', '20 days', '0'), ('short', '100 days', '5 days', NULL), ('stopped', NULL, NULL, NULL), ('epoch', NULL, NULL, NULL);
CREATE TABLE held AS
SELECT s.*, i.refresh_token AS token, i.family_id
  FROM (VALUES (1, 'app', 'active'), (2, 'app', 'idle'), (3, 'app', 'expired'), (4, 'app', 'revoked'), (5, 'app', 'reused'), (6, 'app', 'revoked, then expired'), (7, 'short', 'shortened'), (8, 'stopped', 'stopped'), (9, 'epoch', 'epoch'), (10, 'app', 'idle soon')) AS s(n, client_id, subject),
       LATERAL sctoken.issue(s.client_id, s.subject, 'a b', cnf => CASE n WHEN 1 THEN :'key1'::jsonb END) AS i;
UPDATE sctoken.family SET rotated_at = rotated_at - interval '240 h' WHERE subject = 'idle';
UPDATE sctoken.family SET rotated_at = rotated_at - interval '239.9 h' WHERE subject = 'idle soon';
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE subject = 'expired';
UPDATE sctoken.family SET created_at = created_at - interval '5 d' WHERE subject = 'shortened';
SELECT count(sctoken.revoke_family(family_id, 'stolen laptop')) FROM held WHERE subject LIKE 'revoked%';
UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE subject = 'revoked, then expired';
SELECT r.outcome FROM held AS h, sctoken.rotate(h.token, 'app') AS r WHERE h.subject = 'reused';
SELECT r.outcome FROM held AS h, sctoken.rotate(h.token, 'app') AS r WHERE h.subject = 'reused';
UPDATE sctoken.client_policy SET enabled = false WHERE client_id = 'stopped';
UPDATE sctoken.client_policy SET not_before = clock_timestamp() WHERE client_id = 'epoch';
CREATE VIEW overview AS
SELECT h.n, o.client_id, o.subject, o.status, o.client_enabled AS enabled, o.revoke_reason, o.revoked_at IS NOT NULL AS revoked, o.generation, o.jkt, o.binding, o.idle_expires_at - o.rotated_at AS idle, o.expires_at - o.created_at AS absolute
  FROM held AS h JOIN sctoken.family_overview AS o USING (family_id);
SELECT n, subject, status, enabled, revoke_reason, revoked, generation, jkt IS NOT NULL AS bound, binding ->> 'jkt' = jkt AS same FROM overview ORDER BY n;
-- rotate agrees.
SELECT h.n, o.status, r.outcome, r.reason FROM held AS h JOIN sctoken.family_overview AS o USING (family_id), LATERAL sctoken.rotate(CASE o.subject WHEN 'reused' THEN NULL ELSE h.token END, h.client_id, cnf => CASE n WHEN 1 THEN :'key1'::jsonb END) AS r ORDER BY h.n;
-- A day is 24 hours, also where clocks change.
SET TimeZone = 'America/New_York';
SELECT extract(epoch FROM idle) / 3600 = 240 AS idle, extract(epoch FROM absolute) / 3600 = 480 AS absolute FROM overview WHERE subject = 'idle soon';
RESET TimeZone;
-- Conditions of the reader reach the indexes.
SET enable_seqscan = off;
CREATE FUNCTION uses_index(query text) RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE plan json; BEGIN EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan; RETURN plan::text LIKE '%Index Cond%'; END $$;
SELECT uses_index('SELECT * FROM sctoken.family_overview WHERE subject = ''alice'''), uses_index('SELECT * FROM sctoken.family_overview WHERE family_id = ''00000000-0000-7000-8000-000000000000'''),
       uses_index('SELECT * FROM sctoken.family_timeline WHERE family_id = ''00000000-0000-7000-8000-000000000000'''), uses_index('SELECT * FROM sctoken.reuse_incident WHERE family_id = ''00000000-0000-7000-8000-000000000000''');
RESET enable_seqscan;

-- Timeline: the detail in columns, the caller's context as it is; cnf where the row does not say it, or the call was refused.
SELECT kind, generation, reason, distance, age < interval '1 minute' AS young, retryable, cnf, context FROM held JOIN sctoken.family_timeline AS t USING (family_id) WHERE held.subject = 'reused' ORDER BY at;
INSERT INTO sctoken.client_policy (client_id, client_type, retry_window) VALUES ('web', 'confidential', '1 hour'), ('pub', 'public', '1 hour');
SELECT refresh_token AS t1, family_id FROM sctoken.issue('web', 'bob', cnf => :'key1', context => '{"address": "192.0.2.1"}') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'web', cnf => :'key2', context => '"scalar"') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'web', context => '[1]');
SELECT outcome FROM sctoken.rotate(:'t2', 'pub', cnf => :'key2');
SELECT kind, generation, client_id, reason, distance, cnf, context FROM sctoken.family_timeline WHERE family_id = :'family_id' ORDER BY at;
SELECT refresh_token AS t1, family_id FROM sctoken.issue('pub', 'bob', cnf => :'key1') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'pub', cnf => :'key1') \gset
SELECT outcome FROM sctoken.rotate(:'t2', 'pub', cnf => :'key2');
SELECT kind, generation, reason, cnf, context FROM sctoken.family_timeline WHERE family_id = :'family_id' ORDER BY at;

-- Incidents, graded; also of families that are no longer stored.
SELECT subject, generation, live_generation, distance, retryable, reason, revoked FROM held JOIN sctoken.reuse_incident AS r USING (family_id, subject);
DELETE FROM sctoken.family WHERE subject = 'reused';
SELECT subject, generation, live_generation, distance, retryable, reason, revoked FROM held JOIN sctoken.reuse_incident AS r USING (family_id, subject);

-- The graph of a family's life, as Mermaid text
CREATE FUNCTION graph(id uuid) RETURNS SETOF text LANGUAGE sql AS $$ SELECT regexp_split_to_table(regexp_replace(sctoken.family_graph(id), '[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}', 'TIME', 'g'), E'\n') $$;
SELECT refresh_token AS t FROM sctoken.issue('web', 'carol') \gset
CREATE TABLE chain (n integer, token text);
INSERT INTO chain VALUES (1, :'t');
CREATE PROCEDURE advance(upto integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN (SELECT max(n) + 1 FROM chain)..upto LOOP
        INSERT INTO chain SELECT i, (sctoken.rotate(token, 'web')).refresh_token FROM chain WHERE n = i - 1;
    END LOOP;
END $$;
CALL advance(8);
SELECT outcome FROM chain, sctoken.rotate(token, 'web') WHERE n = 7;
SELECT outcome FROM chain, sctoken.rotate(token, 'web') WHERE n = 7;
CALL advance(20);
SELECT outcome FROM chain, sctoken.rotate(token, 'pub') WHERE n = 20;
SELECT outcome FROM chain, sctoken.rotate(token, 'web') WHERE n = 3;
SELECT * FROM graph(sctoken.token_family_id(:'t'));
-- A family of one token; kept tokens; reasons that a caller made up do not become Mermaid.
UPDATE sctoken.client_policy SET rotation = 'never' WHERE client_id = 'web';
SELECT refresh_token AS t1, family_id FROM sctoken.issue('web', 'dave') \gset
SELECT count(sctoken.rotate(:'t1', 'web')) FROM generate_series(1, 3);
SELECT sctoken.revoke_family(:'family_id', E'x"]; click g1 "javascript:alert(1)"\n<script>');
SELECT * FROM graph(:'family_id');
-- Care is told of too, with what was before.
UPDATE sctoken.client_policy SET rotation = NULL WHERE client_id = 'web';
SELECT refresh_token AS t1, family_id FROM sctoken.issue('pub', 'erin', 'a b', cnf => :'key1') \gset
SELECT generation FROM sctoken.rotate(:'t1', 'pub', cnf => :'key1');
SELECT sctoken.confirm(:'family_id', 2), sctoken.narrow(:'family_id', 'a', NULL, 'consent withdrawn'), sctoken.rebind(:'family_id', :'key2', 'new phone');
SELECT kind, generation, reason, before FROM sctoken.family_timeline WHERE family_id = :'family_id' ORDER BY at;
SELECT * FROM graph(:'family_id');
-- No events, no graph.
SELECT sctoken.family_graph('00000000-0000-7000-8000-000000000000') IS NULL AS unknown, sctoken.family_graph(NULL) IS NULL AS none;
-- However long and eventful a life, the graph stays readable.
INSERT INTO sctoken.event (family_id, at, kind, generation, client_id, reason, detail)
SELECT '11111111-0000-7000-8000-000000000000', clock_timestamp() + n * interval '1 ms', k, n + (k = 'rotated')::integer, 'web', CASE k WHEN 'replayed' THEN 'retry_window' END, NULL FROM generate_series(1, 3000) AS n, unnest(ARRAY['rotated', 'replayed']) AS k;
SELECT count(*) BETWEEN 500 AND 700 AS bounded, count(*) FILTER (WHERE l LIKE '%left out%') AS told, max(substring(l FROM '([0-9]+) rotations')::integer) AS longest FROM graph('11111111-0000-7000-8000-000000000000') AS l;

-- What another retry window would have made of it: per client, in both directions
INSERT INTO sctoken.event (family_id, at, kind, generation, client_id, reason, detail)
SELECT gen_random_uuid(), clock_timestamp(), kind, 1, client, reason, jsonb_build_object('distance', distance, 'age', age, 'retryable', retryable)
  FROM (VALUES ('reuse_detected', 'sim-a', 'retry_window_passed', 1, 12.5, true), ('reuse_detected', 'sim-a', 'retry_window_passed', 1, 31, true), ('reuse_detected', 'sim-a', 'older_generation', 2, 1, false),
               ('reuse_detected', 'sim-a', 'max_retries', 1, 3, true), ('replayed', 'sim-a', 'retry_window', 1, 2, true), ('replayed', 'sim-a', 'retry_window', 1, 9.75, true), ('replayed', 'sim-a', 'unconfirmed', 1, 900, true),
               ('reuse_detected', 'sim-b', 'no_retry', 1, 0.5, false)) AS e(kind, client, reason, distance, age, retryable);
-- Reuse of a confirmed token's predecessor is reuse with any window.
INSERT INTO sctoken.event (family_id, at, kind, generation, client_id, reason, detail)
SELECT '22222222-0000-7000-8000-000000000000', clock_timestamp() + n * interval '1 ms', kind, n, 'sim-c', reason, detail::jsonb
  FROM (VALUES (2, 'confirmed', NULL, NULL), (1, 'reuse_detected', 'no_retry', '{"distance": 1, "age": 0.5, "retryable": false}')) AS e(n, kind, reason, detail);
SELECT w AS retry_window, s.* FROM unnest(ARRAY[interval '0', '5 s', '12.5 s', '30 s', '1 day']) WITH ORDINALITY AS w(w, n), sctoken.simulate_retry_window(w) AS s WHERE client_id LIKE 'sim-%' ORDER BY n, client_id;
SELECT count(*) FROM sctoken.simulate_retry_window(NULL);

DROP VIEW overview;
DROP TABLE held, chain;
DROP FUNCTION graph, uses_index;
DROP PROCEDURE advance;
