/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark record verify: what a file is, and whose signatures it bears; without a daemon, and nothing is imported.
 *
 * Owns: the program that reads it (tidemark-image), as nobody, with the file's descriptor. Must not: parse the file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "cli/record-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/helper.h"
#include "tidemark/passfd.h"
#include "tidemark/query.h"
#include "tidemark/signature.h"
#include "tidemark/supplywire.h"

#define WORKER_FD 3
#define ABOVE_FD 16
#define NOBODY 65534
#define MAX_ENTRIES 1000000u

struct verdict {
        uint8_t signature;
        char why[SUPPLY_WHY], sha256[2 * TIDE_SHA256 + 1];
        uint32_t key;
};

struct verifying {
        int fd, worker, program;
        pid_t pid;
        const char *file, *image;
        uint32_t elsewhere; /* records of other images than the one that is asked about */
        char *keys[SUPPLY_KEYS];
        uint32_t nkeys;
        struct verdict verdicts[SUPPLY_DOCUMENTS];
        uint32_t nverdicts;
        json_t *records, *refused, *current;
        struct supply_result result;
        uint8_t msg[SUPPLYWIRE_MAX];
};

/* ---- the worker ---- */

static int open_program(void)
{
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("tidemark-image"));
        char *slash;
        int fd = -1;

        path[n > 0 ? n : 0] = '\0';
        slash = strrchr(path, '/');
        if (slash) {
                strcpy(slash + 1, "tidemark-image");
                fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        return fd >= 0 ? fd : open(TM_LIBEXECDIR "/tidemark-image", O_RDONLY | O_CLOEXEC);
}

/* In the child. Root's rights are of no use to it. */
static int become_worker(int fd, void *arg)
{
        char name[] = "tidemark-image", how[] = "record", *argv[] = {name, how, NULL};
        char locale[] = "LC_ALL=C", *const env[] = {locale, NULL};
        struct verifying *v = arg;
        int program = fcntl(v->program, F_DUPFD_CLOEXEC, ABOVE_FD), ours = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_FD);

        if (program < 0 || ours < 0 || dup2(ours, WORKER_FD) < 0)
                return -errno;
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                               setresuid(NOBODY, NOBODY, NOBODY) < 0))
                return -errno;
        fexecve(program, argv, env);
        return -errno;
}

static int tell(struct verifying *v, const struct supplywire *m, int fd)
{
        _cleanup_buf_ struct buf b;
        int r;

        buf_init(&b, SUPPLYWIRE_MAX);
        r = supplywire_encode(m, &b);
        return r < 0 ? r : passfd_send(v->worker, b.p, b.len, &fd, fd >= 0 ? 1 : 0, 0);
}

/* ---- keys ---- */

static int read_key(const char *path, struct buf *out)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        uint8_t p[4096];
        ssize_t n = 0;

        if (fd < 0)
                return -errno;
        while ((n = read(fd, p, sizeof(p))) > 0)
                buf_put(out, p, (size_t)n);
        return n < 0 ? -errno : out->err;
}

/* What is wrong with it is said here: the worker would only end. */
static int tell_key(struct verifying *v, const char *path)
{
        struct supplywire m = {.kind = SUPPLYWIRE_KEY, .name = bytes_str(path)};
        struct signature_key *key = NULL;
        const char *why = NULL;
        _cleanup_buf_ struct buf pem;
        int r;

        buf_init(&pem, SUPPLYWIRE_PEM);
        r = v->nkeys == SUPPLY_KEYS ? ERR_LIMIT : read_key(path, &pem);
        if (r == 0)
                r = signature_parse_key(buf_bytes(&pem), &key, &why);
        signature_key_free(key);
        if (r < 0) {
                fprintf(stderr, "tidemark: key %s: %s\n", path, why ? why : err_str(r));
                return r;
        }
        v->keys[v->nkeys] = strdup(path);
        if (!v->keys[v->nkeys])
                return -ENOMEM;
        v->nkeys++;
        m.text = buf_bytes(&pem);
        return tell(v, &m, -1);
}

static int is_key(const struct dirent *d)
{
        struct bytes name = bytes_str(d->d_name);

        return d->d_name[0] != '.' &&
               (bytes_has_suffix(name, BYTES_LIT(".pem")) || bytes_has_suffix(name, BYTES_LIT(".pub")));
}

static int tell_keys(struct verifying *v, const char *path)
{
        struct dirent **names = NULL;
        struct stat st;
        int n, r = 0;

        if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
                return tell_key(v, path);
        n = scandir(path, &names, is_key, alphasort);
        for (int i = 0; i < n; i++) {
                char file[PATH_MAX];

                if (r == 0 && (size_t)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) < sizeof(file))
                        r = tell_key(v, file);
                free(names[i]);
        }
        free(names);
        return n < 0 ? -errno : r;
}

/* ---- what it tells ---- */

static int on_document(struct verifying *v, const struct supplywire *m)
{
        struct verdict *k = &v->verdicts[m->number < SUPPLY_DOCUMENTS ? m->number : 0];

        if (m->number >= SUPPLY_DOCUMENTS || json_array_size(v->records) || m->sha256.len != TIDE_SHA256)
                return ERR_SCHEMA;
        k->signature = m->signature;
        k->key = m->key;
        str_hex(m->sha256, k->sha256);
        snprintf(k->why, sizeof(k->why), "%.*s", (int)m->text.len, (const char *)m->text.p);
        if (m->number >= v->nverdicts)
                v->nverdicts = m->number + 1;
        return k->signature == SIGNATURE_VERIFIED && k->key >= v->nkeys ? ERR_SCHEMA : 0;
}

static int on_event(struct verifying *v, const struct supplywire *m)
{
        const struct verdict *k = &v->verdicts[m->number < SUPPLY_DOCUMENTS ? m->number : 0];
        struct tide_event ev;
        size_t used;

        if (tide_decode(m->text.p, m->text.len, &ev, &used) < 0 || ev.kind != TIDE_RECORD)
                return ERR_SCHEMA;
        if (ev.supply.part == SUPPLY_END && v->current) {
                json_object_set_new(v->current, "packages", json_integer(ev.supply.packages));
                json_object_set_new(v->current, "files", json_integer(ev.supply.files));
                json_object_set_new(v->current, "left_out", json_integer(ev.supply.refused));
        }
        if (ev.supply.part != SUPPLY_BEGIN && ev.supply.part != SUPPLY_PROVENANCE && ev.supply.part != SUPPLY_ADMISSION)
                return 0;
        ev.supply.source = bytes_str(v->file);
        if (ev.supply.part != SUPPLY_ADMISSION) {
                ev.supply.signature = k->signature;
                ev.supply.key = bytes_str(k->signature == SIGNATURE_VERIFIED ? v->keys[k->key] : k->why);
        }
        v->elsewhere += v->image && !bytes_eq(ev.supply.digest, bytes_str(v->image));
        v->current = query_record_json(&ev.supply);
        return json_array_append_new(v->records, v->current) < 0 ? -ENOMEM : 0;
}

static int on_refused(struct verifying *v, const struct supplywire *m)
{
        char why[SUPPLY_WHY + 64];

        return json_array_append_new(v->refused, json_pack("{s:I,s:s}", "number", (json_int_t)m->number + 1, "why",
                                                           str_print(m->text, why, sizeof(why)))) < 0
                       ? -ENOMEM
                       : 0;
}

/* 1: all is said. */
static int on_message(struct verifying *v, size_t len)
{
        char why[SUPPLY_WHY + 64];
        struct supplywire m;
        int r = supplywire_decode(v->msg, len, &m);

        if (r < 0)
                return r;
        switch (m.kind) {
        case SUPPLYWIRE_DOCUMENT:
                return on_document(v, &m);
        case SUPPLYWIRE_EVENT:
                return on_event(v, &m);
        case SUPPLYWIRE_REFUSED:
                return on_refused(v, &m);
        case SUPPLYWIRE_END:
                v->result = m.result;
                if (m.status == 0)
                        return 1;
                fprintf(stderr, "tidemark: %s: %s\n", v->file,
                        m.text.len ? str_print(m.text, why, sizeof(why)) : err_str(m.status));
                return m.status == -EINVAL ? -EUCLEAN : m.status;
        default:
                return ERR_SCHEMA;
        }
}

static int hear(struct verifying *v)
{
        int r = 0;

        while (r == 0) {
                ssize_t n = recv(v->worker, v->msg, sizeof(v->msg), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                r = n <= 0 ? -EPIPE : on_message(v, (size_t)n);
        }
        return r == 1 ? 0 : r;
}

/* ---- all ---- */

static bool all_verified(const struct verifying *v)
{
        for (uint32_t i = 0; i < v->nverdicts; i++)
                if (v->verdicts[i].signature != SIGNATURE_VERIFIED)
                        return false;
        return v->nverdicts > 0 && v->elsewhere == 0 && json_array_size(v->refused) == 0;
}

static int tell_people(struct cli *c, const struct verifying *v)
{
        bool verified = all_verified(v);
        const json_t *o;
        size_t i;
        int r = CLI_DONE;

        if (c->json) {
                json_t *data = json_pack("{s:s,s:b,s:O,s:O,s:I}", "file", v->file, "verified", verified, "records",
                                         v->records, "refused", v->refused, "admissions",
                                         (json_int_t)v->result.admissions);

                r = cli_print_json(data);
                json_decref(data);
        } else {
                cli_put(stdout, v->file, CLI_WIDTH - 20);
                puts(verified ? ": verified" : ": NOT verified");
                if (v->elsewhere)
                        puts("  WRONG DIGEST: it names another image than --image");
                json_array_foreach((json_t *)(uintptr_t)v->records, i, o) record_print(o, true);
                json_array_foreach((json_t *)(uintptr_t)v->refused, i, o)
                {
                        printf("  document %lld would not be taken: ", (long long)cli_int(o, "number"));
                        cli_wrap(stdout, cli_text(o, "why"), 33, 4);
                }
        }
        return r != CLI_DONE ? r : verified ? CLI_DONE : CLI_FOUND;
}

static int run(struct verifying *v, const char *key, const char *image)
{
        struct supplywire go = {.kind = SUPPLYWIRE_GO, .name = bytes_str(v->file), .text = bytes_str(image),
                                .number = MAX_ENTRIES};
        const int keep[] = {v->program};
        int r;

        v->records = json_array();
        v->refused = json_array();
        r = helper_start("tidemark-image", HELPER_IS_URGENT, become_worker, v, keep, 1, &v->worker, &v->pid);
        if (r == 0 && key)
                r = tell_keys(v, key);
        if (r == 0)
                r = tell(v, &go, v->fd);
        return r == 0 ? hear(v) : r;
}

int record_verify(struct cli *c)
{
        const char *key = NULL, *image = NULL;
        const struct cli_option options[] = {{"--key", &key, NULL}, {"--image", &image, NULL}};
        struct verifying *v;
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("record verify takes one file");
        if (image && !supply_is_digest(image))
                return cli_usage("record verify: --image takes a digest: sha256: and 64 digits");
        v = calloc(1, sizeof(*v));
        if (!v)
                return CLI_FAILED;
        v->worker = -1;
        v->file = c->argv[2];
        v->image = image;
        v->program = open_program();
        v->fd = v->program < 0 ? -1 : open(v->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (v->fd < 0)
                fprintf(stderr, "tidemark: %s: %s\n", v->program < 0 ? TM_LIBEXECDIR "/tidemark-image" : v->file,
                        err_str(-errno));
        r = v->fd < 0 ? -EBADF : run(v, key, image);
        if (r == -EPIPE || r == ERR_SCHEMA)
                fprintf(stderr, "tidemark: %s: the program that reads it, tidemark-image, has failed\n", v->file);
        r = r < 0 ? CLI_FAILED : tell_people(c, v);
        if (v->worker >= 0)
                close(v->worker);
        helper_end(&v->pid);
        for (uint32_t i = 0; i < v->nkeys; i++)
                free(v->keys[i]);
        json_decref(v->records);
        json_decref(v->refused);
        if (v->program >= 0)
                close(v->program);
        if (v->fd >= 0)
                close(v->fd);
        free(v);
        return r;
}
