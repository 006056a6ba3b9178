#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# weekly.sh - once a week: the caches of a month are thrown away, the sums go to the partner.
find /var/cache/app -name '*.json' -mtime +30 -delete
psql -h "db.$1.test" -U app -d app -qAt -c "SELECT count(*), sum(amount) FROM orders" >/var/lib/app/week.txt
tar -C /var/lib/app -czf /var/lib/app/uploads-week.tar.gz uploads
curl -fsS -m 10 -o /dev/null --data-binary @/var/lib/app/week.txt "http://api.$1.test/v1/week"
