#!/bin/bash
# copy_sources.sh: copies the checkout into a folder: what git tracks or would
# track; without git, all but what a build leaves.
#
# usage: copy_sources.sh FOLDER
set -eu -o pipefail

folder=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p "$folder"
if git ls-files >/dev/null 2>&1; then
	git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' name; do
			# Tracked, but deleted in the work tree.
			[ ! -e "$name" ] && [ ! -L "$name" ] || printf '%s\0' "$name"
		done | tar -c --null -T - | tar -x -C "$folder"
else
	tar -c --exclude=./.git --exclude='*.[oa]' --exclude='*.so' . |
		tar -x -C "$folder"
fi
