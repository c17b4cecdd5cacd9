#!/bin/bash
# run.sh: runs the harnesses for a while, each from its seeds and what it found
# the last time.
#
# Prints TAP: one line for each harness, with how many inputs it ran and how many
# of the edges of the code that is linked into it these took; before it, where
# something was found, the end of what the harness said and the input.
#
# usage: run.sh BUILD SECONDS JOBS HARNESS...
set -u -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
seconds=$2
jobs=$3
shift 3

# A sixth of the time for what others reach too, or what is all but a MAC
seconds_of()
{
	case $1 in
		fuzz_json | fuzz_certificate | fuzz_name | fuzz_nonce)
			echo $(((seconds + 5) / 6))
			;;
		*) echo "$seconds" ;;
	esac
}

# run_one HARNESS: its log is left in BUILD/log.
run_one()
{
	local name=$1 longest=4096 dictionary="" seconds_here

	case $name in
		fuzz_json | fuzz_jwk) dictionary=jose ;;
		fuzz_proof) dictionary=jose longest=10000 ;;
		fuzz_certificate_header) dictionary=certificate_header longest=8192 ;;
		fuzz_uri) dictionary=uri ;;
		fuzz_name) dictionary=name ;;
	esac
	seconds_here=$(seconds_of "$name")
	mkdir -p "$build/corpus/$name" "$build/found"

	# A second is long for one input, however busy the machine is.
	UNIT_DATA=$build "$build/$name" -max_total_time="$seconds_here" -timeout=10 \
		-max_len="$longest" ${dictionary:+-dict="$here/$dictionary.dict"} \
		-print_final_stats=1 -artifact_prefix="$build/found/$name-" \
		"$build/corpus/$name" "$build/seeds/$name" >"$build/log/$name.log" 2>&1
	echo $? >"$build/log/$name.status"
}

# value NAME PATTERN: the last thing in the log that fits.
value()
{
	sed -nE "s/.*$2.*/\\1/p" "$build/log/$1.log" | tail -n 1
}

report()
{
	local name=$1 runs edges all

	runs=$(value "$name" 'stat::number_of_executed_units: *([0-9]+)')
	edges=$(value "$name" ' cov: ([0-9]+)')
	all=$(value "$name" 'Loaded 1 modules +\(([0-9]+)')
	count=$((count + 1))
	if [ "$(cat "$build/log/$name.status")" = 0 ] && [ -n "$runs" ]; then
		verdict=ok
	else
		verdict='not ok'
		failed=1
		grep -vE '^#[0-9]+' "$build/log/$name.log" | tail -n 40 | sed 's/^/# /'
		find "$build/found" -name "$name-*" | while read -r file; do
			echo "# $file, in base64:"
			base64 -w 0 "$file" | sed 's/^/# /'
			echo
		done
	fi
	echo "$verdict $count - $name: ${runs:-0} inputs in $(seconds_of "$name") s," \
		"${edges:-0} of ${all:-?} edges"
}

mkdir -p "$build/log"
rm -f "$build"/log/*
count=0
failed=0

# Most of the time would go into memory that is filled, and kept long after it
# was freed.
export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=16:max_malloc_fill_size=256
for name; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	run_one "$name" &
done
wait
for name; do
	report "$name"
done
echo "1..$count"
exit $failed
