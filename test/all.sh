#!/bin/bash
# all.sh: make test-all: make test, and all that .ci/run leaves out, with the reason:
#
#	browser		test the page of an example in Chromium: 98 MB are unpacked for it
#	valgrind	the core's tests under memcheck: many times as slow, and .ci/run has
#				them under sanitizers
#	faults		a build for each seeded fault; which test notices it changes seldom
#	campaign	a long one (a short one is in make test), then its controls, each a
#				build of its own; what it finds is rare, so that its length is all
#	test-ha		a failover of Patroni, whose packages are unpacked for it
#	matrix		chroots of other Debian suites, 0.5 GB each; their archives move
#	package		two chroots, 2 GB
#
# The last line sums it up.  matrix and package need root, all a network.
#
# usage: test/all.sh [test|browser|valgrind|faults|campaign|controls|test-ha|matrix|package]...
#
# Environment: that of each; but the campaign has 100000 ROTATIONS by default.
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
passed=0
failed=0
skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# part COMMAND...: the cases that its last such line counts, or else one case.
part()
{
	local status=0 p=0 f=0 s=0
	local line='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'

	echo "== $*"
	"$@" 2>&1 | tee "$log" || status=$?
	if [[ $(grep -E "$line" "$log" | tail -n 1) =~ $line ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[4]:-0}
	elif [ $status = 0 ]; then
		p=1
	fi
	[ $status = 0 ] || [ "$f" -gt 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

[ $# != 0 ] || set -- test browser valgrind faults campaign controls test-ha matrix package
for name; do
	case $name in
		test) part test/run.sh test ;;
		browser) BROWSER=1 STEPS=examples part test/run.sh test ;;
		valgrind | faults | test-ha) part test/run.sh "$name" ;;
		campaign) ROTATIONS=${ROTATIONS:-100000} part test/run.sh campaign ;;
		controls) part test/run.sh campaign-controls ;;
		matrix | package) part "test/$name.sh" ;;
		*) part false "$name is no part" ;;
	esac
done

printf '%d passed, %d failed' $passed $failed
[ $skipped = 0 ] || printf ', %d skipped' $skipped
echo
[ $failed = 0 ]
