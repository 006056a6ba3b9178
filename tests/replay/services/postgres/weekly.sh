#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# weekly.sh - once a week: a dump, and indexes made anew.
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
mkdir -p /var/lib/postgresql/backup
pg_dump -U app -Fc app >/var/lib/postgresql/backup/app-"$(date +%F)".dump
pg_restore -l /var/lib/postgresql/backup/app-"$(date +%F)".dump >/dev/null
reindexdb -U app -q app
vacuumdb -U app -q -z app
