#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# weekly.sh - once a week: the files are checked, and the biggest keys are written down.
redis-check-rdb /var/lib/redis/dump.rdb >/var/lib/redis/backup/check.txt
redis-cli --bigkeys >/var/lib/redis/backup/bigkeys.txt
redis-cli MEMORY PURGE >/dev/null
sha256sum /var/lib/redis/backup/*.rdb >/var/lib/redis/backup/SHA256SUMS
