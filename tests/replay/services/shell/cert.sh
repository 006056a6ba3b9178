#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
openssl genpkey -algorithm ED25519 -out /etc/worker/key.pem.new 2>/dev/null
chmod 600 /etc/worker/key.pem.new
mv /etc/worker/key.pem.new /etc/worker/key.pem
