-- Client certificates: thumbprint, contents, and the names of RFC 8705 2.1.2.

\getenv abs_srcdir PG_ABS_SRCDIR
CREATE TABLE pki (name text PRIMARY KEY, der bytea NOT NULL);
INSERT INTO pki
SELECT name, decode(regexp_replace(pg_read_file(:'abs_srcdir' || '/vectors/mtls/' || name), '-----[^-]+-----|\s', '', 'g'), 'base64')
  FROM unnest(ARRAY['rfc8705_appendix_a.pem', 'pki/leaf.pem', 'pki/leaf_ca_ds.pem', 'pki/leaf_rsa1024.pem', 'pki/san.pem', 'pki/emptysubj.pem',
                    'pki/dn_bmp.pem', 'pki/dn_esc.pem', 'pki/dn_multi.pem', 'pki/dn_nul.pem', 'pki/dn_numeric.pem', 'pki/dn_oid.pem', 'pki/dn_print.pem',
                    'pki/dn_spaces.pem', 'pki/dn_utf8.pem', 'pki/inter.crl']) AS name;
CREATE FUNCTION cert(text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT der FROM pki WHERE name = 'pki/' || $1 || '.pem' $$;
-- true, false, or why not.
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE query INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- A52: RFC 8705 Appendix A.
SELECT sctoken.certificate_thumbprint(der), sctoken.certificate_thumbprint(der) = sctoken.certificate_info(der) ->> 'x5t#S256' AS same
  FROM pki WHERE name LIKE 'rfc8705%';
SELECT sctoken.certificate_thumbprint(NULL), sctoken.certificate_info(NULL);

-- Not a certificate: nothing, PEM, one cut short, one with a byte behind it; a CRL has the outline of one.
SELECT name, answer(format('SELECT sctoken.certificate_thumbprint(%L)', value)) AS thumbprint, answer(format('SELECT sctoken.certificate_info(%L)', value)) AS info
  FROM (VALUES (1, 'empty', ''::bytea), (2, 'PEM', '-----BEGIN CERTIFICATE-----'), (3, 'short', substr(cert('leaf'), 1, 100)), (4, 'long', cert('leaf') || '\x00'),
               (5, 'outline alone', '\x3009300030000303000102'), (6, 'CRL', (SELECT der FROM pki WHERE name = 'pki/inter.crl'))) AS v(n, name, value) ORDER BY n;

-- What certificates say.  A NumericString and a type without a name are shown whole, a NUL as \00.
SELECT jsonb_pretty(sctoken.certificate_info(cert('san')));
SELECT jsonb_pretty(sctoken.certificate_info(cert('leaf_rsa1024')));
SELECT substr(name, 5) AS name, i ->> 'subject' AS subject, i ->> 'issuer' AS issuer, i ->> 'ca' AS ca, i ->> 'extended_key_usage' AS usage
  FROM pki, LATERAL sctoken.certificate_info(der) AS i WHERE name LIKE 'pki/%.pem' ORDER BY name;
SELECT sctoken.certificate_info(der) -> 'key' -> 'jkt' FROM pki WHERE name LIKE 'rfc8705%';

-- The subject as it is shown is one that matches.
SELECT count(*), bool_and(sctoken.certificate_matches(der, 'tls_client_auth_subject_dn', subject)) AS matches
  FROM (SELECT der, sctoken.certificate_info(der) ->> 'subject' AS subject FROM pki WHERE name LIKE 'pki/%.pem' OFFSET 0) AS certificates WHERE subject <> '';

-- A-DN01 to A-DN33: names are compared as names.
SELECT line[1] AS id, line[2] AS certificate, line[4] AS expected,
       CASE answer(format('SELECT sctoken.certificate_matches(%L, %L, %L)', decode(line[5], 'base64'), 'tls_client_auth_subject_dn', line[3]))
           WHEN 'true' THEN 'match' WHEN 'false' THEN 'differ'
           WHEN '22023: argument "value" is not a value of tls_client_auth_subject_dn' THEN 'refused' END AS answer,
       sctoken.certificate_name_valid('tls_client_auth_subject_dn', line[3]) AS valid
  FROM (SELECT string_to_array(line, E'\t') AS line FROM string_to_table(pg_read_file(:'abs_srcdir' || '/vectors/mtls/dn_match.tsv'), E'\n') AS line
         WHERE line LIKE 'A-DN%') AS lines ORDER BY 1;
SELECT id, dn, sctoken.certificate_name_valid('tls_client_auth_subject_dn', dn) AS valid,
       answer(format('SELECT sctoken.certificate_matches(%L, %L, %L)', cert(certificate), 'tls_client_auth_subject_dn', dn)) AS matches
  FROM (VALUES ('A-DN01', 'leaf', E'CN=client-1,O=Acme\\, Inc.,C=FR'),
               ('A-DN05', 'leaf', E'CN=client-1,O=Acme\\, Inc.'),
               ('A-DN12', 'leaf', '/C=FR/O=Acme, Inc./CN=client-1'),
               ('A-DN13', 'leaf', 'CN=client-1;O=Acme Inc.;C=FR'),
               ('A-DN16', 'dn_utf8', 'CN=c,O="Acme"'),
               ('A-DN19', 'dn_multi', 'CN=c+UID=u1,O=Acme'),
               ('A-DN20', 'dn_multi', 'UID=u1+CN=c,O=Acme'),
               ('unknown type', 'leaf', E'XX=client-1,O=Acme\\, Inc.,C=FR'),
               ('spaces around', 'leaf', E'  CN = client-1 , O = Acme\\, Inc. , C = FR  '),
               ('Java''s spelling', 'dn_oid', 'CN=x,1.2.3.4.5=odd,SERIALNUMBER=01234567000188,2.5.4.15=Private Organization,1.3.6.1.4.1.311.60.2.1.3=BR,C=BR'),
               ('.NET''s spelling', 'dn_oid', 'CN=x,OID.1.2.3.4.5=odd,serialNumber=01234567000188,OID.2.5.4.15=Private Organization,oid.1.3.6.1.4.1.311.60.2.1.3=BR,C=BR'),
               ('short names of others', 'leaf', 'G=a,I=b,T=c,GENERATION=d,DNQ=e,STREET=f,E=g,S=h'),
               ('no value', 'leaf', 'CN=client-1,O,C=FR'),
               ('no type', 'leaf', E'CN=client-1,=Acme\\, Inc.,C=FR'),
               ('ends in the escape', 'leaf', E'CN=client-1\\'),
               ('escape of a letter', 'leaf', E'CN=\\client-1'),
               ('hex that is no UTF-8', 'leaf', E'CN=\\FF\\FE'),
               ('hex value cut short', 'leaf', 'CN=#0c0863'),
               ('hex value that is no string', 'leaf', 'CN=#020101'),
               ('hex of an odd length', 'leaf', 'CN=#0c0'),
               ('bare plus', 'leaf', 'CN=a+b')) AS v(id, certificate, dn) ORDER BY id COLLATE "C";
SELECT sctoken.certificate_name_valid('tls_client_auth_subject_dn', repeat('CN=a,', 63) || 'CN=a') AS sixty_four,
       sctoken.certificate_name_valid('tls_client_auth_subject_dn', repeat('CN=a,', 64) || 'CN=a') AS one_more,
       sctoken.certificate_name_valid('tls_client_auth_subject_dn', 'CN=' || repeat('a', 4093)) AS long,
       sctoken.certificate_name_valid('tls_client_auth_subject_dn', 'CN=' || repeat('a', 4094)) AS too_long;

-- A34 to A43: alternative names.  Each may be any one of its type; nothing is a prefix, a pattern, or the CN.
SELECT id, member, value, sctoken.certificate_name_valid('tls_client_auth_' || member, value) AS valid,
       answer(format('SELECT sctoken.certificate_matches(%L, %L, %L)', cert('san'), 'tls_client_auth_' || member, value)) AS matches
  FROM (VALUES ('A34', 'san_dns', 'api.example.com'), ('A35', 'san_dns', 'a.wild.example'), ('A36', 'san_dns', '*.wild.example'), ('A36', 'san_dns', '*.x'),
               ('A37', 'san_uri', 'spiffe://td.example/a'), ('A37', 'san_uri', 'spiffe://td.example/A'), ('A38', 'san_uri', 'spiffe://td.example/'),
               ('A39', 'san_ip', '192.0.2.7'), ('A39', 'san_ip', '192.0.2.007'), ('A39', 'san_ip', '192.0.2.7/32'),
               ('A40', 'san_ip', '2001:DB8:0:0:0:0:0:1'), ('A41', 'san_ip', '::ffff:192.0.2.7'),
               ('A42', 'san_email', 'Bob@example.com'), ('A42', 'san_email', 'bob@example.com'), ('A43', 'san_dns', 'x'),
               ('a01', 'san_dns', 'example.com'), ('a01', 'san_dns', 'api.example.com.'), ('a01', 'san_dns', '.example.com'), ('a01', 'san_dns', 'api..example'), ('a01', 'san_dns', ''),
               ('a01', 'san_dns', repeat('a', 64) || '.example'), ('a02', 'san_uri', 'td.example'), ('a02', 'san_uri', ':x'), ('a02', 'san_uri', 'spiffe:'), ('a02', 'san_uri', 'a b:c'),
               ('a02', 'san_uri', 'api.example.com'), ('a03', 'san_ip', 'localhost'), ('a03', 'san_ip', 'fe80::1%eth0'), ('a03', 'san_ip', '3221225991'),
               ('a04', 'san_email', 'Bob'), ('a04', 'san_email', '@example.com'), ('a04', 'san_email', 'Bob@'), ('a04', 'san_email', 'Bob@Example.com'), ('a04', 'san_email', 'a b@example.com')) AS v(id, member, value);

-- A NUL in a name ends nothing: what stands before it is not the name.
SELECT member, value, sctoken.certificate_matches(set_byte(cert('san'), position(name::bytea IN cert('san')) - 1 + length(value), 0), 'tls_client_auth_' || member, value)
  FROM (VALUES ('san_dns', 'API.Example.com', 'API.Example'), ('san_uri', 'spiffe://td.example/a', 'spiffe://td.example'), ('san_email', 'Bob@Example.com', 'Bob@Example')) AS v(member, name, value);
-- A SPIFFE id is the certificate's only URI, or it is nobody's: here one of the DNS names is made a URI too.
SELECT member, value, sctoken.certificate_matches(set_byte(cert('san'), position('*.wild.example'::bytea IN cert('san')) - 3, 134), 'tls_client_auth_' || member, value)
  FROM (VALUES ('san_uri', 'spiffe://td.example/a'), ('san_dns', 'api.example.com')) AS v(member, value);

-- A05 for SANs: a certificate without a subject is known by its SAN, and has no empty name.
SELECT sctoken.certificate_matches(cert('emptysubj'), 'tls_client_auth_san_dns', 'only.san') AS dns,
       answer(format('SELECT sctoken.certificate_matches(%L, %L, %L)', cert('emptysubj'), 'tls_client_auth_subject_dn', '')) AS empty,
       answer(format('SELECT sctoken.certificate_matches(%L, %L, %L)', cert('emptysubj'), 'tls_client_auth_subject_dn', '   ')) AS blank;

-- Never null; what is no certificate has no name; a wrong member is misuse.
SELECT sctoken.certificate_matches(NULL, 'tls_client_auth_san_dns', 'a'), sctoken.certificate_matches(cert('san'), NULL, 'a'), sctoken.certificate_matches(cert('san'), 'tls_client_auth_san_dns', NULL),
       sctoken.certificate_matches('', 'tls_client_auth_san_dns', 'a'), sctoken.certificate_matches(cert('san') || '\x00', 'tls_client_auth_san_dns', 'api.example.com');
SELECT sctoken.certificate_matches(cert('san'), 'tls_client_auth_san_other', 'a');
SELECT sctoken.certificate_matches(cert('san'), 'tls_client_auth_san_dns', '*.example.com');
SELECT sctoken.certificate_name_valid('TLS_CLIENT_AUTH_SAN_DNS', 'a');

-- cnf_matches: A53 an x5t#S256 that is not 43 canonical characters is false, no error.
SELECT value, sctoken.cnf_matches(jsonb_build_object('x5t#S256', value), jsonb_build_object('x5t#S256', value))
  FROM unnest(ARRAY['A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0A',
                    'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0=', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v1', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y+/0']) AS value;

DROP FUNCTION cert, answer;
DROP TABLE pki;
