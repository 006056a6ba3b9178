/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takes: a capture by itself, without a daemon, and what it says as one JSON object.
 *
 *   takes take NAME=VALUE…    id, pid, dir, file (needed); upper, bundle, runtime, flags (letters m l w f h: metadata,
 *                             logs, write layer, freeze, hold), volatile_ms, total_ms, bytes, file_bytes, log_bytes,
 *                             entries, rate, pattern (any number), text=NAME:TEXT, caller; say=1: "volatile" is printed
 *                             when that part is had, and with h a line of input is waited for (a word there: isolated)
 *   takes verify FILE         problems, a line each, then the verdict
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

#include "tidemark/capture.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"

#define PATTERNS 16u

struct takes {
        struct loop *loop;
        struct capture *c;
        struct capture_spec spec;
        struct helper_stuck stuck;
        const char *patterns[PATTERNS];
        struct capture_text texts[4];
        bool say;
        int rc;
};

static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_capturer(&n);

        return caps_reduce(needs, n);
}

static int confine_net(void)
{
        size_t n;
        const struct caps_need *needs = caps_enterer(&n);

        return caps_reduce(needs, n);
}

static void on_volatile(struct capture *c, const struct capture_volatile *v, void *arg)
{
        struct takes *t = arg;
        char line[64];

        if (t->say)
                printf("volatile %" PRIu64 " %u %u\n", v->ns, v->processes, v->missed);
        fflush(stdout);
        if (!(t->spec.flags & CAPTURE_HOLD))
                return;
        if (!fgets(line, sizeof(line), stdin))
                line[0] = '\0';
        capture_go_on(c, line[0] && line[0] != '\n' ? clock_boot_ns() : 0);
}

static void on_done(struct capture *c, int error, const struct capture_summary *s, void *arg)
{
        struct takes *t = arg;
        json_t *o = json_pack(
                "{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:i, s:i, s:s}",
                "error", error, "words", s->words, "file", s->file, "sha256", s->sha256, "manifest", s->manifest,
                "size", (json_int_t)s->size, "content", (json_int_t)s->content, "members", (json_int_t)s->members,
                "masked", (json_int_t)s->masked, "cut", (json_int_t)s->cut, "vanished", (json_int_t)s->vanished,
                "missed", (json_int_t)s->missed, "changed", (json_int_t)s->changed, "refused", (json_int_t)s->refused,
                "died", s->died, "volatile_ns", (json_int_t)s->vol.ns, "processes", (int)s->vol.processes,
                "volatile_missed", (int)s->vol.missed, "first", s->vol.first);

        json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(o);
        t->c = capture_free(c);
        t->rc = error ? 4 : 0;
        loop_stop(t->loop, 0);
}

static uint64_t inode(uint32_t pid, const char *name)
{
        struct stat st;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, name);
        return stat(path, &st) == 0 ? st.st_ino : 0;
}

static uint64_t start_of(uint32_t pid)
{
        char path[64], text[4096], *at;
        FILE *f;
        size_t n;

        snprintf(path, sizeof(path), "/proc/%u/stat", pid);
        f = fopen(path, "r");
        n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
        if (f)
                fclose(f);
        text[n] = '\0';
        at = strrchr(text, ')');
        for (int i = 2; at && i < 22; i++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at + 1, NULL, 10) : 0;
}

static uint32_t flags_of(const char *letters)
{
        uint32_t flags = 0;

        for (; *letters; letters++)
                flags |= *letters == 'm'   ? CAPTURE_META
                         : *letters == 'l' ? CAPTURE_LOGS
                         : *letters == 'w' ? CAPTURE_LAYER
                         : *letters == 'f' ? CAPTURE_FREEZE
                         : *letters == 'h' ? CAPTURE_HOLD
                                           : 0;
        return flags;
}

static bool set_text(struct takes *t, const char *name, const char *value)
{
        struct capture_spec *s = &t->spec;
        const struct {
                const char *name;
                const char **at;
        } texts[] = {{"id", &s->id},         {"dir", &s->dir},         {"file", &s->file},    {"upper", &s->upper},
                     {"bundle", &s->bundle}, {"runtime", &s->runtime}, {"caller", &s->caller}};
        const struct {
                const char *name;
                uint64_t *at, unit;
        } numbers[] = {{"volatile_ms", &s->limits.volatile_ns, NSEC_PER_MSEC},
                       {"total_ms", &s->limits.total_ns, NSEC_PER_MSEC},
                       {"bytes", &s->limits.bytes, 1},
                       {"file_bytes", &s->limits.file_bytes, 1},
                       {"log_bytes", &s->limits.log_bytes, 1},
                       {"entries", &s->limits.entries, 1},
                       {"rate", &s->limits.rate, 1}};

        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (strcmp(name, texts[i].name) == 0) {
                        *texts[i].at = value;
                        return true;
                }
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                if (strcmp(name, numbers[i].name) == 0) {
                        *numbers[i].at = strtoull(value, NULL, 10) * numbers[i].unit;
                        return true;
                }
        return false;
}

static bool set(struct takes *t, char *arg)
{
        char *value = strchr(arg, '='), *colon;

        if (!value)
                return false;
        *value++ = '\0';
        if (strcmp(arg, "pid") == 0)
                t->spec.init_pid = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(arg, "flags") == 0)
                t->spec.flags = flags_of(value);
        else if (strcmp(arg, "say") == 0)
                t->say = true;
        else if (strcmp(arg, "pattern") == 0 && t->spec.npatterns < PATTERNS)
                t->patterns[t->spec.npatterns++] = value;
        else if (strcmp(arg, "text") == 0 && (colon = strchr(value, ':')) && t->spec.ntexts < ARRAY_LEN(t->texts)) {
                *colon = '\0';
                t->texts[t->spec.ntexts++] = (struct capture_text){value, bytes_str(colon + 1)};
        } else
                return set_text(t, arg, value);
        return true;
}

static int take(int argc, char **argv)
{
        static const struct capture_ops ops = {.volatile_done = on_volatile, .done = on_done};
        struct takes t = {.rc = 4};
        int r;

        capture_limits_default(&t.spec.limits);
        for (int i = 0; i < argc; i++)
                if (!set(&t, argv[i])) {
                        fprintf(stderr, "takes: %s is nothing that it knows\n", argv[i]);
                        return 2;
                }
        t.spec.init_start = start_of(t.spec.init_pid);
        t.spec.pidns = inode(t.spec.init_pid, "pid");
        t.spec.mntns = inode(t.spec.init_pid, "mnt");
        t.spec.patterns = t.patterns;
        t.spec.texts = t.texts;
        t.spec.agent = PACKAGE_VERSION;
        t.spec.confine = confine;
        t.spec.confine_net = confine_net;
        t.spec.stuck = &t.stuck;
        r = loop_new(&t.loop);
        if (r == 0)
                r = capture_start(t.loop, &t.spec, &ops, &t, &t.c);
        if (r == 0)
                r = loop_run(t.loop);
        if (r < 0)
                fprintf(stderr, "takes: %s\n", err_str(r));
        capture_free(t.c);
        loop_free(t.loop);
        return r < 0 ? 4 : t.rc;
}

static void on_problem(const struct capture_problem *p, void *arg)
{
        (void)arg;
        printf("problem %s: %s\n", p->member, p->words);
}

static int verify(const char *path)
{
        static const struct capture_verify_ops ops = {.problem = on_problem};
        struct capture_verdict v;
        int fd = open(path, O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : capture_verify(fd, &ops, NULL, &v);

        if (r < 0) {
                fprintf(stderr, "takes: %s\n", err_str(r));
                return 4;
        }
        close(fd);
        printf("{\"members\":%" PRIu64 ",\"problems\":%" PRIu64
               ",\"sha256\":\"%s\",\"manifest\":\"%s\",\"size\":%" PRIu64 "}\n",
               v.members, v.problems, v.sha256, v.manifest, v.size);
        return v.problems ? 1 : 0;
}

int main(int argc, char **argv)
{
        if (argc > 2 && strcmp(argv[1], "take") == 0)
                return take(argc - 2, argv + 2);
        if (argc == 3 && strcmp(argv[1], "verify") == 0)
                return verify(argv[2]);
        fprintf(stderr, "usage: takes take NAME=VALUE... | takes verify FILE\n");
        return 2;
}
