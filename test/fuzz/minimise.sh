#!/bin/bash
# minimise.sh: writes corpus/HARNESS, an input in base64 on each line: those of
# BUILD that reach what neither the seeds made of the vectors nor each other do.
#
# usage: minimise.sh BUILD HARNESS...
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
shift
export UNIT_DATA=$build

# The seeds of the vectors alone.
rm -rf "$build/minimise"
mkdir -p "$build/minimise/none" "$here/corpus"
"${PERL:-perl}" "$here/seeds.pl" "$here/../vectors" "$build/minimise/none" \
	"$build/minimise/seeds"

for name; do
	merged=$build/minimise/$name
	cp -r "$build/minimise/seeds/$name" "$merged"
	"$build/$name" -merge=1 -max_len=10000 "$merged" "$build/corpus/$name" \
		"$build/seeds/$name" >"$merged.log" 2>&1
	find "$merged" -type f ! -path '*/0[0-9][0-9][0-9]' -size -2k |
		sort | while read -r file; do
		base64 -w 0 "$file"
		echo
	done | sort >"$here/corpus/$name"
	echo "$name: $(wc -l <"$here/corpus/$name") inputs"
done
