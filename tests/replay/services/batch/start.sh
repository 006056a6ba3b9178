#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh SITE PACE SEED - a small cron: each job at times of its own, about PACE seconds apart, never quite the same.
mkdir -p /var/lib/batch/out /var/lib/batch/in /var/log/batch
export SITE="$1"
(
        awk -v pace="$2" -v seed="$3" 'BEGIN {srand(seed); for (;;) {r = rand(); print pace * (0.4 + 1.2 * rand()), (r < 0.5 ? "report" : r < 0.8 ? "fetch" : "tidy")}}' |
                while read -r pause job; do
                        sleep "$pause"
                        "/opt/svc/$job" >>/var/log/batch/batch.log 2>&1
                done
) &
. /opt/svc/ctl.sh
