/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the factors of flows and listeners. Must not: know findings' history. Pure. */
#include <stdio.h>

#include "judge/judge-priv.h"

/* Without what marks who calls, " [write-layer]" or " [probe]": behind the protocol, where no space is else. */
static struct bytes unmarked(struct bytes key)
{
        int at = bytes_rfind(key, '/');

        for (uint32_t i = at < 0 ? 0 : (uint32_t)at; i < key.len; i++)
                if (key.p[i] == ' ')
                        return bytes_of(key.p, i);
        return key;
}

static enum flow_novelty novelty_of_new(const struct workload *w, const struct observation *o)
{
        struct bytes plain = unmarked(o->key);

        /* Without its mark; or, of a candidate that comes again, as it is: another program is known to call it. */
        if (baseline_knows_key(w, plain))
                return FLOW_NEW_EXECUTABLE;
        return baseline_knows_host(w, o->key) ? FLOW_NEW_PORT : FLOW_NEW_DESTINATION;
}

enum flow_novelty net_novelty(const struct workload *w, const struct observation *o)
{
        static const enum flow_novelty whys[WHY__MAX] = {[WHY_NEVER_SILENT] = FLOW_NEW_DESTINATION,
                                                         [WHY_RAW_ADDRESS] = FLOW_UNAPPROVED_RAW,
                                                         [WHY_ONE_REPLICA] = FLOW_UNAPPROVED_ONE,
                                                         [WHY_FOUND] = FLOW_UNAPPROVED_FOUND,
                                                         [WHY_UNPLACED] = FLOW_UNAPPROVED_UNPLACED};
        struct entry *e;

        switch (o->known) {
        case KNOWN_OTHER_PHASE:
                return FLOW_NEW_PHASE;
        case KNOWN_OTHER_EXE:
                return FLOW_NEW_EXECUTABLE;
        case KNOWN_WAITING:
                if (baseline_lookup(w, o, &e) == KNOWN_NOT || !e)
                        return FLOW_UNAPPROVED_RAW;
                return e->why < WHY_NEW ? whys[e->why] : novelty_of_new(w, o);
        default:
                return novelty_of_new(w, o);
        }
}

static int add_listener(const struct judge *j, const struct observation *o, struct score *s)
{
        int r = score_factor(j, s, FACTOR_NEW_LISTENER, o->subject);

        if (o->net.flow->flags & FLOWF_LOCAL) {
                s->severity = SEVERITY_LOW;
                if (r == 0)
                        r = score_factor(j, s, FACTOR_LOCAL_LISTENER, bytes_of(NULL, 0));
        }
        return r;
}

static int add_claim(const struct judge *j, const struct observation *o, struct score *s)
{
        static const char *const words[NAME__MAX] = {
                [NAME_UNASKED] = "that nobody had asked for",
                [NAME_FOREIGN] = "of a name server that the container is not configured with",
                [NAME_DOUBTED] = "that another answer to the same question contradicts"};
        const struct name_fact *c = &o->net.claim;
        enum factor f = c->verdict == NAME_FOREIGN ? FACTOR_FOREIGN_NAME : FACTOR_FORGED_NAME;
        char name[280], address[TIDE_ADDRESS_TEXT];

        if (f == FACTOR_FORGED_NAME)
                s->severity = SEVERITY_HIGH;
        return score_add(s, judge_factors()[f].name, j->p.bits[f], "an answer %s said that %s is at %s",
                         c->verdict < NAME__MAX && words[c->verdict] ? words[c->verdict] : "that does not count",
                         str_print(c->name, name, sizeof(name)), tide_address_text(o->net.address, address));
}

static int add_flow(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        static const enum factor factors[FLOW_NOVELTY__MAX] = {
                [FLOW_KNOWN] = FACTOR_NEW_DESTINATION,
                [FLOW_NEW_DESTINATION] = FACTOR_NEW_DESTINATION,
                [FLOW_NEW_PORT] = FACTOR_NEW_PORT,
                [FLOW_NEW_PHASE] = FACTOR_NEW_PHASE,
                [FLOW_NEW_EXECUTABLE] = FACTOR_OTHER_EXECUTABLE,
                [FLOW_UNAPPROVED_RAW] = FACTOR_UNAPPROVED_DESTINATION,
                [FLOW_UNAPPROVED_ONE] = FACTOR_UNAPPROVED_DESTINATION,
                [FLOW_UNAPPROVED_FOUND] = FACTOR_UNAPPROVED_DESTINATION,
                [FLOW_UNAPPROVED_UNPLACED] = FACTOR_UNAPPROVED_DESTINATION,
        };
        enum flow_novelty novelty = net_novelty(w, o);
        char where[250]; /* a name may be cut in the middle, not at its end */
        bool probe = novelty == FLOW_NEW_EXECUTABLE && o->actor->origin == ORIGIN_PROBE && !o->never_silent;
        int r;

        if (probe)
                r = score_add(s, judge_factors()[FACTOR_OTHER_EXECUTABLE].name, j->p.bits[FACTOR_OTHER_EXECUTABLE],
                              "this workload calls the destination, but never by a probe");
        else
                r = score_factor(j, s, factors[novelty],
                                 novelty == FLOW_NEW_EXECUTABLE ? o->exe : signal_kept(o->where, sizeof(where), where));

        if (novelty == FLOW_NEW_PHASE)
                s->severity = SEVERITY_LOW;
        if (r == 0 && novelty == FLOW_UNAPPROVED_UNPLACED)
                r = score_factor(j, s, FACTOR_UNPLACED_CALLER, o->exe);
        if (r == 0 && (novelty == FLOW_NEW_EXECUTABLE || novelty == FLOW_NEW_PHASE))
                r = score_packaged(j, w, o, s); /* where it goes is known */
        if (r == 0 && o->net.nnames == 0 && o->net.kind == ADDRESS_PUBLIC)
                r = score_factor(j, s, FACTOR_RAW_ADDRESS, bytes_of(NULL, 0));
        if (r == 0 && o->net.claimed)
                r = add_claim(j, o, s);
        return r;
}

/* Who calls is not of the image: the same facts as when it ran, should that not have been seen. */
static int add_code(const struct judge *j, const struct observation *o, struct score *s)
{
        static const enum factor layers[LAYER__MAX] = {[LAYER_WRITE] = FACTOR_RAN_WRITE_LAYER,
                                                       [LAYER_MEMFD] = FACTOR_RAN_MEMFD,
                                                       [LAYER_DELETED] = FACTOR_RAN_DELETED,
                                                       [LAYER_TMPFS] = FACTOR_RAN_TMPFS};

        if (!o->never_silent || o->layer >= LAYER__MAX)
                return 0;
        s->severity = SEVERITY_HIGH;
        return score_factor(j, s, layers[o->layer], o->exe);
}

int score_net(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        int r;

        s->severity = SEVERITY_MEDIUM;
        r = o->net.listens ? add_listener(j, o, s) : add_flow(j, w, o, s);
        return r < 0 ? r : add_code(j, o, s);
}
