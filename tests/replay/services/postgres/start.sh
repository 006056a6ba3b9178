#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh - as images of it begin: a cluster is made where there is none, then the server works.
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
data=/var/lib/postgresql/data
if [ ! -s $data/PG_VERSION ]; then
        initdb -D $data --auth=trust -U app >/dev/null
        echo "host all all all trust" >>$data/pg_hba.conf
        pg_ctl -D $data -o "-c listen_addresses=''" -w start >/dev/null
        psql -U app -d postgres -q -c "CREATE DATABASE app"
        psql -U app -d app -q -c "CREATE TABLE orders (id bigserial PRIMARY KEY, customer int, amount numeric, note text, created timestamptz DEFAULT now())" \
                -c "CREATE INDEX ON orders (customer)" -c "CREATE INDEX ON orders (created)"
        pg_ctl -D $data -m fast -w stop >/dev/null
fi
postgres -D $data -c listen_addresses='*' -c checkpoint_timeout=60s -c max_wal_size=64MB -c min_wal_size=32MB \
        -c autovacuum_naptime=30s -c autovacuum_vacuum_threshold=50 -c autovacuum_analyze_threshold=50 -c max_connections=30 \
        -c logging_collector=on -c log_directory=log -c log_rotation_size=16kB -c log_filename='postgresql-%Y-%m-%d_%H%M%S.log' -c log_min_duration_statement=20 \
        2>/dev/null &
. /opt/svc/ctl.sh
