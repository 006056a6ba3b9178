/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: whether a criterion of the playbook fits a finding. Must not: score by it, or change a finding. Pure. */
#include "tidemark/playbook.h"

#include <string.h>

#include "tidemark/finding.h"

#define DAY_NS INT64_C(86400000000000)

static bool has_factor(const struct finding *f, const char *name)
{
        for (uint32_t i = 0; i < f->nfactors; i++)
                if (bytes_eq(str_get(&f->factors[i].name), bytes_str(name)))
                        return true;
        return false;
}

bool playbook_fits(const struct playbook_criterion *c, const struct finding *f)
{
        bool one = c->nany == 0;

        for (uint32_t i = 0; i < c->nall; i++)
                if (!has_factor(f, c->all[i]))
                        return false;
        for (uint32_t i = 0; i < c->nany && !one; i++)
                one = has_factor(f, c->any[i]);
        return one && c->nall + c->nany > 0;
}

int64_t playbook_days(const struct playbook *p, int64_t wall_ns)
{
        int64_t today = wall_ns / DAY_NS, day = p->review_ns / DAY_NS;

        return day - today;
}
