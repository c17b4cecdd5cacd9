#!/bin/bash
# provider.sh: refreshing DPoP-bound tokens over HTTP: node-oidc-provider, and sctoken
# behind as little Node as an endpoint needs, on the same PostgreSQL.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

npm=$work/rivals
clients=8
if [ -e "$npm/skip" ]; then
	printf '\n'
	absent 'node-oidc-provider' "$(cat "$npm/skip")"
	exit
fi

for _ in $(seq "$rounds"); do
	for name in sctoken oidc-provider oidc-provider-rotating; do
		sample $name node "$npm/refresh.js" $name "$seconds" $clients 2>>"$work/provider.log" ||
			{ cat "$work/provider.log"; exit 1; }
	done
	sql -c 'TRUNCATE sctoken.event, sctoken.family' -c 'CHECKPOINT'
done

figures_title "DPoP refresh over HTTP, $clients clients" sctoken oidc-provider '.. rotating'
n=0
for unit in 'calls/s' 'CPU us of Node a call' 'CPU us of backends a call' 'SQL statements a call' \
	'WAL bytes a call' 'growth, MB a million calls' 'p50 us' 'p99 us'; do
	n=$((n + 1))
	figures "$unit" sctoken:$n oidc-provider:$n oidc-provider-rotating:$n
done
