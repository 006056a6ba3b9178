#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rotate.sh - redis opens its log for each line: so it is only moved.
[ ! -e /var/log/redis/redis.log ] || mv /var/log/redis/redis.log /var/log/redis/redis.log.1
