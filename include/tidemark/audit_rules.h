/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audit_rules - the few audit rules that an administrator may ask for (audit.rules), by libaudit; audit.rules(7).
 *
 * Owns:      rules whose key is its own, "tidemark-INSTANCE"; the helper process that sets and removes them, since the
 *            kernel may let whoever changes audit wait for seconds.
 * Never:     touches another's rule, an equal one included; becomes the audit daemon; switches audit on or off, or
 *            changes how the kernel queues.
 * Hands over: what it found and did, once it has.
 *
 * At its start the helper removes what an earlier life has left, also where no rules are wanted, then adds what is. It
 * waits with nothing but CAP_AUDIT_CONTROL until it is told to take them away again. Once it has set them it is kept,
 * whatever else fails; if it is gone nobody else may take them away, and they stay until the next start.
 */
#ifndef TIDEMARK_AUDIT_RULES_H
#define TIDEMARK_AUDIT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct loop;
struct audit_rules;

enum audit_rules_want { AUDIT_RULES_NONE, AUDIT_RULES_EXEC, AUDIT_RULES_CONNECT };

struct audit_rules_state {
        int32_t error;   /* 0, or why nothing could be asked or done: -EPERM, -ECONNREFUSED (no audit here), … */
        int32_t refused; /* 0, or what the kernel answered to the first rule that does not stand */
        uint32_t wanted, stand; /* rules of ours: to be, and that stand now */
        uint32_t removed;       /* that were left by an earlier life, or taken away at the end */
        uint32_t again;         /* that were missing when it was looked, and were set again */
        uint32_t others;        /* rules that are not ours */
        uint32_t enabled;       /* 0 off, 1 on, 2 locked until the next boot (nothing is done): audit_set_enabled(3) */
        uint32_t backlog_limit, lost; /* as the kernel has them */
        uint32_t never_task;    /* a rule says that no task is audited: -a never,task */
        uint32_t any_family;    /* the kernel cannot tell families apart: connections of all kinds are recorded */
        uint32_t ended;         /* the helper's last word: of taking the rules away */
};

struct audit_rules_ops {
        /* Rules were set, or what was left is gone, or it was looked again; error -ETIMEDOUT: the helper, or the
         * kernel, did not answer in time; -EPIPE: the helper is gone. */
        void (*state)(const struct audit_rules_state *st, void *arg);
        int (*confine)(void); /* in the helper: give up what it does not need */
        bool stay;            /* it is kept where no rules are wanted, too: to look at the kernel's numbers */
        /* In the helper, for tests: in place of what speaks to the kernel (audit_rules-priv.h). Else NULL. */
        int (*set)(enum audit_rules_want want, const char *key, struct audit_rules_state *ret);
        int (*again)(enum audit_rules_want want, const char *key, struct audit_rules_state *st);
};

/* instance: letters, digits and '-', at most 32 bytes. deadline_ns: for the helper's first answer. */
int audit_rules_start(struct loop *loop, enum audit_rules_want want, const char *instance, uint64_t deadline_ns,
                      const struct audit_rules_ops *ops, void *arg, struct audit_rules **ret) TM_CHECK;
/* Do they still stand? What is missing is set again, and the kernel's numbers are read; ops.state tells. Nothing is
 * done while the helper is at work, or where none are wanted and it does not stay. */
void audit_rules_look(struct audit_rules *r);
/* The kernel's numbers alone: no rule is looked at, or set again while somebody is about to remove them. */
void audit_rules_ask(struct audit_rules *r);
/*
 * The rules go, and the helper: waits for that, timeout_ms at most. *ret_state (may be NULL): what it said. 0: none of
 * ours stands. -EROFS: they stand until the next boot, since audit's rules were locked meanwhile. Any other error: they
 * may still stand, and are removed at the next start.
 */
int audit_rules_end(struct audit_rules *r, int timeout_ms, struct audit_rules_state *ret_state) TM_CHECK;

/* Pure: has this rule (struct audit_rule_data of linux/audit.h, and what follows it; len bytes) this key? */
bool audit_rules_has_key(const void *rule, size_t len, struct bytes key);

#endif
