/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor's side of the helpers that cut containers off, and kill them.
 *
 * Owns: both helpers, the requests that wait, one deadline for each that is under way, and the sockets that hear of
 * changes where somebody is cut off. Must not: enter a namespace, wait but at the end, or decide anything. Hands over:
 * exactly one answer for every request; that something was changed.
 *
 * Three lanes, in each of which one request is under way: cutting and looking; the list (the same helper, which does
 * that apart); killing. An answer is known by its serial number: one that comes late is nobody's.
 */
#include "tidemark/isolate.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "isolate-priv.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"
#include "tidemark/nl.h"
#include "tidemark/passfd.h"

#define TURN_BUDGET 8 /* answers, or datagrams of one socket */
#define RETRY_NS NSEC_PER_SEC
#define KILL_TIMES 3u
#define FINISH_TIMES 8u /* deadlines, that the end waits for at most */

enum lane_of { LANE_WORK, LANE_LIST, LANE_KILL, LANES };
enum side { SIDE_WORKER, SIDE_KILLER, SIDES };

struct waiting {
        uint8_t *message; /* owned: a struct isolate_ask, and the list behind it */
        size_t len;
        bool again; /* a helper has died of it, or with it: it is not given to a third */
};

struct lane {
        struct isolator *w;
        enum side side;
        struct loop_timer *timer;
        uint64_t deadline_ns;
        struct waiting waiting[ISOLATE_WAITING];
        uint32_t n;
        bool sent; /* the first is under way */
};

struct helper {
        struct isolator *w;
        int fd; /* -1: there is none now */
        pid_t pid;
        struct loop_src *src;
        bool proved; /* it has answered */
};

/* Where somebody is cut off. */
struct held {
        struct isolator *w;
        char id[ISOLATE_ID]; /* "": of the host's namespace */
        uint64_t prints[ISOLATE__PRINTS], devices, places;
        struct nl *nl;
        struct loop_src *src;
        bool changed;
};

struct isolator {
        struct loop *loop;
        const struct isolator_ops *ops;
        void *arg;
        char state_dir[256];
        struct isolate_child_setup setup[SIDES];
        struct helper helpers[SIDES];
        struct helper_stuck stuck;
        struct loop_timer *retry, *gather;
        bool gathering;
        struct lane lanes[LANES];
        uint64_t serial;
        struct held *held[ISOLATE_HELD], host;
        uint32_t nheld;
};

static int start_helper(struct isolator *w, enum side side);

/* ---- what hears of changes ---- */

static void held_close(struct held *h)
{
        h->src = loop_src_del(h->src);
        h->nl = nl_close(h->nl);
}

static void tell_changed(struct isolator *w, struct held *h)
{
        if (!h->changed)
                return;
        h->changed = false;
        w->ops->changed(h->id, w->arg);
}

static void on_gathered(struct loop_timer *t, void *arg)
{
        struct isolator *w = arg;

        (void)t;
        w->gathering = false;
        tell_changed(w, &w->host);
        for (uint32_t i = w->nheld; i-- > 0;) /* whoever is told may forget one */
                if (i < w->nheld)
                        tell_changed(w, w->held[i]);
}

static int on_event(struct loop_src *src, int fd, short revents, void *arg)
{
        struct held *h = arg;
        struct isolator *w = h->w;
        struct isolate_news news = {.own = (uint32_t)w->helpers[SIDE_WORKER].pid};
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int i = 0; i < TURN_BUDGET && r > 0; i++)
                r = nl_recv(h->nl, isolate_hear, &news);
        if (news.pending || news.foreign || r == ERR_OVERRUN)
                h->changed = true;
        if (h->changed && !w->gathering) {
                w->gathering = true;
                loop_timer_set(w->gather, clock_boot_ns() + ISOLATE_GATHER_NS);
        }
        if (r < 0 && r != ERR_OVERRUN)
                held_close(h); /* the check every so often is left */
        return r > 0 || r == ERR_OVERRUN ? LOOP_MORE : LOOP_DONE;
}

static void held_listen(struct isolator *w, struct held *h)
{
        h->w = w;
        if (h->nl && loop_add(w->loop, nl_fd(h->nl), POLLIN, LOOP_ACT, "nftables", on_event, h, &h->src) < 0)
                h->nl = nl_close(h->nl);
}

static void listen_at_home(struct isolator *w)
{
        if (w->nheld == 0)
                held_close(&w->host);
        else if (!w->host.nl && nl_open(NETLINK_NETFILTER, 1u << (NFNLGRP_NFTABLES - 1), 0, &w->host.nl) == 0)
                held_listen(w, &w->host);
}

static struct held *held_find(struct isolator *w, const char *id)
{
        for (uint32_t i = 0; i < w->nheld; i++)
                if (strcmp(w->held[i]->id, id) == 0)
                        return w->held[i];
        return NULL;
}

/* fd: -1, or what hears of its namespace, taken over. */
static void hold(struct isolator *w, const char *id, const struct isolate_reply *rep, int fd)
{
        struct held *h = held_find(w, id);
        struct nl *nl = NULL;

        if (!h && w->nheld < ISOLATE_HELD && (h = calloc(1, sizeof(*h)))) {
                memcpy(h->id, id, sizeof(h->id));
                w->held[w->nheld++] = h;
        }
        if (fd >= 0 && (!h || nl_adopt(fd, &nl) < 0))
                close(fd);
        if (!h)
                return;
        memcpy(h->prints, rep->prints, sizeof(h->prints));
        h->devices = rep->devices;
        h->places = rep->a.places;
        if (nl) {
                held_close(h);
                h->nl = nl;
                held_listen(w, h);
        }
        listen_at_home(w);
}

void isolator_forget(struct isolator *w, const char *id)
{
        for (uint32_t i = 0; i < w->nheld; i++) {
                struct held *h = w->held[i];

                if (strcmp(h->id, id) != 0)
                        continue;
                held_close(h);
                free(h);
                w->held[i] = w->held[--w->nheld];
                break;
        }
        listen_at_home(w);
}

/* ---- lanes ---- */

static struct isolate_ask *ask_of(const struct waiting *x)
{
        return (struct isolate_ask *)x->message;
}

static void arm(struct lane *l)
{
        if (l->sent)
                loop_timer_set(l->timer, clock_boot_ns() + l->deadline_ns);
        else
                loop_timer_stop(l->timer);
}

/* What the last cut told, as it is when the helper gets the request. */
static void add_what_is_held(struct isolator *w, struct isolate_ask *k)
{
        struct held *h = held_find(w, k->q.id);

        if (!h || (k->q.what != ISOLATE_CHECK && k->q.what != ISOLATE_RELEASE))
                return;
        memcpy(k->prints, h->prints, sizeof(h->prints));
        k->devices = h->devices;
        if (k->q.places == 0)
                k->q.places = h->places;
}

static void begin(struct lane *l)
{
        struct helper *h = &l->w->helpers[l->side];
        struct waiting *x = &l->waiting[0];

        if (l->sent || l->n == 0 || h->fd < 0)
                return;
        add_what_is_held(l->w, ask_of(x));
        if (send(h->fd, x->message, x->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                shutdown(h->fd, SHUT_RDWR); /* the next read finds the end, and the helper is replaced */
        l->sent = true;
        arm(l);
}

static void pop(struct lane *l)
{
        free(l->waiting[0].message);
        memmove(&l->waiting[0], &l->waiting[1], --l->n * sizeof(l->waiting[0]));
        l->sent = false;
}

/* The first request's end. The next is begun before it is told, so that the helper works meanwhile. */
static void finish(struct lane *l, const struct isolate_answer *a)
{
        struct isolate_answer answer = *a; /* the caller may ask again, and may stop */

        pop(l);
        begin(l);
        arm(l);
        l->w->ops->answer(&answer, l->w->arg);
}

static void fail(struct lane *l, int error)
{
        const struct isolate_request *q = &ask_of(&l->waiting[0])->q;
        struct isolate_answer a = {.token = q->token, .what = q->what, .error = error};

        snprintf(a.why, sizeof(a.why), "%s", error == -ETIMEDOUT ? "it took too long, and was given up" :
                 error == -EPIPE ? "the helper ended over it" : err_str(error));
        finish(l, &a);
}

/* What changes something goes before what only looks, behind what was asked before and is like it. */
static bool is_urgent(uint8_t what)
{
        return what != ISOLATE_LOOK && what != ISOLATE_CHECK;
}

static int enqueue(struct lane *l, struct waiting x)
{
        uint32_t at = l->n;

        if (l->n == ISOLATE_WAITING) {
                free(x.message);
                return -ENOBUFS;
        }
        while (is_urgent(ask_of(&x)->q.what) && at > (l->sent ? 1u : 0u) &&
               !is_urgent(ask_of(&l->waiting[at - 1])->q.what))
                at--;
        memmove(&l->waiting[at + 1], &l->waiting[at], (l->n - at) * sizeof(x));
        l->waiting[at] = x;
        l->n++;
        begin(l);
        return 0;
}

/* ---- helpers ---- */

static void drop_helper(struct helper *h)
{
        h->src = loop_src_del(h->src);
        if (h->fd >= 0)
                close(h->fd);
        h->fd = -1;
        helper_leave(&h->w->stuck, &h->pid);
}

/* What was under way is asked again, once, if the helper is gone: it was killed, as a rule, and not by that. */
static void give_up(struct lane *l, int error)
{
        if (!l->sent)
                return;
        if (error == -EPIPE && !l->waiting[0].again && l->side == SIDE_WORKER) {
                l->waiting[0].again = true;
                l->sent = false;
                arm(l);
        } else {
                fail(l, error);
        }
}

static void replace(struct isolator *w, enum side side, int error)
{
        struct helper *h = &w->helpers[side];
        bool at_once = side == SIDE_WORKER && (error != -EPIPE || h->proved);

        drop_helper(h);
        if (at_once && helper_reap(&w->stuck) < HELPER_STUCK)
                (void)!start_helper(w, side);
        if (h->fd < 0 && side == SIDE_WORKER)
                loop_timer_set(w->retry, clock_boot_ns() + RETRY_NS);
        for (unsigned i = 0; i < LANES; i++)
                if (w->lanes[i].side == side)
                        give_up(&w->lanes[i], error);
        for (uint32_t n = side == SIDE_KILLER ? w->lanes[LANE_KILL].n : 0; n > 0; n--) /* nobody will */
                fail(&w->lanes[LANE_KILL], -EPIPE);
        for (unsigned i = 0; i < LANES; i++)
                begin(&w->lanes[i]);
}

static void on_retry(struct loop_timer *t, void *arg)
{
        struct isolator *w = arg;

        if (w->helpers[SIDE_WORKER].fd >= 0)
                return;
        if (helper_reap(&w->stuck) >= HELPER_STUCK || start_helper(w, SIDE_WORKER) < 0)
                loop_timer_set(t, clock_boot_ns() + RETRY_NS);
        for (unsigned i = 0; i < LANES; i++)
                begin(&w->lanes[i]);
}

bool isolate_reply_is_sound(const struct isolate_reply *rep, size_t len, size_t nfds)
{
        const struct isolate_answer *a = &rep->a;

        return len == sizeof(*rep) && nfds == rep->listens && rep->listens <= 1 && a->what < ISOLATE__WHATS &&
               a->way < ISOLATE__WAYS && a->error <= 0 && a->ndevices <= ISOLATE_DEVICES &&
               a->nmates <= ISOLATE_MATES && a->nports <= ISOLATE_PORTS && memchr(a->why, '\0', sizeof(a->why));
}

static struct lane *lane_of(struct isolator *w, enum side side, const struct isolate_reply *rep)
{
        for (unsigned i = 0; i < LANES; i++) {
                struct lane *l = &w->lanes[i];

                if (l->side == side && l->sent && ask_of(&l->waiting[0])->serial == rep->serial &&
                    ask_of(&l->waiting[0])->q.what == rep->a.what)
                        return l;
        }
        return NULL;
}

static void take(struct lane *l, const struct isolate_reply *rep, int *fd)
{
        char id[ISOLATE_ID];

        memcpy(id, ask_of(&l->waiting[0])->q.id, sizeof(id));
        if (rep->a.error == 0 && rep->a.what == ISOLATE_CUT)
                hold(l->w, id, rep, TAKE_FD(*fd));
        else if (rep->a.error == 0 && rep->a.what == ISOLATE_RELEASE)
                isolator_forget(l->w, id);
        finish(l, &rep->a);
}

/* One answer. 1; 0: none now; -EPIPE: the helper is gone; else negative: it talks nonsense. */
static int receive(struct helper *h, enum side side)
{
        struct isolate_reply rep;
        struct lane *l;
        int fd = -1;
        size_t n = 0;
        ssize_t len = passfd_recv(h->fd, &rep, sizeof(rep), &fd, 1, &n, MSG_DONTWAIT);

        if (len < 0)
                return len == -EAGAIN || len == -EINTR ? 0 : len == -ECONNRESET ? -EPIPE : (int)len;
        if (len == 0)
                return -EPIPE;
        if (n == 0)
                fd = -1;
        if (!isolate_reply_is_sound(&rep, (size_t)len, n)) {
                if (fd >= 0)
                        close(fd);
                return -EPROTO;
        }
        h->proved = true;
        l = lane_of(h->w, side, &rep);
        if (l)
                take(l, &rep, &fd);
        if (fd >= 0)
                close(fd);
        return 1;
}

static int on_ready(struct loop_src *src, int fd, short revents, void *arg)
{
        struct helper *h = arg;
        enum side side = h == &h->w->helpers[SIDE_WORKER] ? SIDE_WORKER : SIDE_KILLER;
        int r = 1;

        (void)src, (void)fd, (void)revents;
        for (int i = 0; i < TURN_BUDGET && r > 0 && h->fd >= 0; i++)
                r = receive(h, side);
        if (r < 0)
                replace(h->w, side, r);
        return r > 0 ? LOOP_MORE : LOOP_DONE;
}

/* What is done apart is given up alone; in the first lane the helper itself hangs. */
static void on_deadline(struct loop_timer *t, void *arg)
{
        struct lane *l = arg;
        int r;

        (void)t;
        if (!l->sent)
                return;
        r = receive(&l->w->helpers[l->side], l->side); /* it may have answered while this loop was busy */
        if (r != 0) {
                if (r < 0)
                        replace(l->w, l->side, r);
                else
                        arm(l);
                return;
        }
        if (l == &l->w->lanes[LANE_WORK])
                replace(l->w, SIDE_WORKER, -ETIMEDOUT);
        else
                fail(l, -ETIMEDOUT);
}

static int start_helper(struct isolator *w, enum side side)
{
        static const struct {
                const char *name;
                helper_main run;
        } which[SIDES] = {[SIDE_WORKER] = {"tidemark-isolat", isolate_child},
                          [SIDE_KILLER] = {"tidemark-kill", isolate_killer}};
        struct helper *h = &w->helpers[side];
        int r = helper_start(which[side].name, HELPER_IS_URGENT, which[side].run, &w->setup[side], NULL, 0, &h->fd,
                             &h->pid);

        h->proved = false;
        if (r == 0)
                r = loop_add(w->loop, h->fd, POLLIN, LOOP_ACT, which[side].name, on_ready, h, &h->src);
        if (r < 0)
                drop_helper(h);
        return r;
}

/* ---- the module ---- */

static int start(struct isolator *w, const struct isolator_setup *setup)
{
        int r = loop_timer_new(w->loop, on_retry, w, &w->retry);

        if (r == 0)
                r = loop_timer_new(w->loop, on_gathered, w, &w->gather);
        for (unsigned i = 0; i < LANES && r == 0; i++) {
                struct lane *l = &w->lanes[i];

                l->w = w;
                l->side = i == LANE_KILL ? SIDE_KILLER : SIDE_WORKER;
                l->deadline_ns = (i == LANE_KILL ? KILL_TIMES : 1) * setup->deadline_ns;
                r = loop_timer_new(w->loop, on_deadline, l, &l->timer);
        }
        for (unsigned i = 0; i < SIDES && r == 0; i++) {
                struct isolate_child_setup *s = &w->setup[i];

                *s = (struct isolate_child_setup){.state_dir = setup->state_dir ? w->state_dir : NULL,
                                                  .confine = i == SIDE_KILLER ? setup->confine_killer : setup->confine,
                                                  .deadline_ns = setup->deadline_ns};
                snprintf(s->instance, sizeof(s->instance), "%s", setup->instance);
                r = start_helper(w, (enum side)i);
        }
        return r;
}

int isolator_start(struct loop *loop, const struct isolator_setup *setup, const struct isolator_ops *ops, void *arg,
                   struct isolator **ret)
{
        _cleanup_(isolator_stopp) struct isolator *w = NULL;
        struct isolate_plan p = {0};
        int r = isolate_plan_name(&p, "000000000000", setup->instance);

        if (r < 0 || (setup->state_dir && strlen(setup->state_dir) >= sizeof(w->state_dir)))
                return -EINVAL;
        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->loop = loop;
        w->ops = ops;
        w->arg = arg;
        snprintf(w->state_dir, sizeof(w->state_dir), "%s", setup->state_dir ? setup->state_dir : "");
        for (unsigned i = 0; i < SIDES; i++)
                w->helpers[i] = (struct helper){.w = w, .fd = -1};
        r = start(w, setup);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

struct isolator *isolator_stop(struct isolator *w)
{
        if (!w)
                return NULL;
        for (unsigned i = 0; i < SIDES; i++)
                drop_helper(&w->helpers[i]);
        helper_reap(&w->stuck);
        for (unsigned i = 0; i < LANES; i++) {
                while (w->lanes[i].n)
                        pop(&w->lanes[i]);
                loop_timer_free(w->lanes[i].timer);
        }
        while (w->nheld)
                isolator_forget(w, w->held[0]->id);
        held_close(&w->host);
        loop_timer_free(w->retry);
        loop_timer_free(w->gather);
        free(w);
        return NULL;
}

static int put_message(struct waiting *x, const struct isolate_ask *k, struct bytes list)
{
        *x = (struct waiting){.len = sizeof(*k) + list.len};
        x->message = malloc(x->len);
        if (!x->message)
                return -ENOMEM;
        memcpy(x->message, k, sizeof(*k));
        if (list.len)
                memcpy(x->message + sizeof(*k), list.p, list.len);
        return 0;
}

int isolator_ask(struct isolator *w, const struct isolate_request *q)
{
        struct lane *l = &w->lanes[q->what == ISOLATE_KILL ? LANE_KILL : LANE_WORK];
        struct isolate_ask k = {.q = *q, .serial = ++w->serial};
        bool needs_pid = q->what == ISOLATE_LOOK || q->what == ISOLATE_CUT || q->what == ISOLATE_CHECK;
        struct waiting x;
        int r;

        if (q->what >= ISOLATE_SAVE || strlen(q->id) < ISOLATE_ID - 1 || q->nnets > ISOLATE_NETS ||
            (needs_pid && q->pid == 0) || !memchr(q->cgroup, '\0', sizeof(q->cgroup)))
                return -EINVAL;
        if (q->what == ISOLATE_KILL && w->helpers[SIDE_KILLER].fd < 0)
                return -EPIPE;
        r = put_message(&x, &k, bytes_of(NULL, 0));
        return r < 0 ? r : enqueue(l, x);
}

/* What waits is as stale as what it says: it is written once, as it is now, for each who asked. */
static int renew(struct lane *l, struct bytes list)
{
        for (uint32_t i = l->sent; i < l->n; i++) {
                struct isolate_ask k = *ask_of(&l->waiting[i]);
                struct waiting x;

                k.list_len = list.len;
                if (put_message(&x, &k, list) < 0)
                        return -ENOMEM;
                free(l->waiting[i].message);
                l->waiting[i] = x;
        }
        return 0;
}

int isolator_save(struct isolator *w, uint64_t token, const struct isolate_list *list)
{
        struct isolate_ask k = {.q = {.token = token, .what = ISOLATE_SAVE}, .serial = ++w->serial};
        _cleanup_buf_ struct buf b;
        struct waiting x;
        int r;

        buf_init(&b, ISOLATE_LIST_BYTES);
        isolate_list_encode(list, &b);
        r = b.err ? b.err : renew(&w->lanes[LANE_LIST], buf_bytes(&b));
        k.list_len = (uint32_t)b.len;
        if (r == 0)
                r = put_message(&x, &k, buf_bytes(&b));
        return r < 0 ? r : enqueue(&w->lanes[LANE_LIST], x);
}

static bool is_idle(const struct isolator *w)
{
        for (unsigned i = 0; i < LANES; i++)
                if (w->lanes[i].n)
                        return false;
        return true;
}

void isolator_finish(struct isolator *w)
{
        uint64_t end = clock_boot_ns() + FINISH_TIMES * w->lanes[LANE_WORK].deadline_ns, now;

        if (w->helpers[SIDE_WORKER].fd < 0 && !is_idle(w)) /* there is no later */
                on_retry(w->retry, w);
        while (!is_idle(w) && (now = clock_boot_ns()) < end) {
                struct pollfd p[SIDES];

                for (unsigned i = 0; i < SIDES; i++)
                        p[i] = (struct pollfd){.fd = w->helpers[i].fd, .events = POLLIN};
                if (poll(p, SIDES, (int)((end - now) / NSEC_PER_MSEC) + 1) <= 0)
                        continue;
                for (unsigned i = 0; i < SIDES; i++) {
                        int r = p[i].revents ? receive(&w->helpers[i], (enum side)i) : 0;

                        if (r < 0)
                                replace(w, (enum side)i, r);
                }
        }
        for (unsigned i = 0; i < LANES; i++)
                for (uint32_t n = w->lanes[i].n; n > 0; n--) /* whoever is told may ask again: that is left */
                        fail(&w->lanes[i], -ETIMEDOUT);
}

pid_t isolator_pid(const struct isolator *w)
{
        return w->helpers[SIDE_WORKER].pid;
}

pid_t isolator_killer_pid(const struct isolator *w)
{
        return w->helpers[SIDE_KILLER].pid;
}

const char *isolate_way_words(uint8_t way)
{
        static const char *const words[ISOLATE__WAYS] = {
                [ISOLATE_NOWHERE] = "nowhere",
                [ISOLATE_BOTH] = "inside and on the host side",
                [ISOLATE_ONE_WAY] = "inside, and what it sends on the host side too",
                [ISOLATE_INSIDE] = "inside its namespace alone",
                [ISOLATE_BY_CGROUP] = "by its cgroup, on the host's network",
        };

        return way < ISOLATE__WAYS ? words[way] : "?";
}
