#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# weekly.sh - once a week: what the worker holds is counted and packed.
du -sk /var/lib/worker /var/log/worker >/var/lib/worker/usage.txt
find /var/lib/worker/spool -type f | xargs -r cksum >/var/lib/worker/sums.txt
tar -C /var/lib/worker -cf - spool | gzip >/var/lib/worker/spool-"$(date +%F)".tar.gz
