/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark-image: reads an image's files for the engine, which starts it, hashes programs of write layers, or reads
 * documents of the supply chain. It opens nothing: each file comes as a descriptor of a regular file. Not for people:
 * without its sockets it says so.
 *
 * Owns: what this process gives up before the first foreign byte: every capability (it has none), all system calls but
 * a few, memory, time. Hands over: records on FD_ENGINE.
 *
 *     tidemark-image facts FILES BYTES PERCENT [SCRATCH]   one image, from FD_FILES
 *     tidemark-image hash                                  one request after another, on FD_ENGINE
 *     tidemark-image record                                one file of documents of the supply chain, on FD_ENGINE
 *     tidemark-image --version
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image-priv.h"
#include "tidemark/caps.h"
#include "tidemark/confine.h"
#include "tidemark/err.h"
#include "tidemark/passfd.h"

#define EXIT_USAGE 2
#define EXIT_FAILED 4

#ifdef TM_SANITIZE
const char *__asan_default_options(void);
/* It asks for what the filter refuses. */
const char *__asan_default_options(void)
{
        return "detect_leaks=0:abort_on_error=0:symbolize=0";
}
#endif

static int fail(const char *what, int r)
{
        fprintf(stderr, "tidemark-image: %s: %s\n", what, err_str(r));
        return EXIT_FAILED;
}

/* Every privilege is gone before this program runs; here it is seen to be so. */
static int give_up(void)
{
        int r = caps_none();

        if (r == 0)
                r = confine_limits(MEMORY, CPU_SECONDS);
        return r == 0 ? confine(CONFINE_READER) : r;
}

/* ---- facts ---- */

static int send_to_engine(struct bytes record, void *arg)
{
        ssize_t n;

        (void)arg;
        do
                n = send(FD_ENGINE, record.p, record.len, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/* A descriptor that is no regular file was not to come, and is not read. */
bool image_is_regular(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* *ret_cut: the last message did not come. */
static int take_all(struct facts *f, bool *ret_cut)
{
        uint8_t msg[IMAGE_MSG_MAX];
        struct image_msg m;
        int r = 0;

        *ret_cut = true;
        while (r == 0) {
                int fd = -1;
                size_t n = 0;
                ssize_t len = passfd_recv(FD_FILES, msg, sizeof(msg), &fd, 1, &n, 0);

                if (len == -EINTR)
                        continue;
                if (len <= 0)
                        return len == 0 ? 0 : (int)len;
                if (n == 0)
                        fd = -1;
                if (image_msg_decode(msg, (size_t)len, &m) == 0)
                        r = fd >= 0 && !image_is_regular(fd) ? 0 : facts_take(f, &m, fd);
                else
                        facts_note(f, "a message about a file is malformed");
                if (fd >= 0)
                        close(fd);
        }
        *ret_cut = r != 1;
        return r < 0 ? r : 0;
}

static int run_facts(const struct settings *set)
{
        _cleanup_(reader_freep) struct reader *rd = NULL;
        _cleanup_(facts_freep) struct facts *f = NULL;
        struct rpm *rpm = NULL;
        bool cut = true;
        int r = reader_new(set->percent, &rd), no_rpm = 0;

        if (r == 0)
                no_rpm = rpm_new(set->scratch, &rpm);
        if (r == 0)
                r = give_up();
        if (r < 0) {
                rpm_free(rpm);
                return fail("this process cannot be confined", r);
        }
        r = facts_new(set, rd, rpm, &f);
        if (r == 0 && no_rpm < 0)
                facts_note(f, "rpm's databases cannot be read: %s", err_str(no_rpm));
        if (r == 0)
                r = take_all(f, &cut);
        if (r == 0)
                r = facts_join(f, cut);
        rpm_free(rpm);
        if (r == 0)
                r = facts_tell(f, send_to_engine, NULL);
        return r < 0 ? fail("the image cannot be read", r) : 0;
}

/* ---- hashes ---- */

static int answer(struct reader *rd, uint64_t token, int fd)
{
        struct content *c = calloc(1, sizeof(*c));
        _cleanup_buf_ struct buf out;
        int r;

        buf_init(&out, 256);
        if (!c)
                return -ENOMEM;
        r = image_is_regular(fd) ? reader_read(rd, fd, FILE_BYTES, c) : -EINVAL;
        buf_put_u64(&out, token);
        buf_put_u8(&out, r < 0 ? HASH_UNREADABLE : c->hashed ? HASH_KNOWN : HASH_TOO_LARGE);
        buf_put_u64(&out, c->size);
        buf_put_bytes(&out, bytes_of(c->sha256, r == 0 && c->hashed ? TIDE_SHA256 : 0));
        free(c);
        return send_to_engine(buf_bytes(&out), NULL);
}

static int run_hash(void)
{
        _cleanup_(reader_freep) struct reader *rd = NULL;
        int r = reader_new(100, &rd);

        if (r == 0)
                r = give_up();
        if (r < 0)
                return fail("this process cannot be confined", r);
        while (r == 0) {
                uint8_t msg[64];
                struct rd in;
                int fd = -1;
                size_t n = 0;
                ssize_t len = passfd_recv(FD_ENGINE, msg, sizeof(msg), &fd, 1, &n, 0);

                if (len <= 0 || n != 1) {
                        r = len == 0 ? 1 : len < 0 && len != -EINTR ? (int)len : 0;
                        continue;
                }
                rd_init(&in, msg, (size_t)len);
                r = answer(rd, rd_u64(&in), fd);
                close(fd);
        }
        return r < 0 ? fail("hashing", r) : 0;
}

/* ---- documents ---- */

static int run_record(void)
{
        int r = record_run(give_up);

        return r < 0 ? fail("the document cannot be read", r) : 0;
}

/* ---- the command line: the engine's, so any mistake in it is ours ---- */

static bool is_socket(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int usage(void)
{
        fputs("tidemark-image reads the files of container images for tidemarkd, which starts it.\n"
              "See tidemarkd(8).\n",
              stderr);
        return EXIT_USAGE;
}

int main(int argc, char **argv)
{
        struct settings set = {.scratch = argc > 5 ? argv[5] : NULL};

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                printf(PACKAGE_NAME "-image " PACKAGE_VERSION ", %s\n",
                       *rpm_version() ? rpm_version() : "without librpm");
                return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
        }
        if (argc == 2 && strcmp(argv[1], "hash") == 0 && is_socket(FD_ENGINE))
                return run_hash();
        if (argc == 2 && strcmp(argv[1], "record") == 0 && is_socket(FD_ENGINE))
                return run_record();
        if (argc < 5 || strcmp(argv[1], "facts") != 0 || !is_socket(FD_ENGINE) || !is_socket(FD_FILES))
                return usage();
        set.max_files = (uint32_t)strtoul(argv[2], NULL, 10);
        set.max_bytes = strtoull(argv[3], NULL, 10);
        set.percent = (uint32_t)strtoul(argv[4], NULL, 10);
        if (set.max_files == 0 || set.percent == 0)
                return usage();
        return run_facts(&set);
}
