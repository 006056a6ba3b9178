/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what records of an image are worth to a finding. Must not: look at anything but the comparison. Pure.
 *
 * Unlike the factors of an act these are of the finding as a whole, for what they rest on comes at any time: a record
 * is imported, or the hash of what ran is told a moment after it ran. They count whole if the signature is verified,
 * else half. What speaks for the finding being harmless counts only if it is verified, only if it is so of every act
 * that the finding has, never so much that the finding is not shown any more, and not while a suppress rule hides it:
 * it may be too sure to be hidden.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/supply-priv.h"

static const enum factor mine[] = {FACTOR_SBOM_LACKS_FILE,    FACTOR_SBOM_LACKS_IMAGE_FILE, FACTOR_SBOM_OTHER_CONTENT,
                                   FACTOR_SBOM_IMAGE_DIFFERS, FACTOR_SBOM_LACKS_PACKAGE,    FACTOR_SBOM_LISTS_FILE};

bool supply_is_factor(const struct finding_factor *x)
{
        for (size_t i = 0; i < ARRAY_LEN(mine); i++)
                if (bytes_eq(str_get(&x->name), bytes_str(judge_factors()[mine[i]].name)))
                        return true;
        return false;
}

static bool is_images_own(const struct judge_compared *c)
{
        return (c->layer == LAYER_IMAGE || c->layer == LAYER_UNKNOWN) && c->in_image == TRI_YES;
}

static bool says(enum factor f, const struct judge_compared *c)
{
        switch (f) {
        case FACTOR_SBOM_LACKS_FILE:
                return c->ran && !is_images_own(c) && c->in_sbom == TRI_NO;
        case FACTOR_SBOM_LACKS_IMAGE_FILE:
                return c->ran && is_images_own(c) && c->in_sbom == TRI_NO;
        case FACTOR_SBOM_OTHER_CONTENT:
                return c->run_fits == TRI_NO;
        case FACTOR_SBOM_IMAGE_DIFFERS:
                return c->image_fits == TRI_NO;
        case FACTOR_SBOM_LACKS_PACKAGE:
                return c->ran && is_images_own(c) && c->package_in_sbom == TRI_NO;
        case FACTOR_SBOM_LISTS_FILE:
                return c->run_fits == TRI_YES;
        default:
                return false;
        }
}

/* Is every act that the finding has one of a path whose content is the one listed? */
static bool all_listed(const struct finding *f, const struct judge_comparison *all)
{
        for (uint32_t i = 0; i < f->nsignals; i++) {
                bool listed = false;

                for (uint32_t k = 0; k < all->npaths && !listed; k++)
                        listed = bytes_eq(all->paths[k].path, str_get(&f->signals[i].subject)) &&
                                 all->paths[k].run_fits == TRI_YES && f->signals[i].kind <= DIM_PROCESS;
                if (!listed)
                        return false;
        }
        return f->nsignals && f->signals_more == 0;
}

static uint32_t sure(int32_t quarters)
{
        return (uint32_t)floor(100.0 / (1.0 + exp2(-(double)quarters / 4.0)));
}

/* As far as the finding stays shown. */
static int32_t at_most(const struct judge *j, const struct finding *f, int32_t quarters)
{
        int32_t sum = f->prior_quarters;

        for (uint32_t i = 0; i < f->nfactors; i++)
                sum += f->factors[i].quarters;
        while (quarters < 0 && sure(sum) >= j->p.show && sure(sum + quarters) < j->p.show)
                quarters++;
        return quarters;
}

static struct finding_factor *find(struct finding *f, enum factor x)
{
        for (uint32_t i = 0; i < f->nfactors; i++)
                if (bytes_eq(str_get(&f->factors[i].name), bytes_str(judge_factors()[x].name)))
                        return &f->factors[i];
        return NULL;
}

/* Of a package its name, and what the SBOM has instead. */
static const char *package_words(const struct judge_compared *c, char *dst, size_t size)
{
        char name[50], version[40], other[40];

        snprintf(dst, size, ", package %s %s%s%s", str_print(c->package, name, sizeof(name)),
                 str_print(c->version, version, sizeof(version)), c->sbom_version.len ? "; it lists " : "",
                 str_print(c->sbom_version, other, sizeof(other)));
        return dst;
}

static void words_of(const struct judge_sbom *s, enum factor f, const struct judge_compared *c, char *dst, size_t size)
{
        char path[160], source[60], key[80], package[150];
        struct tide_event head = {.kind = TIDE_RECORD};
        bool verified = s->signature == SIGNATURE_VERIFIED;
        size_t used;

        if (tide_decode(s->head.p, s->head.len, &head, &used) < 0)
                head.supply.source = head.supply.key = bytes_of(NULL, 0);
        snprintf(dst, size, "%s: %s%s (SBOM %s, %s%s)", judge_factors()[f].help, str_print(c->path, path, sizeof(path)),
                 f == FACTOR_SBOM_LACKS_PACKAGE ? package_words(c, package, sizeof(package)) : "",
                 str_print(head.supply.source, source, sizeof(source)),
                 verified ? "signed by " : "not verified: counts half",
                 verified ? str_print(head.supply.key, key, sizeof(key)) : "");
}

/* What the factor is worth, by the comparison; *ret: what it rests on. 0: nothing. */
static int32_t worth(const struct judge *j, const struct finding *f, const struct judge_comparison *all, enum factor x,
                     unsigned how, const struct judge_compared **ret)
{
        bool verified = all->sbom.signature == SIGNATURE_VERIFIED;
        int32_t bits = verified ? j->p.bits[x] : j->p.bits[x] / 2;

        *ret = NULL;
        for (uint32_t i = 0; i < all->npaths && !*ret; i++)
                if (says(x, &all->paths[i]))
                        *ret = &all->paths[i];
        if (!*ret || (bits < 0 && (!verified || how & SUPPLY_HIDES || !all_listed(f, all))))
                return 0;
        return bits < 0 ? at_most(j, f, bits) : bits;
}

static bool set(struct finding *f, enum factor x, int32_t quarters, const char *text)
{
        struct finding_factor *old = find(f, x);
        bool same = old && old->quarters == quarters && bytes_eq(str_get(&old->text), bytes_str(text));

        if (same || (!old && f->nfactors == FINDING_FACTORS))
                return false;
        if (!old)
                old = &f->factors[f->nfactors++];
        if (str_set(&old->name, bytes_str(judge_factors()[x].name)) < 0 || str_set(&old->text, bytes_str(text)) < 0) {
                score_drop(f, old); /* it can be weighed again */
                return false;
        }
        old->quarters = quarters;
        return true;
}

static bool weigh(const struct judge *j, struct finding *f, const struct judge_comparison *all, enum factor x,
                  unsigned how)
{
        struct finding_factor *old = find(f, x);
        const struct judge_compared *by;
        char text[512];
        int32_t bits;

        if (old && (how & SUPPLY_ANEW || old->quarters < 0)) { /* what takes bits does so of what is there without it */
                int32_t was = old->quarters;
                char kept[512];

                snprintf(kept, sizeof(kept), "%s", old->text.p ? old->text.p : "");
                score_drop(f, old);
                bits = worth(j, f, all, x, how, &by);
                if (bits == 0)
                        return true;
                words_of(&all->sbom, x, by, text, sizeof(text));
                set(f, x, bits, text);
                return bits != was || strcmp(kept, text) != 0;
        }
        bits = worth(j, f, all, x, how, &by);
        if (bits == 0)
                return false;
        words_of(&all->sbom, x, by, text, sizeof(text));
        return set(f, x, bits, text);
}

bool supply_weigh(const struct judge *j, struct finding *f, unsigned how)
{
        struct judge_comparison all;
        bool changed = false, has = false;

        for (uint32_t i = 0; i < f->nfactors && !has; i++)
                has = supply_is_factor(&f->factors[i]);
        if (f->type == FINDING_ROLLOUT || (!has && !supply_has_sbom(j, f)))
                return false;
        judge_compare(j, f, &all);
        for (size_t i = 0; i < ARRAY_LEN(mine); i++) /* what takes bits is the last of them */
                changed = weigh(j, f, &all, mine[i], f->suppressed ? how | SUPPLY_HIDES : how) || changed;
        if (changed)
                score_sum(j, f);
        return changed;
}

void supply_reweigh(struct judge *j, const struct workload *w)
{
        for (size_t i = 0; i < j->nopen; i++)
                if (group_is_of(j->open[i], w) && supply_weigh(j, j->open[i], SUPPLY_ANEW))
                        group_changed(j, j->open[i], false);
}
