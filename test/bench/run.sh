#!/bin/bash
# run.sh: what sctoken's calls cost beside the least that anyone could do.
#
# Connects as PGHOST, PGPORT and PGUSER say, to a server that has the extension;
# works in a database of its own.  Each figure is the median of ROUNDS rounds (5),
# in which the two things compared take turns; each lasts SECONDS_EACH (3).
# Read the ratios: the machines are shared and noisy.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-3}
work=$(mktemp -d)
export PGDATABASE=sctoken_bench
trap 'psql -qXd postgres -c "DROP DATABASE IF EXISTS sctoken_bench" >/dev/null 2>&1; rm -rf "$work"' EXIT

sql()
{
	psql -qXAt -v ON_ERROR_STOP=1 "$@"
}

# column N FILE: the median of a column
column()
{
	awk -v n="$1" '{ print $n }' "$2" | sort -n |
		awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

ratio()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

cc -O2 -o "$work/bench" "$here/bench.c" -I"$("${PG_CONFIG:-pg_config}" --includedir)" \
	-L"$("${PG_CONFIG:-pg_config}" --libdir)" -lpq -lcrypto
PGOPTIONS='-c client_min_messages=warning' sql -d postgres -c 'DROP DATABASE IF EXISTS sctoken_bench'
sql -d postgres -c 'CREATE DATABASE sctoken_bench'
sql <<'SQL'
CREATE EXTENSION sctoken;
ALTER TABLE sctoken.event DISABLE TRIGGER guard_append_only_truncate;
ALTER TABLE sctoken.event_default DISABLE TRIGGER guard_append_only_truncate;
CREATE SCHEMA bench;
CREATE TABLE bench.floor (LIKE sctoken.family INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE bench.proof (n serial, proof text);
ALTER DATABASE sctoken_bench SET jit = off;
SQL

echo "dpop_verify, ES256: microseconds a call, median of $rounds rounds"
keys=2000
"$work/bench" proofs $keys 1700000000 >"$work/proofs"
sql -c "\\copy bench.proof (proof) FROM '$work/proofs'"

# verify_sql KEYS CALLS: microseconds of one dpop_verify inside a query
verify_sql()
{
	sql <<SQL
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE clock AS SELECT clock_timestamp() AS began;
SELECT set_config('bench.valid', count(*) FILTER (WHERE (v).valid)::text, false)
  FROM (SELECT sctoken.dpop_verify(proof, 'POST', 'https://server.example.com/token',
               at => '2023-11-14 22:13:20+00') AS v
          FROM generate_series(1, $2) AS call
          JOIN bench.proof ON n = 1 + call % $1
        OFFSET 0) AS calls \\g /dev/null
SELECT extract(epoch FROM clock_timestamp() - began) * 1e6
       / current_setting('bench.valid')::integer FROM clock;
SQL
}

for _ in $(seq "$rounds"); do
	"$work/bench" verify "$seconds" >>"$work/verify"
	verify_sql 1 15000 >>"$work/dpop_seen"
	"$work/bench" import "$seconds" >>"$work/import"
	verify_sql $keys 15000 >>"$work/dpop_new"
done
row='%-52s %10s %10s %8s\n'
# shellcheck disable=SC2059 # one format for all rows
printf "$row" '' sctoken floor ratio
for kind in 'seen verify' 'new import'; do
	set -- $kind
	a=$(column 1 "$work/dpop_$1")
	b=$(column 1 "$work/$2")
	# shellcheck disable=SC2059
	printf "$row" "$1 key; floor: EVP $2" "$a" "$b" "$(ratio "$a" "$b")"
done

# Certificates: one that was verified before, and a store that is warm.
pki=$here/../vectors/mtls/pki
sql <<SQL
CREATE FUNCTION bench.cpu() RETURNS float8 LANGUAGE sql VOLATILE
AS \$\$ SELECT split_part(pg_read_file('/proc/' || pg_backend_pid() || '/schedstat', 0, 100), ' ', 1)::float8 / 1000 \$\$;
CREATE TABLE bench.certificate (name text, der bytea);
INSERT INTO bench.certificate
$(for name in leaf inter root; do
	echo "SELECT '$name', decode('$(grep -v -- ----- "$pki/$name.pem" | tr -d '\n')', 'base64')"
	[ $name = root ] || echo 'UNION ALL'
done);
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('root');
INSERT INTO sctoken.trust_anchor (set_name, der) SELECT 'root', der FROM bench.certificate WHERE name = 'root';
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn)
VALUES ('bank', 'root', E'CN=client-1,O=Acme\\\\, Inc.,C=FR');
SQL

# certificate_sql CALLS EXPRESSION: microseconds of CPU of one of the expression
certificate_sql()
{
	sql <<SQL
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE one AS
	SELECT l.der AS leaf, ARRAY[i.der] AS chain, to_timestamp(1780000000) AS at
	FROM bench.certificate AS l, bench.certificate AS i WHERE l.name = 'leaf' AND i.name = 'inter';
CREATE TEMP TABLE clock AS SELECT bench.cpu() AS began;
SELECT set_config('bench.valid', count(*) FILTER (WHERE valid)::text, false)
  FROM (SELECT $2 AS valid FROM one, generate_series(1, $1) AS n OFFSET 0) AS calls \\g /dev/null
SELECT (bench.cpu() - began)
       / current_setting('bench.valid')::integer FROM clock;
SQL
}

for _ in $(seq "$rounds"); do
	"$work/bench" digest "$seconds" "$pki" >>"$work/digest"
	certificate_sql 300000 'sha256(leaf) IS NOT NULL' >>"$work/sha256"
	certificate_sql 300000 'sctoken.certificate_thumbprint(leaf) IS NOT NULL' >>"$work/thumbprint"
	echo "$(tail -n 1 "$work/digest") $(certificate_sql 300000 'octet_length(leaf) IS NOT NULL')" |
		awk '{ print $1 + $2 }' >>"$work/digest_call"
	"$work/bench" chain "$seconds" "$pki" >>"$work/chain"
	certificate_sql 10000 "(sctoken.certificate_authenticate('bank', leaf, chain, at + n * interval '1 us')).valid" >>"$work/authenticate"
done
echo
echo "client certificates: microseconds of CPU a call, median of $rounds rounds"
# shellcheck disable=SC2059
printf "$row" '' sctoken floor ratio
for kind in 'certificate_thumbprint; floor: sha256(bytea) in SQL,thumbprint,sha256' \
	'certificate_thumbprint; floor: EVP digest + SQL call,thumbprint,digest_call' \
	'certificate_authenticate; floor: X509_verify_cert,authenticate,chain'; do
	IFS=, read -r name ours floor <<<"$kind"
	a=$(column 1 "$work/$ours")
	b=$(column 1 "$work/$floor")
	# shellcheck disable=SC2059
	printf "$row" "$name" "$a" "$b" "$(ratio "$a" "$b")"
done

# Ten windows full of proofs of 2000 keys each, and one before them that warms up;
# a window is the largest age and skew, and the time is the argument "at".  Each
# call commits by itself; a latency is from one commit to the next.
echo
echo 'dpop_check over ten windows, async commit: microseconds a call'
for window in $(seq 0 10); do
	"$work/bench" proofs $keys $((1700000000 + window * 80)) |
		sed "s/^/$((1700000000 + window * 80))\t/"
done >"$work/windows"
sql <<SQL
CREATE TABLE bench.window (n serial PRIMARY KEY, iat integer, proof text);
\\copy bench.window (iat, proof) FROM '$work/windows'
CREATE TABLE bench.latency (call text, us float8);
CREATE PROCEDURE bench.present(call text) LANGUAGE plpgsql AS \$\$
DECLARE
	before timestamptz;
	spent float8[];
	held record;
	ok boolean;
BEGIN
	FOR i IN 1 .. $keys * 11 LOOP
		SELECT proof, to_timestamp(iat) AS at INTO held FROM bench.window WHERE n = i;
		before := clock_timestamp();
		IF call = 'check' THEN
			ok := valid FROM sctoken.dpop_check(held.proof, 'POST', 'https://server.example.com/token',
				at => held.at);
		ELSE
			ok := valid FROM sctoken.dpop_verify(held.proof, 'POST', 'https://server.example.com/token',
				at => held.at);
		END IF;
		COMMIT;
		IF ok IS NOT TRUE THEN
			RAISE EXCEPTION 'proof % was refused', i;
		END IF;
		IF i > $keys THEN
			spent[i - $keys] := extract(epoch FROM clock_timestamp() - before) * 1e6;
		END IF;
	END LOOP;
	INSERT INTO bench.latency SELECT call, unnest(spent);
END \$\$;
SET synchronous_commit = off;
CALL bench.present('verify');
CALL bench.present('check');
SQL
# shellcheck disable=SC2059
printf "$row" '' median p99 ratio
sql -F ' ' -c "SELECT call, percentile_cont(0.5) WITHIN GROUP (ORDER BY us),
	percentile_cont(0.99) WITHIN GROUP (ORDER BY us) FROM bench.latency GROUP BY call ORDER BY call DESC" |
	while read -r call median p99; do
		# shellcheck disable=SC2059
		printf "$row" "dpop_$call" "$median" "$p99" "$(ratio "$p99" "$median")"
	done

# compare NAME CLIENTS AUDIT SYNC
compare()
{
	sql -d postgres -c "ALTER DATABASE sctoken_bench SET sctoken.audit = '$3'" \
		-c "ALTER DATABASE sctoken_bench SET synchronous_commit = '$4'"
	rm -f "$work/rotate" "$work/floor"
	for _ in $(seq "$rounds"); do
		"$work/bench" floor "$seconds" "$2" >>"$work/floor"
		"$work/bench" rotate "$seconds" "$2" >>"$work/rotate"
		sql -c 'TRUNCATE sctoken.event, sctoken.family, bench.floor' -c 'CHECKPOINT'
	done
	for i in 1 2 3; do
		a=$(column $i "$work/rotate")
		b=$(column $i "$work/floor")
		# shellcheck disable=SC2059
		printf "$row" "$1, $(echo 'calls/s CPU-us/call WAL-bytes/call' | cut -d' ' -f$i)" \
			"$a" "$b" "$(ratio "$a" "$b")"
	done
}

echo
echo 'rotate; floor: one prepared UPDATE by primary key of a row as wide'
# shellcheck disable=SC2059
printf "$row" '' sctoken floor ratio
compare 'async commit, 1 client, audit lifecycle' 1 lifecycle off
compare 'async commit, 1 client, audit all' 1 all off
compare 'sync commit, 8 clients, audit lifecycle' 8 lifecycle on
compare 'sync commit, 8 clients, audit all' 8 all on
