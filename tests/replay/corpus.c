/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: reading the archive, learning each kind once, judging a case from a snapshot of that. Must not: know what is
 * right (golden.c, bench_calibration.c). All errors end the program, with words.
 */
#include "tests/replay/corpus.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/record.h"

#define CASES_MAX 1000u
#define KINDS_MAX 16u
#define TAR_BLOCK 512u
#define ARCHIVE_MAX (512u * 1024 * 1024)
#define CONFIG_MAX (64u * 1024)
#define FOUND_MAX 256u /* findings of one case, or of one learning */

struct found {
        uint64_t id;
        uint32_t confidence;
        unsigned kinds;
};

struct founds {
        struct found of[FOUND_MAX];
        size_t n;
};

struct kind {
        char name[32];
        struct buf archive;  /* the tar, whole */
        struct buf learned;  /* a recording: a snapshot and nothing else; empty: not learned yet */
        struct founds known; /* findings that the learning left */
};

struct corpus {
        char folder[4096];
        struct corpus_case cases[CASES_MAX];
        size_t ncases;
        struct kind kinds[KINDS_MAX];
        size_t nkinds;
        struct cfg cfg;
};

static void TM_PRINTF(1, 2) die(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        fputs("corpus: ", stderr);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

static void must(int r, const char *what)
{
        if (r < 0)
                die("%s: %s", what, err_str(r));
}

const char *corpus_label_name(enum label l)
{
        static const char *const names[LABEL__MAX] = {"benign", "malicious", "drift"};

        return names[l];
}

const char *corpus_kinds_text(unsigned kinds, char *dst)
{
        size_t n = 0;

        dst[0] = '\0';
        for (unsigned d = 0; d < DIM__MAX; d++)
                if (kinds & (1u << d))
                        n += (size_t)snprintf(dst + n, 64 - n, "%s%s", n ? "+" : "", dimension_name(d));
        return n ? dst : "-";
}

/* ---- the table ---- */

/* One field of a line, up to a tab; what is too long is a mistake of the table. */
static char *take_field(char **at, char *dst, size_t max, const char *line)
{
        char *field = strsep(at, "\t\n");

        if (!field || strlen(field) >= max)
                die("cases.tsv: a field is missing or too long: %s", line);
        return strcpy(dst, field);
}

static void take_line(struct corpus *c, char *line)
{
        struct corpus_case *k = &c->cases[c->ncases++];
        char half[4], label[32], *at = line;
        int l = 0;

        if (c->ncases == CASES_MAX)
                die("cases.tsv: more than %u cases", CASES_MAX);
        take_field(&at, k->id, sizeof(k->id), line);
        k->half = take_field(&at, half, sizeof(half), line)[0];
        take_field(&at, label, sizeof(label), line);
        take_field(&at, k->expected, sizeof(k->expected), line);
        take_field(&at, k->words, sizeof(k->words), line);
        while (l < LABEL__MAX && strcmp(label, corpus_label_name((enum label)l)) != 0)
                l++;
        if (l == LABEL__MAX || !strchr(k->id, '/'))
                die("cases.tsv: %s: neither malicious, benign nor drift, or no KIND/ID", k->id);
        k->label = (enum label)l;
}

static void read_table(struct corpus *c)
{
        char path[4200], line[1024];
        FILE *f;

        snprintf(path, sizeof(path), "%s/cases.tsv", c->folder);
        f = fopen(path, "re");
        if (!f)
                die("%s: cannot be read", path);
        while (fgets(line, sizeof(line), f))
                if (line[0] != '#' && line[0] != '\n')
                        take_line(c, line);
        fclose(f);
}

/* ---- the archives ---- */

static void read_archive(struct corpus *c, struct kind *k)
{
        char command[4400];
        size_t n;
        FILE *f;

        snprintf(command, sizeof(command), "zstd -q -d -c --long=27 '%s/%s.tar.zst'", c->folder, k->name);
        f = popen(command, "re");
        if (!f)
                die("zstd cannot be run");
        buf_init(&k->archive, ARCHIVE_MAX);
        do {
                static char part[1 << 16];

                n = fread(part, 1, sizeof(part), f);
                buf_put(&k->archive, part, n);
        } while (n > 0);
        if (pclose(f) != 0 || k->archive.err)
                die("%s.tar.zst cannot be unpacked", k->name);
}

static struct kind *kind_of(struct corpus *c, const char *id)
{
        size_t len = (size_t)(strchr(id, '/') - id);
        struct kind *k;

        for (size_t i = 0; i < c->nkinds; i++)
                if (strlen(c->kinds[i].name) == len && memcmp(c->kinds[i].name, id, len) == 0)
                        return &c->kinds[i];
        if (c->nkinds == KINDS_MAX || len >= sizeof(k->name))
                die("%s: too many kinds, or too long a name", id);
        k = &c->kinds[c->nkinds++];
        memcpy(k->name, id, len);
        buf_init(&k->learned, ARCHIVE_MAX);
        read_archive(c, k);
        return k;
}

/* ustar: a block with the name and, at 124, the size in octal; then the content, in whole blocks. */
static struct bytes member(const struct kind *k, const char *name)
{
        size_t at = 0;

        while (at + TAR_BLOCK <= k->archive.len && k->archive.p[at]) {
                const char *head = (const char *)k->archive.p + at;
                size_t size = strtoul(head + 124, NULL, 8);

                at += TAR_BLOCK;
                if (at + size > k->archive.len)
                        break;
                if (strncmp(head, name, 100) == 0)
                        return bytes_of(k->archive.p + at, size);
                at += (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        }
        die("%s.tar.zst holds no %s", k->name, name);
        return bytes_of(NULL, 0);
}

/* Something to be read from its beginning, as recordings are. */
static int as_file(struct bytes content)
{
        FILE *f = tmpfile();
        int fd = f ? dup(fileno(f)) : -1;

        if (fd < 0 || (content.len && fwrite(content.p, 1, content.len, f) != content.len) || fclose(f) != 0 ||
            lseek(fd, 0, SEEK_SET) < 0)
                die("a temporary file cannot be written");
        return fd;
}

/* ---- judging ---- */

struct player {
        struct corpus *c;
        struct founds seen;
};

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        struct player *p = arg;

        (void)text; /* the recorder's own: the corpus has one for all */
        *jp = p->c->cfg.judge;
        *fp = p->c->cfg.fuse;
        return 0;
}

static struct found *find(struct founds *fs, uint64_t id)
{
        for (size_t i = 0; i < fs->n; i++)
                if (fs->of[i].id == id)
                        return &fs->of[i];
        return NULL;
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        struct player *p = arg;
        struct found *x = find(&p->seen, f->id);

        (void)opened;
        if (!x && p->seen.n == FOUND_MAX)
                die("more findings than are counted");
        if (!x)
                x = &p->seen.of[p->seen.n++];
        *x = (struct found){.id = f->id, .confidence = f->confidence};
        for (uint32_t s = 0; s < f->nsignals; s++)
                x->kinds |= 1u << f->signals[s].kind;
}

static struct pipeline *replay(struct bytes recording, struct player *p)
{
        static const struct pipeline_ops ops = {.finding = on_finding};
        _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
        struct pipeline_replay info = {0};
        struct pipeline *pipeline = NULL;
        int fd = as_file(recording), r;

        must(record_reader_new(fd, &reader), "a recording");
        r = pipeline_replay(reader, make_params, &ops, p, &info, &pipeline);
        if (r < 0)
                die("at byte %llu: %s", (unsigned long long)info.offset, info.why);
        close(fd);
        return pipeline;
}

/* What is in the file now. */
static void take_file(int fd, struct buf *out)
{
        static char part[1 << 16];
        ssize_t n;

        if (lseek(fd, 0, SEEK_SET) < 0)
                die("lseek");
        while ((n = read(fd, part, sizeof(part))) > 0)
                buf_put(out, part, (size_t)n);
        if (n < 0 || out->err)
                die("a temporary file cannot be read");
}

static void learn(struct corpus *c, struct kind *k)
{
        struct player p = {.c = c};
        struct pipeline *pipeline = replay(member(k, "learn.tide"), &p);
        int fd = as_file(bytes_of(NULL, 0)), again = dup(fd);
        struct record_writer *w;

        must(record_writer_new(fd, &w), "a snapshot");
        must(pipeline_record(pipeline, RECORDER_FILE, w, BYTES_LIT(""), 0), "a snapshot");
        must(record_writer_close(w), "a snapshot");
        take_file(again, &k->learned);
        close(again);
        k->known = p.seen;
        pipeline_free(pipeline);
}

static void copy_events(struct bytes recording, bool snapshot, struct record_writer *w)
{
        _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
        int fd = as_file(recording), r;
        struct tide_event ev;

        must(record_reader_new(fd, &reader), "a recording");
        while ((r = record_next(reader, &ev)) > 0)
                if (ev.kind != TIDE_END && (snapshot || ev.kind != TIDE_SNAPSHOT))
                        must(record_write(w, &ev), "a recording");
        must(r, "a recording");
        close(fd);
}

/* The recording of a case: what was learned, and then what happened. */
static void compose(struct corpus *c, size_t i, struct buf *out)
{
        struct kind *k = kind_of(c, c->cases[i].id);
        int fd = as_file(bytes_of(NULL, 0)), again = dup(fd);
        struct record_writer *w;
        char name[100];

        if (k->learned.len == 0)
                learn(c, k);
        snprintf(name, sizeof(name), "%s.tide", strchr(c->cases[i].id, '/') + 1);
        must(record_writer_new(fd, &w), "a recording");
        copy_events(buf_bytes(&k->learned), true, w);
        copy_events(member(k, name), false, w);
        must(record_writer_close(w), "a recording");
        take_file(again, out);
        close(again);
}

static int put_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        buf_put_u32(arg, what);
        buf_put_bytes(arg, key);
        buf_put_bytes(arg, blob);
        return ((struct buf *)arg)->err;
}

void corpus_judge(struct corpus *c, size_t i, struct corpus_result *ret)
{
        struct player p = {.c = c};
        struct pipeline *pipeline;
        struct buf recording;

        memset(ret, 0, sizeof(*ret));
        buf_init(&recording, ARCHIVE_MAX);
        buf_init(&ret->memory, ARCHIVE_MAX);
        compose(c, i, &recording);
        pipeline = replay(buf_bytes(&recording), &p);
        must(judge_each(pipeline_judge(pipeline), put_piece, &ret->memory), "its memory");
        for (size_t s = 0; s < p.seen.n; s++) {
                const struct found *x = &p.seen.of[s], *before = find(&kind_of(c, c->cases[i].id)->known, x->id);
                bool shown = x->confidence >= c->cfg.judge.show;

                if (before && x->confidence <= before->confidence)
                        continue; /* it lay in the queue already */
                ret->confidence = x->confidence > ret->confidence ? x->confidence : ret->confidence;
                ret->shown += shown;
                ret->below += !shown;
                ret->kinds |= shown ? x->kinds : 0;
        }
        pipeline_free(pipeline);
        buf_release(&recording);
}

void corpus_result_release(struct corpus_result *r)
{
        buf_release(&r->memory);
}

void corpus_save(struct corpus *c, size_t i, int fd)
{
        struct buf recording;

        buf_init(&recording, ARCHIVE_MAX);
        compose(c, i, &recording);
        for (size_t at = 0; at < recording.len;) {
                ssize_t n = write(fd, recording.p + at, recording.len - at);

                if (n <= 0)
                        die("it cannot be written");
                at += (size_t)n;
        }
        buf_release(&recording);
}

/* ---- all ---- */

bool corpus_configure(struct corpus *c, const char *text)
{
        static char file[CONFIG_MAX];
        const char *const texts[] = {file, text};
        struct cfg_mistakes ms = {0};
        char path[4200];
        size_t n;
        FILE *f;
        int r = 0;

        snprintf(path, sizeof(path), "%s/cases.conf", c->folder);
        f = fopen(path, "re");
        n = f ? fread(file, 1, sizeof(file) - 1, f) : 0;
        if (!f || n == 0)
                die("%s: cannot be read", path);
        fclose(f);
        file[n] = '\0';
        cfg_default(&c->cfg);
        for (size_t i = 0; i < 2 && r == 0; i++)
                if (texts[i] && texts[i][0])
                        r = cfg_load_text(bytes_str(texts[i]), i ? "the text given" : "cases.conf", &c->cfg, &ms);
        cfg_mistakes_print(&ms, stderr);
        cfg_mistakes_release(&ms);
        snprintf(c->cfg.judge.host, sizeof(c->cfg.judge.host), "host");
        for (size_t i = 0; i < c->nkinds; i++)
                buf_reset(&c->kinds[i].learned);
        return r == 0;
}

struct corpus *corpus_open(const char *folder)
{
        struct corpus *c = calloc(1, sizeof(*c));

        if (!c)
                die("out of memory");
        snprintf(c->folder, sizeof(c->folder), "%s", folder);
        read_table(c);
        if (!corpus_configure(c, NULL))
                die("cases.conf is wrong");
        return c;
}

struct corpus *corpus_free(struct corpus *c)
{
        for (size_t i = 0; c && i < c->nkinds; i++) {
                buf_release(&c->kinds[i].archive);
                buf_release(&c->kinds[i].learned);
        }
        free(c);
        return NULL;
}

size_t corpus_count(const struct corpus *c)
{
        return c->ncases;
}

const struct corpus_case *corpus_case(const struct corpus *c, size_t i)
{
        return &c->cases[i];
}

const struct cfg *corpus_config(const struct corpus *c)
{
        return &c->cfg;
}
