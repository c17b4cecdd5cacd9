-- The server's secrets: rotation, compromise, and when an old one may go
TRUNCATE sctoken.family, sctoken.client_policy, sctoken.server_secret;
INSERT INTO sctoken.client_policy (client_id, retry_window, retry_until_confirmed) VALUES ('app', '1 day', NULL), ('strict', '0', false);
CREATE VIEW secrets AS SELECT id, retired_at IS NULL AS in_use, compromised FROM sctoken.server_secret ORDER BY id;
-- The key id that a token names: its second byte.
CREATE FUNCTION key_id(token text) RETURNS integer LANGUAGE sql AS
$$ SELECT get_byte(decode(translate(substr(token, 5, 4), '-_', '+/'), 'base64'), 1) $$;
-- An implementation of a successor's secret of its own, from RFC 2104, RFC 5869 and doc/tokens.md; of the token and the row that has its salt.
CREATE FUNCTION hmac(key bytea, data bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. length(key) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || data));
END $$;
CREATE FUNCTION token_secret(token text) RETURNS bytea LANGUAGE sql AS
$$ SELECT substr(decode(translate(substr(token, 5, 96), '-_', '+/'), 'base64'), 25, 32) $$;
CREATE FUNCTION successor_secret(token text) RETURNS bytea LANGUAGE sql AS $$
    SELECT hmac(hmac(f.salt, token_secret(token) || hmac(hmac('\x00', s.secret), 'sctoken successor\001')), 'sctoken successor'::bytea || uuid_send(f.id) || int8send(f.generation) || '\x01'::bytea)
      FROM sctoken.family AS f JOIN sctoken.server_secret AS s ON s.id = f.key_id WHERE f.id = sctoken.token_family_id(token)
$$;

-- Without a secret it makes the first one.
SELECT sctoken.rotate_secret();
SELECT * FROM secrets;
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2, key_id(:'t1') AS k1, key_id(refresh_token) AS k2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT :k1 AS k1, :k2 AS k2;
-- The successor cannot be made without it: not of the spent token and the row, which a dump has.
SELECT token_secret(:'t2') = successor_secret(:'t1') AS as_specified;

-- A new one is used by all from the next call on, with 32 random bytes of its own; the old one is kept.
SELECT sctoken.rotate_secret();
SELECT * FROM secrets;
SELECT count(DISTINCT secret) AS different, min(octet_length(secret)) AS bytes FROM sctoken.server_secret;
SELECT key_id(refresh_token) FROM sctoken.issue('app', 'bob');
-- A retry across the rotation is answered with the identical token, under the old key id.
SELECT outcome, refresh_token = :'t2' AS identical FROM sctoken.rotate(:'t1', 'app');
-- Old tokens stay valid, and go over to the new secret when they are used.
SELECT sctoken.introspect(:'t2') -> 'active' AS active;
SELECT refresh_token AS t3, outcome, key_id(refresh_token) FROM sctoken.rotate(:'t2', 'app') \gset
SELECT :'outcome' AS outcome, :key_id AS key_id;
SELECT outcome, refresh_token = :'t3' AS identical FROM sctoken.rotate(:'t2', 'app');
-- A successor without retry, too, is wholly under the new secret.
SELECT refresh_token AS s1, key_id(refresh_token) FROM sctoken.issue('strict', 'alice') \gset
BEGIN;
SELECT sctoken.rotate_secret();
SELECT refresh_token AS s2, key_id(refresh_token) FROM sctoken.rotate(:'s1', 'strict') \gset
SELECT :key_id AS key_id;
SELECT outcome FROM sctoken.rotate(:'s2', 'strict');
ROLLBACK;
-- An old token under an old secret is still known as used.
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'app');
SELECT revoke_reason FROM sctoken.family WHERE id = :'family_id';

-- compromised marks every secret there was, also those retired before.
SELECT refresh_token AS t1, family_id FROM sctoken.issue('app', 'alice') \gset
SELECT refresh_token AS t2 FROM sctoken.rotate(:'t1', 'app') \gset
SELECT refresh_token AS t3 FROM sctoken.rotate(:'t2', 'app') \gset
SELECT refresh_token AS stays FROM sctoken.issue('app', 'carol') \gset
SELECT sctoken.rotate_secret(compromised => true);
SELECT * FROM secrets;
-- The current token and its predecessor pass by their hash; an older one is refused, and revokes nothing.
SELECT outcome, reason FROM sctoken.rotate(:'t1', 'app');
SELECT sctoken.revoke(:'t1', 'app');
SELECT outcome, refresh_token = :'t3' AS identical FROM sctoken.rotate(:'t2', 'app');
SELECT refresh_token AS t4, outcome, key_id(refresh_token) FROM sctoken.rotate(:'t3', 'app') \gset
SELECT :'outcome' AS outcome, :key_id AS key_id;
SELECT outcome, reason FROM sctoken.rotate(:'t2', 'app');
SELECT revoked_at FROM sctoken.family WHERE id = :'family_id';
SELECT kind, reason, count(*) FROM sctoken.event WHERE family_id = :'family_id' AND kind NOT IN ('issued', 'rotated', 'replayed') GROUP BY 1, 2;
-- Under the new secret reuse is reuse.
SELECT refresh_token AS t5 FROM sctoken.rotate(:'t4', 'app') \gset
SELECT refresh_token AS t6 FROM sctoken.rotate(:'t5', 'app') \gset
SELECT outcome, reason FROM sctoken.rotate(:'t4', 'app');
-- A later rotation takes no mark away, and sets none.
SELECT sctoken.rotate_secret(false);
SELECT * FROM secrets;

-- A secret goes when no family that has not expired can have a token under it. Not on the day it was retired:
DELETE FROM sctoken.family;
SELECT sctoken.rotate_secret();
SELECT id FROM secrets;
-- not while a family is old enough to have one, be it revoked or its current token under another secret;
TRUNCATE sctoken.server_secret;
SELECT sctoken.rotate_secret();
SELECT refresh_token AS old FROM sctoken.issue('app', 'alice') \gset
SELECT sctoken.rotate_secret();
SELECT key_id(refresh_token) FROM sctoken.rotate(:'old', 'app');
UPDATE sctoken.family SET created_at = created_at - interval '9 days';
UPDATE sctoken.server_secret SET created_at = created_at - interval '10 days', retired_at = retired_at - interval '8 days' WHERE id = 0;
SELECT sctoken.rotate_secret();
SELECT outcome, reason FROM sctoken.rotate(:'old', 'app');
SELECT sctoken.revoke(:'old', 'app', 'logout');
SELECT sctoken.rotate_secret();
SELECT id FROM secrets;
-- not while the current token of a family is under it, whatever the times say;
SELECT refresh_token AS current FROM sctoken.issue('app', 'dave') \gset
UPDATE sctoken.family SET key_id = 0 WHERE subject = 'dave';
DELETE FROM sctoken.family WHERE subject <> 'dave';
SELECT sctoken.rotate_secret();
SELECT id FROM secrets;
-- and then it does: families that began later, or have expired, do not need it.
UPDATE sctoken.family SET key_id = 3;
SELECT family_id AS gone FROM sctoken.issue('app', 'erin') \gset
UPDATE sctoken.family SET key_id = 0, created_at = created_at - interval '9 days', expires_at = clock_timestamp() WHERE subject = 'erin';
SELECT sctoken.rotate_secret();
SELECT id, in_use FROM secrets;
-- A token under a secret that is gone is unknown, and touches nothing.
SELECT outcome, reason, family_id FROM sctoken.rotate(:'old', 'app');

-- Key ids are not used again before their turn: after 255 comes 0.
TRUNCATE sctoken.family, sctoken.server_secret;
INSERT INTO sctoken.server_secret (id, secret) VALUES (254, sha256('x'));
SELECT sctoken.rotate_secret();
SELECT sctoken.rotate_secret();
SELECT sctoken.rotate_secret();
-- One that is taken is left out.
INSERT INTO sctoken.server_secret (id, secret, retired_at) SELECT n, sha256('x'), clock_timestamp() FROM generate_series(2, 252) AS n;
SELECT sctoken.rotate_secret();
-- When all are needed there is an error, and nothing has changed.
SELECT sctoken.rotate_secret(true);
SELECT count(*), count(*) FILTER (WHERE in_use) AS in_use, count(*) FILTER (WHERE compromised) AS compromised FROM secrets;
SELECT key_id(refresh_token) FROM sctoken.issue('app', 'alice');
-- With one day gone there is room again.
UPDATE sctoken.server_secret SET retired_at = clock_timestamp() - interval '25 hours' WHERE id = 77;
UPDATE sctoken.family SET created_at = clock_timestamp();
SELECT sctoken.rotate_secret();

-- Rolled back, the old secret goes on.
TRUNCATE sctoken.family, sctoken.server_secret;
SELECT key_id(refresh_token) FROM sctoken.issue('app', 'alice');
BEGIN;
SELECT sctoken.rotate_secret();
SELECT key_id(refresh_token) FROM sctoken.issue('app', 'alice');
ROLLBACK;
SELECT key_id(refresh_token) FROM sctoken.issue('app', 'alice');
BEGIN;
SAVEPOINT a;
SELECT sctoken.rotate_secret(true);
ROLLBACK TO a;
SELECT key_id(refresh_token) FROM sctoken.issue('app', 'alice');
COMMIT;
SELECT * FROM secrets;

-- Misuse.
SELECT sctoken.rotate_secret(NULL);
BEGIN READ ONLY;
SELECT sctoken.rotate_secret();
ROLLBACK;
BEGIN;
SELECT sctoken.rotate_secret();
PREPARE TRANSACTION 'secret';
-- Only who was granted it may.
CREATE ROLE regress_sctoken_nobody;
SET ROLE regress_sctoken_nobody;
SELECT sctoken.rotate_secret();
\set VERBOSITY sqlstate
SHOW sctoken.secret_file;
\set VERBOSITY default
SET sctoken.secret_file = '/dev/null';
RESET ROLE;
DROP ROLE regress_sctoken_nobody;
-- Not even a superuser sets the file for one session.
SET sctoken.secret_file = '/dev/null';
DROP VIEW secrets;
DROP FUNCTION successor_secret, token_secret, hmac, key_id;
