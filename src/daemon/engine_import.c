/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An imported baseline, from the descriptor that came with the command to its decisions.
 *
 * Owns: reading the document once, whole and bounded, and whose signature it bears. Must not: understand it
 * (case/query_import), wait for a disk or a network, or change anything on a signature that does not fit. Hands over:
 * decisions to the pipeline, all within one turn of the loop, so that no recording begins in their midst.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "daemon/keys.h"
#include "tidemark/clock.h"
#include "tidemark/document.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/log.h"
#include "tidemark/query.h"
#include "tidemark/signature.h"

#define MOD "engine"
#define TMPFS 0x01021994 /* linux/magic.h */

struct import {
        struct engine *e;
        const struct tide_event *command;
        const json_t *request;
        struct buf text;
        char sha256[SIGNATURE_HEX];
        const char *key_id;
        int key; /* of keys; -1: unsigned */
        bool dry;
};

int engine_import_open(struct engine *e, struct keys *keys)
{
        int r = keys ? keys_parse(keys) : 0;

        e->keys = keys;
        for (size_t i = 0; r == 0 && keys && i < keys_count(keys); i++)
                if (keys_wrong(keys, i))
                        log_warn(MOD, "import.keys: %s: %s: no signature of it is taken", keys_path(keys, i),
                                 keys_wrong(keys, i));
        return r;
}

static json_t *refuse(const char *fmt, ...) TM_PRINTF(1, 2);
static json_t *refuse(const char *fmt, ...)
{
        char text[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", text, "code", EXIT_FAILED);
}

/* ---- the document ---- */

static int read_all(int fd, struct buf *out)
{
        off_t at = 0;
        uint8_t p[65536];
        ssize_t n;

        while ((n = pread(fd, p, sizeof(p), at)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buf_put(out, p, (size_t)n);
                if (out->err)
                        return out->err;
                at += n;
        }
        return 0;
}

/* NULL: it is in im->text. In memory, as the command line puts it: reading it waits for nobody. */
static json_t *take_document(struct import *im, int fd)
{
        struct statfs fs;
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return refuse("no document came with the command: a descriptor of it must come along (SCM_RIGHTS)");
        if (!S_ISREG(st.st_mode) || fs.f_type != TMPFS)
                return refuse(
                        "the document must be a file in memory (memfd_create, tmpfs): what lies elsewhere may keep "
                        "the agent waiting");
        if (st.st_size > (off_t)DOCUMENT_MAX)
                return refuse("the document has %lld bytes: at most %u", (long long)st.st_size, DOCUMENT_MAX);
        buf_init(&im->text, DOCUMENT_MAX);
        r = read_all(fd, &im->text);
        if (r == 0)
                r = signature_sha256(buf_bytes(&im->text), im->sha256);
        return r < 0 ? refuse("the document cannot be read: %s", err_str(r)) : NULL;
}

/* ---- its signature ---- */

static int from_hex(const char *text, struct buf *out)
{
        size_t n = strlen(text);

        if (n % 2 || n / 2 > SIGNATURE_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i += 2) {
                unsigned v;
                char pair[3] = {text[i], text[i + 1], '\0'};

                if (!strchr("0123456789abcdef", pair[0]) || !strchr("0123456789abcdef", pair[1]) ||
                    sscanf(pair, "%2x", &v) != 1)
                        return -EINVAL;
                buf_put_u8(out, (uint8_t)v);
        }
        return out->err;
}

/* "; /etc/x.pem: No such file or directory", of each key that cannot be used. */
static const char *broken(const struct keys *keys, char *dst, size_t size)
{
        size_t n = 0;

        dst[0] = '\0';
        for (size_t i = 0; i < keys_count(keys) && n < size; i++)
                if (keys_wrong(keys, i))
                        n += (size_t)snprintf(dst + n, size - n, "; not to be used: %s: %s", keys_path(keys, i),
                                              keys_wrong(keys, i));
        return dst;
}

/* NULL: im->key says whose, or that none is asked for. */
static json_t *check_signature(struct import *im)
{
        const char *hex = json_string_value(json_object_get(im->request, "signature"));
        const struct keys *keys = im->e->keys;
        _cleanup_buf_ struct buf signature;
        char words[512];

        im->key = -1;
        buf_init(&signature, SIGNATURE_MAX);
        if (!keys || keys_count(keys) == 0)
                return NULL;
        if (!hex)
                return refuse("import.keys names %zu key%s, so a document must be signed by %s, and this one comes "
                              "without a signature: openssl dgst -sha256 -sign KEY -out FILE.sig FILE%s",
                              keys_count(keys), keys_count(keys) == 1 ? "" : "s",
                              keys_count(keys) == 1 ? "it" : "one of them", broken(keys, words, sizeof(words)));
        if (from_hex(hex, &signature) < 0)
                return refuse("field \"signature\" must be hexadecimal, at most %u bytes", SIGNATURE_MAX);
        im->key = keys_fit(keys, buf_bytes(&im->text), buf_bytes(&signature), &im->key_id);
        if (im->key < 0)
                return refuse("the signature fits none of the keys of import.keys: the document was changed after it "
                              "was signed, or somebody else signed it (its SHA-256 is %s); nothing was changed%s",
                              im->sha256, broken(keys, words, sizeof(words)));
        return NULL;
}

/* ---- all ---- */

static int decide(struct tide_event *ev, void *arg)
{
        const struct import *im = arg;

        ev->decision.id = im->command->act.id;
        ev->decision.uid = im->command->act.uid;
        ev->decision.login_uid = im->command->act.login_uid;
        ev->decision.pid = im->command->act.pid;
        if (!im->dry)
                return engine_inject(im->e, ev);
        ev->boot_ns = clock_boot_ns();
        ev->wall_ns = clock_wall_ns();
        return pipeline_try(im->e->pipeline, ev);
}

static void say_done(const struct import *im, json_t *data)
{
        const char *name = json_string_value(json_object_get(data, "workload"));

        log_info(MOD, "baseline of %s imported, document SHA-256 %s, %s%s", name ? name : "?", im->sha256,
                 im->key < 0 ? "unsigned" : "signed by ", im->key < 0 ? "" : keys_path(im->e->keys, (size_t)im->key));
}

/* What waited to be stored goes first: the import's own pieces have all the room, and are one transaction. */
static json_t *run(struct import *im, const struct query_env *env)
{
        struct query_import_source source = {.text = buf_bytes(&im->text),
                                             .sha256 = im->sha256,
                                             .signed_by = im->key < 0 ? NULL : keys_path(im->e->keys, (size_t)im->key),
                                             .key = im->key_id};
        json_t *data = NULL;
        int r = engine_commit(im->e, false);

        if (r == 0)
                r = query_import(env, im->request, &source, decide, im, &data);
        if (r < 0 && json_is_false(json_object_get(data, "ok")))
                return data;
        if (r == 0 && !im->dry)
                r = engine_commit(im->e, true);
        if (r == 0 && !im->dry)
                say_done(im, data);
        return engine_control_outcome(im->e, env, r, data);
}

json_t *engine_import(struct engine *e, const struct query_env *env, const struct tide_event *command,
                      const json_t *request, int fd)
{
        struct import im = {.e = e, .command = command, .request = request};
        json_t *answer;

        buf_init(&im.text, 1);
        im.dry = json_is_true(json_object_get(request, "dry_run"));
        answer = take_document(&im, fd);
        if (!answer)
                answer = check_signature(&im);
        if (!answer)
                answer = run(&im, env);
        buf_release(&im.text);
#ifdef __GLIBC__
        malloc_trim(0); /* a document takes ten times its size for a moment, and there is seldom one */
#endif
        return answer;
}
