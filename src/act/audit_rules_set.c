/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the table of our rules, and the words with the kernel about them by libaudit. In the helper: it may wait. Must
 * not: change or remove a rule without our key, or set anything but rules. Hands over: what stands.
 */
#include "act/audit_rules-priv.h"

#include <errno.h>
#include <libaudit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REPLY_MS 5000
#define RULES_MAX 65536u /* of a site, that are looked through: some tenths of a second */

#define FIELD_SADDR_FAM 113u /* AUDIT_SADDR_FAM of linux/audit.h, Linux 5.3 */
#define FIELD_EXE 112u       /* AUDIT_EXE, Linux 4.3 */

/*
 * As auditctl's words: -a always,exit -F arch=… -S … -F …=…. Linux 5.3 can tell families of addresses apart; an older
 * one is asked for every connect(2) (rows plain). 32-bit programs may call by socketcall(2) as well, whose first
 * argument 3 means connect; a machine that has no such call has no such rule.
 */
static const struct row {
        enum audit_rules_want from; /* and above */
        bool plain;                 /* in place of those with families */
        const char *arch, *calls[2];
        struct {
                uint32_t field, value;
        } fields[2]; /* field 0: none */
} rows[] = {
        {AUDIT_RULES_EXEC, false, "arch=b64", {"execve", "execveat"}, {{0, 0}}},
        {AUDIT_RULES_EXEC, false, "arch=b32", {"execve", "execveat"}, {{0, 0}}},
        {AUDIT_RULES_CONNECT, false, "arch=b64", {"connect"}, {{FIELD_SADDR_FAM, AF_INET}}},
        {AUDIT_RULES_CONNECT, false, "arch=b64", {"connect"}, {{FIELD_SADDR_FAM, AF_INET6}}},
        {AUDIT_RULES_CONNECT, false, "arch=b32", {"connect"}, {{FIELD_SADDR_FAM, AF_INET}}},
        {AUDIT_RULES_CONNECT, false, "arch=b32", {"connect"}, {{FIELD_SADDR_FAM, AF_INET6}}},
        {AUDIT_RULES_CONNECT, false, "arch=b32", {"socketcall"}, {{AUDIT_ARG0, 3}, {FIELD_SADDR_FAM, AF_INET}}},
        {AUDIT_RULES_CONNECT, false, "arch=b32", {"socketcall"}, {{AUDIT_ARG0, 3}, {FIELD_SADDR_FAM, AF_INET6}}},
        {AUDIT_RULES_CONNECT, true, "arch=b64", {"connect"}, {{0, 0}}},
        {AUDIT_RULES_CONNECT, true, "arch=b32", {"connect"}, {{0, 0}}},
        {AUDIT_RULES_CONNECT, true, "arch=b32", {"socketcall"}, {{AUDIT_ARG0, 3}}},
};

static void free_rule(struct audit_rule_data **r)
{
        free(*r);
}

static void close_audit(int *fd)
{
        if (*fd >= 0)
                audit_close(*fd);
}

/* ---- asking ---- */

/* The next reply to what was asked. 0, -ETIMEDOUT, or the kernel's error. */
static int reply(int fd, struct audit_reply *rep)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r;

        for (;;) {
                r = poll(&p, 1, REPLY_MS);
                if (r == 0)
                        return -ETIMEDOUT;
                if (r < 0 && errno != EINTR)
                        return -errno;
                r = audit_get_reply(fd, rep, GET_REPLY_NONBLOCKING, 0);
                if (r < 0 && r != -EAGAIN && r != -EINTR)
                        return r;
                if (r > 0 && rep->type == NLMSG_ERROR && rep->error->error != 0)
                        return rep->error->error;
                if (r > 0 && rep->type != NLMSG_ERROR) /* an acknowledgement */
                        return 0;
        }
}

static int ask_status(int fd, struct audit_rules_state *st)
{
        struct audit_reply rep;
        int r = audit_request_status(fd);

        while (r >= 0) {
                r = reply(fd, &rep);
                if (r < 0 || rep.type != AUDIT_GET)
                        continue;
                st->enabled = rep.status->enabled;
                st->backlog_limit = rep.status->backlog_limit;
                st->lost = rep.status->lost;
                return 0;
        }
        return r;
}

/* ---- rules that are there ---- */

struct list {
        struct audit_rule_data *ours[64];
        size_t n;
};

static void free_list(struct list *l)
{
        for (size_t i = 0; i < l->n; i++)
                free(l->ours[i]);
}

static int note_rule(struct list *l, const struct audit_reply *rep, const char *key, struct audit_rules_state *st)
{
        const struct audit_rule_data *rule = rep->ruledata;
        size_t len = rep->len > NLMSG_HDRLEN ? (size_t)(rep->len - NLMSG_HDRLEN) : 0;

        if (!audit_rules_has_key(rule, len, bytes_str(key))) {
                st->others++;
                if (len >= sizeof(*rule) && rule->flags == AUDIT_FILTER_TASK && rule->action == AUDIT_NEVER)
                        st->never_task = 1;
                return 0;
        }
        if (l->n == sizeof(l->ours) / sizeof(l->ours[0]))
                return 0; /* more than we ever set: the next start takes those */
        l->ours[l->n] = malloc(len);
        if (!l->ours[l->n])
                return -ENOMEM;
        memcpy(l->ours[l->n++], rule, len);
        return 0;
}

static int list_rules(int fd, const char *key, struct list *l, struct audit_rules_state *st)
{
        struct audit_reply rep;
        int r = audit_request_rules_list_data(fd);

        for (size_t n = 0; r >= 0 && n < RULES_MAX; n++) {
                r = reply(fd, &rep);
                if (r == 0 && rep.type == NLMSG_DONE)
                        return 0;
                if (r == 0 && rep.type == AUDIT_LIST_RULES)
                        r = note_rule(l, &rep, key, st);
        }
        return r < 0 ? r : -E2BIG;
}

static int remove_ours(int fd, const char *key, struct audit_rules_state *st)
{
        _cleanup_(free_list) struct list l = {.n = 0};
        int r = list_rules(fd, key, &l, st);

        for (size_t i = 0; i < l.n && r >= 0; i++) {
                r = audit_delete_rule_data(fd, l.ours[i], (int)l.ours[i]->flags, (int)l.ours[i]->action);
                if (r >= 0)
                        st->removed++;
        }
        return r < 0 ? r : 0;
}

/* ---- ours ---- */

static void put_field(struct audit_rule_data *rule, uint32_t field, uint32_t value)
{
        rule->fields[rule->field_count] = field;
        rule->fieldflags[rule->field_count] = AUDIT_EQUAL;
        rule->values[rule->field_count++] = value;
}

/* 0; -ENOTSUP: this machine or library has no such call. */
static int build(const struct row *row, const char *key, struct audit_rule_data **ret)
{
        size_t len = strlen(key), calls = 0;
        _cleanup_(free_rule) struct audit_rule_data *rule = calloc(1, sizeof(*rule) + len);
        char arch[16]; /* the library writes into it */

        if (!rule)
                return -ENOMEM;
        snprintf(arch, sizeof(arch), "%s", row->arch);
        if (audit_rule_fieldpair_data(&rule, arch, AUDIT_FILTER_EXIT) < 0)
                return -ENOTSUP;
        for (size_t i = 0; i < 2; i++)
                calls += row->calls[i] && audit_rule_syscallbyname_data(rule, row->calls[i]) == 0;
        if (calls == 0)
                return -ENOTSUP;
        for (size_t i = 0; i < 2; i++)
                if (row->fields[i].field)
                        put_field(rule, row->fields[i].field, row->fields[i].value);
        put_field(rule, AUDIT_FILTERKEY, (uint32_t)len);
        rule->buflen = (uint32_t)len;
        memcpy(rule->buf, key, len);
        *ret = TAKE_PTR(rule);
        return 0;
}

static int add(int fd, const struct row *row, const char *key)
{
        _cleanup_(free_rule) struct audit_rule_data *rule = NULL;
        int r = build(row, key, &rule);

        if (r == 0)
                r = audit_add_rule_data(fd, rule, AUDIT_FILTER_EXIT, AUDIT_ALWAYS);
        return r < 0 ? r : 0;
}

/* Those with or without families; a row of families that is not understood says so, and is not missed. */
static void add_rows(int fd, enum audit_rules_want want, bool plain, const char *key, struct audit_rules_state *st)
{
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                int r;

                if (rows[i].from > want || rows[i].plain != plain)
                        continue;
                r = add(fd, &rows[i], key);
                if (r == -ENOTSUP) /* of another machine */
                        continue;
                if (r == -EINVAL && rows[i].from == AUDIT_RULES_CONNECT && !plain) {
                        st->any_family = 1;
                        continue;
                }
                st->wanted++;
                st->stand += r == 0;
                if (r < 0 && st->refused == 0)
                        st->refused = r;
        }
}

static int set(int fd, enum audit_rules_want want, const char *key, struct audit_rules_state *st)
{
        int r = ask_status(fd, st);

        if (r < 0 || st->enabled == 2) /* locked: nothing can be done, and what we left stays too */
                return r;
        r = remove_ours(fd, key, st);
        if (r < 0 || want == AUDIT_RULES_NONE)
                return r;
        add_rows(fd, want, false, key, st);
        if (st->any_family)
                add_rows(fd, want, true, key, st);
        return 0;
}

int audit_rules_set(enum audit_rules_want want, const char *key, struct audit_rules_state *ret)
{
        _cleanup_(close_audit) int fd = audit_open();
        struct audit_rules_state st = {0};

        st.error = fd < 0 ? -errno : set(fd, want, key, &st);
        *ret = st;
        return st.error;
}

static int again(int fd, enum audit_rules_want want, const char *key, uint32_t stood, struct audit_rules_state *st)
{
        _cleanup_(free_list) struct list l = {.n = 0};
        int r = ask_status(fd, st);

        if (want == AUDIT_RULES_NONE)
                st->wanted = st->stand = stood; /* as far as we know */
        if (r < 0 || want == AUDIT_RULES_NONE)
                return r;
        r = list_rules(fd, key, &l, st);
        st->wanted = st->stand = (uint32_t)l.n;
        if (r < 0 || st->enabled == 2 || l.n >= stood)
                return r;
        *st = (struct audit_rules_state){.again = stood - (uint32_t)l.n};
        r = set(fd, want, key, st);
        st->removed = 0; /* they were not an earlier life's */
        return r;
}

int audit_rules_again(enum audit_rules_want want, const char *key, struct audit_rules_state *st)
{
        _cleanup_(close_audit) int fd = audit_open();
        uint32_t stood = st->stand;

        *st = (struct audit_rules_state){0};
        st->error = fd < 0 ? -errno : again(fd, want, key, stood, st);
        return st->error;
}

/* ---- pure ---- */

/* Those whose value is the length of a string in the rule's buffer: audit_data_to_entry() in kernel/auditfilter.c. */
static bool is_string(uint32_t field)
{
        return (field >= AUDIT_SUBJ_USER && field <= AUDIT_SUBJ_CLR) ||
               (field >= AUDIT_OBJ_USER && field <= AUDIT_OBJ_LEV_HIGH) || field == AUDIT_WATCH ||
               field == AUDIT_DIR || field == AUDIT_FILTERKEY || field == FIELD_EXE;
}

bool audit_rules_has_key(const void *p, size_t len, struct bytes key)
{
        const struct audit_rule_data *rule = p;
        size_t at = 0, room;

        if (len < sizeof(*rule) || rule->field_count > AUDIT_MAX_FIELDS)
                return false;
        room = len - sizeof(*rule);
        room = rule->buflen < room ? rule->buflen : room;
        for (uint32_t i = 0; i < rule->field_count; i++) {
                if (!is_string(rule->fields[i]))
                        continue;
                if (rule->values[i] > room - at)
                        return false;
                if (rule->fields[i] == AUDIT_FILTERKEY)
                        return bytes_eq(bytes_of(rule->buf + at, rule->values[i]), key);
                at += rule->values[i];
        }
        return false;
}
