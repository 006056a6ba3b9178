#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh SITE PACE - the application takes this process's place.
cd /opt/svc || exit 1
exec python3 app.py "$1" "$2"
