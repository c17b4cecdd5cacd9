#!/bin/bash
# install_packages.sh: installs Debian packages, and makes and starts nothing.
#
# postgresql-common makes a cluster for a new server and starts what clusters
# there are, unless told not to: for as long as this takes, it is told.
#
# usage, as root: install_packages.sh PACKAGE...
set -eu

drop_in=/etc/postgresql-common/createcluster.d/sctoken-test.conf
policy=/usr/sbin/policy-rc.d
arranged=("$drop_in")

restore_system()
{
	rm -f "${arranged[@]}"
	rmdir --ignore-fail-on-non-empty "${drop_in%/*}"
}
trap restore_system EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "${drop_in%/*}"
echo 'create_main_cluster = false' >"$drop_in"
if [ ! -e "$policy" ]; then
	arranged+=("$policy")
	# Services of other packages start where there is an init to start them,
	# as without this file.
	cat >"$policy" <<-'POLICY'
		#!/bin/sh
		[ "$1" != postgresql ] && [ -d /run/systemd/system ] || exit 101
	POLICY
	chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update -qq
apt-get -o DPkg::Lock::Timeout=300 install -qq --yes 	--no-install-recommends "$@"
