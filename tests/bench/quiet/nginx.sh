#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# nginx.sh - nginx, and beside it what is told by a pipe in a volume (lab.Shell's way): the rotation of its log.
nginx -g 'daemon off;' &
while :; do
        while read -r line; do
                eval "$line"
                echo $? >>/ctl/done
        done </ctl/in
done
