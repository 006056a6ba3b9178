/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The malicious cases of the corpus as recordings that stand beside what their workload learned: what `tidemark tune`
 * tries rules on. KIND/learned.tide.gz: what is known before; KIND/ID.tide.gz: what happened. The same corpus gives the
 * same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/replay/corpus.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/record.h"

static void check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "attacks: %s: %s\n", what, err_str(r));
        exit(EXIT_FAILURE);
}

static int temporary(void)
{
        FILE *f = tmpfile();
        int fd = f ? dup(fileno(f)) : -1;

        check(fd < 0 || fclose(f) != 0 ? -errno : 0, "a temporary file");
        return fd;
}

/* As gzip -9 would: what is shipped is packed once and read often. */
static void pack(int fd, const char *path)
{
        static char part[1 << 16];
        gzFile out = gzopen(path, "wb9");
        ssize_t n;

        check(out ? 0 : -errno, path);
        check(lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0, path);
        while ((n = read(fd, part, sizeof(part))) > 0)
                check(gzwrite(out, part, (unsigned)n) == n ? 0 : -EIO, path);
        check(n < 0 || gzclose(out) != Z_OK ? -EIO : 0, path);
}

static bool is_of_path(uint8_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("/_.-", c);
}

/*
 * Where the laboratory's containers lay is nobody's matter, nor a part of any judgement: its directory
 * (tests/integration/lab.py) becomes one of the same length.
 */
static void scrub(uint8_t *p, size_t len)
{
        static const char mark[] = "/tidemark-it-", instead[] = "/var/lib/";
        uint8_t *at;

        while ((at = memmem(p, len, mark, sizeof(mark) - 1))) {
                uint8_t *from = at, *to = at + 1;

                while (from > p && from[-1] && is_of_path(from[-1]))
                        from--;
                while (to < p + len && *to && *to != '/' && is_of_path(*to))
                        to++;
                memset(from, '_', (size_t)(to - from));
                memcpy(from, instead, sizeof(instead) - 1); /* it is longer in any case: the mark alone is */
        }
}

static void write_scrubbed(struct record_writer *w, const struct tide_event *in, const char *path)
{
        _cleanup_buf_ struct buf b;
        struct tide_event ev;
        size_t used;

        buf_init(&b, TIDE_RECORD_MAX);
        check(tide_encode(in, &b), path);
        scrub(b.p, b.len);
        check(tide_decode(b.p, b.len, &ev, &used), path);
        check(record_write(w, &ev), path);
}

/* The recording's pieces, or its events; both behind the configuration by which the corpus is judged. */
static void write_part(int fd, struct bytes config, bool pieces, const char *path)
{
        _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
        struct record_writer *w = NULL;
        struct tide_event ev;
        int out = temporary(), again = dup(out), r;

        check(lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0, path);
        check(record_reader_new(fd, &reader), path);
        check(record_writer_new(out, &w), path);
        while ((r = record_next(reader, &ev)) == 1) {
                if (ev.kind == TIDE_SNAPSHOT)
                        ev.state.text = config;
                if (ev.kind == TIDE_SNAPSHOT || (ev.kind == TIDE_STATE) == pieces)
                        write_scrubbed(w, &ev, path);
        }
        check(r, path);
        check(record_writer_close(w), path);
        pack(again, path);
        close(again);
}

static void write_case(struct corpus *c, size_t i, const char *folder, struct bytes config)
{
        const char *id = corpus_case(c, i)->id, *slash = strchr(id, '/');
        char path[1024];
        int fd = temporary();

        corpus_save(c, i, fd);
        snprintf(path, sizeof(path), "%s/%.*s", folder, (int)(slash - id), id);
        check(mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0, path);
        snprintf(path, sizeof(path), "%s/%.*s/learned.tide.gz", folder, (int)(slash - id), id);
        if (access(path, F_OK) < 0)
                write_part(fd, config, true, path);
        snprintf(path, sizeof(path), "%s/%s.tide.gz", folder, id);
        write_part(fd, config, false, path);
        close(fd);
}

/* By which all cases are judged; everything else is as it is shipped, whenever they are played. */
static void read_config(const char *folder, struct buf *out)
{
        char path[1024], part[4096];
        size_t n;
        FILE *f;

        snprintf(path, sizeof(path), "%s/cases.conf", folder);
        f = fopen(path, "re");
        check(f ? 0 : -errno, path);
        while ((n = fread(part, 1, sizeof(part), f)) > 0)
                buf_put(out, part, n);
        check(ferror(f) || fclose(f) != 0 ? -EIO : out->err, path);
}

int main(int argc, char **argv)
{
        _cleanup_buf_ struct buf config;
        struct corpus *c;
        size_t n = 0;

        buf_init(&config, TIDE_RECORD_MAX);
        if (argc != 3) {
                fputs("usage: attacks CORPUS FOLDER: FOLDER is there, and holds none of an earlier corpus\n", stderr);
                return EXIT_FAILURE;
        }
        c = corpus_open(argv[1]);
        if (!corpus_configure(c, ""))
                return EXIT_FAILURE;
        read_config(argv[1], &config);
        for (size_t i = 0; i < corpus_count(c); i++)
                if (corpus_case(c, i)->label == LABEL_MALICIOUS) {
                        write_case(c, i, argv[2], buf_bytes(&config));
                        n++;
                }
        printf("%zu attacks\n", n);
        corpus_free(c);
        return EXIT_SUCCESS;
}
