#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rotate.sh - nginx's log moved away under a name with its time, nginx told, the one before packed, old ones gone.
set -e
cd /var/log/nginx
for old in access.log-*[0-9]; do
        [ ! -e "$old" ] || gzip "$old"
done
mv access.log access.log-"$(date +%Y%m%d%H%M%S)"
kill -USR1 "$(cat /run/nginx.pid)"
ls -t access.log-*.gz 2>/dev/null | tail -n +3 | xargs -r rm
