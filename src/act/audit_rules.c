/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the helper that sets and removes our audit rules, and its deadline. Must not: speak to the kernel's audit
 * itself, or wait but at the end. Hands over: the helper's answer, a struct audit_rules_state as it is (same binary).
 */
#include "tidemark/audit_rules.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "act/audit_rules-priv.h"
#include "tidemark/clock.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

struct audit_rules {
        const struct audit_rules_ops *ops;
        void *arg;
        enum audit_rules_want want;
        char key[AUDIT_RULES_KEY];
        int fd;
        pid_t pid;
        struct loop_src *src;
        struct loop_timer *timer;
        uint64_t deadline_ns;
        bool asked;     /* it is at work */
        bool look_next; /* and is to look when it is done */
        bool set;       /* it has done what it is for: from here on it is kept, whatever a look brings */
        uint32_t stand; /* when it was last known */
};

/* What the helper is asked for. */
enum { LOOK, NUMBERS };

/* ---- in the helper ---- */

static bool say(int fd, const struct audit_rules_state *st)
{
        return send(fd, st, sizeof(*st), MSG_NOSIGNAL) == (ssize_t)sizeof(*st);
}

/* With its first look: nothing is wanted of it any more. */
static bool is_done(const struct audit_rules *r)
{
        return r->want == AUDIT_RULES_NONE && !r->ops->stay;
}

static int helper(int fd, void *arg)
{
        const struct audit_rules *r = arg;
        int (*set)(enum audit_rules_want, const char *, struct audit_rules_state *) =
                r->ops->set ? r->ops->set : audit_rules_set;
        int (*again)(enum audit_rules_want, const char *, struct audit_rules_state *) =
                r->ops->again ? r->ops->again : audit_rules_again;
        struct audit_rules_state st = {0};
        uint32_t stood = 0;
        char word;

        st.error = r->ops->confine ? r->ops->confine() : 0;
        if (st.error == 0)
                set(r->want, r->key, &st);
        if (!say(fd, &st) || st.error < 0 || is_done(r))
                return st.error;
        while (recv(fd, &word, 1, 0) > 0) {
                stood = st.stand > stood ? st.stand : stood;
                st.stand = stood; /* also where setting them again has failed meanwhile */
                again(word == NUMBERS ? AUDIT_RULES_NONE : r->want, r->key, &st);
                if (!say(fd, &st))
                        break;
        }
        /* Asked to, or the sensor is gone. */
        set(AUDIT_RULES_NONE, r->key, &st);
        st.ended = 1;
        say(fd, &st);
        return st.error;
}

/* ---- in the sensor ---- */

static void end_helper(struct audit_rules *r)
{
        r->src = loop_src_del(r->src);
        r->timer = loop_timer_free(r->timer);
        if (r->fd >= 0)
                close(r->fd);
        r->fd = -1;
        helper_end(&r->pid);
}

static void note(struct audit_rules *r, const struct audit_rules_state *st)
{
        if (st->error < 0)
                return;
        r->set = true;
        r->stand = st->stand;
}

/* Nobody can be put in its place: the right to change audit was given up when it had been started. */
static int on_answer(struct loop_src *src, int fd, short revents, void *arg)
{
        struct audit_rules *r = arg;
        struct audit_rules_state st;
        ssize_t n = recv(fd, &st, sizeof(st), MSG_DONTWAIT);
        bool gone = n != (ssize_t)sizeof(st);

        (void)src, (void)revents;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return LOOP_DONE;
        if (gone)
                st = (struct audit_rules_state){.error = -EPIPE};
        loop_timer_stop(r->timer);
        r->asked = false;
        note(r, &st);
        if (gone || !r->set || is_done(r))
                end_helper(r);
        r->ops->state(&st, r->arg);
        if (r->look_next)
                audit_rules_look(r);
        return LOOP_DONE;
}

static void on_late(struct loop_timer *t, void *arg)
{
        struct audit_rules *r = arg;
        struct audit_rules_state st = {.error = -ETIMEDOUT};

        (void)t;
        r->ops->state(&st, r->arg); /* it is left to it: what it was asked for may yet be done, and is removed later */
}

static void ask(struct audit_rules *r, char what)
{
        if (r->fd < 0 || is_done(r) || r->asked)
                return;
        if (send(r->fd, &what, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
                return; /* it is gone: that is told by its end of the pair */
        r->asked = true;
        loop_timer_set(r->timer, clock_boot_ns() + r->deadline_ns);
}

void audit_rules_look(struct audit_rules *r)
{
        r->look_next = r->asked && r->fd >= 0;
        ask(r, LOOK);
}

void audit_rules_ask(struct audit_rules *r)
{
        ask(r, NUMBERS);
}

static struct audit_rules *rules_free(struct audit_rules *r)
{
        if (r)
                end_helper(r);
        free(r);
        return NULL;
}
DEFINE_CLEANUP(struct audit_rules *, rules_free)

int audit_rules_start(struct loop *loop, enum audit_rules_want want, const char *instance, uint64_t deadline_ns,
                      const struct audit_rules_ops *ops, void *arg, struct audit_rules **ret)
{
        _cleanup_(rules_freep) struct audit_rules *r = calloc(1, sizeof(*r));
        int err;

        if (!r)
                return -ENOMEM;
        r->ops = ops;
        r->arg = arg;
        r->want = want;
        r->fd = -1;
        r->asked = true;
        r->deadline_ns = deadline_ns;
        if ((size_t)snprintf(r->key, sizeof(r->key), "tidemark-%s", instance) >= sizeof(r->key))
                return -EINVAL;
        err = helper_start("tidemark-audit", HELPER_HAS_TIME, helper, r, NULL, 0, &r->fd, &r->pid);
        if (err == 0)
                err = loop_add(loop, r->fd, POLLIN, LOOP_ANSWERS, "audit rules", on_answer, r, &r->src);
        if (err == 0)
                err = loop_timer_new(loop, on_late, r, &r->timer);
        if (err < 0)
                return err;
        loop_timer_set(r->timer, clock_boot_ns() + deadline_ns);
        *ret = TAKE_PTR(r);
        return 0;
}

/* Its first answer may still be on its way. */
static int await(const struct audit_rules *r, uint64_t until_ns, struct audit_rules_state *ret)
{
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        uint64_t now;
        ssize_t n;

        while ((now = clock_boot_ns()) < until_ns) {
                if (poll(&p, 1, (int)((until_ns - now) / NSEC_PER_MSEC) + 1) <= 0)
                        continue;
                n = recv(r->fd, ret, sizeof(*ret), MSG_DONTWAIT);
                if (n == (ssize_t)sizeof(*ret))
                        return 0;
                if (n >= 0 || (errno != EAGAIN && errno != EINTR))
                        return -EPIPE;
        }
        return -ETIMEDOUT;
}

/* Its last word, behind those on what was under way. One that could do nothing has said so, and has none. */
static int take_away(struct audit_rules *r, uint64_t until_ns, struct audit_rules_state *ret)
{
        int err = shutdown(r->fd, SHUT_WR) < 0 ? -errno : 0;

        while (err == 0) {
                err = await(r, until_ns, ret);
                if (err == 0 && ret->ended)
                        break;
                if (err == 0)
                        note(r, ret);
                if (err == 0 && !r->set)
                        return 0;
        }
        if (err == 0 && ret->enabled == 2 && r->stand)
                return -EROFS;
        return err < 0 ? err : ret->error;
}

int audit_rules_end(struct audit_rules *r, int timeout_ms, struct audit_rules_state *ret_state)
{
        uint64_t until = clock_boot_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
        struct audit_rules_state st = {0};
        int err = 0;

        if (r && r->fd >= 0 && r->want != AUDIT_RULES_NONE)
                err = take_away(r, until, &st);
        else if (r && r->stand)
                err = -EPIPE;
        rules_free(r);
        if (err == 0 && ret_state)
                *ret_state = st;
        return err;
}
