/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what a document says of itself: which kind it is, of which images, by whom and when. Must not: read an SBOM's
 * entries. Pure.
 *
 * in-toto statements 0.1 and 1 (in-toto.io/Statement), SLSA provenance 0.2 and 1 (slsa.dev/spec), CycloneDX 1.4 to 1.6
 * (cyclonedx.org/specification), SPDX 2.2 and 2.3 (spdx.github.io/spdx-spec).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse/supply-priv.h"
#include "tidemark/err.h"

enum row {
        ROW_STATEMENT,
        ROW_PREDICATE_TYPE,
        ROW_SUBJECT,
        ROW_PREDICATE,
        /* SLSA 0.2: */
        ROW_BUILDER,
        ROW_BUILD_TYPE,
        ROW_INVOCATION,
        ROW_METADATA, /* of an SBOM that is a predicate, too */
        ROW_MATERIALS,
        /* SLSA 1: */
        ROW_DEFINITION,
        ROW_DEFINITION_TYPE,
        ROW_PARAMETERS,
        ROW_DEPENDENCIES,
        ROW_RUN,
        ROW_RUN_BUILDER,
        ROW_RUN_METADATA,
        /* SBOMs as predicates: */
        ROW_IN_CYCLONEDX,
        ROW_IN_VERSION,
        ROW_IN_SPDX,
        ROW_IN_CREATION,
        /* Bare ones: */
        ROW_CYCLONEDX,
        ROW_VERSION,
        ROW_BARE_METADATA,
        ROW_SPDX,
        ROW_CREATION,
        ROW_PACKAGES,
        ROW__MAX
};
static const struct jsonsplit_row rows[ROW__MAX] = {
        [ROW_STATEMENT] = {-1, "_type", JSONSPLIT_WHOLE},
        [ROW_PREDICATE_TYPE] = {-1, "predicateType", JSONSPLIT_WHOLE},
        [ROW_SUBJECT] = {-1, "subject", JSONSPLIT_EACH},
        [ROW_PREDICATE] = {-1, "predicate", JSONSPLIT_ENTER},
        [ROW_BUILDER] = {ROW_PREDICATE, "builder", JSONSPLIT_WHOLE},
        [ROW_BUILD_TYPE] = {ROW_PREDICATE, "buildType", JSONSPLIT_WHOLE},
        [ROW_INVOCATION] = {ROW_PREDICATE, "invocation", JSONSPLIT_WHOLE},
        [ROW_METADATA] = {ROW_PREDICATE, "metadata", JSONSPLIT_WHOLE},
        [ROW_MATERIALS] = {ROW_PREDICATE, "materials", JSONSPLIT_EACH},
        [ROW_DEFINITION] = {ROW_PREDICATE, "buildDefinition", JSONSPLIT_ENTER},
        [ROW_DEFINITION_TYPE] = {ROW_DEFINITION, "buildType", JSONSPLIT_WHOLE},
        [ROW_PARAMETERS] = {ROW_DEFINITION, "externalParameters", JSONSPLIT_WHOLE},
        [ROW_DEPENDENCIES] = {ROW_DEFINITION, "resolvedDependencies", JSONSPLIT_EACH},
        [ROW_RUN] = {ROW_PREDICATE, "runDetails", JSONSPLIT_ENTER},
        [ROW_RUN_BUILDER] = {ROW_RUN, "builder", JSONSPLIT_WHOLE},
        [ROW_RUN_METADATA] = {ROW_RUN, "metadata", JSONSPLIT_WHOLE},
        [ROW_IN_CYCLONEDX] = {ROW_PREDICATE, "bomFormat", JSONSPLIT_WHOLE},
        [ROW_IN_VERSION] = {ROW_PREDICATE, "specVersion", JSONSPLIT_WHOLE},
        [ROW_IN_SPDX] = {ROW_PREDICATE, "spdxVersion", JSONSPLIT_WHOLE},
        [ROW_IN_CREATION] = {ROW_PREDICATE, "creationInfo", JSONSPLIT_WHOLE},
        [ROW_CYCLONEDX] = {-1, "bomFormat", JSONSPLIT_WHOLE},
        [ROW_VERSION] = {-1, "specVersion", JSONSPLIT_WHOLE},
        [ROW_BARE_METADATA] = {-1, "metadata", JSONSPLIT_WHOLE},
        [ROW_SPDX] = {-1, "spdxVersion", JSONSPLIT_WHOLE},
        [ROW_CREATION] = {-1, "creationInfo", JSONSPLIT_WHOLE},
        [ROW_PACKAGES] = {-1, "packages", JSONSPLIT_EACH}, /* of bare ones: the one that is the image */
};

struct head {
        struct supply_doc *doc;
        uint32_t seen;
        char statement[128], cyclonedx[32], cyclonedx_version[16], spdx[32];
        uint64_t foreign; /* subjects without a SHA-256 */
};

/* ---- subjects ---- */

static void subject(struct head *h, const json_t *o)
{
        const char *hex = json_string_value(json_object_get(json_object_get(o, "digest"), "sha256"));
        char digest[SUPPLY_DIGEST];
        uint8_t sum[TIDE_SHA256];

        if (!supply_sha256(hex, sum)) {
                h->foreign++;
                return;
        }
        memcpy(digest, "sha256:", 7);
        str_hex(bytes_of(sum, sizeof(sum)), digest + 7);
        supply_add_subject(h->doc, digest, json_string_value(json_object_get(o, "name")), "subject");
}

/* CycloneDX: the component that all of it is about, as syft and trivy write it. */
static void component(struct head *h, const json_t *o)
{
        const char *name = json_string_value(json_object_get(o, "name"));
        const json_t *p, *properties = json_object_get(o, "properties");
        char digest[SUPPLY_DIGEST];
        size_t i;

        if (supply_find_digest(json_string_value(json_object_get(o, "version")), digest) ||
            supply_find_digest(json_string_value(json_object_get(o, "purl")), digest))
                supply_add_subject(h->doc, digest, name, "component");
        json_array_foreach((json_t *)(uintptr_t)properties, i, p)
        {
                const char *key = json_string_value(json_object_get(p, "name"));

                if (key && (strcmp(key, "aquasecurity:trivy:ImageID") == 0 ||
                            strcmp(key, "aquasecurity:trivy:RepoDigest") == 0) &&
                    supply_find_digest(json_string_value(json_object_get(p, "value")), digest))
                        supply_add_subject(h->doc, digest, name, "component");
        }
}

/* SPDX: a package that is the image. */
static void image_package(struct head *h, const json_t *o)
{
        const char *purpose = json_string_value(json_object_get(o, "primaryPackagePurpose"));
        const json_t *ref, *refs = json_object_get(o, "externalRefs");
        const char *name = json_string_value(json_object_get(o, "name"));
        char digest[SUPPLY_DIGEST];
        size_t i;

        if (!purpose || strcmp(purpose, "CONTAINER") != 0)
                return;
        if (supply_find_digest(json_string_value(json_object_get(o, "versionInfo")), digest))
                supply_add_subject(h->doc, digest, name, "component");
        json_array_foreach((json_t *)(uintptr_t)refs, i, ref) if (supply_find_digest(
                json_string_value(json_object_get(ref, "referenceLocator")), digest))
                supply_add_subject(h->doc, digest, name, "component");
}

/* ---- provenance ---- */

/* A source as SLSA names it: {"uri": "git+https://…@refs/…", "digest": {"gitCommit" or "sha1": …}}. sure: it was named
 * as what is built, not as one of the materials: of these the first one that is a repository. */
static void source(struct head *h, const json_t *o, bool sure)
{
        struct supply_document *d = &h->doc->d;
        const json_t *digest = json_object_get(o, "digest");
        const char *uri = json_string_value(json_object_get(o, "uri"));
        const char *commit = json_string_value(json_object_get(digest, "gitCommit"));

        if (!commit)
                commit = json_string_value(json_object_get(digest, "sha1"));
        if (!uri || (!sure && strncmp(uri, "git", 3) != 0))
                return;
        if (sure || !*d->repository) {
                supply_copy(uri, d->repository, sizeof(d->repository));
                supply_copy(commit, d->commit, sizeof(d->commit));
        } else if (!*d->commit && strstr(uri, d->repository)) { /* the same one, named elsewhere without it */
                supply_copy(commit, d->commit, sizeof(d->commit));
        }
}

/* SLSA 1 leaves it to the type of build: those of GitHub's workflows and of common builders. */
static void parameters(struct head *h, const json_t *o)
{
        struct supply_document *d = &h->doc->d;
        const json_t *workflow = json_object_get(o, "workflow"), *s = json_object_get(o, "source");

        if (*d->repository)
                return;
        if (!supply_text(workflow, "repository", d->repository, sizeof(d->repository)) &&
            !supply_text(o, "repository", d->repository, sizeof(d->repository)) &&
            !supply_text(s, "uri", d->repository, sizeof(d->repository)))
                supply_copy(json_string_value(s), d->repository, sizeof(d->repository));
}

static void times(struct head *h, const json_t *o, const char *began, const char *ended)
{
        h->doc->d.began_ns = supply_time(json_string_value(json_object_get(o, began)));
        h->doc->d.ended_ns = supply_time(json_string_value(json_object_get(o, ended)));
}

/* ---- SBOMs ---- */

/* "name version" of a tool, as CycloneDX has it: an array, or since 1.5 an object with components. */
static void cyclonedx_metadata(struct head *h, const json_t *o)
{
        struct supply_document *d = &h->doc->d;
        const json_t *tools = json_object_get(o, "tools"), *tool;
        const char *name, *version;

        if (json_is_object(tools))
                tools = json_object_get(tools, "components");
        tool = json_array_get(tools, 0);
        name = json_string_value(json_object_get(tool, "name"));
        version = json_string_value(json_object_get(tool, "version"));
        if (name) {
                char parts[2][TIDE_SUPPLY_TEXT / 2 - 2];

                supply_copy(name, parts[0], sizeof(parts[0]));
                supply_copy(version, parts[1], sizeof(parts[1]));
                snprintf(d->creator, sizeof(d->creator), "%s%s%s", parts[0], *parts[1] ? " " : "", parts[1]);
        }
        d->began_ns = supply_time(json_string_value(json_object_get(o, "timestamp")));
        component(h, json_object_get(o, "component"));
}

static void spdx_creation(struct head *h, const json_t *o)
{
        struct supply_document *d = &h->doc->d;
        const json_t *v, *creators = json_object_get(o, "creators");
        size_t i;

        d->began_ns = supply_time(json_string_value(json_object_get(o, "created")));
        json_array_foreach((json_t *)(uintptr_t)creators, i, v)
        {
                const char *text = json_string_value(v);

                if (text && strncmp(text, "Tool: ", 6) == 0)
                        supply_copy(text + 6, d->creator, sizeof(d->creator));
                else if (text && !*d->creator)
                        supply_copy(text, d->creator, sizeof(d->creator));
        }
}

/* ---- values ---- */

static void take(struct head *h, int row, const json_t *v)
{
        struct supply_document *d = &h->doc->d;

        switch ((enum row)row) {
        case ROW_STATEMENT:
                supply_copy(json_string_value(v), h->statement, sizeof(h->statement));
                break;
        case ROW_PREDICATE_TYPE:
                supply_copy(json_string_value(v), d->predicate_type, sizeof(d->predicate_type));
                break;
        case ROW_SUBJECT:
                subject(h, v);
                break;
        case ROW_BUILDER:
        case ROW_RUN_BUILDER:
                supply_text(v, "id", d->creator, sizeof(d->creator));
                break;
        case ROW_BUILD_TYPE:
        case ROW_DEFINITION_TYPE:
                supply_copy(json_string_value(v), d->build_type, sizeof(d->build_type));
                break;
        case ROW_INVOCATION:
                source(h, json_object_get(v, "configSource"), true);
                break;
        case ROW_MATERIALS:
        case ROW_DEPENDENCIES:
                source(h, v, false);
                break;
        case ROW_METADATA: /* of which kind is known by its members */
                times(h, v, "buildStartedOn", "buildFinishedOn");
                if (d->began_ns == 0 && d->ended_ns == 0)
                        cyclonedx_metadata(h, v);
                break;
        case ROW_PARAMETERS:
                parameters(h, v);
                break;
        case ROW_RUN_METADATA:
                times(h, v, "startedOn", "finishedOn");
                break;
        case ROW_BARE_METADATA:
                cyclonedx_metadata(h, v);
                break;
        case ROW_IN_CYCLONEDX:
        case ROW_CYCLONEDX:
                supply_copy(json_string_value(v), h->cyclonedx, sizeof(h->cyclonedx));
                break;
        case ROW_IN_VERSION:
        case ROW_VERSION:
                supply_copy(json_string_value(v), h->cyclonedx_version, sizeof(h->cyclonedx_version));
                break;
        case ROW_IN_SPDX:
        case ROW_SPDX:
                supply_copy(json_string_value(v), h->spdx, sizeof(h->spdx));
                break;
        case ROW_IN_CREATION:
        case ROW_CREATION:
                spdx_creation(h, v);
                break;
        case ROW_PACKAGES:
                image_package(h, v);
                break;
        case ROW_PREDICATE:
        case ROW_DEFINITION:
        case ROW_RUN:
        case ROW__MAX:
                break;
        }
}

static int on_value(int row, struct bytes text, void *arg)
{
        struct head *h = arg;
        _cleanup_json_ json_t *v = supply_json(text);

        h->seen |= 1u << row;
        if (v)
                take(h, row, v);
        else
                supply_say(h->doc->d.words, sizeof(h->doc->d.words), "\"%s\" cannot be read", rows[row].name);
        return 0;
}

/* ---- which kind ---- */

static bool begins(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(text, list[i]) == 0)
                        return true;
        return false;
}

static int refuse(struct head *h, const char *what, const char *value)
{
        struct supply_document *d = &h->doc->d;

        snprintf(d->refused, sizeof(d->refused), "%s%s%.100s%s", what, *value ? " \"" : "", value, *value ? "\"" : "");
        return 1;
}

static int is_sbom(struct head *h)
{
        static const char *const cyclonedx[] = {"1.4", "1.5", "1.6"}, *const spdx[] = {"SPDX-2.2", "SPDX-2.3"};
        struct supply_document *d = &h->doc->d;

        if (*h->cyclonedx) {
                if (strcmp(h->cyclonedx, "CycloneDX") != 0 ||
                    !is_one_of(h->cyclonedx_version, cyclonedx, ARRAY_LEN(cyclonedx)))
                        return refuse(h, "of CycloneDX versions 1.4 to 1.6 are taken, and this is",
                                      *h->cyclonedx_version ? h->cyclonedx_version : "?");
                d->form = SUPPLY_CYCLONEDX;
                snprintf(d->format, sizeof(d->format), "CycloneDX %s", h->cyclonedx_version);
                return 0;
        }
        if (!is_one_of(h->spdx, spdx, ARRAY_LEN(spdx)))
                return refuse(h, "of SPDX versions 2.2 and 2.3 are taken, and this is", *h->spdx ? h->spdx : "?");
        d->form = SUPPLY_SPDX;
        snprintf(d->format, sizeof(d->format), "SPDX %s", h->spdx + 5);
        return 0;
}

static int is_statement(struct head *h)
{
        static const char *const types[] = {"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"};
        struct supply_document *d = &h->doc->d;

        if (!is_one_of(h->statement, types, ARRAY_LEN(types)))
                return refuse(h, "it is no in-toto statement of version 0.1 or 1, but", h->statement);
        if (begins(d->predicate_type, "https://slsa.dev/provenance/")) {
                const char *version = strrchr(d->predicate_type, '/') + 1;

                if (strcmp(version, "v0.2") != 0 && strcmp(version, "v1") != 0)
                        return refuse(h, "of SLSA provenance versions 0.2 and 1 are taken, and this is", version);
                d->form = SUPPLY_SLSA;
                snprintf(d->format, sizeof(d->format), "SLSA %.8s", version + 1);
                return 0;
        }
        if (begins(d->predicate_type, "https://cyclonedx.org/") || begins(d->predicate_type, "https://spdx.dev/"))
                return is_sbom(h);
        return refuse(h, "nothing is known of predicates of the type", d->predicate_type);
}

/* The operator's word, for what names no image itself; and whether the two agree. */
static int images(struct head *h, const char *image)
{
        struct supply_document *d = &h->doc->d;
        bool statement = h->seen >> ROW_STATEMENT & 1, named = false;

        for (uint32_t i = 0; i < d->nsubjects; i++)
                named = named || (image && strcmp(d->subjects[i].digest, image) == 0);
        d->elsewhere = image && d->nsubjects && !named;
        if (d->elsewhere)
                supply_say(d->words, sizeof(d->words), "it names another image than the one that was given");
        if (image && !named && !statement) { /* an SBOM that is not signed says only by the way what it is of */
                d->nsubjects = 0;
                supply_add_subject(h->doc, image, "", "operator");
        }
        if (h->foreign)
                supply_say(d->words, sizeof(d->words), "%llu of its subjects have no SHA-256",
                           (unsigned long long)h->foreign);
        if (d->subjects_left_out)
                supply_say(d->words, sizeof(d->words), "%u more of its subjects are left out", d->subjects_left_out);
        if (d->nsubjects == 0)
                return refuse(h, "it names no image by a SHA-256 digest: say which it is of, --image DIGEST", "");
        return 0;
}

int supply_head(struct supply *s, struct supply_doc *doc)
{
        static const struct jsonsplit_ops ops = {.value = on_value};
        struct head h = {.doc = doc};
        uint64_t refused = 0;
        int r = supply_split(s, doc, rows, ARRAY_LEN(rows), &ops, &h, &refused);

        if (r != 0)
                return r;
        if (h.seen >> ROW_STATEMENT & 1)
                r = is_statement(&h);
        else if (*h.cyclonedx || *h.spdx)
                r = is_sbom(&h);
        else
                r = refuse(&h, "what is signed is neither an in-toto statement nor an SBOM", "");
        if (r == 0 && refused)
                supply_say(doc->d.words, sizeof(doc->d.words), "%llu parts are too large or of another type than known",
                           (unsigned long long)refused);
        return r == 0 ? images(&h, s->set->image) : r;
}
