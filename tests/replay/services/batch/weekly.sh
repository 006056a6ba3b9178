#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# weekly.sh - once a week: the sums of the week, by another program than the daily ones, and an archive.
week=/var/lib/batch/out/week-$(date +%G-%V)
psql -h "db.$SITE.test" -U app -d app -qAt -c "SELECT date_trunc('hour', created), count(*), sum(amount) FROM orders GROUP BY 1" >"$week.txt"
join -t'|' "$week.txt" "$week.txt" | paste -sd+ >"$week.sum"
tar -C /var/lib/batch -cJf "$week.tar.xz" in 2>/dev/null || tar -C /var/lib/batch -czf "$week.tar.gz" in
curl -fsS -m 10 -o /dev/null --data-binary "@$week.txt" "http://hooks.$SITE.test/week"
