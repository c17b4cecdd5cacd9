#!/bin/bash
# capacity.sh: the figures that the model of doc/capacity.md is made of: what rows
# take, and what a call costs and writes, without and with full-page images.
#
# CAPACITY_FAMILIES: among how many (100000).
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

families=${CAPACITY_FAMILIES:-100000}
calls=$((seconds * 1000))

# setting NAME VALUE: of the whole server, which is the bench's own.  The first
# checkpoint is when the checkpointer has heard of it at the latest.
setting()
{
	sql -d postgres -c "ALTER SYSTEM SET $1 = $2" -c 'SELECT pg_reload_conf()' >/dev/null
	until [ "$(sql -d postgres -c "SHOW $1")" = "$2" ]; do
		:
	done
	sql -d postgres -c 'CHECKPOINT' -c 'CHECKPOINT'
}
restore()
{
	sql -d postgres -c 'ALTER SYSTEM RESET ALL' -c 'SELECT pg_reload_conf()' >/dev/null
}
trap restore EXIT

# cost NAME CALL RANGE [OPTIONS]: the RANGE-th thousand of families and proofs
cost()
{
	local first=$(($3 * calls + 1))

	sample "$1" with "-c synchronous_commit=off ${4:-}" psql -qXAt -F ' ' -v ON_ERROR_STOP=1 \
		-c "CALL bench.cost('$2', $first, $((first + calls - 1)), NULL, NULL)"
}

# replayed: rotations a second, and megabytes, that recovery replays, which is one
# process like that of a standby.  They are of random families, after a checkpoint.
replayed()
{
	local data before rotations bytes

	data=$(sql -c 'SHOW data_directory')
	sql -d postgres -c 'CHECKPOINT'
	before=$(sql -c 'SELECT pg_current_wal_insert_lsn()')
	rotations=$(with '-c synchronous_commit=off -c sctoken.audit=all' load rotate $((seconds * 5)) 4 5000 |
		awk -v s=$((seconds * 5)) '{ print $1 * s }')
	bytes=$(sql -c "SELECT pg_current_wal_insert_lsn() - '$before'")
	sql -c 'SELECT pg_switch_wal()' >/dev/null
	pg_ctl stop -s -D "$data" -m immediate
	pg_ctl start -s -w -D "$data" -l "$work/recovery.log" -o "-c log_min_messages=log -c logging_collector=off"
	sed -nE 's/.*redo done at .* elapsed: ([0-9.]+) s/\1/p' "$work/recovery.log" | tail -n 1 |
		awk -v rotations="$rotations" -v bytes="$bytes" '{ print rotations / $1, bytes / $1 / 1e6 }'
	rm "$work/recovery.log"
}

sql -f "$here/capacity.sql"
for _ in $(seq "$rounds"); do
	sql -c 'TRUNCATE sctoken.event, sctoken.family, bench.presented, bench.held RESTART IDENTITY'
	evp proofs $((calls * 8)) "$(date +%s)" >"$work/presented"
	sql -c "\\copy bench.presented (proof) FROM '$work/presented'"
	sql -c 'SET sctoken.dpop_max_age = 600' -c 'SET synchronous_commit = off' \
		-c "CALL bench.log_in($families)" -c 'ANALYZE bench.held'
	sample family sql -F ' ' -c "SELECT pg_total_relation_size('sctoken.family') / $families.0,
		pg_indexes_size('sctoken.family') / $families.0"
	sample event sql -c "SELECT sum(pg_total_relation_size(relid)) / $families.0
		FROM pg_partition_tree('sctoken.event') WHERE isleaf"

	age='-c sctoken.dpop_max_age=600'
	setting full_page_writes off
	cost issue issue 0 '-c sctoken.audit=lifecycle'
	cost lifecycle rotate 0 "$age -c sctoken.audit=lifecycle"
	cost all rotate 1 "$age"
	cost check dpop_check 2 "$age"
	cost unlogged dpop_check 3 "$age -c sctoken.replay_store=unlogged"
	cost introspect introspect 4
	cost revoke revoke_family 4
	setting full_page_writes on
	cost cold rotate 5 "$age -c sctoken.audit=lifecycle"
	setting wal_compression lz4
	cost compressed rotate 6 "$age -c sctoken.audit=lifecycle"
	restore
	sample replay sql -c "SELECT sum(pg_total_relation_size(relid)) / ($calls * 5.0)
		FROM pg_partition_tree('sctoken.dpop_replay') WHERE isleaf AND relid::text LIKE '%logged%'
		AND relid::text NOT LIKE '%unlogged%'"
	sql -c 'TRUNCATE sctoken.dpop_replay, sctoken.dpop_replay_store, sctoken.dpop_replay_horizon,
		sctoken.dpop_replay_marker'
	sample replayed replayed
done

names=(issue lifecycle all check unlogged introspect revoke cold compressed)
figures_title 'one call, async' issue 'rotate, lifec.' 'rotate, all' dpop_check 'its unlogged' \
	introspect revoke_family 'rotate, cold' '... and lz4'
n=0
for unit in 'CPU us' 'WAL bytes'; do
	n=$((n + 1))
	figures "$unit" "${names[@]/%/:$n}"
done
figures_title "bytes of a row with its indexes" family 'its indexes' event 'replay record'
figures 'bytes' family:1 family:2 event:1 replay:1
figures_title 'replayed by one process' rotate
figures 'calls/s' replayed:1
figures 'MB of WAL/s' replayed:2
