# SPDX-License-Identifier: GPL-2.0-or-later
# ctl.sh - at the end of a start script: what is told by a pipe in a volume is done, as the workload's own act.
while :; do
        while read -r line; do
                eval "$line"
                echo $? >>/ctl/done
        done </ctl/in
done
