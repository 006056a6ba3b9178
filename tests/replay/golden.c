/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * golden [--write] [--save ID FILE] - every case of the corpus is judged, and its findings are those of
 * data/golden.tsv: band, number of items that are shown and of those below, kinds of signals. Judged once more, the
 * judge's memory is the same to the byte. --write makes golden.tsv anew; --save writes one case as a recording for
 * `tidemark replay`.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/replay/corpus.h"

#define LINE 256u

static const char *band(const struct corpus *c, uint32_t confidence)
{
        const struct judge_params *p = &corpus_config(c)->judge;

        return confidence >= p->page ? "page" : confidence >= p->show ? "show" : confidence ? "below" : "none";
}

static void describe(const struct corpus *c, size_t i, const struct corpus_result *r, char dst[LINE])
{
        char kinds[64];

        snprintf(dst, LINE, "%s\t%s\t%u\t%u\t%s\n", corpus_case(c, i)->id, band(c, r->confidence), r->shown, r->below,
                 corpus_kinds_text(r->kinds, kinds));
}

static void golden_path(const char *folder, char dst[4200])
{
        snprintf(dst, 4200, "%s/golden.tsv", folder);
}

/* The line of this case; "" if there is none. */
static void golden_line(const char *folder, const char *id, char dst[LINE])
{
        char path[4200];
        size_t len = strlen(id);
        FILE *f;

        golden_path(folder, path);
        f = fopen(path, "re");
        while (f && fgets(dst, LINE, f))
                if (strncmp(dst, id, len) == 0 && dst[len] == '\t') {
                        fclose(f);
                        return;
                }
        if (f)
                fclose(f);
        dst[0] = '\0';
}

static int write_all(struct corpus *c, const char *folder)
{
        char path[4200], line[LINE];
        FILE *f;

        golden_path(folder, path);
        f = fopen(path, "we");
        if (!f)
                return EXIT_FAILURE;
        fputs("# id\tband\tshown\tbelow\tkinds of signals shown\n", f);
        for (size_t i = 0; i < corpus_count(c); i++) {
                struct corpus_result r;

                corpus_judge(c, i, &r);
                describe(c, i, &r, line);
                fputs(line, f);
                corpus_result_release(&r);
        }
        return fclose(f) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static unsigned compare(struct corpus *c, const char *folder)
{
        char line[LINE], golden[LINE];
        unsigned bad = 0;

        for (size_t i = 0; i < corpus_count(c); i++) {
                struct corpus_result r, again;

                corpus_judge(c, i, &r);
                corpus_judge(c, i, &again);
                describe(c, i, &r, line);
                golden_line(folder, corpus_case(c, i)->id, golden);
                if (strcmp(line, golden) != 0) {
                        fprintf(stderr, "%s\n  is      %s  golden  %s\n", corpus_case(c, i)->words, line, golden);
                        bad++;
                }
                if (!bytes_eq(buf_bytes(&r.memory), buf_bytes(&again.memory))) {
                        fprintf(stderr, "%s: judged twice, its memory differs\n", corpus_case(c, i)->id);
                        bad++;
                }
                corpus_result_release(&r);
                corpus_result_release(&again);
        }
        return bad;
}

static int save(struct corpus *c, const char *id, const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        for (size_t i = 0; fd >= 0 && i < corpus_count(c); i++)
                if (strcmp(corpus_case(c, i)->id, id) == 0) {
                        corpus_save(c, i, fd);
                        return close(fd) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
                }
        fprintf(stderr, "golden: there is no case %s, or %s cannot be made\n", id, path);
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        const char *top = getenv("TOP_SRCDIR");
        struct corpus *c;
        char folder[4096];
        unsigned bad = 0;
        int r = EXIT_SUCCESS;

        snprintf(folder, sizeof(folder), "%s/tests/replay/data", top ? top : ".");
        c = corpus_open(folder);
        if (argc == 4 && strcmp(argv[1], "--save") == 0)
                r = save(c, argv[2], argv[3]);
        else if (argc == 2 && strcmp(argv[1], "--write") == 0)
                r = write_all(c, folder);
        else
                bad = compare(c, folder);
        if (bad)
                fprintf(stderr,
                        "%u of %zu cases differ. If the new answers are right: make golden, and say in the "
                        "commit why\n",
                        bad, corpus_count(c));
        corpus_free(c);
        return bad ? EXIT_FAILURE : r;
}
