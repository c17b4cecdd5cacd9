#!/bin/sh
# rotate.sh: one refresh with psql: prints the outcome, and the successor or the
# error for the client.  REFRESH_TOKEN and CLIENT_ID say which; PG* where.
cd "$(dirname "$0")" || exit

# psql prints the row when the server has committed, and only then is its status 0.
# A lost connection, or a 40001, leaves open what happened: the same token again;
# after other errors that does no harm.
for pause in 0.1 0.2 0.4 0.8 1.6; do
	answer=$(psql -XAtq -F ' ' -v ON_ERROR_STOP=1 -f rotate.sql) && break
	sleep $pause
	false
done || exit
printf '%s\n' "$answer"
