-- rotate.sql: one refresh, in a transaction of its own.  The token comes from the
-- environment, where others cannot see it as they do arguments.
\getenv token REFRESH_TOKEN
\getenv client_id CLIENT_ID
SELECT outcome, coalesce(refresh_token, error) FROM sctoken.rotate(:'token', :'client_id');
