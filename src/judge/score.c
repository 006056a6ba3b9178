/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the table of factors with its shipped values and words, and the sum. Must not: know findings' history
 * (group.c). Pure. All in quarters of a bit, so that prior + factors = sum, exactly.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"

static const struct judge_factor table[FACTOR__MAX] = {
        [FACTOR_RAN_WRITE_LAYER] = {"ran_write_layer", 44,
                                    "a program ran that is in the container's write layer and not in its image"},
        [FACTOR_RAN_MEMFD] = {"ran_memfd", 44, "a program ran from memory (memfd), with no file at all"},
        [FACTOR_RAN_DELETED] = {"ran_deleted", 44, "a program ran whose file was already deleted"},
        [FACTOR_RAN_TMPFS] = {"ran_tmpfs", 28, "a program ran from a tmpfs"},
        [FACTOR_RAN_MOUNT] = {"ran_mount", 4, "a program ran from a volume"},
        [FACTOR_RAN_CHANGED_IMAGE_FILE] = {"ran_changed_image_file", 44,
                                           "a program of the image ran after it was changed"},
        [FACTOR_RAN_SCRIPT] = {"ran_script", 40,
                               "an interpreter of the image ran a script that is in the write layer and not in the "
                               "image"},
        [FACTOR_WRITTEN_AT_START] = {"written_at_start", 0,
                                     "the entrypoint wrote it while it started, with a program of the image"},
        [FACTOR_NEW_PROGRAM] = {"new_program", 0, "this workload never ran this program"},
        [FACTOR_NEW_CALLER] = {"new_caller", 0, "the program is known, but not from this caller"},
        [FACTOR_NEW_EXECUTABLE_FILE] = {"new_executable_file", 8, "a file that can be run was written"},
        [FACTOR_IMAGE_FILE_CHANGED] = {"image_file_changed", 6, "a file of the image was changed or removed"},
        [FACTOR_IMAGE_PROGRAM_CHANGED] = {"image_program_changed", 30, "a program of the image was changed"},
        [FACTOR_SETUID_FILE] = {"setuid_file", 32,
                                "a file was made that gives rights: setuid, setgid, or with capabilities"},
        [FACTOR_DATA_FILE] = {"data_file", -4, "a file that cannot be run"},
        [FACTOR_VARYING_DIRECTORY] = {"varying_directory", -16, "many names come and go in this directory"},
        [FACTOR_WROTE_THEN_RAN] = {"wrote_then_ran", 8, "what was written was then run"},
        [FACTOR_ORIGIN_EXEC] = {"origin_exec", -8,
                                "by a session that was started into the container (podman exec and the like)"},
        [FACTOR_ORIGIN_FOREIGN] = {"origin_foreign", 4, "by a process from outside the container that is no runtime"},
        [FACTOR_ORIGIN_UNKNOWN] = {"origin_unknown", 2, "how the process came into the container is not known"},
        [FACTOR_PROCESS_UNKNOWN] = {"process_unknown", -6, "which process did it is not known"},
        [FACTOR_STARTUP] = {"startup", -4, "while the container was starting"},
        [FACTOR_BEFORE_WATCH] = {"before_watch", -4, "it was so before this host was watched"},
        [FACTOR_FIRST_SIGHT] = {"first_sight", 24, "shown once: the container ran before it was watched"},
        [FACTOR_ROOT_GAINED] = {"root_gained", 40,
                                "a process became root, and it was no setuid program of the image that made it so"},
        [FACTOR_SETUID_PROGRAM] = {"setuid_program", 8,
                                   "a process took other rights by a setuid or setgid program of the image"},
        [FACTOR_ID_GAINED] = {"id_gained", 8, "a process took a user or group that it did not have"},
        [FACTOR_PTRACE] = {"ptrace", 16, "a process took control of another one, as a debugger does"},
        [FACTOR_PTRACE_CHILD] = {"ptrace_child", 4, "a process took control of its own child, as a debugger does"},
        [FACTOR_PTRACE_FOREIGN] = {"ptrace_foreign", 0, "a process of the container was put under a debugger"},
        [FACTOR_PTRACE_OUTSIDE] = {"ptrace_outside", 48,
                                   "a process of the container took control of one outside of it"},
        [FACTOR_NEW_NAME] = {"new_name", -12, "a process gave itself a name that it did not have before"},
        [FACTOR_KERNEL_NAME] = {"kernel_name", 16, "a process gave itself the name of a kernel thread"},
        [FACTOR_CRASHED] = {"crashed", 0, "a program crashed"},
        [FACTOR_NEW_NAMESPACE] = {"new_namespace", 16,
                                  "a process made or entered a mount or user namespace other than its container's"},
        [FACTOR_NAMESPACE_OUTSIDE] = {"namespace_outside", 48,
                                      "a process of the container went to where the host or another container lives"},
        [FACTOR_MAPPED_WRITE_LAYER] = {"mapped_write_layer", 36,
                                       "code was loaded from a file that is in the write layer and not in the image"},
        [FACTOR_MAPPED_CHANGED] = {"mapped_changed_image_file", 40,
                                   "code was loaded from a file of the image after it was changed"},
        [FACTOR_MAPPED_MEMORY] = {"mapped_memory", 12, "code was loaded from a tmpfs, from memory or a deleted file"},
        [FACTOR_MAPPED_MOUNT] = {"mapped_mount", 4, "code was loaded from a volume"},
        [FACTOR_ORIGIN_PROBE] = {"origin_probe", -12, "by a health check or a probe that comes on a schedule"},
        [FACTOR_BLINDED] = {"blinded", 28,
                            "a process of the container took away the nftables table by which its flows are watched"},
        [FACTOR_MAYBE_PROBE] = {"maybe_probe", -12,
                                "how its session was started could not be read, and this workload's health checks run "
                                "this program"},
        [FACTOR_CHANGED_PROBE] = {"changed_probe", 32,
                                  "by a session with a health check's command, but a changed program or script"},
        [FACTOR_NEW_DESTINATION] = {"new_destination", 4, "this workload never called this destination"},
        [FACTOR_NEW_PORT] = {"new_port", 0, "this workload calls the destination, but never called this port"},
        [FACTOR_NEW_PHASE] = {"new_phase", -5, "this workload calls the destination, but in another phase of its life"},
        [FACTOR_OTHER_EXECUTABLE] = {"other_executable", 0,
                                     "this workload calls the destination, but never by this program"},
        [FACTOR_UNAPPROVED_DESTINATION] = {"unapproved_destination", -8,
                                           "called while learning, but such a destination is never learned by that "
                                           "alone"},
        [FACTOR_RAW_ADDRESS] = {"raw_address", 10, "a public address that no name led to"},
        [FACTOR_CALLER_UNKNOWN] = {"caller_unknown", 0, "which process calls or listens is not known"},
        [FACTOR_FORGED_NAME] = {"forged_name", 12,
                                "an answer that nobody asked for, or that is contradicted, named "
                                "the address"},
        [FACTOR_FOREIGN_NAME] = {"foreign_name", 4,
                                 "only a name server that the container is not configured with "
                                 "named the address"},
        [FACTOR_NEW_LISTENER] = {"new_listener", 11,
                                 "this workload never listened there, nor does its image declare it"},
        [FACTOR_SHUTDOWN] = {"shutdown", -4, "while the container was shutting down"},
        [FACTOR_UNPLACED_CALLER] = {"unplaced_caller", -4,
                                    "whether the image holds the program that calls is not known"},
        [FACTOR_CHANGED_APPROVED] = {"changed_approved", 4,
                                     "an operator has approved it, but this is another content or of another origin"},
        [FACTOR_OTHER_CONTENT] = {"other_content", 4, "it ran before, with another content"},
        [FACTOR_REJECTED] = {"rejected", 8, "an operator has said that this workload must not do it"},
        [FACTOR_ROLLOUT] = {"rollout", 24, "shown once: a new image of this workload does what the old one did not"},
        [FACTOR_CONTAINMENT] = {"containment", 24,
                                "shown once: something happened around a container of it that is isolated"},
        [FACTOR_IMAGE_PACKAGED] = {"image_packaged", -12, "the program is the image's, and a package of it owns it"},
        [FACTOR_IMAGE_UNPACKAGED] = {"image_unpackaged", -8,
                                     "the program is the image's, but no package of it owns it"},
        [FACTOR_NOT_IN_IMAGE] = {"not_in_image", 8, "the image does not hold the program"},
        [FACTOR_IMAGE_EXPECTED] = {"image_expected", -6,
                                   "little was seen of the workload yet, and its entrypoint may well come to run what "
                                   "packages of its image bring"},
        [FACTOR_LOCAL_LISTENER] = {"local_listener", -23, "it can be reached from within the container only"},
        [FACTOR_LASTING_PLACE] = {"lasting_place", 36, "a file by which something runs, or somebody comes in, later"},
        [FACTOR_UNSEEN_PROGRAM] = {"unseen_program", -16,
                                   "a program was gone before it could be seen which it was, and it was of no layer "
                                   "that gives it away"},
        [FACTOR_SESSION_RAN_FOREIGN] = {"session_ran_foreign", 54,
                                        "in a session: a program ran that the image does not hold"},
        [FACTOR_SESSION_RAN_CHANGED] = {"session_ran_changed", 56,
                                        "in a session: a program of the image ran after it was changed"},
        [FACTOR_SESSION_RAN_MOUNT] = {"session_ran_mount", 6,
                                      "in a session: a program or a library of a volume was used"},
        [FACTOR_SESSION_NEW_PROGRAM] = {"session_new_program", 2,
                                        "in a session: the workload itself never runs this program"},
        [FACTOR_SESSION_SETUID_FILE] =
                {"session_setuid_file", 54,
                 "in a session: a file was made that gives rights: setuid, setgid, or with capabilities"},
        [FACTOR_SESSION_CHANGED_PROGRAM] = {"session_changed_program", 54,
                                            "in a session: a program of the image was changed"},
        [FACTOR_SESSION_CHANGED_FILE] = {"session_changed_file", 12,
                                         "in a session: a file of the image was changed or removed"},
        [FACTOR_SESSION_WROTE_PROGRAM] = {"session_wrote_program", 16,
                                          "in a session: a file that can be run was written"},
        [FACTOR_SESSION_RAW_ADDRESS] = {"session_raw_address", 52,
                                        "in a session: a public address was called that no name led to"},
        [FACTOR_SESSION_NEW_DESTINATION] = {"session_new_destination", 12,
                                            "in a session: something was called that the workload never calls"},
        [FACTOR_SESSION_LISTENS] = {"session_listens", 20, "in a session: something began to listen"},
        [FACTOR_SESSION_LOADED_FOREIGN] = {"session_loaded_foreign", 52,
                                           "in a session: code was loaded that is not the image's"},
        [FACTOR_SESSION_ROOT_GAINED] = {"session_root_gained", 56,
                                        "in a session: a process became root, by no setuid program of the image"},
        [FACTOR_SESSION_PTRACE] = {"session_ptrace", 16,
                                   "in a session: a process took control of another one, as a debugger does"},
        [FACTOR_SESSION_NAMESPACE] = {"session_namespace", 20,
                                      "in a session: a process went into another mount or user namespace"},
        [FACTOR_SESSION_OUTSIDE] = {"session_outside", 60, "in a session: a process reached out of its container"},
        [FACTOR_SESSION_BLINDED] = {"session_blinded", 54,
                                    "in a session: the nftables table by which flows are watched was taken away"},
        [FACTOR_SESSION_LASTING] =
                {"session_lasting_place", 24,
                 "in a session: a file was made by which something runs, or somebody comes in, later"},
        [FACTOR_SBOM_LACKS_FILE] = {"sbom_lacks_file", 6, "a program ran that the image's SBOM does not list"},
        [FACTOR_SBOM_LACKS_IMAGE_FILE] = {"sbom_lacks_image_file", 4,
                                          "the image holds a program that ran, and its SBOM does not list it"},
        [FACTOR_SBOM_OTHER_CONTENT] = {"sbom_other_content", 12,
                                       "a program ran with another content than the image's SBOM lists"},
        [FACTOR_SBOM_IMAGE_DIFFERS] = {"sbom_image_differs", 16,
                                       "the image itself holds another content than its SBOM lists"},
        [FACTOR_SBOM_LACKS_PACKAGE] = {"sbom_lacks_package", 6,
                                       "a program ran of a package that the image's SBOM does not list"},
        [FACTOR_SBOM_LISTS_FILE] = {"sbom_lists_file", -8,
                                    "the image's SBOM lists just this content at the path of what ran"},
        [FACTOR_SESSION_LEFT] = {"session_left_running", 8, "by a process that the session left behind when it ended"},
};

const struct judge_factor *judge_factors(void)
{
        return table;
}

void judge_params_default(struct judge_params *p)
{
        const uint64_t hour = 3600ull * 1000000000ull;

        memset(p, 0, sizeof(*p));
        for (int i = 0; i < FACTOR__MAX; i++)
                p->bits[i] = table[i].default_quarters;
        p->prior_quarters = -24;
        p->session_prior_quarters = -32;
        p->novelty_cap_quarters = 32;
        p->activated_p = 0.02;
        p->show = 50;
        p->page = 95;
        p->calibration_ns = 72 * hour;
        p->network_ns = 168 * hour;
        p->window_ns = hour;
        p->converged_p = 0.02;
        p->converge_min_ns = 24 * hour;
        p->startup_ns = hour / 60;
        p->shutdown_ns = hour / 60;
        p->join_ns = hour;
        p->max_workloads = 1000;
        p->max_entries = 2000;
        p->max_findings = 1000;
        p->max_sessions = 100;
        p->max_closed = 1000;
        p->finding_expire_ns = 30 * 24 * hour;
        p->finding_keep_ns = 400 * 24 * hour;
        p->max_names = 512;
        p->max_images = 64;
        p->max_image_files = 10000;
        p->max_records = 64;
        p->max_record_entries = 50000;
        p->max_rules = 500;
        p->suppress_break_through = 99;
        p->suppress_max_ns = 90 * 24 * hour;
        p->suppress_tell_ns = 24 * hour;
        p->siblings = 8;
        p->limit_ns = 14 * 24 * hour;
        p->stale_ns = 30 * 24 * hour;
        p->expire_ns = 90 * 24 * hour;
        p->inherited_ns = 14 * 24 * hour;
        p->rollout_least_ns = hour;
        p->rollout_limit_ns = 24 * hour;
}

int score_add(struct score *s, const char *name, int32_t quarters, const char *fmt, ...)
{
        char text[512];
        va_list ap;
        int r;

        if (s->n == FINDING_FACTORS)
                return 0;
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        r = str_set(&s->factors[s->n].name, bytes_str(name));
        if (r == 0)
                r = str_set(&s->factors[s->n].text, bytes_str(text));
        s->factors[s->n].quarters = quarters;
        s->n++; /* also on failure: score_release frees what is there */
        return r;
}

void score_release(struct score *s)
{
        for (uint32_t i = 0; i < s->n; i++) {
                str_clear(&s->factors[i].name);
                str_clear(&s->factors[i].text);
        }
        s->n = 0;
}

static int32_t quarters_of(double p)
{
        return (int32_t)lround(-4.0 * log2(p));
}

/* Surprise by the baseline alone: strong where the workload is stable, nothing where it is always new. */
static int add_novelty(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        const struct dim_learning *d = &w->dim[o->dim];
        double p = baseline_p_new(w, o->dim);
        int32_t cap = j->p.novelty_cap_quarters, own = quarters_of(p), said;
        int r;

        own = own > cap ? cap : own;
        r = score_add(s, "novelty", own,
                      "the baseline's own estimate: %.1f %% chance of something new in an hour (%u hours seen, %u of "
                      "%u entries seen in one hour only)",
                      100.0 * p, d->windows, d->once, d->entries);
        said = quarters_of(j->p.activated_p);
        said = said > cap ? cap : said;
        if (r == 0 && state_judges(d->state) && d->declared && said > own)
                r = score_add(s, "declared_complete", said - own,
                              "activated by %s: the baseline was declared complete, so something new counts as rare "
                              "(%.1f %%)",
                              d->by, 100.0 * j->p.activated_p);
        return r;
}

int score_factor(const struct judge *j, struct score *s, enum factor f, struct bytes what)
{
        char shown[300];

        if (what.len == 0)
                return score_add(s, table[f].name, j->p.bits[f], "%s", table[f].help);
        return score_add(s, table[f].name, j->p.bits[f], "%s: %s", table[f].help,
                         str_print(what, shown, sizeof(shown)));
}

/* Where it came from, as far as it was seen. */
static int add_written(const struct judge *j, const struct observation *o, struct score *s)
{
        const struct judge_factor *t = &table[FACTOR_WROTE_THEN_RAN];
        char path[200], exe[200];

        if (o->written == WRITTEN_AT_START)
                return score_factor(j, s, FACTOR_WRITTEN_AT_START, o->written_by);
        if (o->written != WRITTEN_OTHERWISE || o->written_by.len == 0)
                return 0;
        return score_add(s, t->name, j->p.bits[FACTOR_WROTE_THEN_RAN], "%s: %s, by %s", t->help,
                         str_print(o->subject, path, sizeof(path)), str_print(o->written_by, exe, sizeof(exe)));
}

/* The same of a file, with what the image says of it. */
static int factor_of_file(const struct judge *j, const struct workload *w, struct score *s, enum factor f,
                          struct bytes path)
{
        struct prior_fact fact = prior_lookup(j, w, path);
        char shown[200], words[PRIOR_WORDS];

        if (*prior_words(&fact, words) == '\0')
                return score_factor(j, s, f, path);
        return score_add(s, table[f].name, j->p.bits[f], "%s: %s (%s)", table[f].help,
                         str_print(path, shown, sizeof(shown)), words);
}

/* So many windows of a workload are little. */
#define LITTLE_SEEN 24u

/* What the image's packages say of a program that ran. That the write layer holds it is said already, and more. */
static int add_image(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        const struct dim_learning *d = &w->dim[o->dim];
        struct prior_fact fact = prior_lookup(j, w, o->subject);
        bool lies_in_image = o->layer == LAYER_IMAGE || o->layer == LAYER_UNKNOWN;
        enum factor f = FACTOR__MAX;
        int r = 0;

        if (o->unseen || o->never_silent)
                return 0;
        if (fact.verdict == PRIOR_NOT_IN_IMAGE && o->layer != LAYER_UNKNOWN)
                f = FACTOR_NOT_IN_IMAGE;
        else if (lies_in_image && fact.verdict == PRIOR_OWNED)
                f = FACTOR_IMAGE_PACKAGED;
        else if (lies_in_image && fact.verdict == PRIOR_UNOWNED && fact.has_packages)
                f = FACTOR_IMAGE_UNPACKAGED;
        if (f != FACTOR__MAX)
                r = factor_of_file(j, w, s, f, o->subject);
        if (r == 0 && f == FACTOR_IMAGE_PACKAGED && o->actor->origin == ORIGIN_ENTRYPOINT && !d->declared &&
            d->windows < LITTLE_SEEN)
                r = score_add(s, table[FACTOR_IMAGE_EXPECTED].name, j->p.bits[FACTOR_IMAGE_EXPECTED], "%s (%u hours)",
                              table[FACTOR_IMAGE_EXPECTED].help, d->windows);
        return r;
}

static int add_exec(const struct judge *j, const struct workload *w, const struct observation *o, enum known known,
                    struct score *s)
{
        static const struct {
                enum factor f;
                enum finding_severity severity;
        } layers[LAYER__MAX] = {
                [LAYER_WRITE] = {FACTOR_RAN_WRITE_LAYER, SEVERITY_HIGH},
                [LAYER_MEMFD] = {FACTOR_RAN_MEMFD, SEVERITY_HIGH},
                [LAYER_DELETED] = {FACTOR_RAN_DELETED, SEVERITY_HIGH},
                [LAYER_TMPFS] = {FACTOR_RAN_TMPFS, SEVERITY_MEDIUM},
                [LAYER_MOUNT] = {FACTOR_RAN_MOUNT, SEVERITY_MEDIUM},
        };
        int r = 0;

        s->severity = SEVERITY_MEDIUM;
        if (o->layer == LAYER_WRITE && o->change == CHANGE_MODIFIED) {
                s->severity = SEVERITY_CRITICAL;
                r = factor_of_file(j, w, s, FACTOR_RAN_CHANGED_IMAGE_FILE, o->subject);
        } else if (o->script) {
                s->severity = SEVERITY_HIGH;
                r = score_factor(j, s, FACTOR_RAN_SCRIPT, o->subject);
        } else if (layers[o->layer].severity) {
                s->severity = layers[o->layer].severity;
                r = score_factor(j, s, layers[o->layer].f, o->subject);
        }
        if (r == 0)
                r = score_factor(j, s, known == KNOWN_OTHER_EXE ? FACTOR_NEW_CALLER : FACTOR_NEW_PROGRAM,
                                 known == KNOWN_OTHER_EXE ? o->exe : o->subject);
        if (r == 0 && o->unseen && !o->never_silent) /* our loss, not its act */
                r = score_factor(j, s, FACTOR_UNSEEN_PROGRAM, bytes_of(NULL, 0));
        if (r == 0)
                r = add_image(j, w, o, s);
        return r < 0 ? r : add_written(j, o, s);
}

int score_packaged(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        if (!o->known_exe || o->actor->exe_layer != LAYER_IMAGE || o->never_silent ||
            prior_lookup(j, w, o->actor->exe).verdict != PRIOR_OWNED)
                return 0;
        return factor_of_file(j, w, s, FACTOR_IMAGE_PACKAGED, o->actor->exe);
}

static int add_data(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        int r = score_factor(j, s, FACTOR_DATA_FILE, bytes_of(NULL, 0));

        return r < 0 ? r : score_packaged(j, w, o, s);
}

static int add_file(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        bool image = o->change == CHANGE_MODIFIED || o->change == CHANGE_REMOVED;
        bool lasting = !S_ISDIR(o->ev->file.mode) && o->change != CHANGE_REMOVED && score_is_lasting_place(o->subject);
        int r = 0;

        s->severity = image || o->executable ? SEVERITY_MEDIUM : SEVERITY_LOW;
        if (o->setuid || o->image_changed || lasting)
                s->severity = SEVERITY_HIGH;
        if (o->setuid)
                r = score_factor(j, s, FACTOR_SETUID_FILE, o->subject);
        else if (o->executable)
                r = score_factor(j, s, FACTOR_NEW_EXECUTABLE_FILE, o->subject);
        else if (lasting)
                r = score_factor(j, s, FACTOR_LASTING_PLACE, o->subject);
        else
                r = add_data(j, w, o, s);
        if (r == 0 && image)
                r = factor_of_file(j, w, s, o->image_changed ? FACTOR_IMAGE_PROGRAM_CHANGED : FACTOR_IMAGE_FILE_CHANGED,
                                   o->subject);
        if (r == 0 && !o->executable && baseline_varies(j, w, o))
                r = score_factor(j, s, FACTOR_VARYING_DIRECTORY, bytes_of(NULL, 0));
        return r;
}

/* Names that the kernel gives its own threads. */
static bool is_kernel_name(struct bytes comm)
{
        static const char *const names[] = {"kworker/",  "ksoftirqd/",   "kthreadd",   "migration/",
                                            "rcu_",      "kswapd",       "khugepaged", "kauditd",
                                            "kdevtmpfs", "jbd2/",        "watchdog/",  "cpuhp/",
                                            "kcompactd", "idle_inject/", "ksmd",       "scsi_eh_"};

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (bytes_has_prefix(comm, bytes_str(names[i])))
                        return true;
        return comm.len > 2 && comm.p[0] == '[' && comm.p[comm.len - 1] == ']'; /* as ps(1) shows them */
}

static int add_mapped(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        bool changed = o->layer == LAYER_WRITE && o->change == CHANGE_MODIFIED;
        enum factor f = changed                   ? FACTOR_MAPPED_CHANGED
                        : o->layer == LAYER_WRITE ? FACTOR_MAPPED_WRITE_LAYER
                        : o->layer == LAYER_MOUNT ? FACTOR_MAPPED_MOUNT
                                                  : FACTOR_MAPPED_MEMORY;
        int r;

        s->severity = changed ? SEVERITY_CRITICAL : o->layer == LAYER_WRITE ? SEVERITY_HIGH : SEVERITY_MEDIUM;
        r = score_factor(j, s, f, o->subject);
        return r < 0 ? r : add_written(j, o, s);
        return factor_of_file(j, w, s, f, o->subject);
}

static enum factor id_factor(const struct tide_priv *t)
{
        if (t->flags & PRIVF_SETUID_FILE)
                return FACTOR_SETUID_PROGRAM;
        return t->what == PRIV_UID && (t->flags & PRIVF_ROOT) ? FACTOR_ROOT_GAINED : FACTOR_ID_GAINED;
}

static enum factor ptrace_factor(const struct tide_priv *t)
{
        if (t->actor.origin == ORIGIN_FOREIGN)
                return FACTOR_PTRACE_FOREIGN;
        if (t->where == WHERE_HOST || t->where == WHERE_OTHER)
                return FACTOR_PTRACE_OUTSIDE;
        return t->flags & PRIVF_CHILD ? FACTOR_PTRACE_CHILD : FACTOR_PTRACE;
}

static int add_priv(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        static const enum finding_severity severity[FACTOR__MAX] = {
                [FACTOR_ROOT_GAINED] = SEVERITY_HIGH,           [FACTOR_SETUID_PROGRAM] = SEVERITY_MEDIUM,
                [FACTOR_ID_GAINED] = SEVERITY_MEDIUM,           [FACTOR_PTRACE] = SEVERITY_MEDIUM,
                [FACTOR_PTRACE_OUTSIDE] = SEVERITY_CRITICAL,    [FACTOR_PTRACE_FOREIGN] = SEVERITY_MEDIUM,
                [FACTOR_KERNEL_NAME] = SEVERITY_MEDIUM,         [FACTOR_NEW_NAMESPACE] = SEVERITY_MEDIUM,
                [FACTOR_NAMESPACE_OUTSIDE] = SEVERITY_CRITICAL, [FACTOR_BLINDED] = SEVERITY_HIGH,
        };
        const struct tide_priv *t = &o->ev->priv;
        enum factor f;

        switch (o->what) {
        case PRIV_MAPPED:
                return add_mapped(j, w, o, s);
        case PRIV_UID:
        case PRIV_GID:
                f = id_factor(t);
                break;
        case PRIV_PTRACE:
                f = ptrace_factor(t);
                break;
        case PRIV_BLINDED:
                f = FACTOR_BLINDED;
                break;
        case PRIV_COMM:
                f = is_kernel_name(t->actor.comm) ? FACTOR_KERNEL_NAME : FACTOR_NEW_NAME;
                break;
        case PRIV_MOUNTNS:
                f = t->where == WHERE_HOST || t->where == WHERE_OTHER ? FACTOR_NAMESPACE_OUTSIDE : FACTOR_NEW_NAMESPACE;
                break;
        default:
                f = FACTOR_CRASHED;
                break;
        }
        s->severity = severity[f]; /* low is 0 */
        return score_factor(j, s, f, o->subject);
}

/* Starting and ending are times of rare acts; but whoever is called for the first time is new at any of them. */
static bool phase_excuses(const struct workload *w, const struct observation *o)
{
        return o->dim != DIM_NETWORK || o->net.listens || net_novelty(w, o) != FLOW_NEW_DESTINATION;
}

/* Of a session whose start nobody could read it cannot be told whether it is a health check: if those run this program,
 * it may be. */
bool score_may_be_probe(const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf key;
        struct observation probe = *o;
        struct entry *e;
        enum known known;

        buf_init(&key, 16384);
        if (o->ev->kind != TIDE_EXEC || o->actor->origin != ORIGIN_EXEC || !(o->actor->flags & ACTOR_UNREAD) ||
            o->never_silent)
                return false;
        buf_put(&key, o->key.p, o->key.len);
        buf_put_str(&key, " [probe]");
        probe.key = buf_bytes(&key);
        known = key.err ? KNOWN_NOT : baseline_lookup(w, &probe, &e);
        return known == KNOWN_YES || (known == KNOWN_OTHER_EXE && !o->known_exe);
}

static int add_context(const struct judge *j, const struct workload *w, const struct observation *o, struct score *s)
{
        static const enum factor origins[ORIGIN__MAX] = {[ORIGIN_UNKNOWN] = FACTOR_ORIGIN_UNKNOWN,
                                                         [ORIGIN_EXEC] = FACTOR_ORIGIN_EXEC,
                                                         [ORIGIN_PROBE] = FACTOR_ORIGIN_PROBE,
                                                         [ORIGIN_FOREIGN] = FACTOR_ORIGIN_FOREIGN};
        int r = 0;

        if (!(o->actor->flags & ACTOR_PID))
                r = score_factor(j, s, o->dim == DIM_NETWORK ? FACTOR_CALLER_UNKNOWN : FACTOR_PROCESS_UNKNOWN,
                                 bytes_of(NULL, 0));
        else if (o->actor->flags & ACTOR_NOT_PROBE)
                r = score_factor(j, s, FACTOR_CHANGED_PROBE, bytes_of(NULL, 0));
        else if (o->actor->origin < ORIGIN__MAX && o->actor->origin != ORIGIN_ENTRYPOINT)
                r = score_factor(j, s, origins[o->actor->origin], bytes_of(NULL, 0));
        if (r == 0 && score_may_be_probe(w, o))
                r = score_factor(j, s, FACTOR_MAYBE_PROBE, bytes_of(NULL, 0));
        if (r == 0 && o->phase == PHASE_STARTUP && phase_excuses(w, o))
                r = score_factor(j, s, FACTOR_STARTUP, bytes_of(NULL, 0));
        if (r == 0 && o->phase == PHASE_SHUTDOWN && phase_excuses(w, o))
                r = score_factor(j, s, FACTOR_SHUTDOWN, bytes_of(NULL, 0));
        if (r == 0 && (o->ev->flags & EVF_BEFORE))
                r = score_factor(j, s, FACTOR_BEFORE_WATCH, bytes_of(NULL, 0));
        if (r == 0 && o->changed)
                r = score_factor(j, s, FACTOR_CHANGED_APPROVED, o->subject);
        if (r == 0 && o->other_content)
                r = score_factor(j, s, FACTOR_OTHER_CONTENT, o->subject);
        if (r == 0 && o->rejected)
                r = score_factor(j, s, FACTOR_REJECTED, bytes_of(NULL, 0));
        return r;
}

int score_observation(const struct judge *j, const struct workload *w, const struct observation *o, enum known known,
                      struct score *ret)
{
        int r;

        memset(ret, 0, sizeof(*ret));
        if (o->ev->kind == TIDE_PRIV)
                r = add_priv(j, w, o, ret);
        else if (o->dim == DIM_NETWORK)
                r = score_net(j, w, o, ret);
        else
                r = o->dim == DIM_PROCESS ? add_exec(j, w, o, known, ret) : add_file(j, w, o, ret);
        if (r == 0)
                r = add_context(j, w, o, ret);
        if (r == 0)
                r = add_novelty(j, w, o, ret);
        if (r < 0)
                score_release(ret);
        return r;
}

int32_t score_total(const struct judge *j, const struct score *s)
{
        int32_t sum = j->p.prior_quarters;

        for (uint32_t i = 0; i < s->n; i++)
                sum += s->factors[i].quarters;
        return sum;
}

static struct finding_factor *find(struct finding_factor *fs, uint32_t n, struct bytes name)
{
        for (uint32_t i = 0; i < n; i++)
                if (bytes_eq(str_get(&fs[i].name), name))
                        return &fs[i];
        return NULL;
}

static int take(struct finding_factor *to, const struct finding_factor *from)
{
        int r = str_set(&to->name, str_get(&from->name));

        if (r == 0)
                r = str_set(&to->text, str_get(&from->text));
        to->quarters = from->quarters;
        return r;
}

void score_drop(struct finding *f, struct finding_factor *x)
{
        str_clear(&x->name);
        str_clear(&x->text);
        f->nfactors--;
        memmove(x, x + 1, (size_t)(f->factors + f->nfactors - x) * sizeof(*x));
        memset(&f->factors[f->nfactors], 0, sizeof(*x));
}

/* Of several acts the one that is excused least decides what speaks against the finding: that one act is harmless says
 * nothing of the others, and two that are harmless, each for a reason of its own, are no more suspicious together. */
static int32_t against(const struct finding_factor *fs, uint32_t n)
{
        int32_t sum = 0;

        for (uint32_t i = 0; i < n; i++)
                sum += fs[i].quarters < 0 && !supply_is_factor(&fs[i]) ? fs[i].quarters : 0;
        return sum;
}

static void drop_against(struct finding *f)
{
        for (uint32_t i = 0; i < f->nfactors;)
                if (f->factors[i].quarters < 0 && !supply_is_factor(&f->factors[i]))
                        score_drop(f, &f->factors[i]);
                else
                        i++;
}

/* One estimate in two parts: those of different dimensions are not added up. */
static bool is_surprise(const struct finding_factor *x)
{
        return bytes_eq(str_get(&x->name), BYTES_LIT("novelty")) ||
               bytes_eq(str_get(&x->name), BYTES_LIT("declared_complete"));
}

static int32_t surprise(const struct finding_factor *fs, uint32_t n)
{
        int32_t sum = 0;

        for (uint32_t i = 0; i < n; i++)
                sum += is_surprise(&fs[i]) ? fs[i].quarters : 0;
        return sum;
}

static void drop_surprise(struct finding *f)
{
        for (uint32_t i = 0; i < f->nfactors;)
                if (is_surprise(&f->factors[i]))
                        score_drop(f, &f->factors[i]);
                else
                        i++;
}

int score_merge(const struct judge *j, struct finding *f, const struct score *s, bool first)
{
        bool rarer = surprise(s->factors, s->n) > surprise(f->factors, f->nfactors);
        bool bare = first || against(s->factors, s->n) > against(f->factors, f->nfactors);
        int r = 0;

        if (bare)
                drop_against(f);
        if (rarer)
                drop_surprise(f);
        for (uint32_t i = 0; i < s->n && r == 0; i++) {
                const struct finding_factor *new = &s->factors[i];
                struct finding_factor *old = find(f->factors, f->nfactors, str_get(&new->name));

                if ((is_surprise(new) && !first && !rarer) || (new->quarters < 0 && !bare))
                        continue;
                if (old && new->quarters > old->quarters)
                        r = take(old, new);
                else if (!old && f->nfactors < FINDING_FACTORS)
                        r = take(&f->factors[f->nfactors++], new);
        }
        if (s->severity > f->severity)
                f->severity = s->severity;
        score_sum(j, f);
        return r;
}

void score_sum(const struct judge *j, struct finding *f)
{
        int32_t sum = f->prior_quarters =
                f->type == FINDING_SESSION ? j->p.session_prior_quarters : j->p.prior_quarters;

        for (uint32_t i = 0; i < f->nfactors; i++)
                sum += f->factors[i].quarters;
        f->sum_quarters = sum;
        /* Rounded down: what is not certain is never shown as 100. */
        f->confidence = (uint32_t)floor(100.0 / (1.0 + exp2(-(double)sum / 4.0)));
        if (f->confidence > 99)
                f->confidence = 99;
}
