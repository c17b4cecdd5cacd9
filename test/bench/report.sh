#!/bin/bash
# report.sh: what the parts of a bench have in common; each begins with it.
#
# run.sh gives them BENCH_WORK (a folder with the programs), ROUNDS and SECONDS_EACH.
# A part takes samples, a line of figures each, in rounds in which the things that
# are compared take turns; then it makes rows of them.  A row has the median of each
# side, and as ratio the median of the rounds' ratios: the two of a round met the same
# weather.
set -eu -o pipefail

# shellcheck disable=SC2034 # for the parts
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$BENCH_WORK
# shellcheck disable=SC2034
rounds=$ROUNDS
# shellcheck disable=SC2034
seconds=$SECONDS_EACH
part=$(basename "$0" .sh)
samples=$work/samples/$part
export PATH=$work:$PATH
rm -rf "$samples"
mkdir -p "$samples"

sql()
{
	psql -qXAt -v ON_ERROR_STOP=1 "$@"
}

# with OPTIONS COMMAND...: with these settings in each session
with()
{
	PGOPTIONS=$1 "${@:2}"
}

# sample NAME COMMAND...: adds what the command prints
sample()
{
	"${@:2}" >>"$samples/$1"
}

# title TEXT THEIRS: what the rows below compare
title()
{
	printf '\n%s\n%-60s %11s %11s %7s\n' "$1" '' sctoken "$2" ratio
}

# The median of the numbers in standard input
median()
{
	sort -g | awk '{ v[NR] = $1 }
		END { printf "%.6g\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# column NAME:N: the N-th figure of each sample
column()
{
	awk -v n="${1##*:}" '{ print $n }' "$samples/${1%:*}"
}

# row WHAT AGAINST UNIT OURS THEIRS RATIO [LIMIT]: prints a row and keeps it.
# LIMIT: "<=N" or ">=N", what the ratio ought to be.
row()
{
	local limit=${7:-} verdict='' met=null

	if [ -n "$limit" ]; then
		met=$(awk -v r="$6" -v l="${limit:2}" -v o="${limit:0:1}" \
			'BEGIN { print (o == "<" ? r <= l : r >= l) ? "true" : "false" }')
		[ "$met" = true ] && verdict="$limit" || verdict="$limit missed"
	fi
	printf '%-60s %11s %11s %7s %s\n' "$1, $3" "$4" "$5" "$6" "$verdict"
	printf '{"part": "%s", "what": "%s", "against": "%s", "unit": "%s", "sctoken": %s, "other": %s, "ratio": %s, "budget": "%s", "met": %s}\n' \
		"$part" "$1" "$2" "$3" "$4" "$5" "$6" "$limit" "$met" >>"$work/rows"
}

# compare WHAT AGAINST UNIT OURS:N THEIRS:N [LIMIT]: a row of samples
compare()
{
	local ratio

	ratio=$(paste <(column "$4") <(column "$5") |
		awk '{ print $2 == 0 ? 0 : $1 / $2 }' | median)
	row "$1" "$2" "$3" "$(column "$4" | median)" "$(column "$5" | median)" \
		"$(printf '%.3g' "$ratio")" "${6:-}"
}

# figures WHAT NAME:N...: one figure of several things, without a judgement
figures()
{
	local what=$1 name value

	printf '%-40s' "$what"
	for name in "${@:2}"; do
		value=$(column "$name" | median)
		printf ' %14s' "$value"
		printf '{"part": "%s", "what": "%s", "of": "%s", "value": %s}\n' \
			"$part" "$what" "${name%:*}" "$value" >>"$work/rows"
	done
	echo
}

# figures_title TEXT NAME...
figures_title()
{
	printf '\n%-40s' "$1"
	printf ' %14s' "${@:2}"
	echo
}

# absent WHAT REASON: a row of what could not be had
absent()
{
	printf '%-60s not measured: %s\n' "$1" "$2"
	printf '{"part": "%s", "what": "%s", "not_measured": "%s"}\n' \
		"$part" "$1" "$2" >>"$work/rows"
}
