-- Events are only ever added: whoever asks, however
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT outcome FROM sctoken.rotate(:'t1', 'app');

-- By the table and by its partition, by superuser and owner: refused.
UPDATE sctoken.event SET reason = 'x' WHERE family_id = :'family_id';
DELETE FROM sctoken.event WHERE family_id = :'family_id';
TRUNCATE sctoken.event;
UPDATE sctoken.event_default SET reason = 'x' WHERE family_id = :'family_id';
DELETE FROM ONLY sctoken.event_default WHERE family_id = :'family_id';
TRUNCATE ONLY sctoken.event_default;
TRUNCATE sctoken.family, sctoken.event;
MERGE INTO sctoken.event AS e USING (SELECT :'family_id'::uuid AS id) AS s ON e.family_id = s.id WHEN MATCHED THEN DELETE;
-- Nor in the shoes of replication.
SET session_replication_role = replica;
DELETE FROM sctoken.event WHERE family_id = :'family_id';
TRUNCATE sctoken.event_default;
RESET session_replication_role;
-- A statement that meets no event has nothing to be refused.
DELETE FROM sctoken.event WHERE family_id = '00000000-0000-7000-8000-000000000000';
SELECT kind, generation FROM sctoken.event WHERE family_id = :'family_id' ORDER BY at;

-- New partitions are guarded too: rows by the parent's trigger, TRUNCATE of it by the parent's.
CREATE TABLE sctoken.event_guarded PARTITION OF sctoken.event FOR VALUES FROM ('2001-01-01') TO ('2001-01-08');
INSERT INTO sctoken.event (family_id, at, kind) VALUES ('00000000-0000-7000-8000-000000000000', '2001-01-02', 'issued');
DELETE FROM sctoken.event_guarded;
UPDATE sctoken.event_guarded SET at = '2001-01-03';
TRUNCATE sctoken.event;
DROP TABLE sctoken.event_guarded;

-- The function is a trigger function, and says so.
SELECT sctoken.guard_append_only();
CREATE TABLE mine (a integer);
CREATE TRIGGER wrong AFTER DELETE ON mine FOR EACH ROW EXECUTE FUNCTION sctoken.guard_append_only();
INSERT INTO mine VALUES (1);
DELETE FROM mine;
DROP TABLE mine;
