/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_visit - what an exec session is: a person's, or a probe; said when the arguments of its first program have
 * come, and taken back when it runs what is not as the image has it.
 *
 * Never: trusts a name. That a command looks like the health check's counts only while its program, and every file that
 * its arguments name, is the image's.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "procfs-priv.h"
#include "proctab-priv.h"
#include "tidemark/err.h"

#define WORDS_MAX 24u

/* A word of a command, as a path: what does the write layer hold of it? CHANGE_UNKNOWN: nothing. */
static uint8_t change_of(struct proctab *pt, const struct container *c, struct bytes word, struct bytes cwd)
{
        uint8_t layer, change;

        buf_reset(&pt->path);
        if (word.p[0] != '/') {
                buf_put(&pt->path, cwd.p, cwd.len);
                buf_put_u8(&pt->path, '/');
        }
        buf_put(&pt->path, word.p, word.len);
        if (pt->path.err)
                return CHANGE_UNKNOWN;
        pt->sys.place_path(c, buf_bytes(&pt->path), &layer, &change, pt->sys.arg);
        return layer == LAYER_WRITE ? change : (uint8_t)CHANGE_UNKNOWN;
}

static bool ends_word(uint8_t ch)
{
        return ch <= ' ' || strchr(";&|<>()'\"`$=,", ch);
}

/* A file of the image that was changed, anywhere in a command: sh -c "/check.sh || exit 1". */
static bool names_changed_file(struct proctab *pt, const struct container *c, struct bytes args, struct bytes cwd)
{
        unsigned words = 0;

        for (uint32_t at = 0, end; at < args.len && words < WORDS_MAX; at = end + 1) {
                for (end = at; end < args.len && !ends_word(args.p[end]);)
                        end++;
                if (end == at || args.p[at] == '-')
                        continue;
                words++;
                if (change_of(pt, c, bytes_of(args.p + at, end - at), cwd) == CHANGE_MODIFIED)
                        return true;
        }
        return false;
}

static bool is_interpreter(struct bytes name)
{
        static const char *const heads[] = {"sh", "bash", "dash", "ash", "zsh", "ksh", "python", "perl", "ruby", "node",
                                            "php", "lua", "tclsh"};
        int slash = bytes_rfind(name, '/');

        name = bytes_of(name.p + slash + 1, name.len - (uint32_t)(slash + 1));
        for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
                struct bytes head = bytes_str(heads[i]);

                /* "python3.11" too, but not "shadow" */
                if (bytes_has_prefix(name, head) &&
                    (name.len == head.len || (name.p[head.len] >= '0' && name.p[head.len] <= '9')))
                        return true;
        }
        return false;
}

/* A script that an interpreter only reads is not executed: "sh /tmp/check". What other programs are given is data. */
static bool reads_written_script(struct proctab *pt, const struct container *c, struct bytes args, struct bytes cwd)
{
        struct bytes arg;

        if (!procfs_take_field(&args, 0, &arg) || !is_interpreter(arg) || !procfs_take_field(&args, 0, &arg))
                return false;
        return arg.len && arg.p[0] != '-' && change_of(pt, c, arg, cwd) != CHANGE_UNKNOWN;
}

enum whose { WHOSE_UNKNOWN, WHOSE_IMAGE, WHOSE_CHANGED };

static enum whose whose(struct proctab *pt, const struct waiting *w)
{
        const struct exec *e = w->exec;
        struct bytes args = rstr_bytes(e->args), cwd = rstr_bytes(e->cwd);
        uint8_t layers[] = {e->program_layer, e->link->exe_layer};
        enum whose ret = WHOSE_IMAGE;

        for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
                if (layers[i] == LAYER_WRITE || layers[i] == LAYER_TMPFS || layers[i] == LAYER_MEMFD ||
                    layers[i] == LAYER_DELETED)
                        return WHOSE_CHANGED;
                if (layers[i] != LAYER_IMAGE)
                        ret = WHOSE_UNKNOWN;
        }
        if (names_changed_file(pt, w->c, args, cwd) || reads_written_script(pt, w->c, args, cwd))
                return WHOSE_CHANGED;
        return ret;
}

static void settle(struct proctab *pt, const struct waiting *w, struct visit *v)
{
        const struct exec *e = w->exec;
        struct bytes args = rstr_bytes(e->args);
        enum whose of;
        bool probe;

        v->unread = e->args_state != ARGS_HAD && !e->tty;
        if (e->args_state != ARGS_HAD || e->args_total != args.len)
                return;
        probe = visits_is_health(w->c->visits, args);
        if (!probe && !e->tty && e->login_uid == UNSET)
                probe = visits_run(&w->c->visits, args, rstr_bytes(e->program), w->boot_ns);
        if (!probe)
                return;
        of = whose(pt, w);
        v->changed = of == WHOSE_CHANGED;
        if (of == WHOSE_IMAGE)
                v->origin = ORIGIN_PROBE;
}

void proctab_visit_exec(struct proctab *pt, const struct waiting *w)
{
        struct visit *v = w->exec->visit;

        if (!v)
                return;
        if (!v->settled && w->pid == v->pid) {
                v->settled = true;
                settle(pt, w, v);
        } else if (v->origin == ORIGIN_PROBE) {
                v->changed = whose(pt, w) == WHOSE_CHANGED;
                if (v->changed || w->exec->program_layer == LAYER_MOUNT) /* who writes a volume is not known */
                        v->origin = ORIGIN_EXEC;
        }
}

uint8_t proctab_origin(const struct proc *p)
{
        if (!p->c || !p->acting)
                return ORIGIN_FOREIGN;
        return p->visit ? p->visit->origin : p->origin;
}

uint32_t proctab_visit_flags(const struct visit *v)
{
        if (!v)
                return 0;
        return (v->changed ? ACTOR_NOT_PROBE : 0) | (v->unread ? ACTOR_UNREAD : 0) |
               (v->tty == VISIT_TTY_YES  ? ACTOR_SESSION_TTY
                : v->tty == VISIT_TTY_NO ? ACTOR_SESSION_NO_TTY
                                         : 0);
}

void proctab_visit_told(const struct visit *v, struct tide_actor *a)
{
        a->flags |= proctab_visit_flags(v);
        a->leader = v ? v->pid : 0;
        a->leader_start = v ? v->start : 0;
}

void proctab_visit_read(struct proc *p, bool alive)
{
        struct visit *v = p->visit;

        if (!v || v->pid != p->pid || v->start)
                return;
        v->start = p->start ? p->start : p->forked;
        if (alive)
                v->tty = p->tty ? VISIT_TTY_YES : VISIT_TTY_NO;
}

bool proctab_visit_ends(const struct proc *p)
{
        return p && p->visit && p->visit->pid == p->pid && p->visit->origin == ORIGIN_EXEC;
}

int proctab_set_health(struct container *c, struct bytes health)
{
        if (health.len > TIDE_ARGS_MAX)
                return -EMSGSIZE;
        if (health.len && (health.p[0] == 0 || health.p[health.len - 1] == 0))
                return -EINVAL;
        return visits_set_health(&c->visits, health);
}
