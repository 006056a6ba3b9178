/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the first look at a container that ran before us: collected until its first walk is over, then one item per
 * workload. Must not: teach the baseline anything of it. Pure.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"

#define RUNNING_MAX 64u
#define SOCKETS_NS 30000000000 /* so soon its namespace is watched, and what was there told */
#define FILE_KEPT 200u         /* bytes of each name in the inventory */

/* What runtimes themselves put into every write layer. One of them that runs is told all the same, as running. */
static bool is_runtimes(struct bytes path)
{
        static const char *const names[] = {"/etc/hosts",         "/etc/hostname", "/etc/resolv.conf", "/etc/mtab",
                                            "/run/.containerenv", "/.dockerenv",   "/run/secrets"};

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (bytes_eq(path, bytes_str(names[i])))
                        return true;
        return false;
}

static int count_file(struct sight *s, const struct tide_file *f)
{
        struct finding_inventory *v = &s->inventory;
        char name[FILE_KEPT];

        if (is_runtimes(f->path))
                return 0;

        switch (f->change) {
        case CHANGE_MODIFIED:
                v->modified++;
                break;
        case CHANGE_REMOVED:
                v->removed++;
                break;
        default:
                v->added++;
        }
        if (!S_ISREG(f->mode) || !(f->mode & 0111))
                return 0;
        v->executables++;
        return v->nnames < FINDING_INVENTORY ? str_set(&v->names[v->nnames++], signal_kept(f->path, FILE_KEPT, name))
                                             : 0;
}

static int keep_running(struct sight *s, const struct tide_event *ev)
{
        uint8_t layer = ev->kind == TIDE_PRIV ? ev->priv.layer : ev->exec.program_layer;
        int r;

        if (layer != LAYER_WRITE && layer != LAYER_TMPFS && layer != LAYER_MEMFD && layer != LAYER_DELETED)
                return 0;
        s->inventory.running++;
        if (s->nrunning == RUNNING_MAX)
                return 0;
        r = tide_encode(ev, &s->running);
        if (r == 0)
                s->nrunning++;
        return r == -ENOMEM ? r : 0;
}

int sight_event(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        int r = 0;

        (void)j;
        if (!c->sight.open || !(ev->flags & EVF_BEFORE) || ev->kind == TIDE_FLOW)
                return 0;
        if (ev->kind == TIDE_FILE)
                r = count_file(&c->sight, &ev->file);
        else if (ev->kind == TIDE_EXEC || (ev->kind == TIDE_PRIV && ev->priv.what == PRIV_MAPPED))
                r = keep_running(&c->sight, ev);
        return r < 0 ? r : 1;
}

static void close_sight(struct sight *s)
{
        for (uint32_t i = 0; i < FINDING_INVENTORY; i++)
                str_clear(&s->inventory.names[i]);
        for (uint32_t i = 0; i < FINDING_NET; i++)
                str_clear(&s->inventory.net[i]);
        buf_release(&s->running);
        s->open = false;
        s->nrunning = 0;
}

static int add_running(struct judge *j, struct container_memory *c, struct finding *f)
{
        int r = 0;

        for (size_t at = 0, used = 0; at < c->sight.running.len && r == 0; at += used) {
                struct observation o;
                struct tide_event ev;
                struct score s;

                if (tide_decode(c->sight.running.p + at, c->sight.running.len - at, &ev, &used) < 0)
                        return 0;
                r = observe(j, c, &ev, &o);
                if (r < 0)
                        return r == -EAGAIN ? 0 : r;
                r = score_observation(j, c->workload, &o, KNOWN_NOT, &s);
                if (r == 0)
                        r = score_merge(j, f, &s, false);
                score_release(&s);
                if (r == 0)
                        r = signal_add(f, &o);
        }
        return r;
}

static int take_inventory(struct container_memory *c, struct finding *f)
{
        struct finding_inventory *to = &f->inventory, *from = &c->sight.inventory;

        *to = *from; /* names and all */
        memset(from, 0, sizeof(*from));
        if (f->ncontainers)
                return 0;
        f->ncontainers = 1;
        f->containers[0].count = 1;
        if (str_set(&f->containers[0].id, str_get(&c->id)) < 0 ||
            str_set(&f->containers[0].name, str_get(&c->name)) < 0)
                return -ENOMEM;
        return str_set(&f->containers[0].runtime, str_get(&c->runtime));
}

/* One item per workload: replicas look alike. */
static int make_item(struct judge *j, struct container_memory *c, int64_t wall_ns)
{
        const struct judge_factor *t = &judge_factors()[FACTOR_FIRST_SIGHT];
        struct finding *f = group_new(j, c->workload, FINDING_FIRST_SIGHT, wall_ns);
        struct score s = {.n = 0, .severity = SEVERITY_LOW};
        int r;

        if (!f)
                return -ENOMEM;
        c->workload->sighted = true;
        pieces_save_workload(j, c->workload);
        c->sight.item = f->id;
        r = score_add(&s, t->name, j->p.bits[FACTOR_FIRST_SIGHT], "%s", t->help);
        if (r == 0)
                r = score_merge(j, f, &s, true);
        score_release(&s);
        if (r == 0)
                r = take_inventory(c, f);
        if (r == 0)
                r = add_running(j, c, f);
        if (r == 0)
                supply_weigh(j, f, 0);
        if (f->count == 0)
                f->count = 1;
        group_changed(j, f, true);
        j->stats.findings = j->nopen;
        return r;
}

int sight_finish(struct judge *j, struct container_memory *c, int64_t wall_ns)
{
        const struct finding_inventory *v = &c->sight.inventory;
        bool something = v->added + v->modified + v->removed + v->running + v->listeners + v->flows > 0;
        int r = 0;

        if (!c->sight.open || !c->sight.walked || !c->workload)
                return 0;
        /* What runs and is none of the image's is told of every container; of the rest one item is enough. */
        if (something && (!c->workload->sighted || v->running))
                r = make_item(j, c, wall_ns);
        close_sight(&c->sight);
        pieces_save_container(j, c);
        return r;
}

/* ---- what listens and what is connected ---- */

static bool was_there(const struct tide_flow *t)
{
        if (t->flags & FLOWF_GONE)
                return false;
        return t->what == FLOW_LISTENS || (t->what == FLOW_FOUND && t->direction == DIRECTION_OUT);
}

/* As a person reads it. */
static int count_socket(struct judge *j, struct container_memory *c, const struct tide_event *ev,
                        struct finding_inventory *v)
{
        _cleanup_buf_ struct buf text;
        struct observation o;
        struct bytes where;
        char kept[150];

        buf_init(&text, FILE_KEPT);
        if (observe(j, c, ev, &o) < 0 || observe_net_subject(j, &o) < 0)
                return 0;
        *(o.net.listens ? &v->listeners : &v->flows) += 1;
        buf_put_str(&text, o.net.listens ? "on " : "to ");
        where = signal_kept(o.where, sizeof(kept), kept);
        buf_put(&text, where.p, where.len);
        return v->nnet < FINDING_NET ? str_set(&v->net[v->nnet++], buf_bytes(&text)) : 0;
}

/* It goes on to be judged: what is there now is no proof. Told behind the walk's end it joins the item, or makes it. */
int sight_net(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        struct finding *f = NULL;
        int r;

        if (!c->sight.net)
                return 0;
        if (ns_apart(ev->wall_ns, c->started_ns) > SOCKETS_NS) {
                c->sight.net = false;
                pieces_save_container(j, c);
                return 0;
        }
        if (!was_there(&ev->flow))
                return 0;
        if (!c->sight.open && c->sight.item)
                f = group_by_id(j, c->sight.item);
        else if (!c->sight.open && (!c->workload || c->workload->sighted))
                return 0; /* a replica's */
        r = count_socket(j, c, ev, f ? &f->inventory : &c->sight.inventory);
        if (r == 0 && f)
                group_changed(j, f, false);
        else if (r == 0 && !c->sight.open && !c->sight.item) {
                r = make_item(j, c, ev->wall_ns);
                pieces_save_container(j, c);
        }
        return r;
}
