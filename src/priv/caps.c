/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the two ways in which a process of ours becomes smaller. Must not: decide when, or log. Hands over: to daemon/,
 * which ends the start on any error from here.
 */
#include "tidemark/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <unistd.h>

#include "tidemark/compat.h"

static const struct caps_need sensor_needs[] = {
        {CAP_SYS_ADMIN, "fanotify groups and marks, and other processes' namespaces"},
        {CAP_SYS_PTRACE, "executables, arguments and roots of other users' processes in /proc"},
        {CAP_DAC_READ_SEARCH, "write layers, whatever their directories' modes"},
        {CAP_NET_ADMIN, "proc connector, tables and connections in network namespaces, large receive buffers"},
};

const struct caps_need *caps_sensor(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(sensor_needs);
        return sensor_needs;
}

static const struct caps_need reader_needs[] = {
        {CAP_SYS_ADMIN, "the files of mappings, by the kernel's own links"},
        {CAP_SYS_PTRACE, "arguments and mappings of other users' processes in /proc"},
};

const struct caps_need *caps_reader(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(reader_needs);
        return reader_needs;
}

static const struct caps_need enterer_needs[] = {
        {CAP_SYS_ADMIN, "other processes' network namespaces"},
        {CAP_NET_ADMIN, "tables of nftables, messages of conntrack and NFLOG, receive buffers beyond the limit"},
};

const struct caps_need *caps_enterer(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(enterer_needs);
        return enterer_needs;
}

static const struct caps_need opener_needs[] = {
        {CAP_SYS_ADMIN, "which directories of an image hide what lies below: trusted.overlay.opaque"},
        {CAP_DAC_READ_SEARCH, "files of images, whatever their modes"},
};

const struct caps_need *caps_opener(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(opener_needs);
        return opener_needs;
}

static const struct caps_need capturer_needs[] = {
        {CAP_SYS_ADMIN, "the files of mappings, and attributes of write layers: trusted.overlay"},
        {CAP_SYS_PTRACE, "other users' processes in /proc"},
        {CAP_DAC_READ_SEARCH, "write layers, whatever their modes"},
};

const struct caps_need *caps_capturer(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(capturer_needs);
        return capturer_needs;
}

static const struct caps_need auditor_needs[] = {
        {CAP_AUDIT_CONTROL, "the audit rules that are configured, set and removed"},
};

const struct caps_need *caps_auditor(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(auditor_needs);
        return auditor_needs;
}

static const struct caps_need audit_writer_needs[] = {
        {CAP_AUDIT_WRITE, "findings, acts and the trail's head as records of audit"},
};

const struct caps_need *caps_audit_writer(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(audit_writer_needs);
        return audit_writer_needs;
}

static const struct caps_need isolator_needs[] = {
        {CAP_SYS_ADMIN, "other processes' network namespaces"},
        {CAP_SYS_PTRACE, "which namespaces and capabilities other users' processes have"},
        {CAP_NET_ADMIN, "tables of nftables, entries of conntrack, sockets that are ended"},
};

const struct caps_need *caps_isolator(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(isolator_needs);
        return isolator_needs;
}

static const struct caps_need killer_needs[] = {
        {CAP_KILL, "SIGKILL to the tasks of a container, whoever they are"},
};

const struct caps_need *caps_killer(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(killer_needs);
        return killer_needs;
}

static bool needed(const struct caps_need *needs, size_t n, int cap)
{
        for (size_t i = 0; i < n; i++)
                if (needs[i].cap == cap)
                        return true;
        return false;
}

/* What the kernel says now, not what the library remembers. */
static int verify(const struct caps_need *needs, size_t n)
{
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_get_caps_process() != 0)
                return -EPERM;
        for (int cap = 0; cap < 64; cap++) {
                bool want = needed(needs, n, cap);
                int inbound = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

                if (inbound < 0) /* this kernel has no such capability */
                        continue;
                if ((inbound == 1) != want || (capng_have_capability(CAPNG_EFFECTIVE, cap) != 0) != want ||
                    (capng_have_capability(CAPNG_PERMITTED, cap) != 0) != want ||
                    capng_have_capability(CAPNG_INHERITABLE, cap) != 0)
                        return -EPERM;
        }
        return 0;
}

int caps_keep(const struct caps_need *needs, size_t n, const char **ret_missing)
{
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_get_caps_process() != 0)
                return -EPERM;
        for (size_t i = 0; i < n; i++)
                if (!capng_have_capability(CAPNG_PERMITTED, (unsigned)needs[i].cap)) {
                        if (ret_missing)
                                *ret_missing = capng_capability_to_name((unsigned)needs[i].cap);
                        return -EPERM;
                }
        capng_clear(CAPNG_SELECT_BOTH);
        for (size_t i = 0; i < n; i++)
                if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
                                 (unsigned)needs[i].cap) != 0)
                        return -EPERM;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
                return -errno;
        if (capng_apply(CAPNG_SELECT_BOTH) != 0)
                return -EPERM;
        return verify(needs, n);
}

int caps_reduce(const struct caps_need *needs, size_t n)
{
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        capng_clear(CAPNG_SELECT_BOTH);
        for (size_t i = 0; i < n; i++)
                if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)needs[i].cap) != 0)
                        return -EPERM;
        if (capng_apply(CAPNG_SELECT_CAPS) != 0)
                return -EPERM;
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_get_caps_process() != 0)
                return -EPERM;
        for (int cap = 0; cap <= (int)CAP_LAST_CAP; cap++)
                if (!needed(needs, n, cap) && (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)cap) ||
                                               capng_have_capability(CAPNG_PERMITTED, (unsigned)cap) ||
                                               capng_have_capability(CAPNG_INHERITABLE, (unsigned)cap)))
                        return -EPERM;
        return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}

int caps_none(void)
{
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_apply(CAPNG_SELECT_CAPS) != 0)
                return -EPERM;
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
                return -EPERM;
        return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}

int caps_become(uid_t uid, gid_t gid)
{
        uid_t r, e, s;
        gid_t rg, eg, sg;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        /* The bounding set first: changing it needs a capability that changing the user takes away. */
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
                return -EPERM;
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_apply(CAPNG_SELECT_CAPS) != 0)
                return -EPERM;
        if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
                return -errno;
        if (r != uid || e != uid || s != uid || rg != gid || eg != gid || sg != gid || getgroups(0, NULL) != 0)
                return -EPERM;
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                return -EPERM;
        return verify(NULL, 0);
}
