#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
rm -f /var/log/app/app.log.3
