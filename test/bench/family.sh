#!/bin/bash
# family.sh: one family, however old.  FAMILY_ROTATIONS: how old (100000).
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

rotations=${FAMILY_ROTATIONS:-100000}
fewer=$((rotations / 10))

for _ in $(seq "$rounds"); do
	for load in "rotate $rotations" "rival $fewer"; do
		kind=${load% *}
		with '-c synchronous_commit=off -c sctoken.audit=lifecycle' \
			load age "$kind" "${load#* }" >"$samples/$kind.ages"
		awk '$1 == 1000 { print $2, $3, $4, $5 }' "$samples/$kind.ages" >>"$samples/$kind.young"
		tail -n 1 "$samples/$kind.ages" | cut -d' ' -f2- >>"$samples/$kind.old"
		awk '$1 == 1 { print $5 }' "$samples/$kind.ages" >>"$samples/$kind.once"
	done
	sql -c 'TRUNCATE sctoken.event, sctoken.family, rival.token, rival.family'
done

title "One family after $rotations rotations, beside its first 1,000" young
compare rotate 'first 1,000' 'CPU us' rotate.old:1 rotate.young:1 '<=1.1'
compare rotate 'first 1,000' 'p50 us' rotate.old:2 rotate.young:2 '<=1.1'
compare 'its tables and indexes' 'first 1,000' bytes rotate.old:3 rotate.young:3 '<=1.1'
compare 'revoke_family, beside after 1 rotation' 'after 1' 'CPU us' rotate.old:4 rotate.once:1 '<=1.1'

title "The same of row-per-token PL/pgSQL after $fewer" young
compare 'rival.rotate' 'first 1,000' 'CPU us' rival.old:1 rival.young:1
compare 'its tables and indexes' 'first 1,000' bytes rival.old:3 rival.young:3
compare 'rival.revoke, beside after 1 rotation' 'after 1' 'CPU us' rival.old:4 rival.once:1
