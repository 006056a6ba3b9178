/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how evidence is called, and which of it goes. Must not: look at a directory or a clock. Hands over: names,
 * verdicts.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tidemark/clock.h"
#include "tidemark/evidence.h"

static const char *const endings[] = {".tar.zst", ".tar.gz", ".tar.zst.partial", ".tar.gz.partial"};

static bool is_ending(const char *text)
{
        for (size_t i = 0; i < ARRAY_LEN(endings); i++)
                if (strcmp(text, endings[i]) == 0)
                        return true;
        return false;
}

void evidence_name(char dst[EVIDENCE_NAME], int64_t wall_ns, const char *container, unsigned n)
{
        char when[CLOCK_TEXT], date[16] = "";
        size_t len = 0;

        clock_rfc3339(wall_ns, when); /* 2026-01-02T03:04:05.678Z */
        for (const char *p = when; *p && *p != '.' && len < sizeof(date) - 1; p++)
                if (isdigit((unsigned char)*p) || *p == 'T')
                        date[len++] = *p;
        snprintf(dst, EVIDENCE_NAME, "E-%sZ-%.12s-%u", date, container, n);
}

/* n digits of base 10 as a number; -1: there are not so many. */
static int digits(const char *p, unsigned n)
{
        int v = 0;

        for (unsigned i = 0; i < n; i++) {
                if (!isdigit((unsigned char)p[i]))
                        return -1;
                v = 10 * v + (p[i] - '0');
        }
        return v;
}

static bool read_date(const char *p, int64_t *ret_wall_ns)
{
        struct tm t = {.tm_year = digits(p, 4) - 1900, .tm_mon = digits(p + 4, 2) - 1, .tm_mday = digits(p + 6, 2),
                       .tm_hour = digits(p + 9, 2), .tm_min = digits(p + 11, 2), .tm_sec = digits(p + 13, 2)};

        if (digits(p, 8) < 0 || p[8] != 'T' || digits(p + 9, 6) < 0 || p[15] != 'Z' || t.tm_mon > 11 ||
            t.tm_mday > 31 || t.tm_hour > 23)
                return false;
        *ret_wall_ns = (int64_t)timegm(&t) * (int64_t)NSEC_PER_SEC;
        return true;
}

/* E-20261127T142501Z-0123456789ab-1.tar.zst: what comes from outside is never taken for a name otherwise. */
bool evidence_is_name(struct bytes name, int64_t *ret_wall_ns)
{
        const size_t head = strlen("E-20261127T142501Z-");
        char text[EVIDENCE_NAME];
        size_t at = head, from;
        int64_t wall = 0;

        if (name.len >= sizeof(text) || name.len < head || memchr(name.p, '\0', name.len))
                return false;
        memcpy(text, name.p, name.len);
        text[name.len] = '\0';
        if (strncmp(text, "E-", 2) != 0 || !read_date(text + 2, &wall) || text[head - 1] != '-')
                return false;
        from = at;
        at += strspn(text + at, "0123456789abcdef");
        if (at == from || text[at++] != '-')
                return false;
        from = at;
        at += strspn(text + at, "0123456789");
        if (at == from || !is_ending(text + at))
                return false;
        if (ret_wall_ns)
                *ret_wall_ns = wall;
        return true;
}

static void drop(const struct evidence_piece *p, size_t i, enum evidence_verdict why, struct evidence_plan *plan)
{
        plan->verdict[i] = (uint8_t)why;
        plan->n++;
        plan->freed += p[i].size;
}

static void drop_old(const struct evidence_piece *p, size_t n, const struct evidence_rules *rules, int64_t now,
                     struct evidence_plan *plan)
{
        for (size_t i = 0; i < n; i++)
                if (!p[i].held && !p[i].busy && now > p[i].wall_ns &&
                    (uint64_t)(now - p[i].wall_ns) >= rules->keep_age_ns)
                        drop(p, i, EVIDENCE_TOO_OLD, plan);
}

/* The oldest that may go; n: none. held: also what an open finding names. */
static size_t oldest(const struct evidence_piece *p, size_t n, int64_t now, bool held, const struct evidence_plan *plan)
{
        size_t found = n;

        for (size_t i = 0; i < n; i++) {
                bool young = now < p[i].wall_ns || (uint64_t)(now - p[i].wall_ns) < EVIDENCE_YOUNG_NS;

                if (plan->verdict[i] != EVIDENCE_KEEP || p[i].busy || young || p[i].held != held)
                        continue;
                if (found == n || p[i].wall_ns < p[found].wall_ns)
                        found = i;
        }
        return found;
}

/* So much of what is wanted has room beside what stays. */
static uint64_t room(const struct evidence_rules *rules, const struct evidence_plan *plan, uint64_t wanted,
                     uint64_t free_bytes, bool *ret_by_disk)
{
        uint64_t stay = plan->bytes - plan->freed, disk = free_bytes + plan->freed;
        uint64_t kept = rules->keep_size > stay ? rules->keep_size - stay : 0;

        disk = disk > rules->min_free ? disk - rules->min_free : 0;
        *ret_by_disk = disk < kept;
        kept = disk < kept ? disk : kept;
        return kept < wanted ? kept : wanted;
}

void evidence_plan(const struct evidence_piece *p, size_t n, const struct evidence_rules *rules, int64_t now_wall_ns,
                   uint64_t wanted, uint64_t free_bytes, struct evidence_plan *ret)
{
        const uint64_t least = wanted < EVIDENCE_LEAST ? wanted : EVIDENCE_LEAST;
        struct evidence_plan aged;

        memset(ret, 0, sizeof(*ret));
        for (size_t i = 0; i < n; i++)
                ret->bytes += p[i].size;
        drop_old(p, n, rules, now_wall_ns, ret);
        aged = *ret;
        for (int held = 0; held < 2; held++) {
                uint64_t enough = held ? least : wanted;

                for (;;) {
                        bool over = ret->bytes - ret->freed > rules->keep_size;
                        size_t i = n;

                        ret->granted = room(rules, ret, wanted, free_bytes, &ret->by_disk);
                        if (over || ret->granted < enough)
                                i = oldest(p, n, now_wall_ns, held == 1, ret);
                        if (i == n)
                                break;
                        drop(p, i, EVIDENCE_NO_ROOM, ret);
                }
        }
        if (wanted == 0 || ret->granted >= least)
                return;
        aged.by_disk = ret->by_disk;
        *ret = aged;
}
