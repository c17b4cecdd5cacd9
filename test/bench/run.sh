#!/bin/bash
# run.sh: what sctoken's calls cost beside the least that anyone could do, and beside
# what a user would take instead.
#
# Connects as PGHOST, PGPORT and PGUSER say, to a server that has the extension;
# works in a database of its own.  Prints tables, and writes bench.json in
# BENCH_RESULTS.  The machines are shared and noisy: read the ratios.
#
# Environment:
#	ONLY			the parts to run; default: all of those below but growth, which is
#					long, capacity, which is no comparison, and profile, which needs valgrind
#	ROUNDS			rounds of each comparison (5)
#	SECONDS_EACH	how long a measurement lasts (1)
# and what the parts say themselves.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
parts=${ONLY:-proof certificate rotate family replay provider interference plproxy}
export ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-1}
export BENCH_RESULTS=${BENCH_RESULTS:-.}
BENCH_WORK=$(mktemp -d)
export BENCH_WORK
export PGDATABASE=sctoken_bench

clean_up()
{
	PGDATABASE=postgres psql -qXc 'DROP DATABASE IF EXISTS sctoken_bench WITH (FORCE)' >/dev/null 2>&1 || true
	rm -rf "$BENCH_WORK"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cc -O2 -o "$BENCH_WORK/evp" "$here/evp.c" -lcrypto
cc -O2 -o "$BENCH_WORK/load" "$here/load.c" -I"$("${PG_CONFIG:-pg_config}" --includedir)" \
	-L"$("${PG_CONFIG:-pg_config}" --libdir)" -lpq -lcrypto -lm

# What others wrote is measured where it is to be had.
# library NAME FLAG...
library()
{
	cc -O2 -o "$BENCH_WORK/jws_$1" "$here/jws.c" "${@:2}" 2>"$BENCH_WORK/log" ||
		echo "lib$1-dev is not installed" >"$BENCH_WORK/jws_$1.skip"
}
library rhonabwy -DRHONABWY -lrhonabwy -lorcania -ljansson
library cjose -DCJOSE -lcjose -ljansson

npm_packages()
{
	cp "$here"/rivals/*.js "$here"/rivals/package*.json "$here"/rivals/.npmrc "$BENCH_WORK/rivals"
	cd "$BENCH_WORK/rivals"
	if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
		echo 'npm is not installed'
	elif ! node -e 'const [major, minor] = process.versions.node.split(".");
		process.exit(major > 18 || major == 18 && minor >= 15 ? 0 : 1)'; then
		echo "Node $(node --version) is too old"
	elif ! npm ci --no-audit --no-fund --loglevel=error >"$BENCH_WORK/log" 2>&1; then
		echo 'npm could not install the packages of package-lock.json'
	fi
}
mkdir "$BENCH_WORK/rivals"
if [[ " $parts " = *' proof '* || " $parts " = *' provider '* ]]; then
	skip=$(npm_packages)
	[ -z "$skip" ] || echo "$skip" >"$BENCH_WORK/rivals/skip"
fi

# An empty database for each part, so that none sees what another left.
prepare()
{
	PGOPTIONS='-c client_min_messages=warning' psql -qX -v ON_ERROR_STOP=1 -d postgres \
		-c 'DROP DATABASE IF EXISTS sctoken_bench WITH (FORCE)' \
		-c 'CREATE DATABASE sctoken_bench' \
		-c 'ALTER DATABASE sctoken_bench SET jit = off'
	psql -qX -v ON_ERROR_STOP=1 -f "$here/setup.sql" -f "$here/rival_plpgsql.sql"
}

load_average()
{
	cut -d' ' -f1-3 /proc/loadavg
}

# json FILE: the rows with what must be known to read them
json()
{
	printf '{"date": "%s", "commit": "%s", "machine": "%s", "cores": %s,\n' \
		"$(date -u +%FT%TZ)" "${BENCH_COMMIT:-unknown}" "$machine" "$(nproc)"
	printf '"postgresql": "%s", "openssl": "%s", "rounds": %s, "seconds_each": %s,\n' \
		"$(psql -qXAtd postgres -c 'SHOW server_version')" "$(openssl version 2>/dev/null)" \
		"$ROUNDS" "$SECONDS_EACH"
	printf '"load_before": "%s", "load_after": "%s", "rows": [\n' "$load_before" "$(load_average)"
	sed '$!s/$/,/' "$1"
	printf ']}\n'
}

machine=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
load_before=$(load_average)
echo "$machine, $(nproc) cores, load average $load_before; $ROUNDS rounds of $SECONDS_EACH s"
touch "$BENCH_WORK/rows"
for part in $parts; do
	prepare
	"$here/$part.sh"
done
json "$BENCH_WORK/rows" >"$BENCH_RESULTS/bench.json"
printf '\nload average %s at the end, %d s\n' "$(load_average)" $SECONDS
