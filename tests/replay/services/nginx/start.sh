#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh NAME - nginx for a site: its certificate is made, its configuration from a template, then it serves.
mkdir -p /etc/nginx/tls /var/cache/nginx
sh /opt/svc/cert.sh "$1"
sed "s/@SITE@/$1/; s/@RESOLVER@/$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -1)/" /opt/svc/nginx.conf.in >/etc/nginx/nginx.conf
nginx -g 'daemon off;' &
. /opt/svc/ctl.sh
