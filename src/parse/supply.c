/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the passes over a file: what there is, whose signature each document bears, and that what is looked into later
 * is what was signed. Must not: look into what is signed before that. Pure.
 */
#include "tidemark/supply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse/supply-priv.h"
#include "tidemark/err.h"

#define STOP 1 /* from an op: this pass is over, and all is well */

const char *supply_form_name(unsigned form)
{
        static const char *const names[SUPPLY__FORM_MAX] = {
                "unknown", "provenance", "CycloneDX SBOM", "SPDX SBOM", "Kubernetes audit events", "admission lines"};

        return names[form < SUPPLY__FORM_MAX ? form : 0];
}

/* ---- the file ---- */

int supply_range(struct supply *s, uint64_t from, uint64_t to, supply_sink sink, void *arg)
{
        int r = 0;

        while (r == 0 && from < to) {
                size_t want = to - from < sizeof(s->chunk) ? (size_t)(to - from) : sizeof(s->chunk);
                ssize_t n = s->source->read(from, s->chunk, want, s->source->arg);

                if (n == -EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? (int)n : to == UINT64_MAX ? 0 : ERR_CHECKSUM;
                r = sink(bytes_of(s->chunk, (size_t)n), arg);
                from += (uint64_t)n;
        }
        return r;
}

static int feed(struct bytes part, void *arg)
{
        return jsonsplit_feed(arg, part);
}

/* ---- what there is ---- */

enum row {
        ROW_PAYLOAD,
        ROW_TYPE,
        ROW_SIGNATURES,
        ROW_ENVELOPE,
        ROW_IN_PAYLOAD,
        ROW_IN_TYPE,
        ROW_IN_SIGNATURES,
        ROW_MATERIAL,
        ROW_PUBLIC_KEY,
        ROW_HINT,
        ROW_STATEMENT,
        ROW_CYCLONEDX,
        ROW_SPDX,
        ROW_KIND,
        ROW_VERB,
        ROW_DECISION,
        ROW__MAX
};
static const struct jsonsplit_row rows[ROW__MAX] = {
        [ROW_PAYLOAD] = {-1, "payload", JSONSPLIT_STREAM},
        [ROW_TYPE] = {-1, "payloadType", JSONSPLIT_WHOLE},
        [ROW_SIGNATURES] = {-1, "signatures", JSONSPLIT_EACH},
        [ROW_ENVELOPE] = {-1, "dsseEnvelope", JSONSPLIT_ENTER},
        [ROW_IN_PAYLOAD] = {ROW_ENVELOPE, "payload", JSONSPLIT_STREAM},
        [ROW_IN_TYPE] = {ROW_ENVELOPE, "payloadType", JSONSPLIT_WHOLE},
        [ROW_IN_SIGNATURES] = {ROW_ENVELOPE, "signatures", JSONSPLIT_EACH},
        [ROW_MATERIAL] = {-1, "verificationMaterial", JSONSPLIT_ENTER},
        [ROW_PUBLIC_KEY] = {ROW_MATERIAL, "publicKey", JSONSPLIT_ENTER},
        [ROW_HINT] = {ROW_PUBLIC_KEY, "hint", JSONSPLIT_WHOLE},
        [ROW_STATEMENT] = {-1, "_type", JSONSPLIT_WHOLE},
        [ROW_CYCLONEDX] = {-1, "bomFormat", JSONSPLIT_WHOLE},
        [ROW_SPDX] = {-1, "spdxVersion", JSONSPLIT_WHOLE},
        [ROW_KIND] = {-1, "kind", JSONSPLIT_WHOLE},
        [ROW_VERB] = {-1, "verb", JSONSPLIT_WHOLE},
        [ROW_DECISION] = {-1, "decision", JSONSPLIT_WHOLE},
};

/* An outermost object, while it is passed. */
struct scan {
        struct supply *s;
        struct supply_doc doc;
        uint32_t seen; /* set of 1 << enum row */
        bool list;     /* of events */
        bool bad_base64;
        struct base64 b64;
        struct buf scratch;
};

static void next_object(struct scan *sc)
{
        memset(&sc->doc, 0, sizeof(sc->doc));
        sc->doc.d.key = -1;
        sc->seen = 0;
        sc->list = sc->bad_base64 = false;
        sc->b64 = (struct base64){0};
}

static int take_signature(struct scan *sc, struct bytes text)
{
        _cleanup_json_ json_t *v = supply_json(text);
        const char *sig = json_string_value(json_object_get(v, "sig"));
        struct supply_doc *doc = &sc->doc;
        struct base64 b64 = {0};
        struct supply_sig *k;

        if (doc->nsigs == SIGNATURES) {
                doc->sigs_left_out++;
                return 0;
        }
        k = &doc->sigs[doc->nsigs++];
        supply_text(v, "keyid", k->keyid, sizeof(k->keyid));
        buf_reset(&sc->scratch);
        if (!sig || base64_decode(&b64, bytes_str(sig), &sc->scratch) < 0 || base64_end(&b64, &sc->scratch) < 0 ||
            sc->scratch.len > sizeof(k->bytes))
                return 0;
        k->len = (uint32_t)sc->scratch.len;
        if (k->len)
                memcpy(k->bytes, sc->scratch.p, k->len);
        return 0;
}

/* base64 of the key's SHA-256, as cosign writes it; or words. */
static void take_hint(struct scan *sc, const char *hint)
{
        struct base64 b64 = {0};

        buf_reset(&sc->scratch);
        if (hint && base64_decode(&b64, bytes_str(hint), &sc->scratch) == 0 && base64_end(&b64, &sc->scratch) == 0 &&
            sc->scratch.len == TIDE_SHA256)
                str_hex(buf_bytes(&sc->scratch), sc->doc.hint);
        else
                supply_copy(hint, sc->doc.hint, sizeof(sc->doc.hint));
}

static int on_value(int row, struct bytes text, void *arg)
{
        struct scan *sc = arg;
        _cleanup_json_ json_t *v = NULL;

        sc->seen |= 1u << row;
        if (row == ROW_SIGNATURES || row == ROW_IN_SIGNATURES)
                return take_signature(sc, text);
        v = supply_json(text);
        if (row == ROW_TYPE || row == ROW_IN_TYPE)
                supply_copy(json_string_value(v), sc->doc.d.payload_type, sizeof(sc->doc.d.payload_type));
        if (row == ROW_HINT)
                take_hint(sc, json_string_value(v));
        if (row == ROW_KIND && json_string_value(v))
                sc->list = strcmp(json_string_value(v), "EventList") == 0;
        return 0;
}

/* The payload is only measured. */
static int on_text(int row, struct bytes part, void *arg)
{
        struct scan *sc = arg;
        int r;

        sc->seen |= 1u << row;
        if (sc->bad_base64)
                return 0;
        buf_reset(&sc->scratch);
        r = base64_decode(&sc->b64, part, &sc->scratch);
        if (r == -ENOMEM)
                return r;
        sc->bad_base64 = r < 0;
        sc->doc.payload_len += sc->scratch.len;
        return 0;
}

static bool has(const struct scan *sc, enum row row)
{
        return sc->seen >> row & 1;
}

/* The first object tells whether the file is one of admissions. */
static uint8_t admissions_form(const struct scan *sc)
{
        if (has(sc, ROW_KIND) && (has(sc, ROW_VERB) || sc->list))
                return SUPPLY_AUDIT;
        return has(sc, ROW_DECISION) ? SUPPLY_LINE : SUPPLY_UNKNOWN;
}

static void end_payload(struct scan *sc)
{
        struct supply_document *d = &sc->doc.d;

        d->envelope = true;
        sc->doc.bundle = has(sc, ROW_IN_PAYLOAD);
        buf_reset(&sc->scratch);
        if (sc->bad_base64 || base64_end(&sc->b64, &sc->scratch) < 0)
                supply_copy("its payload is not base64", d->refused, sizeof(d->refused));
        sc->doc.payload_len += sc->scratch.len;
        if (!d->refused[0] && !dsse_is_statement(bytes_str(d->payload_type)))
                snprintf(d->refused, sizeof(d->refused),
                         "wrong payload type: \"%s\", where application/vnd.in-toto+json is taken", d->payload_type);
}

static int on_end(uint64_t from, uint64_t to, void *arg)
{
        struct scan *sc = arg;
        struct supply *s = sc->s;
        struct supply_document *d = &sc->doc.d;
        struct supply_doc *more;

        if (s->ndocs == 0) {
                s->form = admissions_form(sc);
                s->event_list = sc->list;
                if (s->form)
                        return STOP;
        }
        if (s->ndocs == SUPPLY_DOCUMENTS)
                return ERR_LIMIT;
        if (has(sc, ROW_PAYLOAD) || has(sc, ROW_IN_PAYLOAD))
                end_payload(sc);
        else if (!has(sc, ROW_STATEMENT) && !has(sc, ROW_CYCLONEDX) && !has(sc, ROW_SPDX))
                supply_copy("it is neither a DSSE envelope, a sigstore bundle with one, an in-toto statement, "
                            "CycloneDX, SPDX 2 nor an admission",
                            d->refused, sizeof(d->refused));
        sc->doc.from = d->at = from;
        sc->doc.to = to;
        more = realloc(s->docs, (s->ndocs + 1) * sizeof(*more));
        if (!more)
                return -ENOMEM;
        s->docs = more;
        s->docs[s->ndocs++] = sc->doc;
        next_object(sc);
        return 0;
}

/* Splitters say STOP as an error of theirs: it must be negative to end them. */
#define STOPPED -ECANCELED

static int on_end_or_stop(uint64_t from, uint64_t to, void *arg)
{
        int r = on_end(from, to, arg);

        return r == STOP ? STOPPED : r;
}

static int scan(struct supply *s)
{
        static const struct jsonsplit_ops ops = {.value = on_value, .text = on_text, .end = on_end_or_stop};
        _cleanup_(jsonsplit_freep) struct jsonsplit *split = NULL;
        struct scan *sc = calloc(1, sizeof(*sc));
        int r = sc ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        sc->s = s;
        buf_init(&sc->scratch, 2 * sizeof(s->chunk));
        next_object(sc);
        r = jsonsplit_new(rows, ARRAY_LEN(rows), &ops, sc, &split);
        if (r == 0)
                r = supply_range(s, 0, UINT64_MAX, feed, split);
        if (r == 0)
                r = jsonsplit_end(split);
        if (r == STOPPED)
                r = 0;
        else if (r == ERR_LIMIT && s->ndocs == SUPPLY_DOCUMENTS)
                snprintf(s->why, SUPPLY_WHY, "it holds more than %u documents", SUPPLY_DOCUMENTS);
        else if (split && *jsonsplit_why(split))
                snprintf(s->why, SUPPLY_WHY, "it is no JSON that is taken: %s", jsonsplit_why(split));
        buf_release(&sc->scratch);
        free(sc);
        return r;
}

/* ---- one document's bytes ---- */

struct opening {
        supply_sink sink;
        void *arg;
        struct base64 b64;
        struct buf out;
        int result; /* of the sink, which may be more than 0 */
};

static int hand_on(struct opening *o)
{
        int r = o->out.len ? o->sink(buf_bytes(&o->out), o->arg) : 0;

        buf_reset(&o->out);
        o->result = r;
        return r ? STOPPED : 0;
}

static int on_payload(int row, struct bytes part, void *arg)
{
        struct opening *o = arg;
        int r = base64_decode(&o->b64, part, &o->out);

        (void)row;
        return r < 0 ? r : hand_on(o);
}

/* The payload of an envelope; rows: of one, or of a bundle's. */
static int open_envelope(struct supply *s, const struct supply_doc *doc, supply_sink sink, void *arg)
{
        static const struct jsonsplit_row plain[] = {{-1, "payload", JSONSPLIT_STREAM}};
        static const struct jsonsplit_row bundle[] = {{-1, "dsseEnvelope", JSONSPLIT_ENTER},
                                                      {0, "payload", JSONSPLIT_STREAM}};
        static const struct jsonsplit_ops ops = {.text = on_payload};
        _cleanup_(jsonsplit_freep) struct jsonsplit *split = NULL;
        struct opening o = {.sink = sink, .arg = arg};
        int r = jsonsplit_new(doc->bundle ? bundle : plain, doc->bundle ? 2 : 1, &ops, &o, &split);

        buf_init(&o.out, 2 * sizeof(s->chunk));
        if (r == 0)
                r = supply_range(s, doc->from, doc->to, feed, split);
        if (r == 0)
                r = jsonsplit_end(split);
        if (r == 0)
                r = base64_end(&o.b64, &o.out);
        if (r == 0)
                r = hand_on(&o);
        buf_release(&o.out);
        if (r == STOPPED)
                return o.result;
        return r == -EINVAL ? ERR_CHECKSUM : r; /* it was in order before */
}

struct summing {
        struct signature_summer *summer, *with_head; /* NULL: none */
        supply_sink sink; /* NULL: none */
        void *arg;
        uint64_t bytes;
};

static int sum_and_pass(struct bytes part, void *arg)
{
        struct summing *m = arg;
        int r = signature_summer_add(m->summer, part);

        if (r == 0 && m->with_head)
                r = signature_summer_add(m->with_head, part);
        m->bytes += part.len;
        return r == 0 && m->sink ? m->sink(part, m->arg) : r;
}

static int raw_pass(struct supply *s, const struct supply_doc *doc, supply_sink sink, void *arg)
{
        return doc->d.envelope ? open_envelope(s, doc, sink, arg) : supply_range(s, doc->from, doc->to, sink, arg);
}

/* Of an envelope also what its signatures are over, which begins with head; else head is empty. */
static int sum(struct supply *s, const struct supply_doc *doc, struct bytes head, struct signature_sums *ret_raw,
               struct signature_sums *ret_signed, uint64_t *ret_bytes)
{
        struct summing m = {.summer = s->summer, .with_head = head.len ? s->with_head : NULL};
        int r = head.len ? signature_summer_add(s->with_head, head) : 0;

        if (r == 0)
                r = raw_pass(s, doc, sum_and_pass, &m);
        if (signature_summer_done(s->summer, ret_raw) < 0 || signature_summer_done(s->with_head, ret_signed) < 0)
                return -EIO;
        *ret_bytes = m.bytes;
        return r;
}

int supply_pass(struct supply *s, struct supply_doc *doc, supply_sink sink, void *arg)
{
        struct summing m = {.summer = s->summer, .sink = sink, .arg = arg};
        int r = raw_pass(s, doc, sum_and_pass, &m);
        struct signature_sums sums;

        if (signature_summer_done(s->summer, &sums) < 0)
                return -EIO;
        if (r == 0 && memcmp(sums.sha256, doc->d.sha256, sizeof(sums.sha256)) != 0)
                return ERR_CHECKSUM;
        return r;
}

int supply_split(struct supply *s, struct supply_doc *doc, const struct jsonsplit_row *table, size_t nrows,
                 const struct jsonsplit_ops *ops, void *arg, uint64_t *ret_refused)
{
        _cleanup_(jsonsplit_freep) struct jsonsplit *split = NULL;
        struct jsonsplit_stats stats;
        int r = jsonsplit_new(table, nrows, ops, arg, &split);

        if (r == 0)
                r = supply_pass(s, doc, feed, split);
        if (r == 0)
                r = jsonsplit_end(split);
        if (!split)
                return r;
        jsonsplit_stats(split, &stats);
        *ret_refused += stats.refused + stats.unfit;
        if (r == 0 && stats.objects > 1) {
                supply_copy("what is signed is several documents", doc->d.refused, sizeof(doc->d.refused));
                return 1;
        }
        if ((r == -EINVAL || r == ERR_LIMIT) && *jsonsplit_why(split)) {
                snprintf(doc->d.refused, sizeof(doc->d.refused), "what is signed is no JSON that is taken: %s",
                         jsonsplit_why(split));
                return 1;
        }
        return r;
}

/* ---- signatures ---- */

static struct bytes sig_bytes(const struct supply_sig *k)
{
        return bytes_of(k->bytes, k->len);
}

static int fitting_key(const struct supply *s, const struct supply_doc *doc, const struct signature_sums *sums)
{
        for (uint32_t i = 0; i < doc->nsigs; i++)
                for (size_t k = 0; k < s->set->nkeys; k++)
                        if (signature_fits_sums(s->set->keys[k], sums, sig_bytes(&doc->sigs[i])))
                                return (int)k;
        return -1;
}

/* Does the id name the key: its SHA-256, or its file's name? */
static bool names_key(const struct supply *s, const char *id, size_t k)
{
        const char *slash = strrchr(s->set->names[k], '/'), *base = slash ? slash + 1 : s->set->names[k];
        size_t n = strlen(id);

        if (n == 0)
                return false;
        if (strncmp(id, "sha256:", 7) == 0 || strncmp(id, "SHA256:", 7) == 0)
                id += 7;
        return strcmp(id, signature_key_id(s->set->keys[k])) == 0 || strcmp(id, s->set->names[k]) == 0 ||
               strcmp(id, base) == 0 || (strncmp(id, base, n) == 0 && strcmp(base + n, ".pem") == 0);
}

/* A key of ours in whose name one of the signatures is; NULL: none. */
static const char *named_key(const struct supply *s, const struct supply_doc *doc)
{
        for (uint32_t i = 0; i < doc->nsigs; i++)
                for (size_t k = 0; k < s->set->nkeys; k++)
                        if (names_key(s, doc->sigs[i].keyid, k) || names_key(s, doc->hint, k))
                                return s->set->names[k];
        return NULL;
}

/* Of one key's form at least: else it is no signature at all. */
static bool has_form(const struct supply *s, const struct supply_doc *doc)
{
        for (uint32_t i = 0; i < doc->nsigs; i++)
                for (size_t k = 0; k < s->set->nkeys; k++)
                        if (signature_has_form(s->set->keys[k], sig_bytes(&doc->sigs[i])))
                                return true;
        return false;
}

static bool all_unreadable(const struct supply_doc *doc)
{
        for (uint32_t i = 0; i < doc->nsigs; i++)
                if (doc->sigs[i].len)
                        return false;
        return true;
}

/* None fits: in which way. raw: sums of the payload without its head. */
static void why_not(const struct supply *s, struct supply_doc *doc, const struct signature_sums *raw)
{
        struct supply_document *d = &doc->d;
        const char *named = named_key(s, doc);
        int k;

        d->signature = SIGNATURE_BAD;
        if (all_unreadable(doc)) {
                snprintf(d->why, sizeof(d->why), "its signature is not base64, empty, or too long");
        } else if ((k = fitting_key(s, doc, raw)) >= 0) {
                snprintf(d->why, sizeof(d->why),
                         "key %s signed the payload alone, not the form that DSSE wants (PAE): sign it with a program "
                         "that knows DSSE",
                         s->set->names[k]);
        } else if (named) {
                snprintf(d->why, sizeof(d->why),
                         "a signature in the name of key %s does not fit: changed since it was signed, or not signed "
                         "with that key",
                         named);
        } else if (s->set->nkeys == 0) {
                d->signature = SIGNATURE_UNKNOWN;
                snprintf(d->why, sizeof(d->why), "no key is there to verify it with");
        } else if (!has_form(s, doc)) {
                d->signature = SIGNATURE_UNKNOWN;
                snprintf(d->why, sizeof(d->why), "its signature is of another kind than that of any of the %zu key%s",
                         s->set->nkeys, s->set->nkeys == 1 ? "" : "s");
        } else {
                d->signature = SIGNATURE_UNKNOWN;
                snprintf(d->why, sizeof(d->why), "its signature fits none of the %zu key%s, and names none of them",
                         s->set->nkeys, s->set->nkeys == 1 ? "" : "s");
        }
}

static int check_signature(struct supply *s, struct supply_doc *doc)
{
        struct supply_document *d = &doc->d;
        struct signature_sums raw, sums;
        _cleanup_buf_ struct buf head;
        int r;

        buf_init(&head, 512);
        if (d->envelope && doc->nsigs)
                dsse_head(bytes_str(d->payload_type), doc->payload_len, &head);
        r = head.err ? head.err : sum(s, doc, buf_bytes(&head), &raw, &sums, &d->bytes);
        if (r == 0 && d->envelope && d->bytes != doc->payload_len)
                r = ERR_CHECKSUM;
        if (r < 0)
                return r;
        memcpy(d->sha256, raw.sha256, sizeof(d->sha256));
        if (!d->envelope || doc->nsigs == 0) {
                d->signature = SIGNATURE_NONE;
                supply_copy(d->envelope ? "the envelope bears no signature" : "it is no envelope", d->why,
                            sizeof(d->why));
                return 0;
        }
        d->key = fitting_key(s, doc, &sums);
        if (d->key >= 0)
                d->signature = SIGNATURE_VERIFIED;
        else
                why_not(s, doc, &raw);
        return 0;
}

static int check_all(struct supply *s)
{
        int r = 0;

        for (unsigned i = 0; i < s->ndocs && r == 0; i++) {
                struct supply_doc *doc = &s->docs[i];

                if (!doc->d.refused[0])
                        r = check_signature(s, doc);
                if (r == 0 && s->ops->document)
                        r = s->ops->document(&doc->d, i, s->arg);
        }
        return r;
}

/* ---- one after the other ---- */

static int take(struct supply *s, struct supply_doc *doc, unsigned number)
{
        struct supply_document *d = &doc->d;
        int r = d->refused[0] ? 1 : supply_head(s, doc);

        for (uint32_t i = 0; r == 0 && i < d->nsubjects; i++) {
                if (s->ops->begin)
                        r = s->ops->begin(d, number, &d->subjects[i], s->arg);
                if (r == 0 && d->form != SUPPLY_SLSA)
                        r = supply_lists(s, doc);
                if (r >= 0 && s->ops->end) {
                        int e = s->ops->end(d, number, &d->subjects[i], s->arg);

                        r = e < 0 ? e : r;
                }
        }
        if (r == 1) {
                s->result->refused++;
                r = s->ops->refused ? s->ops->refused(d, number, s->arg) : 0;
        }
        return r;
}

static int run(struct supply *s)
{
        int r = scan(s);

        if (r < 0)
                return r;
        if (s->form)
                return supply_admissions(s);
        s->result->documents = s->ndocs;
        r = check_all(s);
        for (unsigned i = 0; i < s->ndocs && r == 0; i++)
                r = take(s, &s->docs[i], i);
        return r;
}

int supply_read(const struct supply_source *source, const struct supply_settings *set, const struct supply_ops *ops,
                void *arg, struct supply_result *ret, char why[SUPPLY_WHY])
{
        struct supply *s = calloc(1, sizeof(*s));
        int r = s ? 0 : -ENOMEM;

        memset(ret, 0, sizeof(*ret));
        why[0] = '\0';
        if (r < 0)
                return r;
        s->source = source;
        s->set = set;
        s->ops = ops;
        s->arg = arg;
        s->result = ret;
        s->why = why;
        r = signature_summer_new(&s->summer);
        if (r == 0)
                r = signature_summer_new(&s->with_head);
        if (r == 0)
                r = run(s);
        if (r == ERR_CHECKSUM && !why[0])
                snprintf(why, SUPPLY_WHY, "it changed while it was read");
        signature_summer_free(s->summer);
        signature_summer_free(s->with_head);
        free(s->docs);
        free(s);
        return r;
}
