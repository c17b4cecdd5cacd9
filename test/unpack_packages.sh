#!/bin/bash
# unpack_packages.sh: unpacks Debian packages into a folder; installs and starts
# nothing, and needs no privileges.
#
# FOLDER gets the files of the packages and of what they depend on, but of none
# that is installed.  Its libraries are for LD_LIBRARY_PATH.  apt's own lists and
# archives stand in FOLDER/apt, so that those of the system stay as they are.
#
# usage: unpack_packages.sh FOLDER PACKAGE...
set -eu -o pipefail

folder=$(realpath -m "$1")
apt=$folder/apt
shift

apt()
{
	apt-get -qq -o Dir::Cache="$apt" -o Dir::State::lists="$apt/lists" "$@"
}

mkdir -p "$apt/lists" "$apt/archives"
cd "$apt/archives"

# A source that fails may be one that is not needed.
apt update || true
apt install --simulate --no-install-recommends --no-upgrade "$@" >../plan
mapfile -t missing < <(sed -n 's/^Inst \([^ ]*\) .*/\1/p' ../plan)
[ ${#missing[@]} != 0 ] || exit 0

apt download "${missing[@]}"
for archive in *.deb; do
	dpkg -x "$archive" "$folder"
done
