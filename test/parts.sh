#!/bin/bash
# parts.sh: what is counted together, for the scripts that source this: .ci/run and
# all.sh.
# part_log: what the part printed, for claims too that show it only at times.
passed=0
failed=0
skipped=0
part_log=$(mktemp)
trap 'rm -f "$part_log"' EXIT

# claim TEXT COMMAND...: one case.
claim()
{
	local text=$1

	shift
	if "$@"; then
		echo "ok - $text"
		passed=$((passed + 1))
	else
		echo "not ok - $text"
		failed=$((failed + 1))
	fi
}

# part COMMAND...: as many cases as the last such line of its output says (after
# which make may complain); a failed one at least where the status says so.
part()
{
	local status=0 p=0 f=0 s=0
	local line='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'

	echo "== $*"
	"$@" 2>&1 | tee "$part_log" || status=$?
	if [[ $(grep -E "$line" "$part_log" | tail -n 1) =~ $line ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[4]:-0}
	else
		status=1
	fi
	[ $status = 0 ] || [ "$f" -gt 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

# sum_up: the last line, and the status.
sum_up()
{
	printf '%d passed, %d failed' $passed $failed
	[ $skipped = 0 ] || printf ', %d skipped' $skipped
	echo
	[ $failed = 0 ]
}
