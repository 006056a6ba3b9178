/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_status - command status: what is watched, how far it is learned, what was lost.
 *
 * Owns:  the judge's part of it: containers, workloads, findings in numbers.
 * Never: measures the process it runs in; sensors, losses and memory come from the daemon by env->status().
 */
#include "case/query-priv.h"

#include <string.h>

#include "tidemark/err.h"
#include "tidemark/pipeline.h"

json_t *query_container_json(const struct judge_container *c)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "id", cj_text(c->id));
        bad |= json_object_set_new(o, "name", cj_text(c->name));
        bad |= json_object_set_new(o, "runtime", cj_text(c->runtime));
        bad |= json_object_set_new(o, "image", cj_text(c->image_ref));
        bad |= json_object_set_new(o, "config_digest", cj_text(c->config_digest));
        bad |= json_object_set_new(o, "config_source", cj_words(c->config_source));
        bad |= json_object_set_new(o, "manifest_digest", cj_text(c->manifest_digest));
        bad |= json_object_set_new(o, "manifest_source", cj_words(c->manifest_source));
        bad |= json_object_set_new(o, "init_pid", cj_u64_or_null(c->init_pid != 0, c->init_pid));
        bad |= json_object_set_new(o, "upper", cj_text(c->upper));
        bad |= json_object_set_new(o, "labels", cj_list(c->labels));
        bad |= json_object_set_new(o, "image_labels", cj_list(c->image_labels));
        bad |= json_object_set_new(o, "workload", cj_text_or_null(c->workload_id));
        bad |= json_object_set_new(o, "class", json_string(tide_class_name(c->class)));
        bad |= json_object_set_new(o, "coverage", cj_words(c->coverage));
        bad |= json_object_set_new(o, "flows_watched", cj_watched(c->flows));
        bad |= json_object_set_new(o, "running_before", json_boolean(c->running_before));
        bad |= json_object_set_new(o, "gap_ms",
                                   c->running_before || !c->gap_ns ? json_null() : cj_real((double)c->gap_ns / 1e6));
        bad |= json_object_set_new(o, "state", json_string(c->running ? "running" : "stopped"));
        bad |= json_object_set_new(o, "started", cj_time(c->started_ns));
        return bad ? NULL : TAKE_PTR(o);
}

static int put_containers(json_t *o, const struct judge *j)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_container c;
        uint64_t more = 0;
        size_t used = 0, i = 0;

        while (judge_container_next(j, &i, &c)) {
                _cleanup_json_ json_t *v = query_container_json(&c);

                if (!v)
                        return -1;
                used += query_size(v) + 1;
                if (used > QUERY_ANSWER_MAX / 2)
                        more++;
                else if (json_array_append(a, v) < 0)
                        return -1;
        }
        if (json_object_set(o, "containers", a) < 0)
                return -1;
        return more ? json_object_set_new(o, "containers_more", cj_u64(more)) : 0;
}

static int put_workloads(json_t *o, const struct judge *j)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_workload w;
        uint64_t more = 0;
        size_t used = 0, i = 0;

        while (judge_workload_next(j, &i, &w)) {
                _cleanup_json_ json_t *v = query_workload_json(j, &w);

                if (!v)
                        return -1;
                used += query_size(v) + 1;
                if (used > QUERY_ANSWER_MAX / 2)
                        more++;
                else if (json_array_append(a, v) < 0)
                        return -1;
        }
        if (json_object_set(o, "workloads", a) < 0)
                return -1;
        return more ? json_object_set_new(o, "workloads_more", cj_u64(more)) : 0;
}

struct tally {
        uint64_t by_state[FINDING_CLOSED + 1], below, suppressed;
        uint32_t show;
};

static int tally_one(const struct finding *f, void *arg)
{
        struct tally *t = arg;

        if (f->state <= FINDING_CLOSED)
                t->by_state[f->state]++;
        t->suppressed += f->state != FINDING_CLOSED && f->suppressed;
        t->below += f->state != FINDING_CLOSED && query_below_show(f, t->show);
        return 0;
}

static int put_findings(json_t *o, const struct query_env *env)
{
        struct tally t = {.show = env->params->show};
        _cleanup_json_ json_t *v = json_object();
        uint64_t damaged = 0;
        int bad = 0, r = query_each_finding(env, tally_one, &t, &damaged);

        if (r < 0)
                bad |= json_object_set_new(v, "error", json_string(err_str(r)));
        for (unsigned s = FINDING_OPEN; s <= FINDING_CLOSED; s++)
                bad |= json_object_set_new(v, finding_state_name(s), cj_u64(t.by_state[s]));
        bad |= json_object_set_new(v, "below_show", cj_u64(t.below));
        bad |= json_object_set_new(v, "suppressed", cj_u64(t.suppressed));
        if (damaged)
                bad |= json_object_set_new(v, "damaged", cj_u64(damaged));
        return bad | json_object_set(o, "findings", v);
}

static int put_judge(json_t *o, const struct judge *j)
{
        _cleanup_json_ json_t *v = json_object();
        struct judge_stats s;
        int bad = 0;

        judge_stats(j, &s);
        bad |= json_object_set_new(v, "events", cj_u64(s.events));
        bad |= json_object_set_new(v, "observations", cj_u64(s.observations));
        bad |= json_object_set_new(v, "known", cj_u64(s.known));
        bad |= json_object_set_new(v, "learned", cj_u64(s.learned));
        bad |= json_object_set_new(v, "deviations", cj_u64(s.deviations));
        bad |= json_object_set_new(v, "never_silent", cj_u64(s.never_silent));
        bad |= json_object_set_new(v, "programs_unseen", cj_u64(s.unseen));
        bad |= json_object_set_new(v, "below_show", cj_u64(s.below_show));
        bad |= json_object_set_new(v, "refused", cj_u64(s.refused));
        bad |= json_object_set_new(v, "losses", cj_u64(s.losses));
        bad |= json_object_set_new(v, "workloads", cj_u64(s.workloads));
        bad |= json_object_set_new(v, "entries", cj_u64(s.entries));
        bad |= json_object_set_new(v, "findings", cj_u64(s.findings));
        bad |= json_object_set_new(v, "containers", cj_u64(s.containers));
        return bad | json_object_set(o, "judge", v);
}

json_t *query_net_json(const struct judge_net *n)
{
        _cleanup_json_ json_t *v = json_object();
        uint64_t judged = n->outbound - n->resolver - n->local;
        int bad = 0;

        bad |= json_object_set_new(v, "outbound", cj_u64(n->outbound));
        bad |= json_object_set_new(v, "inbound", cj_u64(n->inbound));
        bad |= json_object_set_new(v, "undirected", cj_u64(n->undirected));
        bad |= json_object_set_new(v, "resolver", cj_u64(n->resolver));
        bad |= json_object_set_new(v, "local", cj_u64(n->local));
        bad |= json_object_set_new(v, "judged", cj_u64(judged));
        bad |= json_object_set_new(v, "process_unknown", cj_u64(n->process_unknown));
        bad |= json_object_set_new(v, "process_known_share",
                                   judged ? cj_real(1.0 - (double)n->process_unknown / (double)judged) : json_null());
        bad |= json_object_set_new(v, "named", cj_u64(n->named));
        bad |= json_object_set_new(v, "forged", cj_u64(n->forged));
        bad |= json_object_set_new(v, "foreign", cj_u64(n->foreign));
        bad |= json_object_set_new(v, "ended", cj_u64(n->ended));
        bad |= json_object_set_new(v, "listeners", cj_u64(n->listeners));
        return bad ? NULL : TAKE_PTR(v);
}

/* Connections and answers of the name service, as they reached the judge. */
static int put_net(json_t *o, const struct judge *j)
{
        _cleanup_json_ json_t *names = json_object(), *v = NULL;
        struct judge_stats s;
        int bad = 0;

        judge_stats(j, &s);
        v = query_net_json(&s.net);
        bad |= json_object_set_new(names, "kept", cj_u64(s.names));
        bad |= json_object_set_new(names, "answered", cj_u64(s.names_answered));
        bad |= json_object_set_new(names, "unasked", cj_u64(s.names_unasked));
        bad |= json_object_set_new(names, "foreign", cj_u64(s.names_foreign));
        bad |= json_object_set_new(names, "malformed", cj_u64(s.names_malformed));
        bad |= json_object_set_new(names, "doubted", cj_u64(s.names_doubted));
        bad |= json_object_set_new(names, "unowned", cj_u64(s.names_unowned));
        bad |= json_object_set_new(names, "refused", cj_u64(s.names_refused));
        bad |= v ? json_object_set(v, "names", names) : -1;
        return bad | json_object_set(o, "flows", v);
}

/* What walks are compared with. */
static int put_index(json_t *o, const struct pipeline *p)
{
        _cleanup_json_ json_t *v = json_object();
        struct fuse_stats s;
        int bad = 0;

        pipeline_fuse_stats(p, &s);
        bad |= json_object_set_new(v, "names", cj_u64(s.index));
        bad |= json_object_set_new(v, "refused", cj_u64(s.index_refused));
        bad |= json_object_set_new(v, "vanished", cj_u64(s.vanished));
        bad |= json_object_set_new(v, "scripts", cj_u64(s.scripts));
        bad |= json_object_set_new(v, "scripts_unknown", cj_u64(s.scripts_unknown));
        return bad | json_object_set(o, "index", v);
}

/* Of images, the states; and of those that are not known whole the reasons. */
static int put_images(json_t *o, const struct judge *j)
{
        _cleanup_json_ json_t *v = json_object(), *failed = json_array();
        uint64_t states[PRIOR__STATE_MAX] = {0};
        struct judge_image im;
        struct judge_stats s;
        size_t i = 0;
        int bad = 0;

        while (judge_image_next(j, &i, &im)) {
                states[im.state < PRIOR__STATE_MAX ? im.state : PRIOR_FAILED]++;
                if (im.state != PRIOR_COMPLETE)
                        bad |= json_array_append_new(failed,
                                                     json_pack("{s:o,s:s,s:o}", "digest", cj_text(im.digest), "state",
                                                               tide_prior_state_name(im.state), "words",
                                                               cj_words(im.words)));
        }
        judge_stats(j, &s);
        for (unsigned k = 0; k < PRIOR__STATE_MAX; k++)
                bad |= json_object_set_new(v, tide_prior_state_name(k), cj_u64(states[k]));
        bad |= json_object_set(v, "not_complete", failed);
        bad |= json_object_set_new(v, "memory", cj_u64(s.images_bytes));
        bad |= json_object_set_new(v, "malformed", cj_u64(s.priors_malformed));
        bad |= json_object_set_new(v, "refused", cj_u64(s.priors_refused));
        bad |= json_object_set_new(v, "dropped", cj_u64(s.priors_dropped));
        return bad | json_object_set(o, "images", v);
}

/* Of documents that were imported. */
static int put_records(json_t *o, const struct judge *j)
{
        struct judge_stats s;

        judge_stats(j, &s);
        return json_object_set_new(o, "records",
                                   json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "documents", cj_u64(s.records), "waiting",
                                             cj_u64(s.records_waiting), "memory", cj_u64(s.records_bytes), "malformed",
                                             cj_u64(s.records_malformed), "refused", cj_u64(s.records_refused),
                                             "dropped", cj_u64(s.records_dropped)));
}

/* What is not known of containers' first moments. */
static int put_unobserved(json_t *o, const struct judge *j)
{
        json_t *v = json_object();
        struct judge_stats s;
        int bad = 0;

        judge_stats(j, &s);
        bad |= json_object_set_new(v, "started", cj_u64(s.starts));
        bad |= json_object_set_new(v, "measured", cj_u64(s.gaps));
        bad |= json_object_set_new(v, "ended_before_marks", cj_u64(s.ended_unmarked));
        bad |= json_object_set_new(v, "mean_ms",
                                   s.gaps ? cj_real((double)s.gap_sum_ns / (double)s.gaps / 1e6) : json_null());
        bad |= json_object_set_new(v, "longest_ms", s.gaps ? cj_real((double)s.gap_max_ns / 1e6) : json_null());
        return bad | json_object_set_new(o, "unobserved", v);
}

static int put_losses(json_t *o, const struct judge *j)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_loss l;

        for (size_t i = 0; judge_loss_next(j, &i, &l);) {
                json_t *v = json_object();
                int bad = json_object_set_new(v, "what", cj_words(l.words));

                bad |= json_object_set_new(v, "container", cj_text_or_null(l.container));
                bad |= json_object_set_new(v, "count", cj_u64_or_null(l.count != 0, l.count));
                bad |= json_object_set_new(v, "from", cj_time(l.from_ns));
                bad |= json_object_set_new(v, "to", cj_time(l.to_ns));
                if (bad | json_array_append_new(a, v))
                        return -1;
        }
        return json_object_set(o, "losses", a);
}

json_t *query_status(const struct query_env *env, const json_t *request)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *o = json_object(), *own = NULL;
        int bad = 0;

        (void)request;
        bad |= json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
        bad |= put_containers(o, j);
        bad |= put_workloads(o, j);
        bad |= put_unobserved(o, j);
        bad |= put_images(o, j);
        bad |= put_records(o, j);
        bad |= put_findings(o, env);
        bad |= put_judge(o, j);
        bad |= json_object_set_new(o, "rules", query_rules_json(j));
        bad |= json_object_set_new(o, "playbook", query_playbook_json(env->playbook, env->now_ns));
        bad |= put_index(o, env->pipeline);
        bad |= put_net(o, j);
        bad |= put_losses(o, j);
        if (env->status) {
                own = env->status(env->arg);
                bad |= own ? json_object_update(o, own) : -1;
                bad |= query_put_check(o);
        }
        return bad ? NULL : query_ok(TAKE_PTR(o));
}
