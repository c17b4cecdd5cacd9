#!/bin/bash
# run.sh: runs the examples, each by the run.sh of its folder here.
#
# They need a running server with sctoken, as PGHOST, PGPORT, PGUSER and PGDATABASE
# name it, and a role that may create databases and roles.  Each works in a
# temporary copy and a database of its own, prints cases that can be counted, in
# TAP or as node --test does, and where it cannot run one line "skipped: " with the
# reason; but with CI set a failed installation is a failure.
#
# usage: run.sh [EXAMPLE...]
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
failed=0
running=

stop()
{
	[ -z "$running" ] || kill -TERM "$running" 2>/dev/null
	wait
	exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

[ $# != 0 ] || set -- */run.sh
for example; do
	example=${example%/run.sh}
	printf '== %s\n' "$example"
	start=$SECONDS
	status=0

	# In the background, so that a signal is handled at once.
	"$example/run.sh" </dev/null &
	running=$!
	wait $running || status=$?
	running=
	[ $status = 0 ] || failed=1
	printf '== %s: status %d (%d s)\n' "$example" $status $((SECONDS - start))
done
exit $failed
