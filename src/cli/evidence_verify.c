/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark evidence verify: without a daemon, on any host: is the archive what was taken?
 *
 * Owns: what is looked at (members, trail, signature) and the words for it. Must not: write anything, unpack anything,
 * or show what the archive says unescaped. Hands over: exit status 0 fits, 1 does not, 4 cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/capture.h"
#include "tidemark/err.h"
#include "tidemark/signature.h"
#include "tidemark/trail.h"

#define PROBLEMS_SHOWN 50u
#define KEY_MAX 65536u

struct verifying {
        const char *file, *trail_dir, *key; /* key: NULL: none was given */
        char dir[4200];                     /* of the trail that is looked at; "": none */
        bool dir_given, dir_beside;
        struct capture_verdict v;
        json_t *problems, *manifest;
        uint64_t problems_more;
        /* the trail's word */
        struct {
                bool by_hash, by_name, manifest_differs;
                uint64_t n;
                char time[64];
                char words[320]; /* of the trail itself: what is wrong with it; "": nothing */
                int err;
                uint64_t records;
        } trail;
        const char *signature; /* in words */
        char key_id[SIGNATURE_HEX];
        bool wrong;
};

static void on_problem(const struct capture_problem *p, void *arg)
{
        struct verifying *w = arg;

        w->wrong = true;
        if (json_array_size(w->problems) == PROBLEMS_SHOWN) {
                w->problems_more++;
                return;
        }
        json_array_append_new(w->problems, json_pack("{s:s,s:s}", "member", p->member, "words", p->words));
}

static void on_manifest(struct bytes json, void *arg)
{
        struct verifying *w = arg;

        json_decref(w->manifest);
        w->manifest = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES, NULL);
}

/* ---- the trail ---- */

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* --trail; else beside the directory in which the file lies, as on the host where it was taken; else this host's. */
static void find_trail(struct verifying *w)
{
        _cleanup_free_ char *real = realpath(w->file, NULL);
        char *slash = real ? strrchr(real, '/') : NULL;
        struct stat st;

        w->dir_given = w->trail_dir != NULL;
        if (w->dir_given) {
                snprintf(w->dir, sizeof(w->dir), "%.4095s", w->trail_dir);
                return;
        }
        if (slash) {
                *slash = '\0';
                slash = strrchr(real, '/');
        }
        if (slash && strcmp(slash, "/evidence") == 0) {
                snprintf(w->dir, sizeof(w->dir), "%.*s/trail", (int)(slash - real), real);
                if (stat(w->dir, &st) == 0) {
                        w->dir_beside = true;
                        return;
                }
        }
        snprintf(w->dir, sizeof(w->dir), "%s/trail", TM_STATEDIR);
        if (stat(w->dir, &st) < 0)
                w->dir[0] = '\0';
}

static int on_record(const struct trail_record *rec, void *arg)
{
        struct verifying *w = arg;
        const char *sha, *manifest, *name;
        json_t *o;

        if (strcmp(rec->kind, "captured") != 0)
                return 0;
        o = json_loadb((const char *)rec->text.p, rec->text.len, 0, NULL);
        sha = cli_text(o, "sha256");
        manifest = cli_text(o, "manifest_sha256");
        name = cli_text(o, "name");
        if (strcmp(sha, w->v.sha256) == 0) {
                w->trail.by_hash = true;
                w->trail.manifest_differs = strcmp(manifest, w->v.manifest) != 0;
        } else if (strcmp(name, base_name(w->file)) == 0) {
                w->trail.by_name = true;
        }
        if (strcmp(sha, w->v.sha256) == 0 || (w->trail.by_name && !w->trail.by_hash)) {
                w->trail.n = rec->n;
                snprintf(w->trail.time, sizeof(w->trail.time), "%s", rec->time);
        }
        json_decref(o);
        return 0;
}

/* Unreadable: negative, where somebody named it. */
static int look_in_trail(struct verifying *w)
{
        struct trail_verdict verdict;
        int r;

        find_trail(w);
        if (!w->dir[0])
                return 0;
        r = trail_verify(w->dir, NULL, on_record, w, &verdict);
        w->trail.err = r;
        if (r < 0)
                return w->dir_given ? r : 0;
        w->trail.records = verdict.records;
        if (verdict.wrong != TRAIL_WHOLE)
                snprintf(w->trail.words, sizeof(w->trail.words), "the trail is not whole: %s", verdict.words);
        if (w->trail.words[0] || w->trail.manifest_differs || (w->trail.by_name && !w->trail.by_hash) ||
            (!w->trail.by_hash && (w->dir_given || w->dir_beside)))
                w->wrong = true;
        return 0;
}

static const char *trail_state(const struct verifying *w)
{
        if (!w->dir[0] || w->trail.err < 0)
                return "not looked at";
        if (w->trail.by_hash)
                return w->trail.manifest_differs ? "another manifest" : "fits";
        return w->trail.by_name ? "another hash" : "not in this trail";
}

/* ---- the signature ---- */

static int slurp(const char *path, uint8_t *dst, size_t size, size_t *ret_len)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, dst, size);
        if (n < 0)
                return -errno;
        *ret_len = (size_t)n;
        return (size_t)n == size ? ERR_LIMIT : 0;
}

/* An exit status, where the key itself is none. */
static int check_signature(struct verifying *w)
{
        static uint8_t pem[KEY_MAX];
        _cleanup_(signature_key_freep) struct signature_key *k = NULL;
        uint8_t sig[SIGNATURE_MAX + 1], sum[32];
        size_t sig_len = 0, pem_len = 0;
        char beside[4200];
        const char *why;
        int r;

        snprintf(beside, sizeof(beside), "%.4095s.sig", w->file);
        r = slurp(beside, sig, sizeof(sig), &sig_len);
        w->signature = r == -ENOENT ? "unsigned" : r < 0 ? "cannot be read" : "not checked";
        if (!w->key)
                return CLI_DONE;
        if (r < 0) {
                w->wrong = true;
                return CLI_DONE;
        }
        r = slurp(w->key, pem, sizeof(pem), &pem_len);
        if (r < 0) {
                fprintf(stderr, "tidemark: %s: %s\n", w->key, err_str(r));
                return CLI_FAILED;
        }
        if (signature_parse_key(bytes_of(pem, pem_len), &k, &why) < 0) {
                fprintf(stderr, "tidemark: %s: %s\n", w->key, *why ? why : "out of memory");
                return CLI_FAILED;
        }
        snprintf(w->key_id, sizeof(w->key_id), "%s", signature_key_id(k));
        if (str_unhex(w->v.sha256, sum, sizeof(sum)) &&
            signature_fits_sha256(k, bytes_of(sum, 32), bytes_of(sig, sig_len))) {
                w->signature = "fits";
        } else {
                w->signature = "does not fit this key";
                w->wrong = true;
        }
        return CLI_DONE;
}

/* ---- what is said ---- */

static void line(const char *label, const char *text)
{
        printf("  %-10s ", label);
        cli_wrap(stdout, text, 13, 13);
}

static void print_trail(const struct verifying *w)
{
        char text[4800];

        if (!w->dir[0])
                snprintf(text, sizeof(text),
                         "not looked at: name the trail of the host where it was taken with --trail");
        else if (w->trail.err < 0)
                snprintf(text, sizeof(text), "not looked at: %s: %s", w->dir, err_str(w->trail.err));
        else if (w->trail.by_hash)
                snprintf(text, sizeof(text), "%s: record %llu of %s, %s",
                         w->trail.manifest_differs ? "another manifest" : "fits", (unsigned long long)w->trail.n,
                         w->dir, w->trail.time);
        else if (w->trail.by_name)
                snprintf(text, sizeof(text),
                         "another hash: record %llu of %s, %s, is of a file of this name that it is not",
                         (unsigned long long)w->trail.n, w->dir, w->trail.time);
        else
                snprintf(text, sizeof(text), "not in this trail: none of the %llu records of %s is of it",
                         (unsigned long long)w->trail.records, w->dir);
        line("trail", text);
        if (w->trail.words[0])
                line("", w->trail.words);
}

static void print_signature(const struct verifying *w)
{
        char text[200];

        if (strcmp(w->signature, "not checked") == 0)
                line("signature", "there is one; give its public key with --key");
        else if (w->key && w->key_id[0]) {
                snprintf(text, sizeof(text), "%s (key %.16s...)", w->signature, w->key_id);
                line("signature", text);
        } else {
                line("signature", w->signature);
        }
}

static void print_members(const struct cli *c, const struct verifying *w)
{
        char text[700];
        size_t i;
        json_t *v;

        snprintf(text, sizeof(text), "%llu that fit, %llu problem%s", (unsigned long long)w->v.members,
                 (unsigned long long)w->v.problems, w->v.problems == 1 ? "" : "s");
        line("members", text);
        cli_colour(c, stdout, CLI_RED);
        json_array_foreach(w->problems, i, v)
        {
                snprintf(text, sizeof(text), "%s%s%s", cli_text(v, "member"), *cli_text(v, "member") ? ": " : "",
                         cli_text(v, "words"));
                fputs("    ", stdout);
                cli_wrap(stdout, text, 4, 6);
        }
        cli_colour(c, stdout, CLI_PLAIN);
        if (w->problems_more)
                printf("    and %llu more\n", (unsigned long long)w->problems_more);
}

/* Of what is it, by its own word. */
static void print_manifest(const struct verifying *w)
{
        const json_t *host = json_object_get(w->manifest, "host"), *ctr = json_object_get(w->manifest, "container"),
                     *by = json_object_get(w->manifest, "caller");
        char text[600];

        if (!json_is_object(w->manifest))
                return;
        snprintf(text, sizeof(text), "container %.12s%s%.60s%s, on %.80s, by tidemarkd %.20s, %lld values masked",
                 cli_text(ctr, "id"), *cli_text(by, "container_name") ? " (" : "", cli_text(by, "container_name"),
                 *cli_text(by, "container_name") ? ")" : "", cli_text(host, "name"), cli_text(w->manifest, "agent"),
                 (long long)cli_int(w->manifest, "masked_values"));
        line("of", text);
}

static void print(const struct cli *c, const struct verifying *w)
{
        cli_put(stdout, w->file, CLI_WIDTH);
        fputs(": ", stdout);
        cli_colour(c, stdout, w->wrong ? CLI_RED : CLI_GREEN);
        fputs(w->wrong ? "does not fit" : "fits", stdout);
        cli_colour(c, stdout, CLI_PLAIN);
        putchar('\n');
        print_manifest(w);
        print_members(c, w);
        line("SHA-256", w->v.sha256);
        print_trail(w);
        print_signature(w);
}

static int print_json(const struct verifying *w)
{
        json_t *o = json_pack(
                "{s:s,s:b,s:s,s:s,s:I,s:I,s:I,s:O,s:I,s:O?,s:{s:s,s:s?,s:I,s:s,s:s}}", "file", w->file, "fits",
                !w->wrong, "sha256", w->v.sha256, "manifest_sha256", w->v.manifest, "size", (json_int_t)w->v.size,
                "members", (json_int_t)w->v.members, "problems_count", (json_int_t)w->v.problems, "problems",
                w->problems, "problems_more", (json_int_t)w->problems_more, "manifest", w->manifest, "trail", "state",
                trail_state(w), "directory", w->dir[0] ? w->dir : NULL, "record", (json_int_t)w->trail.n, "time",
                w->trail.time, "words", w->trail.words);
        int r;

        json_object_set_new(o, "signature", json_pack("{s:s,s:s}", "state", w->signature, "key", w->key_id));
        r = cli_print_json(o);
        json_decref(o);
        return r;
}

static int unreadable(const char *what, int err)
{
        fprintf(stderr, "tidemark: %s: %s\n", what, err_str(err));
        return CLI_FAILED;
}

static int verify(struct cli *c, struct verifying *w)
{
        static const struct capture_verify_ops ops = {on_problem, on_manifest};
        _cleanup_close_ int fd = open(w->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return unreadable(w->file, -errno);
        if (!S_ISREG(st.st_mode)) {
                fprintf(stderr, "tidemark: %s: it is not a file\n", w->file);
                return CLI_FAILED;
        }
        r = capture_verify(fd, &ops, w, &w->v);
        if (r < 0)
                return unreadable(w->file, r);
        r = look_in_trail(w);
        if (r < 0)
                return unreadable(w->dir, r);
        r = check_signature(w);
        if (r != CLI_DONE)
                return r;
        if (c->json)
                r = print_json(w);
        else
                print(c, w);
        return r != CLI_DONE ? r : w->wrong ? CLI_FOUND : CLI_DONE;
}

int cli_evidence_verify(struct cli *c)
{
        struct verifying w = {.signature = ""};
        const struct cli_option options[] = {{"--trail", &w.trail_dir, NULL}, {"--key", &w.key, NULL}};
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        if (operands != 2)
                return cli_usage("evidence verify takes one file");
        w.file = c->argv[2];
        w.problems = json_array();
        r = w.problems ? verify(c, &w) : CLI_FAILED;
        json_decref(w.problems);
        json_decref(w.manifest);
        return r;
}
