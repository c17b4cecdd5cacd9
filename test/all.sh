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
#	matrix		all tests on all versions, in chroots of 0.5 GB each; .ci/run has the
#				short ones on 17 and 18
#	package		two chroots, 2 GB
#
# The last line sums it up.  matrix and package need root, all a network.
#
# usage: test/all.sh [test|browser|valgrind|faults|campaign|controls|test-ha|matrix|package]...
#
# Environment: that of each; but the campaign has 100000 ROTATIONS by default.
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. test/parts.sh

[ $# != 0 ] || set -- test browser valgrind faults campaign controls test-ha matrix package
for name; do
	case $name in
		test) part test/run.sh test ;;
		browser) BROWSER=1 STEPS=examples part test/run.sh test ;;
		valgrind | faults | test-ha) part test/run.sh "$name" ;;
		campaign) ROTATIONS=${ROTATIONS:-100000} claim 'a campaign finds nothing' test/run.sh campaign ;;
		controls) claim 'it finds each control' test/run.sh campaign-controls ;;
		matrix | package) part "test/$name.sh" ;;
		*) claim "$name is a part" false ;;
	esac
done

sum_up
