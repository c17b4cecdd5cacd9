#!/bin/bash
# interference.sh: what a hot family, and a bulk revocation, do to other families.
#
# Each beside a control that burns as much without having to do with them: as many
# writers with a family each, and an UPDATE of as many rows of another table.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

clients=4
writers=20
families=${REVOKED_FAMILIES:-100000}
length=$((seconds * 2 + 2))
options='-c sctoken.audit=lifecycle'

# beside NAME COMMAND...: other clients' rotations while a command runs
beside()
{
	local pid

	sleep 0.2
	(with "$options" "${@:2}" >"$work/beside.log" 2>&1) &
	pid=$!
	sample "$1" with "$options" load rotate "$length" $clients
	wait $pid || { cat "$work/beside.log"; exit 1; }
}

# later COMMAND...: in the midst of the others' work, and how long it takes
later()
{
	sleep $((length / 2))
	{ time sql -c "$1"; } 2>&1
}

for _ in $(seq "$rounds"); do
	sql <<SQL
INSERT INTO bench.floor SELECT id, created_at, expires_at, 'bench', 'bulk', NULL, NULL, NULL, NULL,
	NULL, NULL, NULL, NULL, 1, now(), 0, 0, sha256('a'), NULL, NULL
FROM (SELECT gen_random_uuid() AS id, now() AS created_at, now() AS expires_at
      FROM generate_series(1, $families)) AS rows;
DO \$\$ BEGIN
	FOR i IN 1 .. $families / 1000 LOOP
		PERFORM sctoken.issue('bulk', 'bulk', 'openid') FROM generate_series(1, 1000);
		COMMIT;
	END LOOP;
END \$\$;
CHECKPOINT;
SQL
	beside alone true
	beside others load rotate $((length + 1)) $writers 1
	beside hot load hot $((length + 1)) $writers
	beside update later "UPDATE bench.floor SET revoked_at = now(), revoke_reason = 'x' WHERE subject = 'bulk'"
	beside bulk later "SELECT sctoken.revoke_subject('bulk', 'x')"
	sql -c 'TRUNCATE sctoken.event, sctoken.family, bench.floor' -c 'CHECKPOINT'
done

figures_title "$clients clients that rotate, sync, beside:" nobody "$writers families" \
	"1 hot family" "UPDATE" "revocation"
n=0
for unit in 'calls/s' 'CPU us a call' '' '' 'p50 us' 'p99 us' 'max us'; do
	n=$((n + 1))
	[ -z "$unit" ] || figures "$unit" alone:$n others:$n hot:$n update:$n bulk:$n
done
echo "($families rows updated, and families revoked)"
