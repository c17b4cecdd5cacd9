#!/bin/bash
# rotate.sh: rotate beside the least that anyone could do, one prepared UPDATE, and
# beside a row-per-token implementation in PL/pgSQL.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

# measure NAME CLIENTS SYNCHRONOUS_COMMIT
measure()
{
	local sync="-c synchronous_commit=$3"

	sample "$1.floor" with "$sync" load floor "$seconds" "$2"
	sample "$1.lifecycle" with "$sync -c sctoken.audit=lifecycle" load rotate "$seconds" "$2"
	sample "$1.all" with "$sync -c sctoken.audit=all" load rotate "$seconds" "$2"
	sample "$1.rival" with "$sync" load rival "$seconds" "$2"
	sql -c 'TRUNCATE sctoken.event, sctoken.family, bench.floor, rival.token, rival.family' \
		-c 'CHECKPOINT'
}

for _ in $(seq "$rounds"); do
	measure async1 1 off
	measure sync8 8 on
done

title 'rotate beside one prepared UPDATE by primary key of a row as wide' UPDATE
compare 'sync, 8 clients, audit lifecycle' UPDATE calls/s sync8.lifecycle:1 sync8.floor:1 '>=0.6'
compare 'sync, 8 clients, audit all' UPDATE calls/s sync8.all:1 sync8.floor:1 '>=0.45'
compare 'async, 1 client, audit lifecycle' UPDATE calls/s async1.lifecycle:1 async1.floor:1 '>=0.5'
compare 'async, 1 client, audit all' UPDATE calls/s async1.all:1 async1.floor:1 '>=0.4'
compare 'sync, 8 clients, audit lifecycle' UPDATE 'CPU us' sync8.lifecycle:2 sync8.floor:2 '<=2.1'
compare 'sync, 8 clients, audit all' UPDATE 'CPU us' sync8.all:2 sync8.floor:2
compare 'async, 1 client, audit lifecycle' UPDATE 'CPU us' async1.lifecycle:2 async1.floor:2 '<=2.1'
compare 'async, 1 client, audit all' UPDATE 'CPU us' async1.all:2 async1.floor:2
compare 'async, 1 client, audit lifecycle' UPDATE 'WAL bytes' async1.lifecycle:3 async1.floor:3 '<=1.3'
compare 'async, 1 client, audit all' UPDATE 'WAL bytes' async1.all:3 async1.floor:3 '<=2.3'

title 'rotate beside row-per-token PL/pgSQL (no events, no retry)' PL/pgSQL
compare 'sync, 8 clients, audit lifecycle' PL/pgSQL calls/s sync8.lifecycle:1 sync8.rival:1 '>=1.5'
compare 'sync, 8 clients, audit all' PL/pgSQL calls/s sync8.all:1 sync8.rival:1 '>=1.2'
compare 'async, 1 client, audit lifecycle' PL/pgSQL calls/s async1.lifecycle:1 async1.rival:1 '>=1.5'
compare 'async, 1 client, audit all' PL/pgSQL calls/s async1.all:1 async1.rival:1 '>=1.2'
compare 'async, 1 client, audit lifecycle' PL/pgSQL 'CPU us' async1.lifecycle:2 async1.rival:2
compare 'async, 1 client, audit all' PL/pgSQL 'CPU us' async1.all:2 async1.rival:2

for name in async1 sync8; do
	figures_title "$name" UPDATE lifecycle all PL/pgSQL
	n=0
	for unit in 'calls/s' 'CPU us a call' 'WAL bytes a call' 'growth, MB a million calls' \
		'p50 us' 'p99 us' 'max us'; do
		n=$((n + 1))
		figures "$unit" $name.floor:$n $name.lifecycle:$n $name.all:$n $name.rival:$n
	done
done
