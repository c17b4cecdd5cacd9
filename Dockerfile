# PostgreSQL with sctoken, from this checkout: docker build -t sctoken .
#
# Debian 12 and its PostgreSQL 15, which sctoken is tested on; the image of the
# PostgreSQL project brings the entry point that makes the cluster.
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
