/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the table of options with names, forms, ranges and help, and the built-in defaults. Must not: read files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config-priv.h"
#include "tidemark/buf.h"
#include "tidemark/map.h"

#define OPTIONS_MAX 320
#define AT(m) offsetof(struct cfg, m)
#define TEXT(name, m, help) {name, OPT_TEXT, AT(m), sizeof(((struct cfg *)0)->m), 1, 0, NULL, help}
#define NUM(name, form, m, min, max, help) {name, form, AT(m), 0, min, max, NULL, help}

#define SECOND 1e9
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define MIB (1024.0 * 1024)
#define GIB (1024 * MIB)

static const char *const audit_sources[] = {"auto", "none", "multicast", "plugin", NULL};
static const char *const audit_rules[] = {"none", "exec", "exec+connect", NULL};
static const char *const scopes[] = {"namespace", "host", "off", "auto", NULL}; /* as enum net_scope, and one more */
static const char *const syslog_facilities[] = {"authpriv", "auth",   "daemon", "user",   "local0", "local1", "local2",
                                                "local3",   "local4", "local5", "local6", "local7", NULL};
static const char *const evidence_autos[] = {"no", "page", NULL};
static const char *const automatic[] = {"off", "dry-run", "on", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

const struct time_unit config_time_units[] = {{"d", DAY},    {"h", HOUR}, {"m", 60 * SECOND},
                                              {"s", SECOND}, {"ms", 1e6}, {NULL, 0}};

static const struct option_row rows[] = {
        TEXT("engine.user", engine_user, "user of the engine process, which has no privileges"),
        TEXT("control.group", control_group, "group whose members may read through control.sock"),
        TEXT("paths.state", state_dir, "where baselines, findings and the trail are kept"),
        TEXT("paths.runtime", runtime_dir, "where control.sock and admin.sock are made"),
        {"playbook.file", OPT_TEXT, AT(playbook), sizeof(((struct cfg *)0)->playbook), 0, 0, NULL,
         "the criteria of triage; auto: playbook.conf beside the configuration, if there is one"},
        {"log.level", OPT_WORD, AT(log_level), sizeof(((struct cfg *)0)->log_level), 0, 0, levels,
         "how much is logged: error, warn, info, debug"},
        {"probe.disable", OPT_DISABLE, AT(disabled), 0, 0, 0, NULL,
         "kernel facilities not to use, as if there were none: content, filesystem-mark, open-exec, names, inotify, "
         "nspid, flows"},
        NUM("sensor.proc_rcvbuf", OPT_BYTES, proc_rcvbuf, 65536, 256 * MIB, "receive buffer of the proc connector"),
        NUM("sensor.queue", OPT_BYTES, pair_queue, 65536, 256 * MIB, "most that may wait between sensor and engine"),
        NUM("sensor.cpu_max", OPT_COUNT, cpu_max, 1, 100,
            "percent of one processor; above it, for some seconds, short-lived programs are told without arguments"),
        NUM("sensor.exit_grace", OPT_TIME, exit_grace_ns, 1e8, 60 * SECOND, "how long an exited process is remembered"),
        NUM("files.dirs_per_container", OPT_COUNT, names_per_container, 0, 1e6,
            "most directories of one write layer whose names are watched; the others are covered by walks"),
        NUM("files.dirs_total", OPT_COUNT, names_total, 0, 1e7, "the same, of all containers"),
        NUM("files.walk_entries", OPT_COUNT64, walk_entries, 1, 1e9, "most entries that one walk lists"),
        NUM("files.walk_deadline", OPT_TIME, walk_deadline_ns, 1e8, HOUR,
            "a walk that takes longer is ended and counts as incomplete"),
        NUM("files.round", OPT_TIME, round_ns, 2 * SECOND, 30 * DAY, "how often every write layer is walked again"),
        NUM("files.join", OPT_TIME, fuse.join_ns, 1e6, 10 * SECOND,
            "two reports of one file so close together are one act"),
        NUM("files.index", OPT_SIZE, fuse.index_max, 1, 1e7, "most names of one write layer that are remembered"),
        {"image.analyse", OPT_YES, AT(image_analyse), 0, 0, 0, NULL,
         "read which programs, libraries and packages an image holds, once for each digest"},
        NUM("image.cpu_max", OPT_COUNT, image_cpu_max, 1, 100,
            "percent of one processor that the worker takes which reads an image"),
        NUM("image.max_mib", OPT_COUNT, image_mib, 1, 1e6,
            "most mebibytes of one image's files that are read for their hashes"),
        NUM("image.deadline", OPT_TIME, image_deadline_ns, SECOND, DAY,
            "an image that takes longer is given up, and said to have failed"),
        {"audit.source", OPT_WORD, AT(audit_source), sizeof(((struct cfg *)0)->audit_source), 0, 0, audit_sources,
         "where audit records come from: auto (only with audit.rules), none, multicast, plugin (of auditd)"},
        {"audit.rules", OPT_WORD, AT(audit_rules), sizeof(((struct cfg *)0)->audit_rules), 0, 0, audit_rules,
         "audit rules to add, and to remove at the end: none, exec, exec+connect; see tidemark.conf(5) for their cost"},
        {"audit.log", OPT_YES, AT(audit_log), 0, 0, 0, NULL,
         "write findings, acts and the head of the trail into the kernel's audit log"},
        {"audit.log_containers", OPT_YES, AT(audit_log_containers), 0, 0, 0, NULL,
         "write there, too, each container that starts or stops"},
        {"network.scope", OPT_WORD, AT(net_scope_word), sizeof(((struct cfg *)0)->net_scope_word), 0, 0, scopes,
         "where flows are watched: in each container's own network namespace, or for all in the host's, or not: "
         "namespace, host, off; auto: by what this kernel does"},
        {"network.namespace", OPT_NAMES, AT(net_of[NET_SCOPE_NAMESPACE]), 0, 0, 0, NULL,
         "names of workloads, * for anything, whose flows are watched in their own namespace all the same"},
        {"network.host", OPT_NAMES, AT(net_of[NET_SCOPE_HOST]), 0, 0, 0, NULL, "the same: in the host's"},
        {"network.off", OPT_NAMES, AT(net_of[NET_SCOPE_OFF]), 0, 0, 0, NULL, "the same: not at all"},
        NUM("network.guard", OPT_PERCENT, net_guard, 1, 95,
            "our table is taken out of a namespace where more of conntrack's entries than this are in use"),
        NUM("network.rcvbuf", OPT_BYTES, net_rcvbuf, 65536, 256 * MIB,
            "receive buffer for flows of one network namespace"),
        {"secrets.mask", OPT_YES, AT(secrets_mask), 0, 0, 0, NULL,
         "replace secrets in arguments, labels and health checks before anything is kept or shown"},
        {"secrets.patterns", OPT_PATTERNS, AT(secrets_patterns), 0, 0, 0, NULL,
         "where secrets stand: expressions behind which one follows; see tidemark.conf(5)"},
        {"secrets.more", OPT_PATTERNS, AT(secrets_more), 0, 0, 0, NULL, "patterns of your own, beside those"},
        NUM("record.ring_size", OPT_BYTES, ring_size, 0, 4095 * MIB,
            "most bytes of recordings that are kept for tidemark tune; 0: none are made"),
        NUM("record.segment", OPT_BYTES, ring_segment, 65536, 1024 * MIB,
            "about so much, packed, is one of them; the oldest goes as a whole"),
        NUM("record.segment_time", OPT_TIME, ring_period_ns, SECOND, 365 * DAY, "a new one is begun at least so often"),
        NUM("trail.segment", OPT_BYTES, trail_segment, 65536, 1024 * MIB,
            "a file of the trail that is so large is followed by another"),
        NUM("trail.keep", OPT_TIME, trail_keep_ns, DAY, 36500 * DAY,
            "a file of the trail whose records are all older than this is removed"),
        NUM("trail.checkpoint", OPT_TIME, trail_checkpoint_ns, SECOND, 30 * DAY,
            "number and hash of the trail's last record go to the audit log so often, if there is a new one"),
        NUM("trail.checkpoint_records", OPT_COUNT, trail_checkpoint_records, 1, 1e6, "and after so many records"),
        {"workloads.services", OPT_NAMES, AT(judge.of_class[CLASS_SERVICE]), 0, 0, 0, NULL,
         "names of workloads, * for anything, that are learned whatever their runtime says of them"},
        {"workloads.jobs", OPT_NAMES, AT(judge.of_class[CLASS_JOB]), 0, 0, 0, NULL,
         "the same of builds and batch jobs: not learned, and raised only for what is never learned silently"},
        {"workloads.sessions", OPT_NAMES, AT(judge.of_class[CLASS_SESSION]), 0, 0, 0, NULL,
         "the same of people's own containers"},
        NUM("limits.containers", OPT_COUNT, max_containers, 1, 100000, "most containers watched at once"),
        NUM("limits.processes", OPT_COUNT, max_processes, 1000, 4e6, "most processes of the host kept in mind"),
        NUM("limits.workloads", OPT_COUNT, judge.max_workloads, 1, 1e6,
            "most workloads kept; the one unseen for longest goes"),
        NUM("limits.entries", OPT_COUNT, judge.max_entries, 10, 1e6,
            "most baseline entries of one workload and dimension"),
        NUM("limits.names", OPT_COUNT, judge.max_names, 8, 1e6,
            "most names and addresses of the name service kept for one container; the oldest goes"),
        NUM("limits.images", OPT_COUNT, judge.max_images, 1, 10000,
            "most analysed images kept; one that no container runs goes, the one unused for longest first"),
        NUM("limits.image_files", OPT_COUNT, judge.max_image_files, 100, 1e6,
            "most programs, libraries and scripts kept of one image, 16 bytes each"),
        NUM("limits.records", OPT_COUNT, judge.max_records, 1, 10000,
            "most images of which imported records are kept; the one of which something came longest ago goes"),
        NUM("limits.record_entries", OPT_COUNT, judge.max_record_entries, 100, 1e6,
            "most files, and most packages, taken of one SBOM"),
        NUM("limits.open_findings", OPT_COUNT, judge.max_findings, 1, 1e6, "most findings kept open"),
        NUM("limits.rules", OPT_COUNT, judge.max_rules, 0, 10000, "most allow and suppress rules in force"),
        NUM("limits.sessions", OPT_COUNT, judge.max_sessions, 1, 1e5,
            "most exec sessions kept as items; of those that have ended the least sure goes"),
        NUM("limits.closed_findings", OPT_COUNT, judge.max_closed, 1, 1e5,
            "most closed findings kept; the one closed first goes"),
        NUM("learn.period", OPT_TIME, judge.calibration_ns, SECOND, 365 * DAY,
            "a baseline is learned for so long, unless it converges before"),
        NUM("learn.network_period", OPT_TIME, judge.network_ns, SECOND, 365 * DAY,
            "the same for whom a workload calls and where it listens"),
        NUM("learn.window", OPT_TIME, judge.window_ns, SECOND, 30 * DAY, "length of one window of learning"),
        NUM("learn.converged_p", OPT_CHANCE, judge.converged_p, 1e-6, 1,
            "learning ends when the chance of something new in the next window is below this"),
        NUM("learn.converge_min", OPT_TIME, judge.converge_min_ns, 0, 365 * DAY, "but not before so much time"),
        NUM("learn.startup", OPT_TIME, judge.startup_ns, 0, DAY, "so long after its start a container is starting up"),
        NUM("learn.shutdown", OPT_TIME, judge.shutdown_ns, 0, DAY,
            "so long after its runtime was asked to end it a container is shutting down"),
        NUM("learn.siblings", OPT_COUNT, judge.siblings, 2, 1e6,
            "so many names of one program in one directory make it a pattern"),
        {"learn.review", OPT_YES, AT(judge.review), 0, 0, 0, NULL,
         "when learning ends wait for an operator's review, instead of activating the baseline"},
        NUM("learn.limit", OPT_TIME, judge.limit_ns, SECOND, 365 * DAY,
            "learning ends by then, or baseline list says why it does not"),
        NUM("learn.stale", OPT_TIME, judge.stale_ns, SECOND, 3650 * DAY,
            "an active baseline whose workload is unseen for so long is stale"),
        NUM("learn.expire", OPT_TIME, judge.expire_ns, SECOND, 3650 * DAY,
            "an entry that is not seen for so long is forgotten, unless an operator has approved it"),
        NUM("learn.inherited", OPT_TIME, judge.inherited_ns, SECOND, 3650 * DAY,
            "an entry that was inherited from an earlier image and is not seen again for so long is forgotten"),
        NUM("rollout.least", OPT_TIME, judge.rollout_least_ns, 0, 365 * DAY,
            "when a new image of a workload appears, its window is open for so long at least"),
        NUM("rollout.limit", OPT_TIME, judge.rollout_limit_ns, 0, 365 * DAY,
            "and for so long at most, while containers of the old image still run"),
        {"import.keys", OPT_PATHS, AT(import_keys), 0, 0, 0, NULL,
         "files of public keys (PEM): a baseline is imported only with a signature of one of them; none: without any"},
        {"records.keys", OPT_PATHS, AT(records_keys), 0, 0, 0, NULL,
         "files of public keys (PEM), or directories of them (*.pem, *.pub), of those who sign imported records"},
        {"records.drop", OPT_TEXT, AT(records_drop), sizeof(((struct cfg *)0)->records_drop), 0, 0, NULL,
         "what is put into this directory is imported by itself; auto: records, in the state directory; none"},
        NUM("evidence.max_size", OPT_BYTES64, evidence.max_size, MIB, 1024 * GIB,
            "most bytes that are read for one piece of evidence; what is cut is named in it"),
        NUM("evidence.max_file", OPT_BYTES64, evidence.max_file, 4096, 1024 * GIB, "the same of one file"),
        NUM("evidence.max_time", OPT_TIME, evidence.max_time_ns, SECOND, DAY, "the same in time"),
        NUM("evidence.volatile_deadline", OPT_TIME, evidence.volatile_ns, 1e7, 60 * SECOND,
            "processes, sockets and executables are taken first, within so long; what is not is named"),
        {"evidence.freeze", OPT_YES, AT(evidence.freeze), 0, 0, 0, NULL,
         "stop the container for the time of that, by its cgroup's freezer"},
        NUM("evidence.keep_size", OPT_BYTES64, evidence.keep_size, MIB, 65536 * GIB,
            "most bytes of evidence that are kept; the oldest goes, that of open findings last"),
        NUM("evidence.keep_age", OPT_TIME, evidence.keep_age_ns, HOUR, 3650 * DAY,
            "evidence is kept for so long, and that of an open finding longer"),
        NUM("evidence.min_free", OPT_BYTES64, evidence.min_free, 0, 65536 * GIB,
            "so much of the disk stays free: no evidence is taken that would go below it"),
        {"evidence.sign_key", OPT_PATH, AT(evidence.sign_key), sizeof(((struct cfg *)0)->evidence.sign_key), 0, 0, NULL,
         "file of a private key (PEM) by which evidence is signed; none: it is not"},
        {"evidence.auto", OPT_WORD, AT(evidence.by_policy), sizeof(((struct cfg *)0)->evidence.by_policy), 0, 0,
         evidence_autos, "take evidence without being asked: no; page: when a finding crosses queue.page"},
        {"evidence.workloads", OPT_NAMES, AT(evidence.workloads), 0, 0, 0, NULL,
         "names of the workloads that this is done for, * for anything"},
        NUM("evidence.auto_per_hour", OPT_COUNT, evidence.per_hour, 1, 1000,
            "it is done so often within an hour at most; of one container once"),
        NUM("group.join", OPT_TIME, judge.join_ns, 0, 30 * DAY,
            "acts of one lineage so close together are one finding"),
        NUM("queue.show", OPT_PERCENT, judge.show, 0, 100, "findings of at least this confidence are shown"),
        NUM("queue.page", OPT_PERCENT, judge.page, 0, 100,
            "findings of at least this confidence are worth waking somebody"),
        NUM("queue.expire", OPT_TIME, judge.finding_expire_ns, HOUR, 3650 * DAY,
            "a finding that was not seen for so long closes by itself"),
        NUM("queue.keep", OPT_TIME, judge.finding_keep_ns, DAY, 3650 * DAY, "closed findings are kept for so long"),
        NUM("suppress.break_through", OPT_PERCENT, judge.suppress_break_through, 50, 100,
            "findings of a suppression window of at least this confidence are shown all the same; 100: none is"),
        NUM("suppress.max", OPT_TIME, judge.suppress_max_ns, 60 * SECOND, 3650 * DAY,
            "no suppress rule lasts longer: how far ahead --until may be"),
        NUM("suppress.tell_before", OPT_TIME, judge.suppress_tell_ns, 0, 365 * DAY,
            "so long before the end of a rule it is told"),
        {"contain.allow", OPT_PLACES, AT(contain_allow), 0, 0, 0, NULL,
         "addresses and networks that an isolated container still reaches, and is reached from: forensic ones"},
        {"contain.auto", OPT_WORD, AT(contain_auto), sizeof(((struct cfg *)0)->contain_auto), 0, 0, automatic,
         "isolate by itself what contain.workloads names: off, dry-run (only say what it would do), on"},
        {"contain.workloads", OPT_NAMES, AT(contain_workloads), 0, 0, 0, NULL,
         "names of workloads, * for anything, that may be isolated so; none: nobody's"},
        NUM("contain.confidence", OPT_PERCENT, contain_confidence, 50, 100,
            "a finding isolates by itself when it is above queue.page and of at least this confidence"),
        NUM("contain.per_hour", OPT_COUNT, contain_per_hour, 1, 100,
            "so many containers of this host are isolated by itself in an hour at most"),
        NUM("contain.reassert", OPT_COUNT, contain_reassert, 1, 1000,
            "so often in a minute, at most, rules of one container that somebody removed are made again"),
        {"sink.syslog", OPT_YES, AT(sink_syslog), 0, 0, 0, NULL,
         "a line of JSON to syslog when a finding opens, crosses queue.page, doubles its count, expires or closes"},
        TEXT("sink.syslog_socket", sink_socket, "where syslog listens"),
        {"sink.syslog_facility", OPT_WORD, AT(sink_facility), sizeof(((struct cfg *)0)->sink_facility), 0, 0,
         syslog_facilities, "its facility: authpriv, auth, daemon, user, local0 to local7"},
        NUM("scoring.prior", OPT_BITS, judge.prior_quarters, -64, 64,
            "bits before anything is known: how rare a true finding is"),
        NUM("scoring.session_prior", OPT_BITS, judge.session_prior_quarters, -64, 64,
            "the same of an exec session: people's work is mostly harmless"),
        NUM("scoring.novelty_cap", OPT_BITS, judge.novelty_cap_quarters, 0, 64,
            "most bits that novelty alone can give"),
        NUM("scoring.activated_p", OPT_CHANCE, judge.activated_p, 1e-6, 1,
            "chance of something new, at most, once an operator has activated a baseline"),
};

/* The fixed rows, then one per factor of the judge: built once per call, into the caller's static space. */
const struct option_row *config_options(size_t *ret_n)
{
        static struct option_row all[OPTIONS_MAX];
        static char names[FACTOR__MAX][48];
        const struct judge_factor *factors = judge_factors();
        size_t n = ARRAY_LEN(rows);

        memcpy(all, rows, sizeof(rows));
        for (int i = 0; i < FACTOR__MAX; i++) {
                snprintf(names[i], sizeof(names[i]), "scoring.%s", factors[i].name);
                all[n++] = (struct option_row){
                        names[i], OPT_BITS,       AT(judge.bits) + (size_t)i * sizeof(int32_t), 0, -64, 64,
                        NULL,     factors[i].help};
        }
        *ret_n = n;
        return all;
}

enum net_scope cfg_net_scope(const struct cfg *c)
{
        for (int i = 0; i <= NET_SCOPE_OFF; i++)
                if (strcmp(c->net_scope_word, scopes[i]) == 0)
                        return (enum net_scope)i;
        return c->net_auto;
}

bool cfg_net_scope_is_auto(const struct cfg *c)
{
        return strcmp(c->net_scope_word, "auto") == 0;
}

enum net_scope cfg_net_scope_of(const struct cfg *c, const char *workload)
{
        for (int i = 0; i <= NET_SCOPE_OFF; i++)
                if (str_list_fits(&c->net_of[i], workload))
                        return (enum net_scope)i;
        return cfg_net_scope(c);
}

bool cfg_net_scope_differs(const struct cfg *c)
{
        return c->net_of[NET_SCOPE_NAMESPACE].n || c->net_of[NET_SCOPE_HOST].n || c->net_of[NET_SCOPE_OFF].n;
}

char *cfg_instance(const char *state_dir, char dst[CFG_INSTANCE])
{
        static const struct map_seed seed = {0x746964656d61726b, 0x696e7374616e6365};
        _cleanup_free_ char *real = realpath(state_dir, NULL);

        snprintf(dst, CFG_INSTANCE, "%08x", (unsigned)map_hash(seed, bytes_str(real ? real : state_dir)));
        return dst;
}

void cfg_default(struct cfg *c)
{
        const char *const *shipped;
        size_t n;

        memset(c, 0, sizeof(*c));
        snprintf(c->engine_user, sizeof(c->engine_user), "tidemark");
        snprintf(c->control_group, sizeof(c->control_group), "tidemark");
        snprintf(c->state_dir, sizeof(c->state_dir), "%s", TM_STATEDIR);
        snprintf(c->runtime_dir, sizeof(c->runtime_dir), "%s", TM_RUNDIR);
        snprintf(c->log_level, sizeof(c->log_level), "info");
        snprintf(c->playbook, sizeof(c->playbook), "auto");
        snprintf(c->records_drop, sizeof(c->records_drop), "auto");
        c->proc_rcvbuf = c->pair_queue = 4u << 20;
        c->cpu_max = 10;
        c->max_containers = 1024;
        c->max_processes = 65536;
        c->exit_grace_ns = (uint64_t)(2 * SECOND);
        c->names_per_container = 4096;
        c->names_total = 65536;
        c->walk_entries = 200000;
        c->walk_deadline_ns = (uint64_t)(30 * SECOND);
        c->round_ns = (uint64_t)HOUR;
        c->image_analyse = true;
        c->image_cpu_max = 25;
        c->image_mib = 2048;
        c->image_deadline_ns = (uint64_t)(10 * 60 * SECOND);
        snprintf(c->audit_source, sizeof(c->audit_source), "auto");
        snprintf(c->audit_rules, sizeof(c->audit_rules), "none");
        c->audit_log = true;
        snprintf(c->net_scope_word, sizeof(c->net_scope_word), "auto");
        c->net_guard = 50;
        c->net_rcvbuf = 1u << 20;
        c->secrets_mask = true;
        shipped = mask_shipped(&n);
        for (size_t i = 0; i < n && i < MASK_PATTERNS_MAX; i++)
                snprintf(c->secrets_patterns.text[c->secrets_patterns.n++], MASK_PATTERN_MAX, "%s", shipped[i]);
        c->ring_size = 256u << 20;
        c->ring_segment = 16u << 20;
        c->ring_period_ns = (uint64_t)DAY;
        c->trail_segment = 16u << 20;
        c->trail_keep_ns = (uint64_t)(400 * DAY);
        c->trail_checkpoint_ns = (uint64_t)(600 * SECOND);
        c->trail_checkpoint_records = 1000;
        c->evidence.max_size = (uint64_t)(2 * GIB);
        c->evidence.max_file = (uint64_t)GIB;
        c->evidence.max_time_ns = (uint64_t)(10 * 60 * SECOND);
        c->evidence.volatile_ns = (uint64_t)SECOND;
        c->evidence.keep_size = (uint64_t)(20 * GIB);
        c->evidence.keep_age_ns = (uint64_t)(400 * DAY);
        c->evidence.min_free = (uint64_t)GIB;
        snprintf(c->evidence.by_policy, sizeof(c->evidence.by_policy), "no");
        snprintf(c->evidence.workloads.text[c->evidence.workloads.n++], STR_LIST_TEXT, "*");
        c->evidence.per_hour = 6;
        snprintf(c->contain_auto, sizeof(c->contain_auto), "off");
        c->contain_confidence = 99;
        c->contain_per_hour = 3;
        c->contain_reassert = 30;
        c->sink_syslog = true;
        snprintf(c->sink_socket, sizeof(c->sink_socket), "/dev/log");
        snprintf(c->sink_facility, sizeof(c->sink_facility), "authpriv");
        judge_params_default(&c->judge);
        fuse_params_default(&c->fuse);
        if (gethostname(c->judge.host, sizeof(c->judge.host) - 1) < 0)
                snprintf(c->judge.host, sizeof(c->judge.host), "localhost");
}
