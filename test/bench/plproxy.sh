#!/bin/bash
# plproxy.sh: rotate and dpop_check in one database, through a proxy for four, and
# with the four known to the client.
#
# All databases are on one server: what is compared is what a call costs, not what
# more machines would give.  The clients are pgbench's, each with a family of its own,
# or with proofs of its own, each of another key.  Who routes by himself has a
# connection to each database; here each client stays with the one of its family.
# The figure is that of the call alone, whatever else a client does.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

calls=$((seconds * 400))		# of each client
proofs=$((calls * 8))
shards='0 1 2 3'
kit=$here/../../contrib/plproxy/proxy.sql

if [ ! -e "$(pg_config --pkglibdir)/plproxy.so" ]; then
	absent 'rotate and dpop_check' 'PL/Proxy is not installed'
	exit 0
fi

drop()
{
	local database

	for database in proxy $shards; do
		PGDATABASE=postgres sql -c 'SET client_min_messages = warning' \
			-c "DROP DATABASE IF EXISTS sctoken_bench_$database WITH (FORCE)"
	done
}
trap drop EXIT

# keep_proofs DATABASE FILE: in a table, from 1
keep_proofs()
{
	sql -d "$1" -c 'CREATE TABLE presented (n serial PRIMARY KEY, proof text)' \
		-c "\\copy presented (proof) FROM '$2'" -c 'VACUUM ANALYZE presented'
}

# Proofs stay good for the whole part, and are told apart by the server's name.
settings()
{
	sql -d postgres -c "ALTER DATABASE $1 SET sctoken.dpop_max_age = 600"
}

evp proofs $proofs "$(date +%s)" >"$work/proofs"
keep_proofs sctoken_bench "$work/proofs"
settings sctoken_bench
options=
for shard in $shards; do
	database=sctoken_bench_$shard
	PGDATABASE=postgres sql -c "CREATE DATABASE $database"
	sql -d "$database" -f "$here/setup.sql"
	settings "$database"
	sql -d postgres -c "ALTER DATABASE $database SET sctoken.shard = '$shard/4'"
	sql -c "SELECT proof FROM presented WHERE sctoken.shard_of_proof(proof, 4) = $shard" >"$work/proofs_$shard"
	keep_proofs "$database" "$work/proofs_$shard"
	options="$options, p$shard 'host=$PGHOST port=$PGPORT dbname=$database'"
done
PGDATABASE=postgres sql -c 'CREATE DATABASE sctoken_bench_proxy'
sql -d sctoken_bench_proxy -f "$kit" -c "CREATE SERVER sctoken FOREIGN DATA WRAPPER plproxy OPTIONS (${options#, })" \
	-c 'CREATE USER MAPPING FOR CURRENT_USER SERVER sctoken'
keep_proofs sctoken_bench_proxy "$work/proofs"

cat >"$work/rotate.pgbench" <<'SCRIPT'
\if :begun = 0
SELECT refresh_token AS token FROM sctoken.issue('bench', 'subject ' || :client_id::text || :name::text) \gset
\set begun 1
\endif
SELECT refresh_token AS token FROM sctoken.rotate(:token, 'bench') \gset
SCRIPT
cat >"$work/check.pgbench" <<'SCRIPT'
\set begun :begun + 1
\set n :client_id * :calls + :begun
SELECT proof FROM presented WHERE n = :n \gset
SELECT 1 / valid::integer FROM sctoken.dpop_check(:proof, 'POST', 'https://server.example.com/token', server => :name)
SCRIPT

# run CALL CLIENTS CALLS DATABASE: microseconds of one call; an error is the end
run()
{
	if ! pgbench -n -M prepared -r -c "$2" -j 2 -t "$3" -D begun=0 -D calls="$3" \
		-D "name=$name" -f "$work/$1.pgbench" "$4" \
		>"$work/pgbench_$4" 2>"$work/pgbench_$4.err"; then
		cat "$work/pgbench_$4.err" >&2
		return 1
	fi
	awk '/sctoken\.(rotate|dpop_check)\(/ { print $1 * 1000 }' "$work/pgbench_$4"
}

# by_hand CALL CLIENTS: the same with the databases known to the clients
by_hand()
{
	local shard each=$((calls * 8 / 10)) jobs=()

	if [ "$2" = 1 ]; then
		run "$1" 1 $each sctoken_bench_0
		return
	fi
	for shard in $shards; do
		run "$1" $(($2 / 4)) $each "sctoken_bench_$shard" >"$work/by_hand_$shard" &
		jobs+=($!)
	done
	for shard in "${jobs[@]}"; do
		wait "$shard"
	done
	cat "$work"/by_hand_? | awk '{ sum += $1 } END { print sum / NR }'
}

number=0
for _ in $(seq "$rounds"); do
	for call in rotate check; do
		for clients in 1 8; do
			number=$((number + 1))
			name="sample $number"
			sample $call$clients.direct run $call $clients $calls sctoken_bench
			sample $call$clients.proxy run $call $clients $calls sctoken_bench_proxy
			name="sample $number, by hand"
			sample $call$clients.routed by_hand $call $clients
		done
	done
done

title 'four databases through PL/Proxy, sync' 'one alone'
for call in rotate check; do
	for clients in 1 8; do
		compare "$call, $clients clients, through the proxy" direct 'us' $call$clients.proxy:1 $call$clients.direct:1
		compare "$call, $clients clients, routed by the client" direct 'us' $call$clients.routed:1 $call$clients.direct:1
	done
done
