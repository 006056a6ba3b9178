/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supply_json - what records of its image say of a finding, as JSON and in words; and the playbook's conclusion.
 *
 * Owns:  the members sbom, provenance, admissions and conclusion of a finding: their shape is promised to stay.
 * Never: weighs anything (judge/score_supply.c does, and the conclusion is no factor), or says more than is known: by
 *        the tables as they are now, with what is missing and how it is added.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case/query-priv.h"
#include "tidemark/event.h"

#define WORDS 1500u

/* What a document says at its beginning. */
static struct tide_supply head_of(struct bytes head)
{
        struct tide_event ev = {.kind = TIDE_RECORD};
        size_t used;

        if (head.len == 0 || tide_decode(head.p, head.len, &ev, &used) < 0 || ev.kind != TIDE_RECORD)
                ev = (struct tide_event){.kind = TIDE_RECORD};
        return ev.supply;
}

static json_t *tri_json(enum judge_tri v)
{
        return v == TRI_UNKNOWN ? json_null() : json_boolean(v == TRI_YES);
}

static json_t *hex_json(struct bytes sum)
{
        char hex[2 * TIDE_SHA256 + 1];

        return sum.len == TIDE_SHA256 ? json_string(str_hex(sum, hex)) : json_null();
}

static json_t *buf_json(const struct buf *b)
{
        return b->err ? NULL : cj_words(buf_bytes(b));
}

static void put_text(struct buf *b, struct bytes s)
{
        char shown[200];

        buf_put_str(b, str_print(s, shown, sizeof(shown)));
}

/* "signature verified by ci.pem", "it is not signed" … */
static void put_signature(struct buf *b, uint8_t signature, struct bytes key)
{
        static const char *const words[SIGNATURE__MAX] = {
                [SIGNATURE_NONE] = "it is not signed",
                [SIGNATURE_VERIFIED] = "its signature is verified, by key ",
                [SIGNATURE_BAD] = "its signature does not fit",
                [SIGNATURE_UNKNOWN] = "it is signed, but by no key that is configured",
        };

        buf_put_str(b, words[signature < SIGNATURE__MAX ? signature : SIGNATURE_BAD]);
        if (signature == SIGNATURE_VERIFIED)
                put_text(b, key);
}

/* ---- paths ---- */

static bool is_written(const struct judge_compared *c)
{
        return c->layer == LAYER_WRITE || c->layer == LAYER_TMPFS || c->layer == LAYER_MEMFD ||
               c->layer == LAYER_DELETED;
}

/* Ran, and came with neither the image nor its SBOM, as far as these are known. */
static bool is_foreign(const struct judge_compared *c)
{
        return c->ran && c->in_sbom != TRI_YES &&
               (c->in_image == TRI_NO || (c->in_image == TRI_UNKNOWN && is_written(c)));
}

static void put_listed(struct buf *b, const struct judge_compared *c, enum judge_sbom_state sbom)
{
        static const char *const silent[SBOM__STATE_MAX] = {
                [SBOM_NONE] = "no SBOM of the image is known",
                [SBOM_NOT_KEPT] = "its SBOM is to be imported again",
                [SBOM_BAD_SIGNATURE] = "the SBOM's signature does not fit: nothing of it is believed",
                [SBOM_NO_FILES] = "the SBOM lists no files",
                [SBOM_FEW_FILES] = "the SBOM lists few files only: that it lacks this one says nothing",
                [SBOM_PARTIAL] = "the SBOM is known in part only: that it lacks this one says nothing",
                [SBOM_FILES] = "no SBOM is asked of it",
        };

        if (c->layer == LAYER_MOUNT)
                buf_put_str(b, "it is a volume's: no SBOM is about it");
        else if (c->in_sbom == TRI_NO)
                buf_put_str(b, "the SBOM does not list it");
        else if (c->in_sbom == TRI_YES)
                buf_put_str(b, "the SBOM lists it");
        else
                buf_put_str(b, silent[sbom < SBOM__STATE_MAX ? sbom : SBOM_NONE]);
}

static void put_hash(struct buf *b, const struct judge_compared *c)
{
        if (c->run_fits == TRI_YES)
                buf_put_str(b, ", with just the content that ran");
        else if (c->run_fits == TRI_NO)
                buf_put_str(b, ", with another content than what ran");
        else if (c->mixed)
                buf_put_str(b, ", with the content that ran last; what ran there before held another one, or is not "
                               "known");
        else if (c->ran && is_written(c) && c->in_sbom == TRI_YES)
                buf_put_str(b, "; the hash of what ran, or the one listed, is not known");
        if (c->image_fits == TRI_NO)
                buf_put_str(b, ", with another content than the image itself holds");
        else if (c->image_fits == TRI_YES && c->run_fits == TRI_UNKNOWN)
                buf_put_str(b, ", with the content that the image holds");
}

static void put_package(struct buf *b, const struct judge_compared *c)
{
        if (c->package.len == 0)
                return;
        buf_put_str(b, c->package_by_sbom ? "; of package " : "; of the image's package ");
        put_text(b, c->package);
        buf_put_str(b, " ");
        put_text(b, c->version);
        if (c->package_by_sbom || c->package_in_sbom == TRI_UNKNOWN)
                return;
        buf_put_str(b, c->package_in_sbom == TRI_YES ? ", which the SBOM lists" : ", which the SBOM does not list");
        if (c->sbom_version.len) {
                buf_put_str(b, " (but ");
                put_text(b, c->sbom_version);
                buf_put_str(b, ")");
        }
}

static json_t *package_json(const struct judge_compared *c)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        if (c->package.len == 0)
                return json_null();
        bad |= json_object_set_new(o, "name", cj_text(c->package));
        bad |= json_object_set_new(o, "version", cj_text(c->version));
        bad |= json_object_set_new(o, "by", json_string(c->package_by_sbom ? "sbom" : "image"));
        bad |= json_object_set_new(o, "in_sbom", tri_json(c->package_in_sbom));
        bad |= json_object_set_new(o, "sbom_version", cj_text_or_null(c->sbom_version));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *fits_json(enum judge_tri v)
{
        return v == TRI_UNKNOWN ? json_null() : json_string(v == TRI_YES ? "fits" : "differs");
}

static json_t *path_json(const struct judge_compared *c, enum judge_sbom_state sbom)
{
        _cleanup_json_ json_t *o = json_object();
        _cleanup_buf_ struct buf b;
        bool by_run = c->run_fits != TRI_UNKNOWN;
        int bad = 0;

        buf_init(&b, WORDS);
        put_listed(&b, c, sbom);
        put_hash(&b, c);
        put_package(&b, c);
        bad |= json_object_set_new(o, "path", cj_text(c->path));
        bad |= json_object_set_new(o, "ran", json_boolean(c->ran));
        bad |= json_object_set_new(o, "in_image", tri_json(c->in_image));
        bad |= json_object_set_new(o, "in_sbom", tri_json(c->in_sbom));
        bad |= json_object_set_new(o, "hash", fits_json(by_run ? c->run_fits : c->image_fits));
        bad |= json_object_set_new(o, "hash_of",
                                   by_run                         ? json_string("run")
                                   : c->image_fits != TRI_UNKNOWN ? json_string("image")
                                                                  : json_null());
        bad |= json_object_set_new(o, "package", package_json(c));
        bad |= json_object_set_new(o, "words", buf_json(&b));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *paths_json(const struct judge_comparison *c)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < c->npaths; i++)
                if (json_array_append_new(a, path_json(&c->paths[i], c->sbom.state)) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

/* ---- documents ---- */

/* What all of them have. */
static int put_document(json_t *o, const struct tide_supply *t, uint8_t signature, struct bytes digest,
                        int64_t imported_ns)
{
        bool verified = signature == SIGNATURE_VERIFIED;
        int bad = 0;

        bad |= json_object_set_new(o, "format", cj_text_or_null(t->format));
        bad |= json_object_set_new(o, "file", cj_text_or_null(t->source));
        bad |= json_object_set_new(o, "document", hex_json(t->document));
        bad |= json_object_set_new(o, "digest", cj_text_or_null(digest));
        bad |= json_object_set_new(o, "signature",
                                   digest.len ? json_string(tide_signature_name(signature)) : json_null());
        bad |= json_object_set_new(o, "verified", json_boolean(digest.len && verified));
        bad |= json_object_set_new(o, "key", verified ? cj_text_or_null(t->key) : json_null());
        bad |= json_object_set_new(o, "imported", cj_time(imported_ns));
        return bad;
}

static void sbom_words(const struct judge_sbom *s, const struct tide_supply *t, struct buf *b)
{
        static const char *const words[SBOM__STATE_MAX] = {
                [SBOM_NONE] = "no SBOM of the image is known",
                [SBOM_NOT_KEPT] = "the SBOM that is known stood behind one that is gone: import it again",
                [SBOM_BAD_SIGNATURE] = "nothing of it is believed",
                [SBOM_NO_FILES] = "it lists packages, but no files",
                [SBOM_FEW_FILES] = "it lists less than half of the image's programs: what it lacks says nothing",
                [SBOM_PARTIAL] = "it is known in part: what it lacks says nothing",
                [SBOM_FILES] = "it lists files",
        };

        if (s->state != SBOM_NONE && s->state != SBOM_NOT_KEPT) {
                put_text(b, t->source);
                buf_put_str(b, ": ");
                put_signature(b, s->signature, t->key);
                buf_put_str(b, "; ");
        }
        buf_put_str(b, words[s->state < SBOM__STATE_MAX ? s->state : SBOM_NONE]);
        if (s->cover.files && s->files)
                buf_printf(b, " (%u of the %u programs, libraries and scripts of the image, %u of them with another "
                              "content)",
                           s->cover.listed, s->cover.files, s->cover.differ);
}

static json_t *sbom_json(const struct judge_comparison *c)
{
        const struct judge_sbom *s = &c->sbom;
        const struct tide_supply t = head_of(s->head);
        _cleanup_json_ json_t *o = json_object();
        _cleanup_buf_ struct buf b;
        int bad = 0;

        buf_init(&b, WORDS);
        sbom_words(s, &t, &b);
        bad |= json_object_set_new(o, "state", json_string(judge_sbom_state_name(s->state)));
        bad |= put_document(o, &t, s->signature, s->digest, s->imported_ns);
        bad |= json_object_set_new(o, "source", cj_text_or_null(t.source));
        bad |= json_object_set_new(o, "creator", cj_text_or_null(t.creator));
        bad |= json_object_set_new(o, "made", cj_time(t.ended_ns ? t.ended_ns : t.began_ns));
        bad |= json_object_set_new(o, "packages", cj_u64(s->packages));
        bad |= json_object_set_new(o, "files", cj_u64(s->files));
        bad |= json_object_set_new(o, "left_out", cj_u64(s->refused));
        bad |= json_object_set_new(o, "others", cj_u64(s->others));
        bad |= json_object_set_new(o, "image",
                                   json_pack("{s:I,s:I,s:I}", "files", (json_int_t)s->cover.files, "listed",
                                             (json_int_t)s->cover.listed, "differ", (json_int_t)s->cover.differ));
        bad |= json_object_set_new(o, "words", buf_json(&b));
        bad |= json_object_set_new(o, "paths", paths_json(c));
        return bad ? NULL : TAKE_PTR(o);
}

/* "built by X from commit C of R" */
static void put_build(struct buf *b, const struct tide_supply *t)
{
        buf_put_str(b, "built by ");
        if (t->creator.len)
                put_text(b, t->creator);
        else
                buf_put_str(b, "nobody says whom");
        buf_put_str(b, t->commit.len ? " from commit " : ", from what is not said");
        put_text(b, t->commit);
        if (t->repository.len) {
                buf_put_str(b, " of ");
                put_text(b, t->repository);
        }
}

static json_t *provenance_json(const struct judge_comparison *c)
{
        const struct judge_statement *s = &c->builds[0];
        const struct tide_supply t = head_of(c->nbuilds ? s->head : bytes_of(NULL, 0));
        _cleanup_json_ json_t *o = json_object();
        _cleanup_buf_ struct buf b;
        int bad = 0;

        buf_init(&b, WORDS);
        if (c->nbuilds) {
                put_build(&b, &t);
                buf_put_str(&b, ": ");
                put_signature(&b, s->signature, t.key);
        } else {
                buf_put_str(&b, "no provenance of the image is known");
        }
        bad |= json_object_set_new(o, "state",
                                   json_string(c->nbuilds ? tide_signature_name(s->signature) : "none"));
        bad |= put_document(o, &t, s->signature, c->nbuilds ? s->digest : bytes_of(NULL, 0),
                            c->nbuilds ? s->imported_ns : 0);
        bad |= json_object_set_new(o, "builder", cj_text_or_null(t.creator));
        bad |= json_object_set_new(o, "source", cj_text_or_null(t.repository));
        bad |= json_object_set_new(o, "commit", cj_text_or_null(t.commit));
        bad |= json_object_set_new(o, "build_type", cj_text_or_null(t.build_type));
        bad |= json_object_set_new(o, "began", cj_time(t.began_ns));
        bad |= json_object_set_new(o, "built", cj_time(t.ended_ns));
        bad |= json_object_set_new(o, "others", cj_u64(c->nbuilds ? c->nbuilds - 1 + c->builds_more : 0));
        bad |= json_object_set_new(o, "words", buf_json(&b));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *admission_json(const struct judge_statement *s)
{
        const struct tide_supply t = head_of(s->head);
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "admitted", json_boolean(t.admitted));
        bad |= json_object_set_new(o, "time", cj_time(s->when_ns));
        bad |= json_object_set_new(o, "by", cj_text_or_null(t.creator));
        bad |= json_object_set_new(o, "image", cj_text_or_null(t.image));
        bad |= json_object_set_new(o, "place", cj_text_or_null(t.place));
        bad |= json_object_set_new(o, "words", cj_text_or_null(t.words));
        bad |= put_document(o, &t, s->signature, s->digest, s->imported_ns);
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *admissions_json(const struct judge_comparison *c)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < c->nadmissions; i++)
                if (json_array_append_new(a, admission_json(&c->admissions[i])) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

/* ---- the conclusion ---- */

struct conclusion {
        const struct judge_comparison *c;
        const struct judge_compared *foreign, *listed, *own; /* one of each, or NULL */
        bool built; /* a verified provenance names builder and commit */
        bool image_differs;
        bool sound; /* built, and nothing is known against the image */
        json_t *facts, *missing;
        int bad;
};

static void add(struct conclusion *x, json_t *to, struct buf *b)
{
        x->bad |= json_array_append_new(to, buf_json(b));
        buf_reset(b);
}

static void look(struct conclusion *x)
{
        const struct judge_comparison *c = x->c;
        const struct tide_supply t = head_of(c->nbuilds ? c->builds[0].head : bytes_of(NULL, 0));

        x->built = c->nbuilds && c->builds[0].signature == SIGNATURE_VERIFIED && t.creator.len && t.commit.len;
        x->image_differs = c->sbom.cover.differ > 0;
        for (uint32_t i = 0; i < c->npaths; i++) {
                const struct judge_compared *p = &c->paths[i];

                x->image_differs |= p->image_fits == TRI_NO;
                if (p->in_image == TRI_YES)
                        x->image_differs |= p->in_sbom == TRI_NO || p->package_in_sbom == TRI_NO;
                if (is_foreign(p))
                        x->foreign = x->foreign ? x->foreign : p;
                else if (p->run_fits == TRI_YES)
                        x->listed = x->listed ? x->listed : p;
                else if (p->ran && p->in_image == TRI_YES && !is_written(p))
                        x->own = x->own ? x->own : p;
        }
        x->sound = x->built && !x->image_differs && c->sbom.state != SBOM_BAD_SIGNATURE;
}

static void add_facts(struct conclusion *x, struct buf *b)
{
        const struct judge_comparison *c = x->c;

        if (c->nbuilds) {
                const struct tide_supply t = head_of(c->builds[0].head);

                put_build(b, &t);
                buf_put_str(b, ": ");
                put_signature(b, c->builds[0].signature, t.key);
                add(x, x->facts, b);
        }
        for (uint32_t i = 0; i < c->npaths; i++) {
                if (c->paths[i].in_sbom == TRI_UNKNOWN && !is_foreign(&c->paths[i]))
                        continue;
                put_text(b, c->paths[i].path);
                if (c->paths[i].in_image != TRI_UNKNOWN)
                        buf_put_str(b, c->paths[i].in_image == TRI_YES ? " is in the image" : " is not in the image");
                else
                        buf_put_str(b, is_written(&c->paths[i]) ? " is the container's own" : " may be in the image");
                buf_put_str(b, "; ");
                put_listed(b, &c->paths[i], c->sbom.state);
                put_hash(b, &c->paths[i]);
                add(x, x->facts, b);
        }
        if (c->sbom.cover.differ) {
                buf_printf(b, "%u of the image's own files have another content than its SBOM lists",
                           c->sbom.cover.differ);
                add(x, x->facts, b);
        }
}

static void add_missing(struct conclusion *x, struct buf *b)
{
        const struct judge_comparison *c = x->c;

        if (c->nbuilds == 0)
                buf_put_str(b, "provenance that says who built the image, and from what: tidemark record import FILE");
        else if (c->builds[0].signature != SIGNATURE_VERIFIED)
                buf_put_str(b, "provenance with a signature that a configured key verifies (records.keys): tidemark "
                               "record verify FILE says what is wrong with it");
        else if (!x->built)
                buf_put_str(b, "provenance that names builder and commit: tidemark record import FILE");
        if (b->len)
                add(x, x->missing, b);
        if (c->sbom.state == SBOM_NONE || c->sbom.state == SBOM_NOT_KEPT)
                buf_put_str(b, "an SBOM that lists files with their SHA-256: tidemark record import FILE");
        else if (c->sbom.state != SBOM_FILES)
                buf_put_str(b, "an SBOM that lists all files with their SHA-256 (Syft does with "
                               "SYFT_FILE_METADATA_SELECTION=all): tidemark record import FILE");
        else if (c->sbom.signature != SIGNATURE_VERIFIED)
                buf_put_str(b, "a signature over the SBOM that a configured key verifies (records.keys): tidemark "
                               "record import FILE");
        if (b->len)
                add(x, x->missing, b);
        if (c->manifest.len == 0) {
                buf_put_str(b, "the digest of the image's manifest, by which most records go: its runtime does not "
                               "tell it. tidemark record import FILE --image DIGEST names the image by that of its "
                               "configuration");
                add(x, x->missing, b);
        }
}

/* Why it is not clear that the image is what it should be. */
static void put_doubt(const struct conclusion *x, struct buf *b)
{
        const struct judge_comparison *c = x->c;

        if (x->image_differs)
                buf_put_str(b, "the image itself is not what its SBOM says");
        else if (c->sbom.state == SBOM_BAD_SIGNATURE)
                buf_put_str(b, "the signature of its SBOM does not fit");
        else if (c->nbuilds == 0)
                buf_put_str(b, "nothing is known of who built the image, and from what");
        else if (c->builds[0].signature != SIGNATURE_VERIFIED)
                put_signature(b, c->builds[0].signature, bytes_of(NULL, 0));
        else
                buf_put_str(b, "its provenance names no builder, or no commit");
}

static void put_conclusion(const struct conclusion *x, bool runtime, struct buf *b)
{
        const struct tide_supply t = head_of(x->c->nbuilds ? x->c->builds[0].head : bytes_of(NULL, 0));

        if (runtime) {
                buf_put_str(b, "More likely a compromise at run time than of the image: it was ");
                put_build(b, &t);
                buf_put_str(b, ", by a signature that is verified, and ");
                put_text(b, x->foreign->path);
                buf_put_str(b, x->foreign->in_sbom == TRI_NO ? " is neither in the image nor in its SBOM"
                                                             : " did not come with it");
                return;
        }
        buf_put_str(b, "Treat it as both, a compromise of the image and one at run time: ");
        if (!x->sound) {
                put_doubt(x, b);
                return;
        }
        buf_put_str(b, "the image was ");
        put_build(b, &t);
        buf_put_str(b, ", by a signature that is verified, but ");
        if (x->listed) {
                put_text(b, x->listed->path);
                buf_put_str(b, " is what its SBOM lists: it may have come with the software");
        } else if (x->own) {
                put_text(b, x->own->path);
                buf_put_str(b, " is the image's own: what was built may do this, or somebody uses it");
        } else {
                buf_put_str(b, "nothing that ran is known not to have come with it");
        }
}

/* By the design's rule: known commit, known builder, a verified signature, and foreign code; else both. */
static json_t *conclusion_json(const struct judge_comparison *c)
{
        _cleanup_json_ json_t *facts = json_array(), *missing = json_array();
        struct conclusion x = {.c = c, .facts = facts, .missing = missing};
        _cleanup_json_ json_t *o = json_object();
        _cleanup_buf_ struct buf b;
        bool runtime;

        buf_init(&b, WORDS);
        look(&x);
        runtime = x.sound && x.foreign;
        add_facts(&x, &b);
        add_missing(&x, &b);
        put_conclusion(&x, runtime, &b);
        x.bad |= json_object_set_new(o, "lean",
                                     json_string(runtime ? "runtime compromise more likely" : "treat as both"));
        x.bad |= json_object_set_new(o, "words", buf_json(&b));
        x.bad |= json_object_set(o, "facts", facts);
        x.bad |= json_object_set(o, "missing", missing);
        return x.bad ? NULL : TAKE_PTR(o);
}

/* ---- all of it ---- */

static int put_supply(const struct judge *j, const struct finding *f, json_t *o)
{
        struct judge_comparison *c = malloc(sizeof(*c));
        int bad = !c;

        if (bad)
                return -1;
        judge_compare(j, f, c);
        bad |= json_object_set_new(o, "sbom", sbom_json(c));
        bad |= json_object_set_new(o, "provenance", provenance_json(c));
        bad |= json_object_set_new(o, "admissions", admissions_json(c));
        bad |= json_object_set_new(o, "conclusion", conclusion_json(c));
        free(c);
        return bad ? -1 : 0;
}

json_t *finding_json_compared(const struct judge *j, const struct finding *f, uint32_t show)
{
        json_t *o = finding_json(f, show);

        if (o && put_supply(j, f, o) < 0) {
                json_decref(o);
                return NULL;
        }
        return o;
}
