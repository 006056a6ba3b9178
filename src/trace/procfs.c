/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * procfs - parsers of /proc/PID/{stat,status,cgroup}. proc(5), cgroups(7).
 *
 * Pure: bytes in, numbers and borrowed bytes out. Never opens anything (procfs_read.c does), never trusts a name in it:
 * a process chooses its own, and a container may create cgroups below its own.
 */
#include "tidemark/procfs.h"

#include <errno.h>
#include <string.h>

#include "procfs-priv.h"

/* Decimal number at the beginning of *s, which is moved behind it. */
bool procfs_take_number(struct bytes *s, uint64_t *ret)
{
        uint64_t v = 0;
        uint32_t i;

        for (i = 0; i < s->len && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
                if (v > (UINT64_MAX - 9) / 10)
                        return false;
                v = v * 10 + (uint64_t)(s->p[i] - '0');
        }
        if (i == 0)
                return false;
        s->p += i;
        s->len -= i;
        *ret = v;
        return true;
}

/* What stands before the next separator; *s is moved behind it. False at the end. */
bool procfs_take_field(struct bytes *s, uint8_t separator, struct bytes *ret)
{
        const uint8_t *end;

        if (s->len == 0)
                return false;
        end = memchr(s->p, separator, s->len);
        *ret = bytes_of(s->p, end ? (size_t)(end - s->p) : s->len);
        s->p += ret->len + (end ? 1 : 0);
        s->len -= ret->len + (end ? 1 : 0);
        return true;
}

/* A signed or unsigned number that fills the whole field; negative ones (no terminal, no session) count as 0. */
static int stat_number(struct bytes field, uint64_t *ret)
{
        if (field.len > 1 && field.p[0] == '-') {
                field.p++;
                field.len--;
                if (!procfs_take_number(&field, ret) || field.len)
                        return -EBADMSG;
                *ret = 0;
                return 0;
        }
        if (!procfs_take_number(&field, ret) || field.len)
                return -EBADMSG;
        return 0;
}

int procfs_parse_stat(struct bytes text, struct procfs_stat *ret)
{
        struct procfs_stat st = {0};
        struct bytes head = text, field, rest;
        uint64_t v, number[23] = {0};
        int close = bytes_rfind(text, ')');
        const uint8_t *open = text.len ? memchr(text.p, '(', text.len) : NULL;
        uint32_t n;

        if (close < 0 || !open || open > text.p + close || !procfs_take_number(&head, &v) || v > UINT32_MAX)
                return -EBADMSG;
        st.pid = (uint32_t)v;
        n = (uint32_t)(text.p + close - open - 1);
        if (n >= sizeof(st.comm))
                n = sizeof(st.comm) - 1;
        memcpy(st.comm, open + 1, n);
        rest = bytes_of(text.p + close + 1, text.len - (uint32_t)close - 1);
        if (rest.len < 3 || rest.p[0] != ' ' || rest.p[2] != ' ')
                return -EBADMSG;
        st.state = (char)rest.p[1];
        rest.p += 3;
        rest.len -= 3;
        for (unsigned i = 4; i <= 22; i++)
                if (!procfs_take_field(&rest, ' ', &field) || stat_number(field, &number[i]) < 0)
                        return -EBADMSG;
        if (field.p + field.len == text.p + text.len)
                return -EBADMSG; /* more always follows: this is a cut number */
        st.ppid = (uint32_t)number[4];
        st.pgrp = (uint32_t)number[5];
        st.session = (uint32_t)number[6];
        st.tty = (uint32_t)number[7];
        st.start = number[22];
        *ret = st;
        return 0;
}

/* Up to n numbers between blanks; how many there were. */
static unsigned status_numbers(struct bytes line, uint32_t *numbers, unsigned n, uint32_t *ret_last)
{
        unsigned count = 0;
        uint64_t v;

        for (;;) {
                while (line.len && (line.p[0] == ' ' || line.p[0] == '\t')) {
                        line.p++;
                        line.len--;
                }
                if (!procfs_take_number(&line, &v) || v > UINT32_MAX)
                        return count;
                if (count < n)
                        numbers[count] = (uint32_t)v;
                *ret_last = (uint32_t)v;
                count++;
        }
}

int procfs_parse_status(struct bytes text, struct procfs_status *ret)
{
        struct procfs_status st = {0};
        struct bytes line, key;
        uint32_t n[3], last = 0, many;
        bool uid = false, gid = false;

        while (procfs_take_field(&text, '\n', &line)) {
                /* A name with a newline in it is shown escaped by the kernel: a line's beginning is the kernel's. */
                if (!procfs_take_field(&line, ':', &key))
                        continue;
                if (bytes_eq(key, BYTES_LIT("Uid")) && (many = status_numbers(line, n, 3, &last)) >= 2) {
                        st.uid = n[0];
                        st.euid = n[1];
                        st.suid = many > 2 ? n[2] : n[1];
                        uid = true;
                } else if (bytes_eq(key, BYTES_LIT("Gid")) && (many = status_numbers(line, n, 3, &last)) >= 2) {
                        st.gid = n[0];
                        st.egid = n[1];
                        st.sgid = many > 2 ? n[2] : n[1];
                        gid = true;
                } else if (bytes_eq(key, BYTES_LIT("NSpid"))) {
                        st.nspid_count = status_numbers(line, n, 2, &last);
                        st.nspid_last = st.nspid_count ? last : 0;
                }
        }
        if (!uid || !gid)
                return -EBADMSG;
        *ret = st;
        return 0;
}

/* Which words before the id name which runtime. Longer ones first where one begins another. */
static const struct {
        const char *prefix;
        const char *runtime;
} id_prefixes[] = {
        {"libpod-payload-", "podman"}, {"libpod-", "podman"},      {"docker-", "docker"},
        {"cri-containerd-", "containerd"}, {"nerdctl-", "containerd"}, {"crio-", "crio"},
};

static bool is_id(struct bytes s)
{
        if (s.len != 64)
                return false;
        for (uint32_t i = 0; i < s.len; i++)
                if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
                        return false;
        return true;
}

/* Is this component a container's? That of a pod ("libpod_pod_ID") or of a monitor ("libpod-conmon-ID") is none. */
static bool component_id(struct bytes s, struct bytes *ret_id, const char **ret_runtime)
{
        *ret_runtime = NULL;
        if (bytes_has_suffix(s, BYTES_LIT(" (deleted)")))
                s.len -= (uint32_t)strlen(" (deleted)");
        if (is_id(s)) {
                *ret_id = s;
                return true;
        }
        if (bytes_has_suffix(s, BYTES_LIT(".scope")))
                s.len -= (uint32_t)strlen(".scope");
        for (size_t i = 0; i < ARRAY_LEN(id_prefixes); i++) {
                struct bytes prefix = bytes_str(id_prefixes[i].prefix);
                struct bytes rest = bytes_of(s.p + prefix.len, s.len - prefix.len);

                if (!bytes_has_prefix(s, prefix) || !is_id(rest))
                        continue;
                *ret_id = rest;
                *ret_runtime = id_prefixes[i].runtime;
                return true;
        }
        return false;
}

/* A bare id tells its runtime by what stands above it. */
static const char *runtime_above(struct bytes above)
{
        static const struct {
                const char *word;
                const char *runtime;
        } words[] = {{"docker", "docker"},  {"libpod_parent", "podman"}, {"kubepods", "containerd"},
                     {"kubepods.slice", "containerd"}, {"k8s.io", "containerd"}, {"moby", "docker"}};
        struct bytes part;

        while (procfs_take_field(&above, '/', &part))
                for (size_t i = 0; i < ARRAY_LEN(words); i++)
                        if (bytes_eq(part, bytes_str(words[i].word)))
                                return words[i].runtime;
        return "unknown";
}

/* The outermost id in one cgroup path. */
static bool path_id(struct bytes path, struct procfs_cgroup *ret)
{
        struct bytes left = path, part;

        while (procfs_take_field(&left, '/', &part)) {
                struct procfs_cgroup cg = {.path = path};

                if (!component_id(part, &cg.id, &cg.runtime))
                        continue;
                if (!cg.runtime)
                        cg.runtime = runtime_above(bytes_of(path.p, (size_t)(part.p - path.p)));
                *ret = cg;
                return true;
        }
        return false;
}

/* Lower is looked at first: hierarchies that a runtime always uses, before those that may be left out. */
static unsigned controller_rank(struct bytes number, struct bytes controllers)
{
        struct bytes one;

        if (bytes_eq(controllers, BYTES_LIT("name=systemd")))
                return 0;
        if (controllers.len == 0)
                return bytes_eq(number, BYTES_LIT("0")) ? 3 : 4;
        while (procfs_take_field(&controllers, ',', &one)) {
                if (bytes_eq(one, BYTES_LIT("pids")))
                        return 1;
                if (bytes_eq(one, BYTES_LIT("memory")))
                        return 2;
        }
        return 4;
}

int procfs_parse_cgroup(struct bytes text, struct procfs_cgroup *ret)
{
        struct bytes line, number, controllers;
        unsigned best = 5;

        while (procfs_take_field(&text, '\n', &line)) {
                struct procfs_cgroup cg;
                unsigned rank;

                if (!procfs_take_field(&line, ':', &number))
                        continue;
                /* "0::/path": an empty field before the second colon */
                if (line.len == 0 || !procfs_take_field(&line, ':', &controllers))
                        continue;
                rank = controller_rank(number, controllers);
                if (rank >= best || !path_id(line, &cg))
                        continue;
                *ret = cg;
                best = rank;
        }
        return best < 5 ? 0 : -ENOENT;
}

uint32_t procfs_parse_root_id(struct bytes text)
{
        uint32_t root = 0;
        struct bytes line;

        while (procfs_take_field(&text, '\n', &line)) {
                uint64_t n[2];
                unsigned i = 0;

                for (; i < 2; i++) {
                        while (line.len && line.p[0] == ' ') {
                                line.p++;
                                line.len--;
                        }
                        if (!procfs_take_number(&line, &n[i]))
                                break;
                }
                if (i == 2 && n[0] == 0 && n[1] <= UINT32_MAX)
                        root = (uint32_t)n[1];
        }
        return root;
}

uint32_t procfs_parse_mnt_id(struct bytes text)
{
        struct bytes line;
        uint64_t v;

        while (procfs_take_field(&text, '\n', &line)) {
                if (!bytes_has_prefix(line, BYTES_LIT("mnt_id:\t")))
                        continue;
                line.p += strlen("mnt_id:\t");
                line.len -= (uint32_t)strlen("mnt_id:\t");
                return procfs_take_number(&line, &v) && v <= UINT32_MAX ? (uint32_t)v : 0;
        }
        return 0;
}
