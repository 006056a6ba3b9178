#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# weekly.sh - once a week: who asked for what, as a page for people; the configuration kept aside.
mkdir -p /var/log/nginx/reports /var/backups/nginx
awk '{n[$7]++} END {for (p in n) print n[p], p}' /var/log/nginx/access.log | sort -rn | head -50 >/var/log/nginx/reports/week-"$(date +%G-%V)".txt
tar -C /etc -czf /var/backups/nginx/conf-"$(date +%F)".tar.gz nginx
nginx -t 2>/dev/null
find /var/log/nginx -name '*.gz' -mtime +30 -delete
