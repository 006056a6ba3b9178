#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh SITE PACE SEED - as many images begin: much shell before anything runs, and it goes on in shell.
set -e
export SITE="$1"
id=$(cat /proc/sys/kernel/random/uuid | cut -c1-8)
mkdir -p /etc/worker/conf.d /var/lib/worker/spool /var/lib/worker/www /var/log/worker /run/worker
for part in limits paths hooks; do
        sed -e "s/@ID@/$id/g" -e "s/@SITE@/$SITE/g" /opt/svc/conf.in | tr a-z A-Z >"/etc/worker/conf.d/$part.conf"
done
env | sort | grep -v '^_' >/run/worker/env
chmod 750 /run/worker
chown -R www-data:www-data /var/lib/worker/www
ln -sf "/etc/worker/conf.d/paths.conf" /etc/worker/current
cat /etc/worker/conf.d/*.conf | md5sum | cut -d' ' -f1 >/run/worker/sum
sh /opt/svc/cert.sh
n=0
until pg_isready -q -h "db.$SITE.test" -U app || [ $n -gt 5 ]; do
        n=$((n + 1))
        sleep 1
done
date +%s >/run/worker/started
busybox httpd -p 8081 -h /var/lib/worker/www
set +e
(
        awk -v pace="$2" -v seed="$3" 'BEGIN {srand(seed); for (;;) print pace * (0.4 + 1.2 * rand()), int(1000 * rand())}' |
                while read -r pause n; do
                        sleep "$pause"
                        . /opt/svc/turn.sh >>/var/log/worker/worker.log 2>&1
                done
) &
. /opt/svc/ctl.sh
