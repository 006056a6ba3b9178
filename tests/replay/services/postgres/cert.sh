#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# cert.sh - a certificate for the server, which reads it again without a restart.
cd /var/lib/postgresql/data || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=db" -keyout server.key.new -out server.crt.new 2>/dev/null
chmod 600 server.key.new
mv server.key.new server.key
mv server.crt.new server.crt
psql -U app -d app -qAt -c "ALTER SYSTEM SET ssl = on" -c "SELECT pg_reload_conf()" >/dev/null
