#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh - a cache and store: both of redis's ways to keep things on disk.
mkdir -p /var/lib/redis/backup
redis-server --dir /var/lib/redis --bind 0.0.0.0 --protected-mode no --save 300 50 --appendonly yes --auto-aof-rewrite-min-size 32kb \
        --auto-aof-rewrite-percentage 60 --enable-module-command yes --enable-protected-configs yes --logfile /var/log/redis/redis.log &
. /opt/svc/ctl.sh
