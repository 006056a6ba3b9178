/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the limits of what is done by policy, the end of a containment, how often rules are made again, and the words
 * that are said before. Must not: know a clock, a descriptor or the kernel. Pure.
 */
#include "daemon/containment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/buf.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define SHOWN 160u /* bytes of a name or a command */

/* ---- may a policy isolate it? ---- */

enum containment_auto containment_auto_of(const char *word)
{
        return !strcmp(word, "on") ? CONTAINMENT_ON : !strcmp(word, "dry-run") ? CONTAINMENT_DRY_RUN : CONTAINMENT_OFF;
}

static void forget(struct containment_rate *r, uint32_t i)
{
        memmove(&r->at_ns[i], &r->at_ns[i + 1], (r->n - i - 1) * sizeof(r->at_ns[0]));
        r->n--;
}

uint32_t containment_recent(struct containment_rate *r, uint64_t now_ns)
{
        for (uint32_t i = 0; i < r->n;)
                if (now_ns >= r->at_ns[i] && now_ns - r->at_ns[i] >= CONTAINMENT_HOUR)
                        forget(r, i);
                else
                        i++;
        return r->n;
}

void containment_count(struct containment_rate *r, uint64_t at_ns, uint64_t now_ns)
{
        uint32_t i;

        if (containment_recent(r, now_ns) == CONTAINMENT_PER_HOUR)
                forget(r, 0);
        i = r->n++;
        for (; i > 0 && r->at_ns[i - 1] > at_ns; i--)
                r->at_ns[i] = r->at_ns[i - 1];
        r->at_ns[i] = at_ns;
}

enum containment_grant containment_may(const struct containment_ask *a, struct containment_rate *r, uint64_t now_ns)
{
        enum containment_grant g = CONTAINMENT_GRANTED;

        if (a->mode == CONTAINMENT_OFF)
                g = CONTAINMENT_IS_OFF;
        else if (!a->known)
                g = CONTAINMENT_NONE;
        else if (a->host_net)
                g = CONTAINMENT_SHARED;
        else if (a->isolated)
                g = CONTAINMENT_ALREADY;
        else if (containment_recent(r, now_ns) >= a->per_hour)
                g = CONTAINMENT_TOO_MANY;
        r->refused += g != CONTAINMENT_GRANTED && g != CONTAINMENT_ALREADY;
        return g == CONTAINMENT_GRANTED && a->mode == CONTAINMENT_DRY_RUN ? CONTAINMENT_WOULD : g;
}

void containment_grant_words(enum containment_grant g, uint32_t per_hour, char *dst, size_t size)
{
        static const char *const words[CONTAINMENT__GRANTS] = {
                [CONTAINMENT_GRANTED] = "granted",
                [CONTAINMENT_WOULD] = "contain.auto is dry-run: it would be isolated now",
                [CONTAINMENT_IS_OFF] = "contain.auto is off: nothing is isolated by itself",
                [CONTAINMENT_NONE] = "there is no such container",
                [CONTAINMENT_SHARED] = "it has the host's own network: the host would be cut off with it",
                [CONTAINMENT_ALREADY] = "it is isolated already",
        };

        if (g == CONTAINMENT_TOO_MANY)
                snprintf(dst, size,
                         "%u container%s %s isolated by policy within the last hour, and that is the most "
                         "(contain.per_hour): this one is for a person to decide",
                         per_hour, per_hour == 1 ? "" : "s", per_hour == 1 ? "was" : "were");
        else
                snprintf(dst, size, "%s", words[g]);
}

/* ---- rules that are gone ---- */

enum containment_mend containment_mend(struct containment_again *a, uint32_t per_minute, uint64_t now_ns)
{
        if (a->n == 0 || now_ns - a->at_ns >= MINUTE) {
                a->at_ns = now_ns;
                a->n = 0;
        }
        a->n++;
        a->total++;
        if (a->n > per_minute)
                return CONTAINMENT_MEND_LATER;
        if (a->n < CONTAINMENT_REPEATED || a->told)
                return CONTAINMENT_MEND;
        a->told = true;
        return CONTAINMENT_MEND_TELL;
}

uint64_t containment_mend_at(const struct containment_again *a)
{
        return a->at_ns + MINUTE;
}

/* ---- the end ---- */

bool containment_expired(uint64_t until_ns, uint64_t now_ns)
{
        return until_ns && now_ns >= until_ns;
}

int containment_until(struct bytes seconds, uint64_t now_ns, uint64_t *ret)
{
        uint64_t v = 0;

        if (seconds.len == 0 || seconds.len > 10)
                return -EINVAL;
        for (uint32_t i = 0; i < seconds.len; i++) {
                if (seconds.p[i] < '0' || seconds.p[i] > '9')
                        return -EINVAL;
                v = v * 10 + (uint64_t)(seconds.p[i] - '0');
        }
        if (v == 0 || v > CONTAINMENT_LONGEST_S)
                return -EINVAL;
        *ret = now_ns + v * NSEC_PER_SEC;
        return 0;
}

/* ---- what is said before ---- */

static const char *shown(struct bytes s, char dst[SHOWN])
{
        return str_print(s, dst, SHOWN);
}

/* Arguments are separated by NULs: shown with spaces. */
static void put_command(struct bytes command, struct buf *out)
{
        char text[SHOWN];
        uint8_t plain[SHOWN];
        uint32_t n = command.len < SHOWN ? command.len : SHOWN;

        for (uint32_t i = 0; i < n; i++)
                plain[i] = command.p[i] ? command.p[i] : ' ';
        buf_put_str(out, shown(bytes_of(plain, n), text));
}

static void say_where(const struct containment_facts *f, struct buf *out)
{
        char peer[SHOWN], why[SHOWN];

        shown(f->peer, peer);
        if (f->cgroup)
                buf_put_str(out,
                            "It has the host's own network: what its sockets send and get is dropped there, by its "
                            "cgroup, and nothing of the host or of others. Who may move its processes to another "
                            "cgroup could undo it.\n");
        else if (f->peer.len && f->ingress && f->egress)
                buf_printf(
                        out,
                        "It is cut in its network namespace, and outside of it at %s, both ways: out of the reach of "
                        "whoever is in the container.\n",
                        peer);
        else if (f->peer.len && f->ingress)
                buf_printf(out,
                           "It is cut in its network namespace, and outside of it at %s for what comes out of it (this "
                           "kernel has no egress hook): what it sends is out of its reach.\n",
                           peer);
        else
                buf_printf(out,
                           "It is cut in its network namespace alone%s%s: a container with CAP_NET_ADMIN could undo "
                           "it%s\n",
                           f->why_not.len ? ", because " : "", f->why_not.len ? shown(f->why_not, why) : "",
                           f->net_admin ? "; THIS ONE HAS IT. What it undoes is made again, and told." : ".");
}

static void say_elsewhere(const struct containment_facts *f, struct buf *out)
{
        if (f->in_host)
                buf_put_str(out,
                            "Some of its processes are in the host's own network namespace: THEY ARE NOT CUT OFF by "
                            "this. tidemark contain kill ends them.\n");
        else if (f->elsewhere)
                buf_printf(out,
                           "%zu of its processes %s in other network namespaces: what they send is cut off only where "
                           "it goes by way of its own.\n",
                           f->elsewhere, f->elsewhere == 1 ? "is" : "are");
}

static void say_mates(const struct containment_facts *f, struct buf *out)
{
        char name[SHOWN];

        if (f->others)
                buf_printf(out,
                           "%zu process%s of this host that %s in no container use%s its network namespace, and %s cut "
                           "off with it.\n",
                           f->others, f->others == 1 ? "" : "es", f->others == 1 ? "is" : "are",
                           f->others == 1 ? "s" : "", f->others == 1 ? "is" : "are");
        if (f->nmates == 0)
                return;
        buf_put_str(out, "These share its network namespace and are cut off with it: ");
        for (size_t i = 0; i < f->nmates; i++) {
                buf_put_str(out, i ? ", " : "");
                buf_put_str(out, shown(f->mates[i], name));
        }
        if (f->mates_more)
                buf_printf(out, " and %zu more", f->mates_more);
        buf_put_str(out, ".\n");
}

static void say_probes(const struct containment_facts *f, struct buf *out)
{
        char what[SHOWN];

        if (f->health.len) {
                buf_put_str(out, "Its health check (");
                put_command(f->health, out);
                buf_put_str(out, ") runs inside of it: over loopback it goes on, what it asks of others fails");
                if (f->unhealthy.len)
                        buf_printf(out, ", and when it fails its runtime will %s it", shown(f->unhealthy, what));
                buf_put_str(out, ".\n");
        }
        if (f->keep_probes)
                buf_put_str(out, "The host itself keeps a way in (--keep-probes): probes of the host go on.\n");
        else if (f->kube)
                buf_put_str(out,
                            "The kubelet's probes over the network will fail: a readiness probe takes it out of its "
                            "services, a liveness probe ends it and starts a new container. --keep-probes leaves the "
                            "host a way in.\n");
}

static void say_restart(const struct containment_facts *f, struct buf *out)
{
        char policy[SHOWN];

        shown(f->restart, policy);
        if (f->kube)
                buf_put_str(
                        out,
                        "If it ends, the kubelet makes a new container by the pod's restart policy; in the same pod "
                        "it has the same network namespace and is cut off as well.\n");
        else if (f->restart.len && !bytes_eq(f->restart, BYTES_LIT("no")))
                buf_printf(out, "Restart policy %s: if it ends it comes again, and is held until its network is cut.\n",
                           policy);
        else if (f->restart.len)
                buf_put_str(out, "Restart policy no: if it ends it stays down.\n");
        else
                buf_put_str(out, "Its restart policy is not known: its runtime's records do not tell it here.\n");
        buf_put_str(out,
                    "A container that replaces it (new, of the same workload) is not isolated: one that comes is told "
                    "in the queue.\n");
}

void containment_say_isolate(const struct containment_facts *f, struct buf *out)
{
        char name[SHOWN], allow[SHOWN];

        buf_printf(out, "Every packet of %s but loopback's is dropped, those of established connections too%s%s.\n",
                   shown(f->name, name), f->nallow ? "; these addresses stay reachable: " : "",
                   f->nallow ? shown(f->allow, allow) : "");
        say_where(f, out);
        say_elsewhere(f, out);
        say_mates(f, out);
        say_probes(f, out);
        say_restart(f, out);
}

void containment_say_kill(const struct containment_facts *f, struct buf *out)
{
        char name[SHOWN], policy[SHOWN];

        buf_printf(out,
                   "Every process of %s is ended at once: their memory and their connections are lost; of both, what "
                   "the volatile part of the evidence holds remains.\n",
                   shown(f->name, name));
        if (f->removed)
                buf_put_str(
                        out,
                        "It was made with --rm: its runtime removes it with its write layer, which is lost as well. "
                        "Take evidence before.\n");
        else
                buf_put_str(out, "Its write layer stays as long as nobody removes the container.\n");
        shown(f->restart, policy);
        if (f->kube)
                buf_put_str(out,
                            "The kubelet will start a new container in its place, and removes this one later: evidence "
                            "of its write layer should be taken before.\n");
        else if (f->restart.len && !bytes_eq(f->restart, BYTES_LIT("no")))
                buf_printf(out, "Restart policy %s: its runtime will start it again%s.\n", policy,
                           bytes_eq(f->restart, BYTES_LIT("on-failure")) ? " (it ends by a signal)" : "");
        else if (!f->restart.len)
                buf_put_str(out, "Its restart policy is not known: it may come again.\n");
}

void containment_say_host(const struct containment_facts *f, struct buf *out)
{
        char name[SHOWN];

        buf_printf(
                out,
                "%s has the host's own network (host networking): its packets cannot be told from the host's where "
                "they "
                "would be dropped, and cutting there would cut off the host. What can be done: tidemark contain kill "
                "(with --yes-lose-state), stop it by its runtime, or a rule of the host's firewall for its addresses, "
                "ports or cgroup.\n",
                shown(f->name, name));
}
