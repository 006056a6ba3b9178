/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_calibration [FOLDER [A|B [CONFIGURATION]]] - is the judge's confidence what it says? Every case of the corpus
 * (tests/replay/data) is judged; half A is what the shipped bits were chosen by, half B what they are measured by. A
 * configuration is read over the shipped one: "scoring: { new_program = -2.0; };", to try bits out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/replay/corpus.h"

#define BINS 10
#define PAGE_TARGET 0.70
#define SHOW_TARGET 0.02
#define BRIER_TARGET 0.05

struct half {
        unsigned n[LABEL__MAX], paged[LABEL__MAX], shown[LABEL__MAX];
        unsigned bin[BINS], bin_malicious[BINS];
        double bin_sum[BINS], brier;
};

static void count(struct half *h, const struct corpus *c, size_t i, uint32_t confidence)
{
        const struct judge_params *p = &corpus_config(c)->judge;
        enum label l = corpus_case(c, i)->label;
        double said = confidence / 100.0, true_is = l == LABEL_MALICIOUS;
        int bin = (int)(said * BINS);

        h->n[l]++;
        h->paged[l] += confidence >= p->page;
        h->shown[l] += confidence >= p->show;
        if (l == LABEL_DRIFT) /* neither: it is to be seen, and no attack */
                return;
        bin = bin >= BINS ? BINS - 1 : bin;
        h->bin[bin]++;
        h->bin_malicious[bin] += l == LABEL_MALICIOUS;
        h->bin_sum[bin] += said;
        h->brier += (said - true_is) * (said - true_is);
}

static bool is_wrong(const struct corpus *c, enum label l, uint32_t confidence)
{
        const struct judge_params *p = &corpus_config(c)->judge;

        return l == LABEL_MALICIOUS ? confidence < p->page
               : l == LABEL_BENIGN  ? confidence >= p->show
                                    : confidence < p->show;
}

static void print_case(const struct corpus *c, size_t i, const struct corpus_result *r)
{
        const struct corpus_case *k = corpus_case(c, i);
        char kinds[64];

        printf("  %-27s %-9s %3u %%  %u shown, %u below  %-24s %s\n", k->id, corpus_label_name(k->label), r->confidence,
               r->shown, r->below, corpus_kinds_text(r->kinds, kinds), k->words);
}

static double share(unsigned n, unsigned of)
{
        return of ? (double)n / of : 0.0;
}

static const char *met(bool good)
{
        return good ? "" : "  MISSED";
}

static void print_half(char name, const struct half *h)
{
        unsigned bad = h->n[LABEL_MALICIOUS], good = h->n[LABEL_BENIGN], all = bad + good;
        double page = share(h->paged[LABEL_MALICIOUS], bad), show = share(h->shown[LABEL_BENIGN], good),
               brier = all ? h->brier / all : 0.0;

        printf("\nhalf %c: %u malicious, %u benign, %u drift\n", name, bad, good, h->n[LABEL_DRIFT]);
        printf("  malicious at page   %5.1f %%  (at show %.1f %%; target >= %.0f %%)%s\n", 100 * page,
               100 * share(h->shown[LABEL_MALICIOUS], bad), 100 * PAGE_TARGET, met(page >= PAGE_TARGET));
        printf("  benign at show      %5.1f %%  (%u of %u, at page %u; target <= %.0f %%)%s\n", 100 * show,
               h->shown[LABEL_BENIGN], good, h->paged[LABEL_BENIGN], 100 * SHOW_TARGET, met(show <= SHOW_TARGET));
        printf("  drift at show       %u of %u\n", h->shown[LABEL_DRIFT], h->n[LABEL_DRIFT]);
        printf("  Brier score         %.4f   (target <= %.2f)%s\n", brier, BRIER_TARGET, met(brier <= BRIER_TARGET));
        printf("  said        cases  said on average  malicious\n");
        for (int b = 0; b < BINS; b++)
                if (h->bin[b])
                        printf("  %3d-%3d %%  %6u  %14.1f %%  %8.1f %%\n", b * 100 / BINS, (b + 1) * 100 / BINS,
                               h->bin[b], 100 * h->bin_sum[b] / h->bin[b], 100 * share(h->bin_malicious[b], h->bin[b]));
}

int main(int argc, char **argv)
{
        struct corpus *c = corpus_open(argc > 1 ? argv[1] : "tests/replay/data");
        const char *only = argc > 2 ? argv[2] : "AB";
        struct half halves[2];

        memset(halves, 0, sizeof(halves));
        if (argc > 3 && !corpus_configure(c, argv[3]))
                return EXIT_FAILURE;
        printf("wrong: malicious below page, benign at show, drift below show\n");
        for (size_t i = 0; i < corpus_count(c); i++) {
                const struct corpus_case *k = corpus_case(c, i);
                struct corpus_result r;

                if (!strchr(only, k->half))
                        continue;
                corpus_judge(c, i, &r);
                count(&halves[k->half == 'B'], c, i, r.confidence);
                if (is_wrong(c, k->label, r.confidence) || getenv("BENCH_ALL"))
                        print_case(c, i, &r);
                corpus_result_release(&r);
        }
        for (int h = 0; h < 2; h++)
                if (strchr(only, 'A' + h))
                        print_half((char)('A' + h), &halves[h]);
        corpus_free(c);
        return EXIT_SUCCESS;
}
