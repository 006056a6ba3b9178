/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz - the main() of a fuzz harness. How to write, run and extend one: README.md beside this file.
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { …; return 0; }
 *     FUZZ_MAIN("name", "tests/fuzz/corpus/name", "tests/fixtures/more")
 *
 * Built with --enable-fuzzer libFuzzer has its own main and this one is left out.
 */
#ifndef TIDEMARK_TESTS_FUZZ_H
#define TIDEMARK_TESTS_FUZZ_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/attr.h"

#define FUZZ_SEEDS 256
#define FUZZ_INPUT_MAX (1u << 20)
#define FUZZ_SECONDS 20 /* one input that takes longer hangs */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_seed {
        uint8_t *p;
        size_t len;
};
struct fuzz {
        struct fuzz_seed seeds[FUZZ_SEEDS];
        size_t n;
        uint64_t state; /* xorshift64 */
        char crash[64];
        uint8_t *input;
        size_t len;
};

static struct fuzz fuzz_run;

/* Only what a signal handler may call. */
static inline TM_UNUSED void fuzz_keep(void)
{
        static const char words[] = "the input that did it was kept as ";
        int fd = open(fuzz_run.crash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        size_t done = 0;

        while (fd >= 0 && done < fuzz_run.len) {
                ssize_t n = write(fd, fuzz_run.input + done, fuzz_run.len - done);

                if (n <= 0)
                        break;
                done += (size_t)n;
        }
        if (write(2, words, sizeof(words) - 1) > 0 && write(2, fuzz_run.crash, strlen(fuzz_run.crash)) > 0)
                done += (size_t)write(2, "\n", 1);
}

static inline TM_UNUSED void fuzz_signal(int sig)
{
        fuzz_keep();
        signal(sig, SIG_DFL);
        raise(sig);
}

/* Sanitizers end the process by themselves; theirs is called where it is linked. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static inline TM_UNUSED uint64_t fuzz_random(uint64_t below)
{
        uint64_t x = fuzz_run.state;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        fuzz_run.state = x;
        return below ? x % below : 0;
}

static inline TM_UNUSED void fuzz_add(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct fuzz_seed *s = &fuzz_run.seeds[fuzz_run.n];
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FUZZ_INPUT_MAX ||
            fuzz_run.n == FUZZ_SEEDS) {
                fprintf(stderr, "%s: no seed: it must be a readable file of at most 1 MiB, one of %d\n", path,
                        FUZZ_SEEDS);
                exit(EXIT_FAILURE);
        }
        s->len = (size_t)st.st_size;
        s->p = malloc(s->len + 1);
        if (!s->p || read(fd, s->p, s->len) != (ssize_t)s->len)
                abort();
        fuzz_run.n++;
        close(fd);
}

static inline TM_UNUSED int fuzz_visible(const struct dirent *d)
{
        return d->d_name[0] != '.';
}

/* In the order of names, so that the same run does the same. */
static inline TM_UNUSED void fuzz_add_dir(const char *dir)
{
        const char *top = getenv("TOP_SRCDIR");
        struct dirent **list = NULL;
        char path[1024];
        int n;

        snprintf(path, sizeof(path), "%s/%s", top ? top : ".", dir);
        n = scandir(path, &list, fuzz_visible, alphasort);
        if (n <= 0) {
                fprintf(stderr, "%s: no seeds\n", path);
                exit(EXIT_FAILURE);
        }
        for (int i = 0; i < n; i++) {
                char file[1536];

                snprintf(file, sizeof(file), "%s/%s", path, list[i]->d_name);
                fuzz_add(file);
                free(list[i]);
        }
        free(list);
}

static inline TM_UNUSED void fuzz_one(void)
{
        /* A copy of just its size: a sanitizer sees the first byte read behind it. */
        uint8_t *exact = malloc(fuzz_run.len ? fuzz_run.len : 1);

        if (!exact)
                abort();
        memcpy(exact, fuzz_run.input, fuzz_run.len);
        alarm(FUZZ_SECONDS);
        LLVMFuzzerTestOneInput(exact, fuzz_run.len);
        alarm(0);
        free(exact);
}

/* One change: of a bit, a byte, a number; a cut; a piece repeated, or brought from another seed. */
static inline TM_UNUSED void fuzz_change(void)
{
        static const uint64_t numbers[] = {0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                           UINT64_C(0x7fffffffffffffff), UINT64_MAX};
        const struct fuzz_seed *other = &fuzz_run.seeds[fuzz_random(fuzz_run.n)];
        size_t at = fuzz_random(fuzz_run.len), n = 1 + fuzz_random(64), width;

        if (!fuzz_run.len)
                return;
        switch (fuzz_random(6)) {
        case 0:
                fuzz_run.input[at] ^= (uint8_t)(1u << fuzz_random(8));
                break;
        case 1:
                fuzz_run.input[at] = (uint8_t)fuzz_random(256);
                break;
        case 2:
                width = (size_t)1 << fuzz_random(4);
                if (width <= fuzz_run.len - at)
                        memcpy(fuzz_run.input + at, &numbers[fuzz_random(ARRAY_LEN(numbers))], width);
                break;
        case 3:
                fuzz_run.len = at;
                break;
        case 4:
                n = n < fuzz_run.len - at ? n : fuzz_run.len - at;
                if (fuzz_run.len + n > FUZZ_INPUT_MAX)
                        break;
                memmove(fuzz_run.input + at + n, fuzz_run.input + at, fuzz_run.len - at);
                fuzz_run.len += n;
                break;
        default:
                n = n < fuzz_run.len - at ? n : fuzz_run.len - at;
                if (n <= other->len)
                        memcpy(fuzz_run.input + at, other->p + fuzz_random(other->len - n + 1), n);
                break;
        }
}

static inline TM_UNUSED int fuzz_main(const char *name, const char *const *dirs, size_t ndirs, int argc, char **argv)
{
        const char *rounds_text = getenv("FUZZ_ROUNDS"), *seed_text = getenv("FUZZ_SEED");
        unsigned long rounds = rounds_text ? strtoul(rounds_text, NULL, 0) : 3000;
        static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

        fuzz_run.state = seed_text ? strtoull(seed_text, NULL, 0) | 1 : UINT64_C(0x9e3779b97f4a7c15);
        snprintf(fuzz_run.crash, sizeof(fuzz_run.crash), "crash-%s", name);
        fuzz_run.input = malloc(FUZZ_INPUT_MAX);
        if (!fuzz_run.input)
                return EXIT_FAILURE;
        for (size_t i = 0; i < ARRAY_LEN(signals); i++)
                signal(signals[i], fuzz_signal);
        if (__sanitizer_set_death_callback)
                __sanitizer_set_death_callback(fuzz_keep);
        for (int i = 1; i < argc; i++)
                fuzz_add(argv[i]);
        for (size_t i = 0; argc < 2 && i < ndirs; i++)
                fuzz_add_dir(dirs[i]);
        for (size_t i = 0; i < fuzz_run.n; i++) {
                fuzz_run.len = fuzz_run.seeds[i].len;
                memcpy(fuzz_run.input, fuzz_run.seeds[i].p, fuzz_run.len);
                fuzz_one();
        }
        for (unsigned long r = 0; argc < 2 && r < rounds; r++) {
                const struct fuzz_seed *s = &fuzz_run.seeds[fuzz_random(fuzz_run.n)];

                fuzz_run.len = s->len;
                memcpy(fuzz_run.input, s->p, s->len);
                for (uint64_t changes = 1 + fuzz_random(8); changes; changes--)
                        fuzz_change();
                fuzz_one();
        }
        printf("%s: %zu seeds, %lu changed inputs\n", name, fuzz_run.n, argc < 2 ? rounds : 0);
        for (size_t i = 0; i < fuzz_run.n; i++)
                free(fuzz_run.seeds[i].p);
        free(fuzz_run.input);
        fuzz_run.len = 0; /* what ends us from here on (a leak) is no input's doing alone */
        return EXIT_SUCCESS;
}

#ifdef TM_LIBFUZZER
#define FUZZ_MAIN(name, ...)
#else
#define FUZZ_MAIN(name, ...)                                                                                           \
        int main(int argc, char **argv)                                                                                \
        {                                                                                                              \
                static const char *const dirs[] = {__VA_ARGS__};                                                       \
                return fuzz_main(name, dirs, ARRAY_LEN(dirs), argc, argv);                                             \
        }
#endif

#endif
