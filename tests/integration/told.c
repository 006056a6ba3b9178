/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * told RECORDING CONTAINER DIR: what a recording tells of one run of the load program storm.c in that container: each
 * execution and each distinct name counts once, whoever told of it and however often. One line of JSON.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/record.h"

#define WORKERS 64u
#define NUMBERS 1000000u

struct told {
        uint64_t execs, with_program, with_args, losses, lost, lost_unknown, walks;
        uint64_t names[4], by_walk[4];
        uint8_t *seen[4];
        struct bytes container, dir;
};

static const char kinds[] = "ktdf"; /* f: the file inside of a directory d */

/* "k-3-17" or "d-3-17/f" below the directory. */
static void on_name(struct told *t, struct bytes path, unsigned sources)
{
        char text[64], kind, end;
        unsigned w, i;
        size_t at;
        int n, of;

        if (!bytes_has_prefix(path, t->dir) || path.len <= t->dir.len + 1 || path.len - t->dir.len >= sizeof(text))
                return;
        memcpy(text, path.p + t->dir.len + 1, path.len - t->dir.len - 1);
        text[path.len - t->dir.len - 1] = '\0';
        n = sscanf(text, "%c-%u-%u%c", &kind, &w, &i, &end);
        if (n < 3 || w >= WORKERS || i >= NUMBERS || kind == 0 || !strchr("ktd", kind))
                return;
        if (n == 4 && (kind != 'd' || strcmp(strchr(text, '/') ? strchr(text, '/') : "", "/f") != 0))
                return;
        of = n == 4 ? 3 : (int)(strchr(kinds, kind) - kinds);
        at = (size_t)w * NUMBERS + i;
        if (t->seen[of][at / 8] & 1u << at % 8)
                return;
        t->seen[of][at / 8] |= (uint8_t)(1u << at % 8);
        t->names[of]++;
        t->by_walk[of] += sources == SRC_WALK;
}

static void on_event(struct told *t, const struct tide_event *ev)
{
        if (ev->kind == TIDE_LOSS) {
                t->losses++;
                t->lost += ev->loss.count;
                t->lost_unknown += ev->loss.count == 0;
        }
        if (!bytes_eq(ev->container, t->container))
                return;
        if (ev->kind == TIDE_FILE) {
                on_name(t, ev->file.path, ev->sources);
                if (ev->file.old_path.len)
                        on_name(t, ev->file.old_path, ev->sources);
        }
        t->walks += ev->kind == TIDE_WALK && ev->walk.ended;
        if (ev->kind != TIDE_EXEC || !bytes_eq(ev->exec.caller, BYTES_LIT("/bin/storm")))
                return;
        t->execs++;
        t->with_program += ev->exec.program.len > 0;
        t->with_args += ev->exec.args.len > 0;
}

int main(int argc, char **argv)
{
        _cleanup_(record_reader_freep) struct record_reader *r = NULL;
        _cleanup_close_ int fd = argc == 4 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
        struct told t = {.names = {0}};
        struct tide_event ev;
        int err;

        if (fd < 0) {
                fprintf(stderr, "usage: told RECORDING CONTAINER DIR\n");
                return 2;
        }
        t.container = bytes_str(argv[2]);
        t.dir = bytes_str(argv[3]);
        for (int i = 0; i < 4; i++)
                if (!(t.seen[i] = calloc(1, WORKERS * NUMBERS / 8)))
                        return 1;
        err = record_reader_new(fd, &r);
        if (err == 0)
                while ((err = record_next(r, &ev)) == 1)
                        on_event(&t, &ev);
        if (err < 0) {
                fprintf(stderr, "told: %s: %s\n", argv[1], err_str(err));
                return 1;
        }
        printf("{\"execs\": %llu, \"with_program\": %llu, \"with_args\": %llu, \"losses\": %llu, \"lost\": %llu, "
               "\"lost_unknown\": %llu, \"walks\": %llu",
               (unsigned long long)t.execs, (unsigned long long)t.with_program, (unsigned long long)t.with_args,
               (unsigned long long)t.losses, (unsigned long long)t.lost, (unsigned long long)t.lost_unknown,
               (unsigned long long)t.walks);
        for (int i = 0; i < 4; i++) {
                static const char *const words[4] = {"keep", "pass", "dirs", "dir_files"};

                printf(", \"%s\": %llu, \"%s_by_walk\": %llu", words[i], (unsigned long long)t.names[i], words[i],
                       (unsigned long long)t.by_walk[i]);
                free(t.seen[i]);
        }
        puts("}");
        return 0;
}
