#!/bin/bash
# released.sh: is every script that was released as it was then?
#
# Prints what is not, and nothing else.  sql/released.sha256 has the checksums.  In
# a clone the tags decide as well: what a tag vX.Y.Z has in sql/ must be in the list,
# as it is in the tag.
#
# usage: test/released.sh [CHECKOUT]
set -eu -o pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
list=sql/released.sha256

checksum_of()
{
	sha256sum | cut -d' ' -f1
}

[ -e $list ] || echo "$list: not there"
while read -r sum script; do
	case $sum in
		'' | '#'*) continue ;;
	esac
	[ -e "$script" ] || echo "$script: released, and gone"
	[ ! -e "$script" ] || [ "$(checksum_of <"$script")" = "$sum" ] ||
		echo "$script: released, and changed since"
done <$list

# This very checkout, and none that it happens to stand in
[ -e .git ] && command -v git >/dev/null || exit 0
for tag in $(git tag --list 'v[0-9]*'); do
	for script in $(git ls-tree -r --name-only "$tag" sql/ | grep '\.sql$'); do
		sum=$(git show "$tag:$script" | checksum_of)
		grep -qxF "$sum  $script" $list ||
			echo "$script: in $tag, and not so in $list"
	done
done
