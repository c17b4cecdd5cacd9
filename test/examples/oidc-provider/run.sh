#!/bin/bash
# run.sh: real clients log in and refresh at examples/oidc-provider: at one server,
# and at two behind one pgbouncer.
#
# Works as test/examples/run.sh says.  pgbouncer is Debian's, installed or else
# unpacked into PACKAGES.
#
# Environment:
#	REFRESHES		how many in a row; default: 200
#	OIDC_PROVIDER	another version of oidc-provider than that of package-lock.json
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
example=$here/../../../examples/oidc-provider

status=0

# skip REASON: of the rest.
skip()
{
	echo "skipped: $1"
	exit $status
}

# skip_but_in_ci REASON: what the machine lacks, but could have installed.
skip_but_in_ci()
{
	[ -n "${CI:-}" ] || skip "$1"
	echo "$1"
	exit 1
}

command -v npm >/dev/null || skip 'npm not found'
command -v node >/dev/null || skip 'node not found'
node -e 'const [major, minor] = process.versions.node.split(".");
	process.exit(major > 18 || major == 18 && minor >= 15 ? 0 : 1)' ||
	skip "node too old: $(node --version), 18.15 or newer is needed"

maintenance_db=${PGDATABASE:-postgres}
export PGDATABASE=sctoken_oidc_provider_$$
created=no
pgbouncer=
dir=$(mktemp -d)

server()
{
	psql -Xq -d "$maintenance_db" -v ON_ERROR_STOP=1 "$@"
}

clean_up()
{
	status=$?
	trap - EXIT
	cd /
	[ -z "$pgbouncer" ] || kill "$pgbouncer" || true
	rm -rf "$dir"
	if [ $created = yes ]; then
		server -c "DROP DATABASE $PGDATABASE WITH (FORCE)" \
			-c 'DROP ROLE oidc_provider' || true
	fi
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints the file of pgbouncer.
find_pgbouncer()
{
	PATH=$PATH:/usr/sbin:${PACKAGES:-/nowhere}/usr/sbin command -v pgbouncer
}

unpack_pgbouncer()
{
	[ -n "${PACKAGES:-}" ] &&
		"$here/../../unpack_packages.sh" "$PACKAGES" pgbouncer
}

# Transaction pooling, with fewer connections than the servers would like.
start_pgbouncer()
{
	local program=$1

	echo '"oidc_provider" ""' >users.txt
	cat >pgbouncer.ini <<-INI
		[databases]
		* = host=$PGHOST port=$PGPORT
		[pgbouncer]
		unix_socket_dir = $dir
		listen_port = 6432
		auth_type = trust
		auth_file = users.txt
		pool_mode = transaction
		default_pool_size = 4
		admin_users = oidc_provider
	INI
	LD_LIBRARY_PATH=$(printf '%s:' "${PACKAGES:-/nowhere}"{,/usr}/lib/*-linux-*) \
		"$program" pgbouncer.ini >pgbouncer.log 2>&1 &
	pgbouncer=$!
	for _ in $(seq 100); do
		[ ! -S "$dir/.s.PGSQL.6432" ] || return 0
		sleep 0.1
	done
	cat pgbouncer.log
	return 1
}

cp -R "$example/." "$here"/*.js "$dir"
cd "$dir"
npm ci --no-audit --no-fund --loglevel=error ||
	skip_but_in_ci 'npm could not install the packages of package-lock.json'
[ -z "${OIDC_PROVIDER:-}" ] ||
	npm install --no-save --no-audit --no-fund --loglevel=error \
		"oidc-provider@$OIDC_PROVIDER"

# Where somebody has tried the example here, its secrets have come along.
[ -e secrets.json ] || node secrets.js secrets.json
server -c 'CREATE ROLE oidc_provider LOGIN' -c "CREATE DATABASE $PGDATABASE"
created=yes
psql -Xq -v ON_ERROR_STOP=1 -f schema.sql >schema.log

# One file after the other: one breaks the connections of all.
run_tests()
{
	local file

	for file; do
		node --test --test-reporter=spec "./$file.test.js" || status=1
	done
}

echo '-- one server'
run_tests privileges flow theft

echo '-- two servers behind one pgbouncer'
find_pgbouncer >/dev/null || unpack_pgbouncer >unpack.log 2>&1 || cat unpack.log
program=$(find_pgbouncer) || skip_but_in_ci 'pgbouncer not found'
start_pgbouncer "$program"
export INSTANCES=2 SERVER_PGHOST=$dir SERVER_PGPORT=6432
run_tests flow theft
exit $status
