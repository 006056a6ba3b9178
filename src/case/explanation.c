/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The best benign and the best malicious explanation of a finding, side by side, each with the facts that speak for it.
 *
 * Owns: the table of explanations, and which one fits best. Must not: change a score, or claim what no fact of the
 * finding says. Hands over: JSON for the page of a person on call.
 */
#include <string.h>

#include "case/query-priv.h"
#include "tidemark/event.h"

#define FACTS_SHOWN 6

/* What a fact is taken from, beside the factors' names. */
enum clue {
        CLUE_NONE,
        CLUE_SESSION,  /* somebody's exec session did it */
        CLUE_LOGIN,    /* … who had logged in */
        CLUE_PACKAGER, /* a tool that installs packages is an ancestor */
        CLUE_START,    /* all of it happened while the container was starting */
        CLUE_NEW_IMAGE,
        CLUE_NAMED, /* where it called has a name, or is a private address */
        CLUE__MAX
};

struct explanation {
        bool malicious;
        const char *words;
        const char *factors[12]; /* that speak for it */
        enum clue clues[4];
        const char *check; /* what would tell */
};

static const struct explanation explanations[] = {
        {true,
         "An intruder made the workload fetch or write a program of his own, and ran it.",
         {"ran_write_layer", "ran_script", "wrote_then_ran", "not_in_image", "ran_tmpfs", "new_executable_file",
          "other_content", "session_ran_foreign", "session_wrote_program", "sbom_lacks_file", "sbom_other_content"},
         {CLUE_NONE},
         "look at the file itself (tidemark evidence capture) and at what its caller had just received"},
        {true,
         "Code was run from memory or deleted at once, so that nothing is left on disk to be found.",
         {"ran_memfd", "ran_deleted", "mapped_memory", "session_loaded_foreign"},
         {CLUE_NONE},
         "take the evidence before the process ends: what ran exists in its memory only"},
        {true,
         "A program or library of the image was replaced, so that it does something else under its own name.",
         {"image_program_changed", "ran_changed_image_file", "mapped_changed_image_file", "session_changed_program",
          "session_ran_changed", "changed_probe"},
         {CLUE_NONE},
         "compare it with the image's (tidemark image show, tidemark record show)"},
        {true,
         "The image is not what was built or approved: something was put into it, or another one took its place.",
         {"sbom_image_differs", "sbom_lacks_image_file", "sbom_lacks_package"},
         {CLUE_NONE},
         "compare the image with a build of your own from the same commit; see tidemark record show"},
        {true,
         "A way back in was left: something that runs, or lets somebody in, later.",
         {"lasting_place", "session_lasting_place", "session_left_running"},
         {CLUE_NONE},
         "read the file: what would it run, or whose key is it"},
        {true,
         "Rights were taken that this workload does not need, as a step out of the container.",
         {"root_gained", "setuid_file", "id_gained", "ptrace", "ptrace_outside", "namespace_outside", "new_namespace",
          "session_root_gained", "session_setuid_file", "session_outside", "session_namespace"},
         {CLUE_NONE},
         "see what the process did afterwards, and whether the host was reached"},
        {true,
         "It calls home: commands are fetched from, or data is sent to, somewhere it never called.",
         {"new_destination", "raw_address", "forged_name", "foreign_name", "new_port", "unapproved_destination",
          "session_raw_address", "session_new_destination"},
         {CLUE_NONE},
         "ask who owns the destination, and what the service would want there; look at the bytes out"},
        {true,
         "A way in was opened: something waits for connections that did not before.",
         {"new_listener", "session_listens"},
         {CLUE_NONE},
         "see which program listens, and whether the port can be reached from outside"},
        {true,
         "It hides: our view was taken away, or a process gave itself a name that is not its own.",
         {"blinded", "kernel_name", "session_blinded"},
         {CLUE_NONE},
         "treat what follows as unseen, and isolate before you look"},
        {true,
         "What the service gives out or is steered by was changed by somebody who got in.",
         {"image_file_changed", "session_changed_file", "data_file", "rejected"},
         {CLUE_NONE},
         "read what was written, and who wrote it"},

        {false,
         "Somebody worked in the container by hand, to look into something or to mend it.",
         {"origin_exec"},
         {CLUE_SESSION, CLUE_LOGIN},
         "ask whoever was logged in; a change that should last belongs into the image"},
        {false,
         "Software was installed or brought up to date in the running container.",
         {"image_unpackaged"},
         {CLUE_PACKAGER},
         "ask for the change's ticket; compare the package's files with its database"},
        {false,
         "The container prepares itself when it starts: unpacks, writes its configuration, fetches what it needs.",
         {"startup", "written_at_start", "new_phase", "sbom_lists_file"},
         {CLUE_START},
         "see whether every start does it: tidemark baseline show WORKLOAD"},
        {false,
         "A new version of the software does this, and the old one did not.",
         {"rollout"},
         {CLUE_NEW_IMAGE},
         "see what changed with the image: tidemark image show"},
        {false,
         "The image's own programs did something that they seldom do: a job, a rotation, an error's path.",
         {"image_packaged", "image_expected", "varying_directory", "data_file", "new_caller", "shutdown"},
         {CLUE_NONE},
         "ask who runs the workload whether it has such a job"},
        {false,
         "A service that it uses has moved, or was added to its configuration.",
         {"new_port", "new_phase", "other_executable"},
         {CLUE_NAMED},
         "look for the name in the workload's configuration, and in that of its neighbours"},
        {false,
         "A health check, or a tool that looks at the container from the host.",
         {"origin_probe", "maybe_probe", "origin_foreign"},
         {CLUE_NONE},
         "see whether it comes again on a schedule"},
        {false,
         "It was so already when watching began, and nobody has looked at it since.",
         {"before_watch", "first_sight"},
         {CLUE_NONE},
         "compare with another replica, or a container made anew from the image"},
};

/* ---- clues ---- */

static bool is_packager(struct bytes exe)
{
        static const char *const names[] = {"apt", "apt-get", "dpkg", "apk", "yum",      "dnf",  "microdnf", "rpm",
                                            "pip", "pip3",    "npm",  "gem", "composer", "cpan", "zypper",   "pacman"};
        const uint8_t *slash = exe.len ? memrchr(exe.p, '/', exe.len) : NULL;
        struct bytes base = slash ? bytes_of(slash + 1, exe.len - (size_t)(slash + 1 - exe.p)) : exe;

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (bytes_eq(base, bytes_str(names[i])))
                        return true;
        return false;
}

static bool find_packager(const struct finding *f, struct buf *out)
{
        char exe[128];

        for (uint32_t i = 0; i < f->nlineage; i++)
                if (is_packager(str_get(&f->lineage[i].exe))) {
                        buf_printf(out, "it was done below %s (pid %u)",
                                   str_print(str_get(&f->lineage[i].exe), exe, sizeof(exe)), f->lineage[i].pid);
                        return true;
                }
        return false;
}

static bool by_session(const struct finding *f, struct buf *out)
{
        bool its = f->type == FINDING_SESSION;

        for (uint32_t i = 0; i < f->nsignals && !its; i++)
                its = f->signals[i].origin == ORIGIN_EXEC;
        if (its)
                buf_put_str(out, "it came from an exec session, not from the workload itself");
        return its;
}

static bool by_login(const struct finding *f, struct buf *out)
{
        if (!f->actor_known || f->login_uid == UINT32_MAX)
                return false;
        buf_printf(out, "whoever did it had logged in as uid %u", f->login_uid);
        return true;
}

static bool at_start(const struct finding *f, struct buf *out)
{
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (f->signals[i].phase != PHASE_STARTUP)
                        return false;
        if (f->nsignals)
                buf_put_str(out, "all of it happened while the container was starting");
        return f->nsignals > 0;
}

static bool new_image(const struct finding *f, struct buf *out)
{
        if (f->type != FINDING_ROLLOUT && !bytes_eq(str_get(&f->suppressed_by), BYTES_LIT("rollout")))
                return false;
        buf_put_str(out, "a new image of this workload was being rolled out");
        return true;
}

static bool all_named(const struct finding *f, struct buf *out)
{
        uint32_t named = 0;

        for (uint32_t i = 0; i < f->nsignals; i++) {
                if (f->signals[i].kind != DIM_NETWORK || f->signals[i].flow.direction != DIRECTION_OUT)
                        continue;
                if (f->signals[i].args.len == 0)
                        return false;
                named++;
        }
        if (named)
                buf_put_str(out, "a name that it asked for led to every address that it called");
        return named > 0;
}

static bool (*const clues[CLUE__MAX])(const struct finding *f, struct buf *out) = {
        [CLUE_SESSION] = by_session, [CLUE_LOGIN] = by_login,      [CLUE_PACKAGER] = find_packager,
        [CLUE_START] = at_start,     [CLUE_NEW_IMAGE] = new_image, [CLUE_NAMED] = all_named,
};

/* ---- weighing ---- */

/* A fact counts by its bits, whichever way they go: those that say most of the finding say which story it is. */
static int32_t weight_of(const struct finding_factor *x)
{
        int32_t bits = x->quarters < 0 ? -x->quarters : x->quarters;

        return bits + 4;
}

static bool names(const struct explanation *e, const struct finding_factor *x)
{
        for (size_t i = 0; i < ARRAY_LEN(e->factors) && e->factors[i]; i++)
                if (bytes_eq(str_get(&x->name), bytes_str(e->factors[i])))
                        return true;
        return false;
}

#define CLUE_WEIGHT 24

/* How much of the finding it explains; its facts are appended, if they are wanted. */
static int32_t weigh(const struct explanation *e, const struct finding *f, json_t *facts)
{
        _cleanup_buf_ struct buf b;
        int32_t sum = 0;

        buf_init(&b, 512);
        for (uint32_t i = 0; i < f->nfactors; i++) {
                if (!names(e, &f->factors[i]))
                        continue;
                sum += weight_of(&f->factors[i]);
                if (facts && json_array_size(facts) < FACTS_SHOWN)
                        (void)json_array_append_new(facts, cj_words(str_get(&f->factors[i].text)));
        }
        for (size_t i = 0; i < ARRAY_LEN(e->clues) && e->clues[i] != CLUE_NONE; i++) {
                buf_reset(&b);
                if (!clues[e->clues[i]](f, &b))
                        continue;
                sum += CLUE_WEIGHT;
                if (facts && json_array_size(facts) < FACTS_SHOWN)
                        (void)json_array_append_new(facts, cj_words(buf_bytes(&b)));
        }
        return sum;
}

static const struct explanation *best(const struct finding *f, bool malicious)
{
        const struct explanation *found = NULL;
        int32_t most = 0;

        for (size_t i = 0; i < ARRAY_LEN(explanations); i++) {
                int32_t w = explanations[i].malicious == malicious ? weigh(&explanations[i], f, NULL) : 0;

                if (w > most) {
                        most = w;
                        found = &explanations[i];
                }
        }
        return found;
}

static json_t *side(const struct finding *f, bool malicious)
{
        static const char *const none[2] = {
                "Nothing that was seen speaks for a harmless cause: ask whoever runs the workload.",
                "Nothing that was seen is what intruders do: if it is one, he uses what the workload has."};
        const struct explanation *e = best(f, malicious);
        _cleanup_json_ json_t *o = json_object(), *facts = json_array();
        int bad = 0;

        if (e)
                weigh(e, f, facts);
        bad |= json_object_set_new(o, "text", json_string(e ? e->words : none[malicious]));
        bad |= json_object_set(o, "facts", facts);
        bad |= json_object_set_new(o, "check", e ? json_string(e->check) : json_null());
        return bad ? NULL : TAKE_PTR(o);
}

const char *query_explanation_factor(size_t n)
{
        for (size_t i = 0; i < ARRAY_LEN(explanations); i++)
                for (size_t k = 0; k < ARRAY_LEN(explanations[i].factors) && explanations[i].factors[k]; k++)
                        if (n-- == 0)
                                return explanations[i].factors[k];
        return NULL;
}

json_t *query_explanations(const struct finding *f)
{
        return json_pack("{s:o,s:o}", "benign", side(f, false), "malicious", side(f, true));
}
