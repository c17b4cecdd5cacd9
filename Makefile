# sctoken: sender-constrained tokens in PostgreSQL
#
# "make", "make install" and "make installcheck" are PGXS's own.  "make demo",
# "make test" and what stands beside them below need nothing installed, not even
# PostgreSQL: see test/run.sh.

EXTENSION   = sctoken
EXTVERSION  = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" \
		$(srcdir)/$(EXTENSION).control)
MODULE_big  = sctoken
PGFILEDESC  = "sctoken - sender-constrained tokens"
DATA        = sql/sctoken--1.0.0.sql

OBJS        = src/sctoken.o \
		src/argument.o \
		src/active.o \
		src/amend.o \
		src/announce.o \
		src/audit.o \
		src/binding.o \
		src/cache.o \
		src/certificate.o \
		src/certificate_header.o \
		src/challenge.o \
		src/client_authentication.o \
		src/client_certificate.o \
		src/confirm.o \
		src/dpop.o \
		src/dpop_check.o \
		src/encoding.o \
		src/families.o \
		src/family.o \
		src/grant.o \
		src/interval.o \
		src/introspect.o \
		src/issue.o \
		src/json_object.o \
		src/lock.o \
		src/nonce.o \
		src/maintain.o \
		src/policy.o \
		src/presented.o \
		src/query.o \
		src/replay.o \
		src/revoke.o \
		src/revoke_bulk.o \
		src/revoke_client.o \
		src/rotate.o \
		src/scope.o \
		src/secret.o \
		src/secret_file.o \
		src/shard.o \
		src/single_use.o \
		src/standby.o \
		src/stats.o \
		src/thumbprint.o \
		src/token.o \
		src/token_binding.o \
		src/transaction.o \
		src/trigger.o \
		src/trust_anchor.o \
		src/worker.o \
		src/core/base64url.o \
		src/core/certificate.o \
		src/core/certificate_header.o \
		src/core/client_jwk.o \
		src/core/crypto.o \
		src/core/digest_cache.o \
		src/core/dpop_proof.o \
		src/core/json.o \
		src/core/jwk.o \
		src/core/jws.o \
		src/core/key_cache.o \
		src/core/nonce.o \
		src/core/reason.o \
		src/core/thumbprint.o \
		src/core/token.o \
		src/core/token_binding.o \
		src/core/uri.o \
		src/core/x509.o \
		src/core/x509_cache.o \
		src/core/x509_dn.o \
		src/core/x509_info.o \
		src/core/x509_name.o \
		src/core/x509_store.o

# PostgreSQL's headers as the system's: -Wextra is to judge this code, not them.
PG_CPPFLAGS = -DSCTOKEN_VERSION='"$(EXTVERSION)"' \
		-isystem $(shell $(PG_CONFIG) --includedir-server)
SHLIB_LINK  = -lcrypto

# The order is meaning: what comes later builds on what comes before.
REGRESS     = catalog thumbprint htu_normalize certificate_header dpop_verify dpop_jkt dpop_check issue rotate policy revoke care bulk token_binding limits privileges nonce challenge trigger append_only audit audit_page duties maintenance stats secret scenarios certificate client_authentication certificate_grant shard plans distributable
ISOLATION   = rotate-race \
		rotate-race-no-retry \
		three-waiters \
		mixed-levels \
		rotate-chain \
		retry-rotate \
		retry-retry \
		reuse-rotate \
		reuse-reuse \
		rotate-kept \
		rotate-revoke \
		revoke-revoke \
		rotate-rollback \
		rotate-busy \
		wait-cancelled \
		rotate-deadlock \
		reuse-subject-client \
		introspect-latest \
		introspect-rotate \
		snapshot-family \
		snapshot-revocation \
		policy-change \
		policy-wait \
		first-secret \
		trigger-supabase \
		trigger-hydra \
		trigger-oidc-provider \
		trigger-notify \
		maintain \
		maintain-rotate \
		event-partition \
		bulk-rotate \
		bulk-issue \
		bulk-revoke-family \
		bulk-busy \
		revoke-subject-rotate \
		confirm-rotate \
		amend-rotate \
		max-families \
		revoke-client \
		notify \
		rotate-secret \
		replay-race \
		replay-other-key \
		replay-prune \
		replay-horizon \
		rotate-siblings \
		foreign-lock \
		lock-collision \
		rotate-same-second \
		rotate-prepare \
		rotate-direct \
		rotate-truncate \
		rotate-rewrite \
		rotate-terminated \
		trust-anchor
TAP_TESTS   = 1
PROVE_TESTS ?= test/t/*.pl

# Inputs stand in test/sql and test/specs, outputs in expected/, which
# test/expected points to: a VPATH build finds them through --inputdir alone.
REGRESS_OPTS   = --inputdir=$(srcdir)/test --load-extension=sctoken
ISOLATION_OPTS = --inputdir=$(srcdir)/test --load-extension=sctoken

# JIT has nothing to inline here, so no clang is needed for bitcode.
override with_llvm = no

top := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifneq ($(PGXS),)

include $(PGXS)

$(OBJS): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/core/*.h)

# A VPATH build starts in an empty folder.  The whole path, or the folder of the
# sources would be taken for it.
$(OBJS): | $(CURDIR)/src/core
$(CURDIR)/src/core:
	mkdir -p $@

else

.PHONY: all install uninstall installcheck clean
all install uninstall installcheck clean:
	@echo "$@ needs the PostgreSQL server's development files, and PG_CONFIG" >&2
	@echo "to name its pg_config (Debian: postgresql-server-dev-15)." >&2
	@echo "\"make demo\" and \"make test\" fetch them by themselves." >&2
	@false

endif

.PHONY: demo test bench bench-growth campaign campaign-controls faults fuzz analyze valgrind test-ha lint
demo test bench campaign campaign-controls faults fuzz analyze valgrind test-ha:
	@PG_CONFIG='$(PG_CONFIG)' bash '$(top)test/run.sh' $@

# The plots of doc/performance.md, and what they are made of
bench-growth:
	@PG_CONFIG='$(PG_CONFIG)' ONLY=growth BENCH_RESULTS='$(top)doc/performance' \
		bash '$(top)test/run.sh' bench

lint:
	@bash '$(top)test/gates.sh'

# Those of doc/picture, from their sources.  Needs dot (Debian: graphviz).
.PHONY: pictures
pictures:
	@bash '$(top)doc/picture/draw.sh'

# make test, and what .ci/run leaves out, for the reasons that test/all.sh gives; hours.
# PARTS: which ones; default: all
.PHONY: test-all
test-all:
	@PG_CONFIG='$(PG_CONFIG)' bash '$(top)test/all.sh' $(PARTS)

# contrib/citus on a cluster that SCTOKEN_CITUS names; see test/citus/run.pl.
.PHONY: test-citus
test-citus:
	@prove -v '$(top)test/citus/run.pl'

# In chroots, as root.  VERSIONS: which ones; default: all
.PHONY: test-matrix test-package dist
test-matrix:
	@bash '$(top)test/matrix.sh' $(VERSIONS)

test-package:
	@bash '$(top)test/package.sh' $(VERSIONS)

dist:
	@bash '$(top)test/dist.sh'

# What a list above holds, for the scripts: make -s print-REGRESS
print-%:
	@echo '$($*)'
