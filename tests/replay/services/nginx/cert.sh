#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# cert.sh NAME - a certificate, written beside the old one and renamed.
cd /etc/nginx/tls || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=www.$1.test" -keyout key.pem.new -out cert.pem.new 2>/dev/null
chmod 600 key.pem.new
mv key.pem.new key.pem
mv cert.pem.new cert.pem
[ ! -s /run/nginx.pid ] || nginx -s reload
