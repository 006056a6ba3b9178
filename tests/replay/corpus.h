/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corpus - the labelled recordings of tests/replay/data, and what the judge says of each.
 *
 *     cases.tsv      a line a case: KIND/ID, half (A or B), label, expected signals, words; '#' begins a comment
 *     cases.conf     the configuration by which all are judged (learning in minutes of the events' time)
 *     KIND.tar.zst   learn.tide: how the kind's workload was learned; ID.tide: the case, in fresh containers of it
 *
 * A case is judged by a pipeline that begins with a snapshot of what was learned, as a recording does.
 */
#ifndef TIDEMARK_TESTS_CORPUS_H
#define TIDEMARK_TESTS_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/buf.h"
#include "tidemark/config.h"

enum label { LABEL_BENIGN, LABEL_MALICIOUS, LABEL_DRIFT, LABEL__MAX };
const char *corpus_label_name(enum label l);

struct corpus_case {
        char id[64]; /* KIND/ID */
        char half;
        enum label label;
        char expected[64], words[200];
};

/* What the findings are that a case opened, or made surer; what lay in the queue already is not its doing. */
struct corpus_result {
        uint32_t confidence;   /* of the surest; 0: there is none */
        unsigned shown, below; /* items at queue.show and above it, and the others */
        unsigned kinds;        /* set of 1 << enum dimension, of those that are shown */
        struct buf memory;     /* all pieces of the judge at the end; released by corpus_result_release */
};
void corpus_result_release(struct corpus_result *r);

struct corpus;
/* folder: tests/replay/data. Prints what is wrong and ends the program: it is for tests and benches alone. */
struct corpus *corpus_open(const char *folder);
struct corpus *corpus_free(struct corpus *c);
size_t corpus_count(const struct corpus *c);
const struct corpus_case *corpus_case(const struct corpus *c, size_t i);
/* The configuration; text is read over it ("scoring: { new_program = -2; };"). False, and printed, if it is wrong. */
bool corpus_configure(struct corpus *c, const char *text);
const struct cfg *corpus_config(const struct corpus *c);
/* Judge one case. By the first one of its kind after corpus_configure the kind is learned. */
void corpus_judge(struct corpus *c, size_t i, struct corpus_result *ret);
/* The whole recording of a case, with what was learned before it, for `tidemark replay`. */
void corpus_save(struct corpus *c, size_t i, int fd);
/* "file+network", in the order of enum dimension; "-" for none. dst has room for 64. */
const char *corpus_kinds_text(unsigned kinds, char *dst);

#endif
