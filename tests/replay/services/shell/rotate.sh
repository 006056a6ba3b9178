#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
cp /var/log/worker/worker.log /var/log/worker/worker.log.1
: >/var/log/worker/worker.log
gzip -f /var/log/worker/worker.log.1
