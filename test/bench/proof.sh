#!/bin/bash
# proof.sh: dpop_verify beside OpenSSL alone, and beside what others verify with.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

iat=1700000000
keys=2000
count=$((seconds * 5000))
algs='ES256 EdDSA ES384 ES512 PS256 RS256'

# key_count ALG: how many keys an algorithm has here.  Those of RSA take seconds to
# make, so that there is one, which is always seen before.
key_count()
{
	case $1 in
		PS* | RS*) echo 1 ;;
		*) echo 1000 ;;
	esac
}

# add ALG FILE: proofs into the table, each with its number
add()
{
	sed "s/^/$1\t/" "$2" >"$2.copy"
	sql -c "\\copy bench.proof (alg, proof) FROM '$2.copy'"
}

# dpop_verify ALG KEYS CALLS: microseconds of CPU of one, inside a query
dpop_verify()
{
	sql <<SQL
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE presented AS
	SELECT row_number() OVER () - 1 AS n, proof FROM bench.proof WHERE alg = '$1' LIMIT $2;
ANALYZE presented;
CREATE TEMP TABLE clock AS SELECT bench.cpu() AS began;
SELECT set_config('bench.valid', count(*) FILTER (WHERE (v).valid)::text, false)
  FROM (SELECT sctoken.dpop_verify(proof, 'POST', 'https://server.example.com/token',
               algs => ARRAY['$1'], at => to_timestamp($iat)) AS v
          FROM generate_series(0, $3 - 1) AS call
          JOIN presented ON n = call % $2
        OFFSET 0) AS calls \\g /dev/null
SELECT (bench.cpu() - began) / current_setting('bench.valid')::integer FROM clock;
SQL
}

evp proofs $keys $iat >"$work/proofs"
sql -c 'CREATE TABLE bench.proof (alg text, proof text)'
add ES256 "$work/proofs"
npm=$work/rivals
if [ ! -e "$npm/skip" ]; then
	for alg in $algs; do
		[ $alg = ES256 ] || {
			node "$npm/jose.js" proofs $alg 1000 "$(key_count $alg)" $iat >"$work/proofs.$alg"
			add $alg "$work/proofs.$alg"
		}
	done 2>"$work/jose.log" || { cat "$work/jose.log"; exit 1; }
fi

for _ in $(seq "$rounds"); do
	sample verify evp verify "$seconds"
	sample seen dpop_verify ES256 1 "$count"
	sample import evp import "$seconds"
	sample new dpop_verify ES256 $keys "$count"
	for library in rhonabwy cjose; do
		[ -x "$work/jws_$library" ] || continue
		for kind in seen new; do
			sample "$library.$kind" "jws_$library" $kind "$seconds" "$work/proofs"
		done
	done
	[ ! -e "$npm/skip" ] || continue
	for alg in $algs; do
		proofs=$work/proofs.$alg
		if [ $alg = ES256 ]; then
			proofs=$work/proofs
		else
			sample $alg.seen dpop_verify $alg 1 $((count / 4))
			[ "$(key_count $alg)" = 1 ] ||
				sample $alg.new dpop_verify $alg 1000 $((count / 4))
		fi
		for kind in seen new; do
			sample jose.$alg.$kind node "$npm/jose.js" verify $alg $kind \
				"$seconds" $iat <"$proofs"
		done
	done
done

title 'dpop_verify beside OpenSSL: CPU of one call' OpenSSL
compare 'ES256, key seen before; EVP_DigestVerify' OpenSSL us seen:1 verify:1 '<=1.15'
compare 'ES256, new key; EVP_PKEY_fromdata and verify' OpenSSL us new:1 import:1 '<=1.15'

title 'dpop_verify beside C libraries that verify the JWS alone: CPU of one call' library
for library in rhonabwy cjose; do
	if [ -x "$work/jws_$library" ]; then
		compare "ES256, key loaded before; $library" $library us seen:1 $library.seen:1
		compare "ES256, key of the header; $library" $library us new:1 $library.new:1
	else
		absent "ES256; $library" "$(cat "$work/jws_$library.skip")"
	fi
done

# faster WHAT OURS THEIRS: how many times as fast, which is the ratio upside down
faster()
{
	local ratio

	ratio=$(paste <(column "$3:1") <(column "$2:1") | awk '{ print $1 / $2 }' | median)
	row "$1" jose us "$(column "$2:1" | median)" "$(column "$3:1" | median)" \
		"$(printf '%.3g' "$ratio")" '>=5'
}

title 'dpop_verify beside jose with the same checks: CPU of one call (ratio: times as fast)' jose
if [ -e "$npm/skip" ]; then
	absent jose "$(cat "$npm/skip")"
	exit
fi
cp "$samples/seen" "$samples/ES256.seen"
cp "$samples/new" "$samples/ES256.new"
for alg in $algs; do
	faster "$alg, key seen before; jose as documented" $alg.seen jose.$alg.new
	faster "$alg, key seen before; jose with kept keys" $alg.seen jose.$alg.seen
	[ "$(key_count $alg)" = 1 ] ||
		faster "$alg, new key; jose as documented" $alg.new jose.$alg.new
done
