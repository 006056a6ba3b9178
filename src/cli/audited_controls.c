/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the table of controls: what a standard asks, in short, and which records of the trail answer. Pure. Must not:
 * claim a control where there is no record. Hands over: rows with a number of records and the first of them.
 *
 * PCI DSS 4.0.1, NIST SP 800-53 revision 5, NIST SP 800-190. The words are ours: the standards' own stand there.
 */
#include "cli/audited_inside-priv.h"

#include <stdio.h>
#include <string.h>

#define DAY_NS (24 * 3600 * INT64_C(1000000000))

/* Words beside the numbers, where the records say more than how many they are; "" for nothing. */
struct words {
        char text[300];
};
typedef void (*remark)(const struct audited *a, const struct audited_chain *chain, struct words *w);

static void say_apart(const struct audited *a, const struct audited_chain *chain, struct words *w)
{
        (void)chain;
        if (a->compared_apart > 7 * DAY_NS)
                snprintf(w->text, sizeof(w->text), "A watched container was %.1f days without one: more than a week.",
                         (double)a->compared_apart / DAY_NS);
        else if (a->compared_apart)
                snprintf(w->text, sizeof(w->text), "No watched container was more than %.1f days without one.",
                         (double)a->compared_apart / DAY_NS);
}

static void say_chain(const struct audited *a, const struct audited_chain *chain, struct words *w)
{
        (void)a;
        if (!chain->whole)
                snprintf(w->text, sizeof(w->text), "The trail does not verify: these records prove nothing.");
        else
                snprintf(
                        w->text, sizeof(w->text),
                        "All %llu records of the trail follow from each other (SHA-256); %llu of them are named in the "
                        "audit log, and fit%s.",
                        (unsigned long long)chain->records, (unsigned long long)chain->checkpoints,
                        chain->checkpoints ? "" : ": nothing outside of the trail vouches for it");
}

static void say_retention(const struct audited *a, const struct audited_chain *chain, struct words *w)
{
        int64_t days = chain->first_ns ? (a->to - chain->first_ns) / DAY_NS : 0;

        snprintf(w->text, sizeof(w->text), "The oldest record is of %lld days before the period's end%s.",
                 (long long)days, days < 365 ? ": twelve months are not shown yet" : "");
}

static void say_outcomes(const struct audited *a, const struct audited_chain *chain, struct words *w)
{
        uint64_t asked = a->of[AUDITED_ASKED].n, ended = a->of[AUDITED_OUTCOME].n;

        (void)chain;
        snprintf(w->text, sizeof(w->text), "%llu asked for, %llu with an outcome.", (unsigned long long)asked,
                 (unsigned long long)(ended < asked ? ended : asked));
}

static const struct control {
        const char *standard, *id, *asks;
        const char *shows;       /* by which records */
        enum audited_what of[4]; /* AUDITED__MAX: no further */
        remark say;
} controls[] = {
        {"PCI DSS 4.0.1",
         "11.5.2",
         "unauthorised changes of critical files are detected, and people alerted",
         "findings of changed, added or executed files",
         {AUDITED_FILE, AUDITED__MAX},
         NULL},
        {"PCI DSS 4.0.1",
         "11.5.2",
         "critical files are compared at least once a week",
         "comparisons of containers' files with their images that met everything",
         {AUDITED_COMPARED, AUDITED__MAX},
         say_apart},
        {"PCI DSS 4.0.1",
         "10.2",
         "what administrators do is logged",
         "what was asked of the agent, and its outcome",
         {AUDITED_ASKED, AUDITED_OUTCOME, AUDITED__MAX},
         say_outcomes},
        {"PCI DSS 4.0.1",
         "10.3.4",
         "logs cannot be changed without an alert",
         "records that carry the hash of the one before",
         {AUDITED_ALL, AUDITED__MAX},
         say_chain},
        {"PCI DSS 4.0.1",
         "10.5.1",
         "logs are kept for twelve months",
         "records, and the age of the first one of all",
         {AUDITED_ALL, AUDITED__MAX},
         say_retention},
        {"PCI DSS 4.0.1",
         "10.7",
         "failures of critical controls are detected and told",
         "losses of events, and times in which the agent did not run",
         {AUDITED_LOST, AUDITED_GAP, AUDITED__MAX},
         NULL},
        {"NIST 800-53 r5",
         "SI-4",
         "the system is monitored",
         "containers watched from when to when, and findings",
         {AUDITED_WATCHED, AUDITED_FINDING, AUDITED__MAX},
         NULL},
        {"NIST 800-53 r5",
         "SI-7",
         "software integrity is checked",
         "findings of files and programs, comparisons with images",
         {AUDITED_FILE, AUDITED_COMPARED, AUDITED__MAX},
         say_apart},
        {"NIST 800-53 r5",
         "CM-3",
         "changes are reviewed and recorded",
         "approvals, exceptions, changes of the agent's configuration",
         {AUDITED_APPROVAL, AUDITED_EXCEPTION, AUDITED_CONFIGURED, AUDITED__MAX},
         NULL},
        {"NIST 800-53 r5", "AU-2", "events are logged", "all records of the period", {AUDITED_ALL, AUDITED__MAX}, NULL},
        {"NIST 800-53 r5",
         "AU-3",
         "records say what, when, where, from where, with what outcome, and who",
         "what was asked, by whom, and its outcome",
         {AUDITED_ASKED, AUDITED_OUTCOME, AUDITED__MAX},
         say_outcomes},
        {"NIST 800-53 r5",
         "AU-5",
         "failures of logging are answered",
         "records that waited for the disk, and were written late",
         {AUDITED_LATE, AUDITED__MAX},
         NULL},
        {"NIST 800-53 r5",
         "AU-6",
         "records are reviewed",
         "findings decided by a person, closed",
         {AUDITED_DECIDED, AUDITED_CLOSED, AUDITED__MAX},
         NULL},
        {"NIST 800-53 r5",
         "AU-9",
         "records are protected",
         "records that carry the hash of the one before",
         {AUDITED_ALL, AUDITED__MAX},
         say_chain},
        {"NIST 800-53 r5",
         "AU-12",
         "records are generated",
         "starts and ends of the agent",
         {AUDITED_STARTED, AUDITED_ENDED, AUDITED__MAX},
         NULL},
        {"NIST 800-53 r5",
         "IR-4",
         "incidents are handled: contained, and analysed",
         "decisions, containment, evidence",
         {AUDITED_DECIDED, AUDITED_CONTAINED, AUDITED_EVIDENCE, AUDITED__MAX},
         NULL},
        {"NIST 800-190",
         "4.4",
         "containers are watched at run time: programs",
         "findings of programs that ran",
         {AUDITED_EXEC, AUDITED__MAX},
         NULL},
        {"NIST 800-190", "4.4", "… connections", "findings of connections", {AUDITED_NETWORK, AUDITED__MAX}, NULL},
        {"NIST 800-190", "4.4", "… rights", "findings of rights gained", {AUDITED_PRIVILEGE, AUDITED__MAX}, NULL},
};

/* The first of all its tallies, in order; each once. */
static json_t *first_of(const struct audited *a, const struct control *c, uint64_t *ret_n)
{
        uint64_t last = 0, next;
        json_t *first = json_array();

        *ret_n = 0;
        for (size_t k = 0; c->of[k] != AUDITED__MAX; k++)
                *ret_n += a->of[c->of[k]].n;
        do {
                next = UINT64_MAX;
                for (size_t k = 0; c->of[k] != AUDITED__MAX; k++)
                        for (size_t i = 0; i < AUDITED_FIRST && i < a->of[c->of[k]].n; i++)
                                if (a->of[c->of[k]].first[i] > last && a->of[c->of[k]].first[i] < next)
                                        next = a->of[c->of[k]].first[i];
                if (next != UINT64_MAX)
                        json_array_append_new(first, json_integer((json_int_t)next));
                last = next;
        } while (next != UINT64_MAX && json_array_size(first) < AUDITED_FIRST);
        return first;
}

static json_t *row(const struct audited *a, const struct audited_chain *chain, const struct control *c)
{
        struct words w = {.text = ""};
        uint64_t n;
        json_t *first = first_of(a, c, &n);

        if (n && c->say)
                c->say(a, chain, &w);
        return json_pack("{s:s,s:s,s:s,s:s,s:I,s:o,s:s}", "standard", c->standard, "control", c->id, "asks", c->asks,
                         "shown_by", c->shows, "records", (json_int_t)n, "first", first, "says",
                         n ? w.text : "no record: not shown by this trail");
}

json_t *audited_controls(const struct audited *a, const struct audited_chain *chain)
{
        json_t *rows = json_array();

        for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
                json_t *o = row(a, chain, &controls[i]);

                if (!o || json_array_append_new(rows, o) < 0) {
                        json_decref(rows);
                        return NULL;
                }
        }
        return rows;
}
