/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: whether a rule fits an act, and the first thing that speaks against it. Must not: know which rule goes before
 * which (quiet.c). Pure: by the act's own time.
 *
 * How far an allow rule reaches (a suppress rule has break-through for that instead):
 *
 *     data files                               whatever its patterns cover
 *     files that can be run, programs that     its path alone, written out
 *     ran, code that was loaded; files by
 *     which something runs later, or that let
 *     somebody in (score_place.c)
 *     flows that a name led to, or of a site   whatever its destination covers
 *     a raw public address                     that address alone
 *     flows of a program the image lacks       executable and destination, both written out
 *     changes of rights                        that executable or path, if the rule names the signal
 *     what left the container, or blinded us;  nothing
 *     what has no file to be named by
 */
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/pattern.h"

#define SECONDS 1000000000
#define DAY 86400
#define LINK_BITS 10 /* of fe80::/10, the wider one of the networks of links */

const char *rule_why_words(enum rule_why why)
{
        static const char *const words[RULE__WHY_MAX] = {
                [RULE_FITS] = "it fits",
                [RULE_ENDED] = "it has ended",
                [RULE_NOT_NOW] = "this is not within its times",
                [RULE_OTHER_WORKLOAD] = "it is of another workload",
                [RULE_OTHER_SIGNAL] = "it is of another signal",
                [RULE_OTHER_ORIGIN] = "it is of another origin",
                [RULE_OTHER_PATH] = "it is of another path",
                [RULE_OTHER_EXECUTABLE] = "it is of another executable, or which one this was is not known",
                [RULE_OTHER_PLACE] = "it is of another destination",
                [RULE_OTHER_NAME] = "another name, which is not known, leads to that address too",
                [RULE_WIDE_PROGRAM] = "this can be run, and a pattern covers data only: its path must be written out",
                [RULE_WIDE_PLACE] = "a file there makes something run later, or lets somebody in: its path must be "
                                    "written out",
                [RULE_WIDE_ADDRESS] = "no name led to this public address: the address must be written out",
                [RULE_WIDE_CALLER] = "the image lacks the program that does it: executable and destination must both "
                                     "be written out",
                [RULE_WIDE_RIGHTS] = "this changes rights: the rule must name signal privilege, and the executable or "
                                     "path in full",
                [RULE_NO_FILE] = "it ran from no file that a rule could name",
                [RULE_OUTSIDE] = "it reached out of the container, or blinded the agent: no rule allows that",
        };

        return words[why];
}

/* ---- times ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

static int64_t offset_at(const struct rule *r, int64_t t)
{
        uint32_t i = r->noffsets;

        while (i > 1 && r->offsets[i - 1].from > t)
                i--;
        return i ? r->offsets[i - 1].seconds : 0;
}

/*
 * The moment that is this local time. Of two (clocks were put back) the first; of none (they were put forward) what the
 * clock would have shown had it not been.
 */
static int64_t moment(const struct rule *r, int64_t local)
{
        for (uint32_t i = 0; i + 1 < r->noffsets; i++) {
                int64_t t = local - r->offsets[i].seconds;

                if (t < r->offsets[i + 1].from || local - r->offsets[i + 1].seconds < r->offsets[i + 1].from)
                        return t;
        }
        return local - (r->noffsets ? r->offsets[r->noffsets - 1].seconds : 0);
}

/* Within one that began on this local day or up to a week and a day before. */
static bool recurs(const struct rule *r, int64_t t)
{
        int64_t today = floor_div(t + offset_at(r, t), DAY);

        for (int64_t day = today + 1; day >= today - RULE_LENGTH_MAX / DAY - 1; day--) {
                int64_t weekday = ((day + 3) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
                int64_t begins = moment(r, day * DAY + r->at);

                if (r->days & 1u << weekday && t >= begins && t < begins + r->length)
                        return true;
        }
        return false;
}

bool rule_is_now(const struct rule *r, int64_t wall_ns)
{
        if (r->ended_ns || wall_ns < r->from_ns || (r->until_ns && wall_ns >= r->until_ns))
                return false;
        return r->length == 0 || recurs(r, floor_div(wall_ns, SECONDS));
}

/* ---- destinations ---- */

static bool in_network(const struct rule_place *p, struct bytes address)
{
        unsigned whole = p->bits / 8, rest = p->bits % 8;

        if (address.len != p->address_len || memcmp(address.p, p->address, whole) != 0)
                return false;
        return rest == 0 || ((address.p[whole] ^ p->address[whole]) >> (8 - rest)) == 0;
}

/* Called already, by whomever and at whatever port. */
static bool is_known_name(const struct rule_act *a, const struct name_fact *f)
{
        _cleanup_buf_ struct buf key;

        buf_init(&key, 2048);
        buf_put(&key, f->key.p, f->key.len);
        buf_put_str(&key, ":1/tcp");
        return a->of && !key.err && baseline_knows_host(a->of, buf_bytes(&key));
}

/* All names that led there must be of the rule or known: behind one that is allowed another could hide. */
static enum rule_why names_fit(const struct rule_place *p, const struct rule_act *a)
{
        bool any = false;

        for (uint32_t i = 0; i < a->nnames; i++)
                any = any || pattern_fits(p->name, '.', a->names[i].name);
        if (!any)
                return RULE_OTHER_PLACE;
        for (uint32_t i = 0; i < a->nnames; i++)
                if (!pattern_fits(p->name, '.', a->names[i].name) && !is_known_name(a, &a->names[i]))
                        return RULE_OTHER_NAME;
        return RULE_FITS;
}

static enum rule_why place_fits(const struct rule *r, const struct rule_act *a)
{
        const struct rule_place *p = &r->where;

        if (r->place.len == 0)
                return RULE_FITS;
        if (!a->flow || p->listens != a->listens || (p->port && p->port != a->port) ||
            (p->proto && p->proto != a->proto))
                return RULE_OTHER_PLACE;
        if (p->listens || p->any)
                return RULE_FITS;
        if (p->address_len)
                return in_network(p, a->address) ? RULE_FITS : RULE_OTHER_PLACE;
        return names_fit(p, a);
}

/* ---- how far an allow rule reaches ---- */

static bool is_exact(const struct str_owned *pattern)
{
        return pattern->len && pattern_is_exact(str_get(pattern));
}

static bool is_one_place(const struct rule *r)
{
        const struct rule_place *p = &r->where;

        if (r->place.len == 0 || p->any)
                return false;
        return p->listens || (p->address_len ? p->bits == 8 * p->address_len : pattern_is_exact(p->name));
}

/* On the link clouds hand out credentials to whoever calls: that must be meant, by a name or a network of it. */
static bool means_link(const struct rule_place *p)
{
        return !p->listens && !p->any && (p->address_len ? p->bits >= LINK_BITS : p->name.len > 0);
}

static enum rule_why flow_reach(const struct rule *r, const struct rule_act *a)
{
        bool raw = !a->listens && a->nnames == 0 && a->kind == ADDRESS_PUBLIC;

        if (a->never_silent && !(is_exact(&r->exe) && is_one_place(r)))
                return RULE_WIDE_CALLER;
        if (raw && !(r->where.address_len && is_one_place(r)))
                return RULE_WIDE_ADDRESS;
        if (!a->listens && a->kind == ADDRESS_LINK && !means_link(&r->where))
                return RULE_WIDE_ADDRESS;
        return RULE_FITS;
}

static enum rule_why reaches(const struct rule *r, const struct rule_act *a)
{
        if (a->outside)
                return RULE_OUTSIDE;
        if (a->flow)
                return flow_reach(r, a);
        if (a->dim == DIM_PRIVILEGE)
                return r->dims & 1u << DIM_PRIVILEGE && (is_exact(&r->exe) || is_exact(&r->path)) ? RULE_FITS
                                                                                                  : RULE_WIDE_RIGHTS;
        if (a->dim == DIM_PROCESS && (a->layer == LAYER_MEMFD || a->layer == LAYER_DELETED || a->path.len == 0))
                return RULE_NO_FILE;
        if (a->program && !is_exact(&r->path))
                return RULE_WIDE_PROGRAM;
        if (a->dim == DIM_FILE && score_is_lasting_place(a->path) && !is_exact(&r->path))
                return RULE_WIDE_PLACE;
        if (net_foreign_code(a->exe_layer) && r->exe.len && !is_exact(&r->exe))
                return RULE_OTHER_EXECUTABLE; /* a pattern means programs of the image */
        return RULE_FITS;
}

const char *rule_reach(const struct rule *r)
{
        if (r->kind == RULE_SUPPRESS)
                return "whatever fits is kept out of the queue while it lasts, counted, and never learned";
        if (is_exact(&r->path))
                return "this path, whatever lies there: also a program that is written and run";
        if (r->where.address_len && is_one_place(r))
                return "this address, also where no name led to it";
        if (r->place.len)
                return "flows that a name led to, or within the site; no raw public address, and none of a program "
                       "that "
                       "the image lacks";
        if (r->dims & 1u << DIM_PRIVILEGE && is_exact(&r->exe))
                return "what this executable does, also changes of rights; data files and flows, but no program that "
                       "is "
                       "written or run, and no raw public address";
        return "data files alone (and flows that a name led to, if it names no path); no program that is written or "
               "run, "
               "no setuid file, no raw public address";
}

/* ---- all of it ---- */

static bool text_fits(const struct str_owned *pattern, uint8_t separator, struct bytes text)
{
        return pattern->len == 0 || (text.len && pattern_fits(str_get(pattern), separator, text));
}

bool rule_is_of(const struct rule *r, const struct rule_act *a)
{
        return text_fits(&r->workload, 0, a->workload) || text_fits(&r->workload, 0, a->workload_id);
}

enum rule_why rule_fits(const struct rule *r, const struct rule_act *a)
{
        enum rule_why why;

        if (r->ended_ns || (r->until_ns && a->wall_ns >= r->until_ns))
                return RULE_ENDED;
        if (!rule_is_of(r, a))
                return RULE_OTHER_WORKLOAD;
        if (r->dims && !(r->dims & 1u << a->dim))
                return RULE_OTHER_SIGNAL;
        if (r->origins && !(r->origins & 1u << a->origin))
                return RULE_OTHER_ORIGIN;
        if (!text_fits(&r->path, '/', a->path))
                return RULE_OTHER_PATH;
        if (!text_fits(&r->exe, '/', a->exe))
                return RULE_OTHER_EXECUTABLE;
        why = place_fits(r, a);
        if (why == RULE_FITS && r->kind == RULE_ALLOW)
                why = reaches(r, a);
        return why == RULE_FITS && !rule_is_now(r, a->wall_ns) ? RULE_NOT_NOW : why;
}

void rule_act_of(const struct workload *w, const struct observation *o, struct rule_act *ret)
{
        const struct net_facts *n = &o->net;
        uint8_t where = o->ev->kind == TIDE_PRIV ? o->ev->priv.where : WHERE_UNKNOWN;

        *ret = (struct rule_act){.workload = str_get(&w->name),
                                 .workload_id = str_get(&w->id),
                                 .of = w,
                                 .wall_ns = o->ev->wall_ns,
                                 .dim = o->dim,
                                 .exe = o->known_exe ? o->exe : bytes_of(NULL, 0),
                                 .origin = o->actor->origin,
                                 .exe_layer = o->actor->exe_layer,
                                 .layer = o->layer,
                                 .program = o->executable || o->dim == DIM_PROCESS,
                                 .never_silent = o->never_silent};
        ret->outside = o->what == PRIV_BLINDED || where == WHERE_HOST || where == WHERE_OTHER;
        if (o->dim != DIM_NETWORK) {
                ret->path = o->subject.len && o->subject.p[0] == '/' ? o->subject : bytes_of(NULL, 0);
                return;
        }
        ret->flow = true;
        ret->listens = n->listens;
        ret->port = n->has_port ? n->port : 0;
        ret->proto = n->flow->proto;
        ret->address = n->address;
        ret->kind = n->kind;
        ret->names = n->names;
        ret->nnames = n->nnames;
}
