#!/bin/bash
# run.sh: make faults: small wrong changes to the code, each of which a test must
# notice.
#
# A patch here begins with a line that says what it makes wrong, and a line
# "killed-by: STEP:TEST" for each test that must fail with it.  These tests alone
# are run: first on the code as it is, where all must pass, then with each patch.
# steps.sh runs this, as its user, where sctoken is built and installed.
#
# usage: test/faults/run.sh WORK
#
# Environment:
#	FAULTS			numbers of the patches to take; default: all
#	FAULT_TIMEOUT	seconds that a test may take; one that takes longer has found
#					nothing.  Default: 120, which is less than tests wait for.
set -eu -o pipefail

work=$1
log=$work/log
unit=$work/unit
limit=${FAULT_TIMEOUT:-120}
here=test/faults
running=
passed=0
failed=0
rows=()
declare -A sound

clean_up()
{
	trap '' INT TERM
	[ -z "$running" ] || kill "$running" 2>/dev/null || true
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# bounded COMMAND...: in the background, so that a signal is handled at once.
bounded()
{
	local status=0

	timeout --kill-after=10 "$limit" "$@" &
	running=$!
	wait "$running" || status=$?
	running=
	return $status
}

# The patches to take.
chosen()
{
	local number

	for number in ${FAULTS:-[0-9][0-9]}; do
		compgen -G "$here/$number-*.patch" || echo "no patch $number" >&2
	done | sort
}

# Prints the tests that a patch names, one a line.
killers()
{
	sed -n 's/^killed-by: //p' "$1"
}

# A server of its own for each test: what one fault has done to it must not be
# what another test fails for.
start_server()
{
	pg_ctl stop -D "$work/data" -m immediate >/dev/null 2>&1 || true
	rm -rf "$work/data"
	cp -a "$work/data.new" "$work/data"
	pg_ctl start -w -D "$work/data" -l "$log/server.log" >/dev/null
}

# build STEP NAME: what the test is of.
build()
{
	case $1 in
		unit) make -C test/unit BUILD="$unit" tests="$unit/$2" ;;
		gates) ;;
		*)
			make PG_CFLAGS='-Wall -Wextra -Werror' &&
				make install &&
				start_server
			;;
	esac
}

# run_test STEP NAME
run_test()
{
	rm -f regression.diffs output_iso/regression.diffs
	case $1 in
		unit)
			bounded make -C test/unit check BUILD="$unit" tests="$unit/$2" \
				PROVE_FLAGS=-v
			;;
		regress)
			bounded make installcheck REGRESS="$2" ISOLATION= TAP_TESTS=
			;;
		isolation)
			bounded make installcheck REGRESS= ISOLATION="$2" TAP_TESTS=
			;;
		tap)
			bounded make installcheck REGRESS= ISOLATION= PROVE_TESTS="$2" \
				PROVE_FLAGS=-v
			;;
		gates)
			# the others are about something else, the patches among it
			{ bounded test/gates.sh || [ $? = 1 ]; } |
				awk -v rule="$2" 'substr($0, index($0, " - ") + 3) == rule'
			;;
	esac
}

# try TEST LOG: sets verdict to "passed", or to "failed" if a case failed, or to
# what else became of the test.
try()
{
	local step=${1%%:*} name=${1#*:} status=0

	if ! build "$step" "$name" >"$2" 2>&1; then
		verdict='does not build'
		return
	fi
	run_test "$step" "$name" >"$2" 2>&1 || status=$?
	if [ $status = 124 ] || [ $status = 137 ]; then
		verdict='timed out'
	elif grep -aqE '^not ok [0-9]+|\.\.\. FAILED' "$2"; then
		verdict=failed
		cat regression.diffs output_iso/regression.diffs >>"$2" 2>/dev/null || true
	elif [ $status = 0 ] &&
		awk '/^ok [0-9]+|\.\.\. ok/ && !/# SKIP/ { ran = 1 } END { exit !ran }' "$2"; then
		verdict=passed
	else
		verdict='did not run'
	fi
}

# inject PATCH: sets verdict to "killed" if each test that it names fails.
inject()
{
	local fault test

	fault=$(basename "$1" .patch)
	if ! patch -p1 -F0 --dry-run --force <"$1" >"$log/$fault.log" 2>&1; then
		verdict='does not apply'
		return
	fi
	patch -p1 -F0 --silent --no-backup-if-mismatch <"$1"
	verdict='names no test'
	while read -r test; do
		if [ "${sound[$test]}" != passed ]; then
			verdict="${sound[$test]} without it"
			break
		fi
		try "$test" "$log/$fault.log"
		case $verdict in
			failed) verdict=killed ;;
			passed) verdict=SURVIVED ;;
		esac
		[ "$verdict" = killed ] || break
	done < <(killers "$1")
	patch -p1 -F0 --silent --no-backup-if-mismatch --reverse <"$1"
}

pg_ctl stop -D "$work/data" -m fast >/dev/null
mv "$work/data" "$work/data.new"
mapfile -t patches < <(chosen)

mapfile -t tests < <(for patch in "${patches[@]}"; do killers "$patch"; done |
	sort -u)
for test in "${tests[@]}"; do
	start=$SECONDS
	try "$test" "$log/sound.log"
	sound[$test]=$verdict
	printf '%-34s %-30s %s (%d s)\n' 'the code as it is' "$test" "$verdict" \
		$((SECONDS - start))
	[ "$verdict" = passed ] || tail -n 40 "$log/sound.log"
done

for patch in "${patches[@]}"; do
	start=$SECONDS
	inject "$patch"
	if [ "$verdict" = killed ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	by=$(killers "$patch" | paste -sd ' ')
	fault=$(basename "$patch" .patch)
	rows+=("| $fault | $(head -n 1 "$patch") | \`$by\` | $verdict |")
	printf '%-34s %-30s %s (%d s)\n' "$fault" "$by" "$verdict" \
		$((SECONDS - start))
done

printf '\n| Fault | What is wrong | Test | Verdict |\n|---|---|---|---|\n'
printf '%s\n' "${rows[@]}"
printf '\n%d passed, %d failed\n' $passed $failed
[ $failed = 0 ] && [ $passed -gt 0 ]
