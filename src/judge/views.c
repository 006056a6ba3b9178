/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: what others may see of the judge's memory. Borrowed until the next event. Pure. */
#include "judge/baseline-priv.h"
#include "judge/rules-priv.h"

int judge_workload_next(const struct judge *j, size_t *i, struct judge_workload *ret)
{
        struct workload *w;
        void *value;

        if (!map_next(j->workloads, i, NULL, &value))
                return 0;
        w = value;
        *ret = (struct judge_workload){.id = str_get(&w->id),
                                       .name = str_get(&w->name),
                                       .image = str_get(&w->image),
                                       .digest = str_get(&w->digest),
                                       .class = bytes_str(tide_class_name(w->class)),
                                       .first_ns = w->first_ns,
                                       .last_ns = w->last_ns,
                                       .containers = w->running,
                                       .net = w->net,
                                       .rollout = w->roll.open,
                                       .from = str_get(&w->roll.from),
                                       .rollout_since_ns = w->roll.since_ns,
                                       .rollout_until_ns = ns_plus(w->roll.since_ns, j->p.rollout_limit_ns),
                                       .rollout_excused = w->roll.excused,
                                       .rollout_raised = w->roll.raised};
        for (int d = 0; d < DIM__MAX; d++) {
                const struct dim_learning *l = &w->dim[d];

                ret->dim[d].state = baseline_state_name(baseline_state(w, (unsigned)d));
                ret->dim[d].by = l->by;
                ret->dim[d].since_ns = l->since_ns;
                ret->dim[d].due_ns = l->state == DS_LEARNING && w->class == CLASS_SERVICE
                                             ? ns_plus(l->since_ns, baseline_period(j, (unsigned)d))
                                             : 0;
                ret->dim[d].entries = l->entries;
                ret->dim[d].windows = l->windows;
                ret->dim[d].once = l->once;
                ret->dim[d].p_new = baseline_p_new(w, (enum dimension)d);
                ret->dim[d].refused = l->refused;
                ret->dim[d].declared = l->declared;
                ret->dim[d].refresh_ns = l->refresh_ns;
                ret->dim[d].expected_ns = learning_expected(j, w, (enum dimension)d);
                ret->dim[d].why_not = learning_why_not(j, w, (enum dimension)d, w->last_ns);
        }
        return 1;
}

static void view_approval(const struct approval *a, struct judge_entry *ret)
{
        ret->approved_by = a->by;
        ret->approved_reason = str_get(&a->reason);
        ret->approved_ns = a->ns;
        ret->bare = a->bare;
}

static void view_sighting(const struct sighting *s, struct judge_entry *ret)
{
        ret->seen = true;
        ret->subject = str_get(&s->subject);
        ret->parent = str_get(&s->parent);
        ret->containers = s->containers;
        for (uint32_t i = 0; i < s->containers; i++)
                ret->container[i] = str_get(&s->container[i]);
        ret->containers_more = s->more;
        ret->origin = s->origin;
        ret->layer = s->layer;
        ret->change = s->change;
        ret->uid = s->uid;
        ret->login_uid = s->login_uid;
        ret->quarters = s->quarters;
}

int judge_entry_next(const struct judge *j, struct bytes workload_id, size_t *i, struct judge_entry *ret)
{
        static const char *const why[WHY__MAX] = {"never-silent",     "raw-address", "one-replica", "found-running",
                                                  "unplaced-program", "new",         "roll-out",    "suppressed"};
        const struct workload *w = map_get(j->workloads, workload_id);
        const struct entry *e;
        void *value;

        if (!w || !map_next(w->entries, i, NULL, &value))
                return 0;
        e = value;
        *ret = (struct judge_entry){.dim = e->dim,
                                    .key = str_get(&e->key),
                                    .exe = str_get(&e->exe),
                                    .first_ns = e->first_ns,
                                    .last_ns = e->last_ns,
                                    .count = e->count,
                                    .windows = e->windows,
                                    .candidate = e->candidate,
                                    .waiting = e->waiting,
                                    .why = e->candidate ? why[e->why] : "",
                                    .phases = e->phases,
                                    .replicas = e->replicas,
                                    .several = e->several,
                                    .inherited = e->inherited,
                                    .never_silent = observe_never_silent(e->dim, str_get(&e->key)),
                                    .asked = e->asked,
                                    .rejected = e->rejected,
                                    .offered = e->offered != NULL,
                                    .item = e->candidate || e->asked || e->offered ? e->item : 0};
        if (e->approval)
                view_approval(e->approval, ret);
        if (e->seen)
                view_sighting(e->seen, ret);
        if (e->content && e->content->state == HASH_KNOWN)
                ret->sha256 = bytes_of(e->content->sha256, TIDE_SHA256);
        return 1;
}

const struct finding *judge_open_finding(const struct judge *j, size_t i)
{
        return i < j->nopen ? j->open[i] : NULL;
}

int judge_container_next(const struct judge *j, size_t *i, struct judge_container *ret)
{
        const struct container_memory *c;
        void *value;

        if (!map_next(j->containers, i, NULL, &value))
                return 0;
        c = value;
        *ret = (struct judge_container){.id = str_get(&c->id),
                                        .name = str_get(&c->name),
                                        .runtime = str_get(&c->runtime),
                                        .image_ref = str_get(&c->image_ref),
                                        .config_digest = str_get(&c->config_digest),
                                        .config_source = str_get(&c->config_source),
                                        .manifest_digest = str_get(&c->manifest_digest),
                                        .manifest_source = str_get(&c->manifest_source),
                                        .labels = str_get(&c->labels),
                                        .image_labels = str_get(&c->image_labels),
                                        .workload_id = c->workload ? str_get(&c->workload->id) : bytes_of(NULL, 0),
                                        .init_pid = c->init_pid,
                                        .class = c->class,
                                        .running = c->running,
                                        .running_before = c->running_before,
                                        .started_ns = c->started_ns,
                                        .gap_ns = c->gap_ns,
                                        .upper = str_get(&c->upper),
                                        .coverage = str_get(&c->coverage),
                                        .flows = c->flows};
        return 1;
}

int judge_rule_next(const struct judge *j, size_t *i, struct judge_rule *ret)
{
        const struct rule *r = rules_at(j, *i);

        if (!r)
                return 0;
        ++*i;
        *ret = (struct judge_rule){.id = r->id,
                                   .kind = r->kind,
                                   .workload = str_get(&r->workload),
                                   .path = str_get(&r->path),
                                   .executable = str_get(&r->exe),
                                   .destination = str_get(&r->place),
                                   .signals = r->dims,
                                   .origins = r->origins,
                                   .reason = str_get(&r->reason),
                                   .by = str_get(&r->by),
                                   .ended_by = str_get(&r->ended_by),
                                   .added_ns = r->added_ns,
                                   .from_ns = r->from_ns,
                                   .until_ns = r->until_ns,
                                   .ended_ns = r->ended_ns,
                                   .days = r->days,
                                   .at_s = r->at,
                                   .length_s = r->length,
                                   .zone = str_get(&r->zone),
                                   .break_through = r->break_through ? r->break_through
                                                                     : j->p.suppress_break_through,
                                   .hidden = r->hidden,
                                   .broke = r->broke,
                                   .last_ns = r->last_ns,
                                   .reach = rule_reach(r),
                                   .told = r->told};
        return 1;
}

void judge_rule_words(const struct judge *j, uint64_t id, struct buf *out)
{
        const struct rule *r = rules_by_id(j, id);

        buf_reset(out);
        if (r)
                rule_words(r, out);
}

void judge_stats(const struct judge *j, struct judge_stats *ret)
{
        struct bytes digest;
        void *value;

        *ret = j->stats;
        ret->rules = rules_in_force(j);
        ret->workloads = map_count(j->workloads);
        ret->containers = map_count(j->containers);
        ret->findings = j->nopen;
        ret->entries = 0;
        ret->names = 0;
        ret->records_bytes = supply_bytes(j);
        ret->records_waiting = 0;
        for (size_t i = 0; map_next(j->records.images, &i, &digest, NULL);)
                ret->records_waiting += supply_use_of(j, digest) == 0;
        ret->images = map_count(j->prior.images);
        ret->images_bytes = prior_bytes(j);
        ret->records = map_count(j->records.all);
        for (size_t i = 0; map_next(j->workloads, &i, NULL, &value);)
                ret->entries += map_count(((struct workload *)value)->entries);
        for (size_t i = 0; map_next(j->containers, &i, NULL, &value);) {
                const struct container_memory *c = value;

                ret->names += c->names ? names_count(c->names) : 0;
        }
}

bool judge_settled(const struct judge *j)
{
        void *value;

        if (j->prior.coming || j->records.coming || j->import) /* in parts, of which the last is not told yet */
                return false;
        for (size_t i = 0; map_next(j->containers, &i, NULL, &value);) {
                const struct container_memory *c = value;
                const struct finding_inventory *v = &c->sight.inventory;

                if (c->nheld || (c->sight.open && (c->sight.walked || c->sight.nrunning ||
                                                   v->added + v->modified + v->removed + v->running + v->listeners +
                                                           v->flows > 0)))
                        return false;
        }
        return true;
}

int judge_loss_next(const struct judge *j, size_t *i, struct judge_loss *ret)
{
        while (*i < LOSSES_KEPT) {
                const struct known_loss *l = &j->losses[(j->next_loss + (*i)++) % LOSSES_KEPT];

                if (l->to_ns == 0)
                        continue;
                *ret = (struct judge_loss){.words = str_get(&l->words),
                                           .container = str_get(&l->container),
                                           .from_ns = l->from_ns,
                                           .to_ns = l->to_ns,
                                           .count = l->count};
                return 1;
        }
        return 0;
}

size_t judge_flow_names(const struct judge *cj, const struct tide_event *ev, struct bytes *ret, size_t max)
{
        const struct container_memory *c = map_get(cj->containers, ev->container);
        struct judge *j = (struct judge *)cj; /* its list of names is that of the flow it judges */
        size_t n;

        if (!c || ev->kind != TIDE_FLOW)
                return 0;
        if (j->led_of != ev) { /* it is not being judged: inbound, or over */
                net_names(j, c, observe_net_address(&ev->flow), ev->wall_ns);
                j->led_of = NULL;
        }
        n = j->nled < max ? j->nled : max;
        for (size_t i = 0; i < n; i++)
                ret[i] = j->led[i].name;
        return n;
}
