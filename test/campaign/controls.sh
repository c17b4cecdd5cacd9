#!/bin/bash
# controls.sh: would the campaign notice what it looks for?
#
# Each patch in controls/ takes one thing away from sctoken on which a guarantee
# rests, and says which rule of the campaign must then be broken.  It is applied,
# built and installed, and a short campaign run; the same campaign without it must
# be clean.
#
# Runs in a copy of the checkout, see steps.sh, with DRIVER as 040_campaign.pl.
# Prints a table; status 1 where a control was not caught.
#
# usage: test/campaign/controls.sh [PATCH...]
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
declare -A clean
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# header WORD PATCH: what a patch says of itself.
header()
{
	sed -n "s/^$1: //p" "$2"
}

# campaign ARGUMENTS: prints the table.  The status is that of make.
campaign()
{
	# shellcheck disable=SC2086 # words
	env INTERRUPTS=0 FSYNC=off SEED="${SEED:-1}" $1 "$here/run.sh" 2>&1 || true
}

# broken RULE: how often the last table says that it was.
broken()
{
	awk -v rule="$1" '$1 == rule { print $NF }' "$output"
}

build()
{
	{ make -j2 && make install; } >"$output" 2>&1 || {
		cat "$output"
		exit 1
	}
}

# without ARGUMENTS: is a campaign like this clean?
without()
{
	if [ -z "${clean[$1]:-}" ]; then
		campaign "$1" >"$output"
		if grep -q '^0 violations$' "$output"; then
			clean[$1]=yes
		else
			cat "$output"
			clean[$1]=no
		fi
	fi
	[ "${clean[$1]}" = yes ]
}

[ $# -gt 0 ] || set -- "$here"/controls/*.patch
row='%-22s  %-10s %9s  %s\n'
# shellcheck disable=SC2059 # one format for all rows
printf "$row" control rule broken ''
for patch; do
	rule=$(header Rule "$patch")
	arguments=$(header Campaign "$patch")
	verdict='NOT CAUGHT'

	without "$arguments" || verdict='not clean without it'
	git apply "$patch"
	build
	campaign "$arguments" >"$output"
	git apply -R "$patch"
	count=$(broken "$rule")
	if [ "${count:-0}" -gt 0 ] && [ "${clean[$arguments]}" = yes ]; then
		verdict=caught
	else
		failed=$((failed + 1))
		sed 's/^/\t/' "$output"
	fi
	# shellcheck disable=SC2059
	printf "$row" "$(basename "$patch" .patch)" "$rule" "${count:-?}" "$verdict"
	build
done
echo "$(($# - failed)) of $# controls are caught"
[ $failed = 0 ]
