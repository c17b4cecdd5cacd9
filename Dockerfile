# PostgreSQL with sctoken, from this checkout: docker build -t sctoken .
#
# The image is Docker's official one, whose PostgreSQL 15 comes from
# apt.postgresql.org and whose entry point makes the cluster.  sctoken is tested with
# Debian 12's own build of the same version; no test builds or runs this image.
ARG POSTGRES=15-bookworm

FROM postgres:${POSTGRES} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
        gcc libc6-dev libssl-dev make "postgresql-server-dev-${PG_MAJOR}" \
 && rm -rf /var/lib/apt/lists/*
COPY Makefile sctoken.control /build/
COPY sql /build/sql
COPY src /build/src
RUN make -C /build \
 && make -C /build install DESTDIR=/installed

FROM postgres:${POSTGRES}
COPY --from=build /installed /
COPY LICENSE README.md SECURITY.md /usr/share/doc/sctoken/
COPY doc /usr/share/doc/sctoken/doc
CMD ["postgres", "-c", "shared_preload_libraries=sctoken"]
