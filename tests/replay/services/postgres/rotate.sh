#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
psql -U app -d app -qAt -c "SELECT pg_rotate_logfile()" >/dev/null
