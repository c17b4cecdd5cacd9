#!/bin/bash
# growth.sh: how cost grows, as tables and as plots.
#
# GROWTH_MAX: how many families, and rotations of one (100000; the plots that
# doc/performance.md shows were made with 1000000).
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

max=${GROWTH_MAX:-100000}
per_window=$((seconds * 1000))
options='-c synchronous_commit=off -c sctoken.audit=lifecycle'

# series NAME COMMAND...: a file of figures, and its lines
series()
{
	printf '\n%s\n' "$1"
	"${@:2}" | tee "$samples/$1"
}

for kind in floor rotate rival; do
	series families.$kind with "$options" load grow $kind "$seconds" "$max"
	sql -c 'TRUNCATE sctoken.event, sctoken.family, bench.floor, rival.token, rival.family'
done

clients()
{
	local clients

	for clients in 1 2 4 8 16 32 64; do
		echo "$clients $(load "$1" "$seconds" $clients 50)"
	done
}
for kind in floor rotate rival; do
	series clients.$kind with '-c sctoken.audit=lifecycle' clients $kind
done
sql -c 'TRUNCATE sctoken.event, sctoken.family, bench.floor, rival.token, rival.family'

for kind in rotate rival; do
	series age.$kind with "$options" load age $kind "$max"
done

# window, microseconds of dpop_verify and of dpop_check, bytes of the records
windows()
{
	local window iat first=1

	for window in $(seq 0 10); do
		iat=$((1700000000 + window * 80))
		evp proofs $per_window $iat | sed "s/^/$iat\t/" >"$work/presented"
		sql -c "\\copy bench.presented (iat, proof) FROM '$work/presented'"
		echo "$((window + 1)) $(for call in verify check; do
			sql -c 'SET synchronous_commit = off' \
				-c "CALL bench.present('$call', $first, $((first + per_window - 1)), NULL)"
		done | tr '\n' ' ') $(sql -c "SELECT sum(pg_total_relation_size(relid))
			FROM pg_partition_tree('sctoken.dpop_replay') WHERE isleaf")"
		first=$((first + per_window))
	done
}
sql -f "$here/replay.sql"
series proofs windows

if command -v gnuplot >/dev/null; then
	gnuplot -e "samples = '$samples'; results = '$BENCH_RESULTS'" "$here/growth.gp"
	echo
	echo "plots: families.svg clients.svg age.svg proofs.svg"
else
	printf '\n'
	absent plots 'no gnuplot'
fi
