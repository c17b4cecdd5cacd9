-- What so and so many families need, by the model of doc/capacity.md:
--     psql -Xq -v families=1e8 -f doc/capacity.sql
-- Any variable below can be set like that.  Nothing is read from the database; it
-- does the arithmetic.
\set ON_ERROR_STOP on
\pset footer off
SET search_path = pg_catalog;

-- What there is to serve.
\if :{?families}          \else \set families 1e6           \endif
\if :{?refreshes_per_day} \else \set refreshes_per_day 8    \endif
\if :{?proofs_per_refresh} \else \set proofs_per_refresh 10 \endif
\if :{?peak}              \else \set peak 3                 \endif
\if :{?events}            \else \set events all             \endif
\if :{?retention_days}    \else \set retention_days 90      \endif
\if :{?proof_life_s}      \else \set proof_life_s 81        \endif

-- What a server is, and how much of it may be used.
\if :{?cores}             \else \set cores 16               \endif
\if :{?use}               \else \set use 0.4                \endif
\if :{?disk_gb}           \else \set disk_gb 2000           \endif
\if :{?checkpoint_s}      \else \set checkpoint_s 900       \endif
\if :{?standbys}          \else \set standbys 2             \endif
\if :{?failover_s}        \else \set failover_s 25          \endif

-- Measured, ONLY=capacity make bench: microseconds, bytes, rows of a second.
\if :{?rotate_us}         \else \set rotate_us 371          \endif
\if :{?check_us}          \else \set check_us 268           \endif
\if :{?issue_us}          \else \set issue_us 240           \endif
\if :{?call_us}           \else \set call_us 50             \endif
\if :{?rotate_wal}        \else \set rotate_wal 571         \endif
\if :{?event_wal}         \else \set event_wal 244          \endif
\if :{?check_wal}         \else \set check_wal 409          \endif
\if :{?image}             \else \set image 5893             \endif
\if :{?family_bytes}      \else \set family_bytes 890       \endif
\if :{?family_index_bytes} \else \set family_index_bytes 304 \endif
\if :{?event_bytes}       \else \set event_bytes 167        \endif
\if :{?replay_bytes}      \else \set replay_bytes 190       \endif
\if :{?replayed}          \else \set replayed 148724        \endif

WITH given AS (
    SELECT :families::float8 AS families,
           :families::float8 * :refreshes_per_day / 86400 AS refreshes,     -- a second, on average
           (:'events' = 'all')::int AS all_events
), total AS (
    SELECT g.*,
           g.refreshes * :peak AS refreshes_peak,
           g.refreshes * :peak * :proofs_per_refresh AS proofs_peak,
           -- of backends; call_us is for the protocol and the socket of each call
           g.refreshes * :peak * (:rotate_us + :call_us + :proofs_per_refresh * (:check_us + :call_us)) / 1e6
               / :use AS cores,
           g.families * :family_bytes / 1e9 AS family_gb,
           g.all_events * g.refreshes * 86400 * (:retention_days + 7) * :event_bytes / 1e9 AS event_gb,
           -- three tables, each of which fills for at least a life before it is emptied
           3 * g.refreshes * :peak * (1 + :proofs_per_refresh) * :proof_life_s * :replay_bytes / 1e9 AS replay_gb
      FROM given AS g
), shards AS (
    SELECT t.*, ceil(greatest(t.cores / :cores,
                              (t.family_gb + t.event_gb + t.replay_gb) * 1.3 / :disk_gb,
                              t.refreshes_peak / (:replayed * 0.5))) AS shards
      FROM total AS t
), each AS (
    SELECT s.*,
           -- heap pages of family, and how many of them a checkpoint's time touches
           s.families / s.shards * (:family_bytes - :family_index_bytes) / 8192 AS pages,
           greatest(s.refreshes / s.shards * :checkpoint_s, 1) AS touches
      FROM shards AS s
), wal AS (
    SELECT e.*,
           e.pages * (1 - exp(-e.touches / e.pages)) / e.touches * :image AS image_bytes
      FROM each AS e
), result AS (
    SELECT w.*,
           w.refreshes_peak / w.shards * (:rotate_wal + w.all_events * :event_wal + w.image_bytes
               + :proofs_per_refresh * :check_wal) / 1e6 AS wal_mb
      FROM wal AS w
)
SELECT v.what, v.value
  FROM result AS r, LATERAL (VALUES
    ('refreshes a second, on average / at the peak', format('%s / %s', round(r.refreshes), round(r.refreshes_peak))),
    ('proofs of resource servers a second, at the peak', round(r.proofs_peak)::text),
    ('servers (shards)', r.shards::text),
    ('logical databases to begin with', (2 ^ greatest(ceil(log(2, (r.shards * 4)::numeric)), 4))::int::text),
    ('busy cores of each at the peak, of ' || :cores, round((r.cores * :use / r.shards)::numeric, 1)::text),
    ('rows of family of each, GB', round((r.family_gb / r.shards)::numeric, 1)::text),
    ('events of each, GB', round((r.event_gb / r.shards)::numeric, 1)::text),
    ('replay records of each, GB', round((r.replay_gb / r.shards)::numeric, 2)::text),
    ('WAL of each at the peak, MB/s', round(r.wal_mb::numeric, 1)::text),
    ('of a refresh, full-page images, bytes', round(r.image_bytes)::text),
    ('WAL of each in a day, GB', round((r.wal_mb / :peak * 86400 / 1000)::numeric)::text),
    ('network of each for standbys at the peak, Mbit/s', round((r.wal_mb * :standbys * 8)::numeric)::text),
    ('standby: share of its one replaying process at the peak', round((100 * r.refreshes_peak / r.shards / :replayed)::numeric, 1) || ' %'),
    ('failover of one: refreshes that wait ' || :failover_s || ' s', round(r.refreshes / r.shards * :failover_s)::text),
    ('one is lost for good: users who log in again', round(r.families / r.shards)::text),
    ('... and if all come at once, minutes of its cores', round((r.families / r.shards * (:issue_us + :call_us) / 1e6 / (:cores * :use) / 60)::numeric, 1)::text)
  ) AS v (what, value);
