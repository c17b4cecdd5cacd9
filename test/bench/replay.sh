#!/bin/bash
# replay.sh: accepted proofs.  REPLAY_RECORDS: how many are there already (1000000).
#
# Ten windows full of proofs, and one before them that warms up: a window is the
# largest age and skew, and the time is the argument "at".  Then proofs of one window,
# among the first 100,000 records, of which half are there, and among many.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

records=${REPLAY_RECORDS:-1000000}
half=50000
per_window=2000
calls=$((seconds * 1000))
at=1700009000

# present CALL FIRST LAST: microseconds of CPU of one call
present()
{
	sql -c 'SET synchronous_commit = off' -c "CALL bench.present('$1', $2, $3, NULL)"
}

# The percentiles of the latencies since they were asked for last
latencies()
{
	sql -F ' ' -c "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY us),
		percentile_cont(0.99) WITHIN GROUP (ORDER BY us) FROM bench.latency" \
		-c 'TRUNCATE bench.latency'
}

sql -f "$here/replay.sql"
{
	for window in $(seq 0 10); do
		evp proofs $per_window $((1700000000 + window * 80)) |
			sed "s/^/$((1700000000 + window * 80))\t/"
	done
	evp proofs $((calls * 4)) $at | sed "s/^/$at\t/"
} >"$work/presented"
sql -c "\\copy bench.presented (iat, proof) FROM '$work/presented'"

last=$((per_window * 11))
for _ in $(seq "$rounds"); do
	sql -c 'CALL bench.forget_proofs()'
	present check 1 $per_window >/dev/null
	for call in verify check; do
		sql -c 'TRUNCATE bench.latency'
		sample $call.cpu present $call $((per_window + 1)) $last
		sample $call.us latencies
	done

	sql -c 'CALL bench.forget_proofs()'
	present check $((last + 3 * calls + 1)) $((last + 3 * calls + 1)) >/dev/null
	sql -c "CALL bench.fill_records(1, $half, $at)"
	for n in 0 2; do
		present check $((last + n * calls + 1)) $((last + n * calls + calls / 10)) >/dev/null
		sample alone$n present verify $((last + n * calls + 1)) $((last + (n + 1) * calls))
		sample check$n present check $((last + n * calls + calls / 10 + 1)) $((last + (n + 1) * calls))
		paste -d ' ' <(tail -n 1 "$samples/check$n") <(tail -n 1 "$samples/alone$n") |
			awk '{ print $1, $1 - $2 }' >>"$samples/record$n"
		[ $n != 0 ] || sql -c "CALL bench.fill_records($((half + 1)), $records, $at)"
	done
done

title "dpop_check over ten windows, async; dpop_verify" verify
compare 'dpop_check with the record' dpop_verify 'CPU us' check.cpu:1 verify.cpu:1
compare 'dpop_check with the record' dpop_verify 'p50 us' check.us:1 verify.us:1
compare 'dpop_check with the record' dpop_verify 'p99 us' check.us:2 verify.us:2

title "dpop_check among $records live records (put there by SQL), async" "$half"
compare "the record: dpop_check less dpop_verify" "among $half" 'CPU us' record2:2 record0:2 '<=1.2'
compare "the whole dpop_check" "among $half" 'CPU us' record2:1 record0:1
