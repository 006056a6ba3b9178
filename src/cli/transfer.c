/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark baseline export, import: a baseline as a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/buf.h"
#include "tidemark/compat.h"
#include "tidemark/document.h"
#include "tidemark/err.h"
#include "tidemark/signature.h"

#define TEXT_MAX ((size_t)256 << 20) /* what is exported is bounded by limits.entries */

/* ---- export ---- */

/* Page after page, into one document. */
static int fetch(struct cli *c, const char *workload, json_t **ret)
{
        json_t *document = NULL, *data = NULL;
        int r;

        do {
                json_t *request = json_pack("{s:s,s:s}", "cmd", "baseline.export", "workload", workload), *part;

                if (data)
                        json_object_set(request, "after", json_object_get(data, "after"));
                json_decref(data);
                data = NULL;
                r = cli_ask(c, CLI_CONTROL, request, &data);
                part = json_object_get(data, "document");
                if (r == CLI_DONE && !document) {
                        document = json_incref(part);
                } else if (r == CLI_DONE) {
                        json_array_extend(json_object_get(document, "entries"), json_object_get(part, "entries"));
                        json_array_extend(json_object_get(document, "candidates"), json_object_get(part, "candidates"));
                }
        } while (r == CLI_DONE && cli_int(data, "more") > 0 && json_is_array(json_object_get(data, "after")));
        json_decref(data);
        if (r == CLI_DONE)
                *ret = document;
        else
                json_decref(document);
        return r;
}

/* What changes with every act: of no use to whoever reads differences. */
static void drop_counts(json_t *document)
{
        static const char *const lists[] = {"entries", "candidates"};
        static const char *const members[] = {"first_seen", "last_seen", "count", "windows"};
        json_t *e;
        size_t i;

        for (size_t k = 0; k < ARRAY_LEN(lists); k++)
                json_array_foreach(json_object_get(document, lists[k]), i, e) for (size_t m = 0; m < ARRAY_LEN(members);
                                                                                   m++) json_object_del(e, members[m]);
}

static int write_out(const char *path, struct bytes text)
{
        FILE *f = fopen(path, "we");
        int r = f ? 0 : -errno;

        if (f && fwrite(text.p, 1, text.len, f) != text.len)
                r = -errno;
        if (f && fclose(f) != 0 && r == 0)
                r = -errno;
        if (r == 0)
                return CLI_DONE;
        fprintf(stderr, "tidemark: %s: %s\n", path, err_str(r));
        return CLI_FAILED;
}

static int tell_exported(struct cli *c, const char *path, const json_t *document)
{
        const json_t *image = json_object_get(document, "image");
        size_t known = json_array_size(json_object_get(document, "entries"));
        size_t others = json_array_size(json_object_get(document, "candidates"));
        json_t *o;
        int r;

        if (!c->json) {
                cli_put(stdout, path, CLI_WIDTH);
                printf(": %zu entr%s and %zu candidate%s of ", known, known == 1 ? "y" : "ies", others,
                       others == 1 ? "" : "s");
                cli_put(stdout, cli_text(document, "workload"), CLI_WIDTH);
                fputs("\n  which belong to ", stdout);
                cli_put(stdout, *cli_text(image, "digest") ? cli_text(image, "digest") : "an image that is not known",
                        CLI_WIDTH);
                putchar('\n');
                return CLI_DONE;
        }
        o = json_pack("{s:s,s:O,s:O,s:I,s:I}", "file", path, "workload", json_object_get(document, "workload"), "image",
                      image, "entries", (json_int_t)known, "candidates", (json_int_t)others);
        r = cli_print_json(o);
        json_decref(o);
        return r;
}

int cli_baseline_export(struct cli *c)
{
        const char *output = NULL;
        bool no_counts = false;
        const struct cli_option options[] = {{"--output", &output, NULL}, {"--no-counts", NULL, &no_counts}};
        _cleanup_buf_ struct buf text;
        json_t *document = NULL;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        buf_init(&text, TEXT_MAX);
        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("baseline export takes one workload (see tidemark baseline list)");
        r = fetch(c, c->argv[2], &document);
        if (r != CLI_DONE)
                return r;
        if (no_counts)
                drop_counts(document);
        document_text(document, &text);
        if (text.err) {
                fprintf(stderr, "tidemark: baseline export: %s\n", err_str(text.err));
                r = CLI_FAILED;
        } else if (!output) {
                r = fwrite(text.p, 1, text.len, stdout) == text.len ? CLI_DONE : CLI_FAILED;
        } else {
                r = write_out(output, buf_bytes(&text));
                if (r == CLI_DONE)
                        r = tell_exported(c, output, document);
        }
        json_decref(document);
        return r;
}

/* ---- import ---- */

struct importing {
        const char *file, *signature, *workload, *reason, *for_digest;
        bool replace, inherit, dry_run;
};

static int read_file(const char *path, size_t max, struct buf *out)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint8_t p[65536];
        ssize_t n;

        buf_init(out, max);
        if (fd < 0)
                return -errno;
        while ((n = read(fd, p, sizeof(p))) != 0) {
                if (n < 0)
                        return -errno;
                buf_put(out, p, (size_t)n);
                if (out->err)
                        return out->err;
        }
        return 0;
}

static int no_file(const char *path, int r, size_t max)
{
        if (r == ERR_LIMIT)
                fprintf(stderr, "tidemark: %s: it has more than %zu bytes, which is the most that is taken\n", path,
                        max);
        else
                fprintf(stderr, "tidemark: %s: %s\n", path, err_str(r));
        return CLI_FAILED;
}

/* In memory, under no name: the agent reads it without waiting for anybody. Old kernels have no memfds. */
static int in_memory(const struct cli *c, struct bytes text, int *ret_fd)
{
        _cleanup_close_ int fd = (int)syscall(SYS_memfd_create, "tidemark-import", 1u /* MFD_CLOEXEC */);
        char path[512];

        if (fd < 0) {
                snprintf(path, sizeof(path), "%s/import-XXXXXX", c->runtime_dir);
                fd = mkostemp(path, O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                unlink(path);
        }
        for (uint32_t at = 0; at < text.len;) {
                ssize_t n = write(fd, text.p + at, text.len - at);

                if (n < 0)
                        return -errno;
                at += (uint32_t)n;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static void put_hex(const struct buf *b, char *dst)
{
        for (size_t i = 0; i < b->len; i++)
                snprintf(dst + 2 * i, 3, "%02x", b->p[i]);
}

/* FILE.sig, if it is there and nothing else was said. */
static int take_signature(const struct importing *im, json_t *request)
{
        char beside[4096], hex[2 * SIGNATURE_MAX + 1] = "";
        const char *path = im->signature ? im->signature : beside;
        _cleanup_buf_ struct buf b;
        int r;

        snprintf(beside, sizeof(beside), "%s.sig", im->file);
        r = read_file(path, SIGNATURE_MAX, &b);
        if (r == -ENOENT && !im->signature)
                return CLI_DONE;
        if (r < 0)
                return no_file(path, r, SIGNATURE_MAX);
        put_hex(&b, hex);
        json_object_set_new(request, "signature", json_string(hex));
        return CLI_DONE;
}

static const char *outcome(const json_t *data, const char *name)
{
        const char *text =
                json_string_value(json_array_get(json_object_get(json_object_get(data, "outcome"), name), 0));

        return text ? text : "0";
}

static void print_import(const json_t *data)
{
        json_t *dims = json_object_get(json_object_get(data, "outcome"), "dimension"), *v;
        const char *key = cli_text(data, "signed_by");
        size_t i;

        fputs(json_is_true(json_object_get(data, "dry_run")) ? "would be imported: " : "imported: ", stdout);
        cli_put(stdout, cli_text(data, "workload"), CLI_WIDTH);
        printf("\n  document SHA-256 %s\n  ", cli_text(data, "sha256"));
        fputs(*key ? "signed by " : "unsigned", stdout);
        cli_put(stdout, key, CLI_WIDTH - 12);
        printf("\n  %s new, %s known before, %s were candidates, %s left as rejected, %s forgotten\n",
               outcome(data, "new"), outcome(data, "known_before"), outcome(data, "were_candidates"),
               outcome(data, "left_rejected"), outcome(data, "forgotten"));
        if (json_is_true(json_object_get(data, "inherited"))) {
                fputs("  inherited from the image ", stdout);
                cli_put(stdout, cli_text(data, "document_digest"), CLI_WIDTH - 27);
                putchar('\n');
        }
        json_array_foreach(dims, i, v)
        {
                fputs("  ", stdout);
                cli_put(stdout, json_string_value(v), CLI_WIDTH - 2);
                putchar('\n');
        }
        if (cli_int(data, "candidates_left") > 0)
                printf("  %lld candidate%s of the document not imported\n", (long long)cli_int(data, "candidates_left"),
                       cli_int(data, "candidates_left") == 1 ? "" : "s");
}

static json_t *request_of(const struct importing *im)
{
        const struct {
                const char *name, *value;
        } texts[] = {{"workload", im->workload}, {"reason", im->reason}, {"for_digest", im->for_digest}};
        json_t *o = json_pack("{s:s,s:s,s:b,s:b,s:b}", "cmd", "baseline.import", "file", im->file, "replace",
                              im->replace, "inherit", im->inherit, "dry_run", im->dry_run);

        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (texts[i].value)
                        json_object_set_new(o, texts[i].name, json_string(texts[i].value));
        return o;
}

static int send_import(struct cli *c, const struct importing *im)
{
        _cleanup_close_ int fd = -1;
        _cleanup_buf_ struct buf text;
        json_t *request, *data = NULL;
        int r = read_file(im->file, DOCUMENT_MAX, &text);

        if (r < 0)
                return no_file(im->file, r, DOCUMENT_MAX);
        r = in_memory(c, buf_bytes(&text), &fd);
        if (r < 0)
                return cli_no_socket(c->runtime_dir, r);
        request = request_of(im);
        if (!request) {
                fprintf(stderr, "tidemark: %s: a name must be UTF-8 to be written into the trail\n", im->file);
                return CLI_FAILED;
        }
        r = take_signature(im, request);
        if (r != CLI_DONE) {
                json_decref(request);
                return r;
        }
        r = cli_ask_with(c, request, fd, &data);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = cli_print_json(data);
        else
                print_import(data);
        json_decref(data);
        return r;
}

int cli_baseline_import(struct cli *c)
{
        struct importing im = {.file = NULL};
        const struct cli_option options[] = {
                {"--signature", &im.signature, NULL}, {"--workload", &im.workload, NULL},
                {"--reason", &im.reason, NULL},       {"--for-digest", &im.for_digest, NULL},
                {"--replace", NULL, &im.replace},     {"--inherit", NULL, &im.inherit},
                {"--dry-run", NULL, &im.dry_run},
        };
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("baseline import takes one file (see tidemark baseline export)");
        if (!im.reason || !*im.reason)
                return cli_usage("baseline import needs --reason TEXT: it says to those who come later why");
        if (im.inherit && im.for_digest)
                return cli_usage("baseline import: --inherit and --for-digest say the same: give one of them");
        im.file = c->argv[2];
        return send_import(c, &im);
}
