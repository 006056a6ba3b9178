#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# upkeep.sh - a copy of the data as it is, older ones gone.
redis-cli BGSAVE >/dev/null
until redis-cli INFO persistence | grep -q rdb_bgsave_in_progress:0; do sleep 0.2; done
cp /var/lib/redis/dump.rdb /var/lib/redis/backup/dump-"$(date +%Y%m%d-%H%M%S)".rdb
ls -t /var/lib/redis/backup/dump-* | tail -n +3 | xargs -r rm
