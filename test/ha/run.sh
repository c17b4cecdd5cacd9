#!/bin/bash
# run.sh: make test-ha: a failover under load, see failover.py.
#
# steps.sh runs this, as its user, where sctoken is built and installed.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d "$TMPDIR/ha.XXXXXX")

# Not installed: the packages would start services, now and at each boot.
"$here/../unpack_packages.sh" "$PACKAGES" patroni python3-etcd etcd-server >"$folder/unpack.log" 2>&1 ||
	{
		cat "$folder/unpack.log"
		exit 1
	}
program()
{
	command -v "$1" || echo "$PACKAGES/usr/bin/$1"
}

export PYTHONPATH=$PACKAGES/usr/lib/python3/dist-packages
# What the servers have to say comes first, so that the end is the cases.
status=0
/usr/bin/python3 "$here/failover.py" "$folder" "$(program patroni)" "$(program etcd)" >"$folder/tap" 2>&1 ||
	status=$?
[ $status = 0 ] || grep -hv 'INFO: no action' "$folder"/node*.log | tail -n 100 | sed 's/^/    /'
cat "$folder/tap"
exit $status
