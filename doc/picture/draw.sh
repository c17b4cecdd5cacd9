#!/bin/bash
# draw.sh: draws each .dot of this folder as SVG (make pictures).
#
# Needs dot, of Debian's package graphviz.  The checksum of what was drawn stands in
# the picture, so that the gates can tell without dot whether one is out of date.
set -eu -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
for source in *.dot; do
	picture=${source%.dot}.svg
	dot -Tsvg "$source" >"$picture"
	printf '<!-- %s -->\n' "$(sha256sum "$source")" >>"$picture"
done
