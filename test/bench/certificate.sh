#!/bin/bash
# certificate.sh: client certificates beside OpenSSL alone: one that was verified
# before, and a store that is warm.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

pki=$here/../vectors/mtls/pki
sql <<SQL
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
	sample digest evp digest "$seconds" "$pki"
	sample sha256 certificate_sql 300000 'sha256(leaf) IS NOT NULL'
	sample thumbprint certificate_sql 300000 'sctoken.certificate_thumbprint(leaf) IS NOT NULL'
	echo "$(tail -n 1 "$samples/digest") $(certificate_sql 300000 'octet_length(leaf) IS NOT NULL')" |
		awk '{ print $1 + $2 }' >>"$samples/digest_call"
	sample chain evp chain "$seconds" "$pki"
	sample authenticate certificate_sql 10000 \
		"(sctoken.certificate_authenticate('bank', leaf, chain, at + n * interval '1 us')).valid"
done

title 'Client certificates: CPU of one call' floor
compare 'certificate_thumbprint; sha256(bytea) in SQL' sha256 us thumbprint:1 sha256:1
compare 'certificate_thumbprint; EVP digest + SQL call' digest us thumbprint:1 digest_call:1
compare 'certificate_authenticate; X509_verify_cert' chain us authenticate:1 chain:1
