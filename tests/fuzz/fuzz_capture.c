/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reading side of evidence: any bytes, as an archive. First byte: 0 the bytes as they are; else also JSON that is
 * masked without being parsed, and an entry of conntrack. */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/netlink.h>

#include "act/capture-priv.h"
#include "tidemark/compat.h"
#include "tidemark/mask.h"

static unsigned problems;

static void must(bool true_)
{
        if (!true_)
                abort();
}

static void on_problem(const struct capture_problem *p, void *arg)
{
        (void)arg;
        must(memchr(p->member, 0, sizeof(p->member)) && memchr(p->words, 0, sizeof(p->words)));
        problems++;
}

static void archive(const uint8_t *data, size_t size)
{
        static const struct capture_verify_ops ops = {.problem = on_problem};
        struct capture_verdict v;
        int fd = (int)syscall(SYS_memfd_create, "archive", 0u);

        if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
                abort();
        problems = 0;
        if (capture_verify(fd, &ops, NULL, &v) == 0) {
                must(v.size == size);
                must(problems == (v.problems < CAPTURE_PROBLEMS_MAX ? v.problems : CAPTURE_PROBLEMS_MAX));
                must(v.problems || v.manifest[0]);
        }
        close(fd);
}

static void text(const uint8_t *data, size_t size)
{
        struct capture_run r = {.masked = 0};
        struct buf out;

        if (mask_new(&r.mask) < 0 || mask_add(r.mask, "token[=:]") < 0 || capture_notes_new(&r.notes) < 0)
                abort();
        buf_init(&out, 16u << 20);
        capture_mask_json(&r, bytes_of(data, size), &out);
        if (r.masked == 0 && !memchr(data, 0, size)) /* nothing was found: nothing is changed */
                must(out.len == size && (size == 0 || memcmp(out.p, data, size) == 0));
        buf_reset(&out);
        capture_mask(&r, bytes_of(data, size), &out);
        buf_release(&out);
        mask_free(r.mask);
        capture_notes_free(r.notes);
}

static void entry(const uint8_t *data, size_t size)
{
        struct nlmsghdr *h = calloc(1, size + sizeof(*h) + 8);
        struct buf out;

        if (!h)
                abort();
        memcpy((uint8_t *)h + sizeof(*h), data, size);
        h->nlmsg_len = (uint32_t)(size + sizeof(*h));
        h->nlmsg_type = 0x100;
        buf_init(&out, 65536);
        (void)!capture_conntrack_line(h, &out);
        buf_release(&out);
        free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        archive(data + 1, size - 1);
        if (data[0]) {
                text(data + 1, size - 1);
                entry(data + 1, size - 1);
        }
        return 0;
}

FUZZ_MAIN("capture", "tests/fuzz/corpus/capture")
