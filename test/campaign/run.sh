#!/bin/bash
# run.sh: one campaign, see campaign.pl, with the environment of a TAP test.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec make -s installcheck REGRESS= ISOLATION= PROVE=perl \
	PROVE_TESTS=test/campaign/campaign.pl
