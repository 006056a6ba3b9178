/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark baseline export, import: a baseline as a file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "tidemark/buf.h"
#include "tidemark/document.h"
#include "tidemark/err.h"

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
        const struct cli_option options[] = {{"--output", &output, NULL}};
        _cleanup_buf_ struct buf text;
        json_t *document = NULL;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("baseline export takes one workload (see tidemark baseline list)");
        r = fetch(c, c->argv[2], &document);
        if (r != CLI_DONE)
                return r;
        buf_init(&text, TEXT_MAX);
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
