# SPDX-License-Identifier: GPL-2.0-or-later
# turn.sh - one turn of the worker's loop, in the shell that loops: n is its number.
job=$(mktemp -d /tmp/job.XXXXXX)
curl -fsS -m 10 -o "$job/item" "http://api.$SITE.test/v1/item/$n"
{ date; cat "$job/item"; } | sed 's/ok/done/' >"/var/lib/worker/spool/item-$n.txt"
redis-cli -h "cache.$SITE.test" SET "item:$n" "$(wc -c <"$job/item")" EX 600
if [ $((n % 4)) = 0 ]; then
        ls -t /var/lib/worker/spool | head -5 | while read -r f; do echo "<li>$f</li>"; done >/var/lib/worker/www/index.html
        ls -t /var/lib/worker/spool/* | tail -n +20 | xargs -r rm
fi
if [ $((n % 7)) = 0 ]; then
        psql -h "db.$SITE.test" -U app -d app -qAt -c "SELECT count(*) FROM orders" | awk '{print "orders", $1}'
fi
rm -r "$job"
