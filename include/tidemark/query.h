/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query - the reading commands, JSON in, JSON out, over a pipeline: what control.sock answers and what replay prints.
 * Also finding → JSON, in the stable shape of DESIGN section 6.
 */
#ifndef TIDEMARK_QUERY_H
#define TIDEMARK_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/finding.h"

struct judge;
struct pipeline;
struct playbook;
struct store;
struct judge_params;

/* Flags for json_dumpb and the like: sorted nothing, compact, stable order; real numbers print exactly. */
#define QUERY_JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(9))
/* Bytes of v as it will be sent. */
size_t query_size(const json_t *v);

struct query_env {
        struct pipeline *pipeline;
        struct store *store;              /* NULL: findings come from the pipeline's judge alone (replay) */
        const struct judge_params *params;
        const struct playbook *playbook;  /* NULL: none */
        int64_t now_ns;                   /* wall clock, for what would be decided now; 0: when it was last seen */
        json_t *(*status)(void *arg);     /* the daemon's own part of status: sensors, losses, memory; may be NULL */
        void *arg;
};

/* New reference. show: threshold to tell "below_show". */
json_t *finding_json(const struct finding *f, uint32_t show) TM_CHECK;
/* The same with what records of its image say of it, by the judge's tables as they are now: members sbom, provenance,
 * admissions, conclusion. */
json_t *finding_json_compared(const struct judge *j, const struct finding *f, uint32_t show) TM_CHECK;

/*
 * request: {"cmd": "findings", …}. Always returns an object (new reference): {"ok": true, "data": …} or
 * {"ok": false, "error": "…", "code": exit code}. Commands and their data:
 *
 *   status        {"version", "containers": […], "workloads": […], "findings": {"open", "triaged", "closed",
 *                 "below_show"}, "judge": {counters}} and whatever env->status() returns, merged at the top.
 *                 A container: "id", "name", "runtime", "image", "config_digest", "config_source", "manifest_digest",
 *                 "manifest_source", "init_pid", "upper", "labels" {}, "image_labels" {}, "workload", "coverage",
 *                 "running_before", "gap_ms" (null: not known), "state" ("running", "stopped"), "started".
 *                 A workload: as in baseline.list. containers_more, workloads_more: how many did not fit.
 *                 Live also "secrets" {"masking", "masked": how many, "whole_texts": texts with so many that all of it
 *                 was, "left_out": texts that could not be looked at}
 *                 "records" {"documents", "waiting": images that no workload has, "memory": bytes of SBOMs' tables,
 *                 "malformed", "refused", "dropped"}
 *                 "trail" {"writing": can it be, "why": it cannot, "head": number of its last record, "written",
 *                 "waiting", "late": of these, because it cannot, "written_late", "unwritten": that had no room,
 *                 "checkpoint": number that the audit log has, "refused": attempts to change something by who may not}
 *   findings      {"state": "open"|"triaged"|"closed"|"all" (default: all but closed), "workload": name or its
 *                 beginning, "all": also those below show and suppressed ones, "suppressed": these alone, however sure,
 *                 "sessions": exec sessions and nothing else, also those below show: else such ones are
 *                 not listed, not with "all" either, "after": "F-7"}
 *                 → {"findings": [finding…] by number, "hidden": how many were not listed because they are below show,
 *                 "suppressed": or suppressed, "sessions": or sessions below show, "not_judged": workloads that still
 *                 learn (a number), "more": how many did not fit: ask again with "after" the last one, "damaged": kept
 *                 ones that cannot be read (if any)}
 *                 Live also "check": {"ok", "problems": [words]}: a sensor degraded, a loss not repaired yet, a
 *                 container not covered, storing that fails
 *   report        {"weeks": 1 to 13 (default 4), "workload": name or its beginning} → {"host", "from", "to", "weeks",
 *                 "bands": {"healthy_below", "unsustainable_above"}, "total": numbers with "weeks": [of each week],
 *                 "workloads": [{"workload", numbers, "weeks"}…], "causes": [{"workload", "what", "findings",
 *                 "false_positives", "acts", "last_seen"}…], "causes_more", "damaged"}. Numbers: "observed_weeks",
 *                 "observed_hours" (it ran and was judged), "less_than_a_week", "findings" (that had to be looked at),
 *                 "per_week" (null: nothing observed), "band" ("healthy", "watch", "unsustainable"; "not judged"; "too
 *                 early": for less than a day),
 *                 "pages", "false_positives" (judged benign), "false_positives_per_week", "verdicts" {…, "none"},
 *                 "while_learning", "first_sights", "sessions", "sessions_shown", "suppressed", "not_judged_hours",
 *                 "connections_not_watched_hours", "not_watched_hours"
 *   report.quarter {quarter: "2026Q4"; else the present one}  {"host", "quarter", "from", "to", "playbook", "findings":
 *                 {"findings", "verdicts" {…, "none"}} that had to be looked at, "criteria": [the same with "name",
 *                 "suggests"…], "no_criterion": the same, of those that fit none, "judged_by": [{"version",
 *                 "verdicts", "first", "last"}…], "new_benign": [{"workload", "what", "findings", "first_judged"}…],
 *                 "rules_ending", "rules_endless": [{"id", "kind", "text", "reason", "by", "until", "hidden"}…],
 *                 "not_counted", "damaged"}
 *   findings, show, watch: a finding has, by the records of its image as they are now, "sbom" {"state", "format",
 *                 "file", "verified", "key", "packages", "files", "image" {"files", "listed", "differ"}, "words",
 *                 "paths": [{"path", "ran", "in_image", "in_sbom" (null: not known), "hash": "fits", "differs" or null,
 *                 "hash_of": "run", "image" or null, "package" {"name", "version", "by", "in_sbom",
 *                 "sbom_version"} or null, "words"}…]}, "provenance" {"state": "none" or how its signature stands,
 *                 "builder", "source", "commit", "built", "verified", "key", "words"}, "admissions" [{"admitted",
 *                 "time", "by", "image", "place", "words"}…], "conclusion" {"lean": "runtime compromise more likely"
 *                 or "treat as both", "words", "facts" [], "missing" []}
 *   show {id}     one finding, with "explanations" {"benign" {"text", "facts" [], "check"}, "malicious"},
 *                 "criteria" [{"name", "verdict", "text"}…] of the playbook that fit, "playbook" {"version", "review"}
 *                 or null, "image" (as of image.list; null: not analysed), "watched" [{"container", "coverage",
 *                 "connections", "gap_ms", "running_before", "state"}…]
 *   explain {id: "F-3"}  {"of": "finding", some of its fields, "show", "page", "break_through": thresholds,
 *                 "signals": [{"kind", "subject", "operation", "executable", "origin", "phase", "count", "last_seen",
 *                 and why: "decided": words, "baseline" {"dimension", "state", "entries", "p_new", "entry",
 *                 "entry_executable": that decides or null, "near": [{"key", "executable", "phases", "candidate",
 *                 "why"}…]}, "rules": [{"id", "kind", "text", "fits", "why"}…], "rules_more", "quiet": [lines that
 *                 would quiet it], or null: it is quiet}…]}
 *   explain {id: "E-12"}  one of the latest acts: {"of": "event", "event": as of watch, "decided": words, "now": why
 *                 as above, as it would be decided now}
 *   explain {workload, path or destination, executable, origin, runs}  {"of": "question", "workload", "kind", and why}
 *   allow.list, suppress.list {all: also those that have ended}  [{"id": "R-3", "kind", "state": "active", "ended",
 *                 "removed", "text", "workload", "path", "executable", "destination", "origin" [], "signal" [],
 *                 "covers": words, "reason", "by", "added", "from", "until", "ends_soon", "ended", "ended_by",
 *                 "hidden", "last_hidden"; of suppress also "recurring", "on" [], "at", "for": seconds, "zone",
 *                 "break_through", "broke_through"}…]
 *   baseline.list array of workloads: "id", "name", "image", "digest", "class", "containers" (running now),
 *                 "first_seen", "last_seen", "dimensions": [{"dimension", "state", "by", "since", "due", "entries",
 *                 "windows", "once", "p_new", "refused", "keeps_from_converging": [up to 5 keys],
 *                 "proposed_pattern": that would cover the most of them, or null, "expected" (when it should converge;
 *                 null: it does not learn, or nobody knows), "progress": 0 to 100 or null, "refresh_until",
 *                 "why_not": words, if it learns for longer than learn.limit}…] ("off" ones too), "rollout" {"open",
 *                 "from": id of the workload it inherited from, or null, "since", "until", "excused", "raised"}
 *   baseline.show {workload, after: number}  such a workload with "entries": [{"dimension", "key", "executable",
 *                 "first_seen", "last_seen", "count", "windows", "candidate", "raised", "why", "phases" [],
 *                 "inherited" (of an earlier image, and not seen since), "rejected", "item" ("B-3": candidates),
 *                 "approved_by", "approved_reason", "approved_at" (or rejected), "path_only"}…], "more": how
 *                 many did not fit
 *   baseline.export {workload, after: as said before}  {"document": see document.h, with the entries and candidates of
 *                 this page, "more": how many did not fit, "after": to ask for these}
 *   image.list    array of analysed images: "digest", "state" (failed, partial, complete), "words": what was cut or
 *                 could not be read, "analysed", "used", "entrypoint" [], "command" [], "health" [], "user",
 *                 "ports" [], "volumes" [], in numbers "packages", "files" ("program", "library", "script", "other"),
 *                 "gives_rights", "unowned", "left_out" (above limits.image_files), "read_bytes", "entries", "memory";
 *                 "workloads" []
 *   image.show {image, after: number}  one of them, by its digest's beginning or the workload that runs it, with
 *                 "package_list": [{"database", "name", "version"}…], "file_list": [{"path", "kind", "runs",
 *                 "gives_rights", "size", "sha256" (null: not read whole), "interpreter", "package", "version"}…];
 *                 "more": parts that did not fit: ask again with "after" the number in "parts"
 *
 *   record.list {after: number}  {"records": [record…] by the time of their import, the latest first, each with
 *                 "imported", "known_here": does or did something here run that image, of SBOMs also "whole",
 *                 "packages", "files", "left_out" (numbers); "after", "more": how many did not fit: ask again with that
 *                 "after"}. A record: "kind" (provenance, sbom, admission), "document" (SHA-256), "digest", "named_by"
 *                 (subject, component, operator, image), "image", "source" (file), "format", "words"; but of
 *                 admissions "signature" (unsigned, verified, bad, unknown-key), "key", "key_sha256", "why_not"; of
 *                 provenance "builder", "build_type", "repository", "commit", "began", "ended"; of an SBOM "tool",
 *                 "created"; of an admission "time", "decision" (admitted, refused), "by", "place"
 *   record.show {image: digest's beginning or workload, lists: bool, after: number}  {"digests": [{"digest", "of":
 *                 config, manifest or null, "source"}…], "first_seen" (on this host, or null), "containers": [{"id",
 *                 "name", "workload", "running", "started"}…], "containers_more", "workloads" [], "provenance" [],
 *                 "sbom" [], "admissions" [], "missing": [words]}; with lists also "of_document" (the latest SBOM, a
 *                 verified one first), "package_list" [{"database", "name", "version"}…], "file_list" [{"path",
 *                 "sha256", "package": number or null}…], "parts", "more", as of image.show
 *
 *   baseline.review {workload, all}  candidates of one workload or of all that have some, grouped by cause, the
 *                 riskiest first: [{"id", "name", "candidates": how many, "groups": [{"items": ["B-3"…], "keys" [],
 *                 "candidates", "dimension", "key", "subject", "executable", "place" (of files: the directory), "why"
 *                 (as in baseline.show, or "other-phase", "other-content"), "rejected", "raised", "phases" [],
 *                 "confidence" (of the surest; null: not raised), "count", "first_seen", "last_seen", "containers" [],
 *                 "who" {"origin", "uid", "login_uid", "parent"} or null, "bulk": may be approved with others}…],
 *                 "more": groups that are not shown without all}…]
 *
 * Times are RFC 3339 text in UTC, or null. Bytes that containers choose come escaped (str.h), and what was shown so is
 * what a request may name. An answer stays below 4 MiB.
 * Unique prefixes are resolved here. NULL only when out of memory.
 */
json_t *query_run(const struct query_env *env, const json_t *request) TM_CHECK;

/*
 * A changing command, such as {"cmd": "baseline.activate", "workload": full name, "dimension": optional, "dry_run":
 * bool}. Resolves what it is about (a workload's full id, a finding's number, or nothing) and fills ev (kind
 * TIDE_DECISION; strings borrowed from scratch): every other field is an argument of the decision, as text; of a list
 * one by one. 0 with *ret_answer = what it resolved to (new reference, "data" of the answer); negative with *ret_answer
 * an {"ok": false…} object (NULL: out of memory).
 */
struct tide_event;
struct buf;
int query_decision(const struct query_env *env, const json_t *request, struct buf *scratch, struct tide_event *ev,
                   json_t **ret_answer) TM_CHECK;
/* After the decision was done (pipeline_event) or tried (pipeline_try): what the judge said of it, into answer as
 * "outcome" {name: [text…]}. 0 or -ENOMEM. */
int query_outcome(const struct query_env *env, json_t *answer) TM_CHECK;
/*
 * The changing command that comes with a document: {"cmd": "baseline.import", "file": its name, "reason", "signature":
 * hexadecimal, "workload": if it is not the document's, "replace", "inherit", "for_digest", "dry_run"}. The document is
 * read whole, and goes to cb as decisions (transfer.h), in order, one after the other; cb fills in who decided, gives
 * each to pipeline_event (or pipeline_try), and its first negative result ends it. 0 with *ret_answer as above;
 * negative with *ret_answer an {"ok": false…} object, or as above where cb has failed (NULL: out of memory).
 */
struct query_import_source {
        struct bytes text;
        const char *sha256;    /* of text */
        const char *signed_by; /* file of the key; NULL: unsigned */
        const char *key;       /* SHA-256 of that key */
};
typedef int (*query_import_cb)(struct tide_event *ev, void *arg);
int query_import(const struct query_env *env, const json_t *request, const struct query_import_source *source,
                 query_import_cb cb, void *arg, json_t **ret_answer) TM_CHECK;
/*
 * The changing commands that the sensor carries out, of containers or of evidence: "contain.isolate",
 * "contain.release", "contain.kill" {"target": a finding's id, 12 digits or more of a container's id, or its full name,
 * …},
 * "evidence.capture" {"target", …}, "evidence.list", "evidence.copy", "evidence.remove" {"name", …}. What is asked is
 * resolved here and put to the sensor by the daemon. 0 with *ret filled and the other fields of the request in args (a
 * list of key, value); negative with *ret_answer an {"ok": false…} object (NULL: out of memory).
 */
#define QUERY_DEED_ID 65
#define QUERY_DEED_CONTAINERS 16u
struct query_deed_container {
        char id[QUERY_DEED_ID], name[128]; /* name: escaped */
};
struct query_deed {
        uint8_t deed; /* enum tide_deed */
        bool dry_run;
        uint64_t finding; /* that was named; 0: none */
        struct query_deed_container containers[QUERY_DEED_CONTAINERS];
        size_t n;         /* 0: it is about no container */
        const char *name; /* of evidence; NULL: none. Borrowed from request */
};
bool query_is_deed(const json_t *request);
int query_deed(const struct query_env *env, const json_t *request, struct query_deed *ret, struct buf *args,
               json_t **ret_answer) TM_CHECK;
/*
 * For evidence of a container: {"container": as in status, "workload": as in baseline.list, "finding": as show has it},
 * null where nothing is known. NULL: out of memory.
 */
json_t *query_evidence(const struct query_env *env, struct bytes container, uint64_t finding) TM_CHECK;
struct judge;
/* Names of evidence that findings which are not closed give, one a line. Errors stay in out. */
void query_evidence_held(const struct judge *j, struct buf *out);
bool query_has_document(const json_t *request); /* is it for query_import() */
bool query_is_change(const json_t *request); /* is cmd a changing one (belongs to admin.sock) */

/*
 * One line of watch for an event; NULL when out of memory or when the event is not shown (forks, exits, ticks, …).
 * "seq" is its number (E-… of explain).
 * {"kind", "seq", "time", "container", "workload", "verdict", "finding" ("F-1" or null), …} with, by kind:
 *   exec       "pid", "uid", "origin", "executable", "program", "layer", "args" [], "caller", "flags" []
 *   file       "operation", "path", "old_path", "change", "pid", "uid", "origin", "executable", "flags" []
 *   privilege  "operation", "pid", "uid", "origin", "executable", "comm", "repeats" (so many like it were not told),
 *              "flags" []; uid, gid, mount-namespace: "from", "to"; ptrace, mount-namespace: "target_where"; ptrace:
 *              "target", "target_pid", "target_container"; core-dump: "signal"; comm: "old_comm"; mapped: "path",
 *              "layer", "change"
 *   flow       "operation" (began, ended, found, listens), "direction", "protocol", "local", "local_port", "remote",
 *              "remote_port", "real", "real_port" (where it was sent on to, or null), "names" [] (that led to remote),
 *              "resolver", "bytes_out", "bytes_in", "duration_ms" (null: not counted), "pid", "uid", "origin",
 *              "executable", "flags" []
 *   name       "operation" (answered, unasked, foreign, malformed), "name", "chain" [], "addresses" [], "server",
 *              "server_port", "protocol", "reason"
 *   container-start, container-stop   "runtime", "init_pid", "running_before", "coverage"
 *   content    "name", "image", "config_digest"
 *   decision   "verb", "target", "uid", "login_uid"
 *   walk       "reason", "ended", "complete", "entries"
 *   loss       "what", "count"
 *   prior      an image was read, or could not be: "image_digest", "state", "words", "packages", "files"
 *   hash       of a program that ran and is not the image's: "path", "state", "size", "sha256"
 */
/* j: for the names of a flow; NULL: without. */
json_t *query_watch_event(const struct judge *j, const struct tide_event *ev, struct bytes workload,
                          const char *verdict, uint64_t finding) TM_CHECK;

/* A line of watch for what the judge did by itself: {"note": {"workload": name or null, "text"}}; NULL: out of
 * memory. */
json_t *query_watch_note(struct bytes workload, const char *words) TM_CHECK;

/*
 * Documents of the supply chain: commands record.import {"file": its name, for the trail, "image": digest, "dry_run"},
 * whose file comes along as a descriptor, and record.remove {"document": 12 digits of its SHA-256 or more, "dry_run"}.
 */
struct tide_supply;
bool query_is_record(const json_t *request);
/* NULL: its fields are as the table wants them. */
json_t *query_record_check(const json_t *request) TM_CHECK;
/* A head (SUPPLY_BEGIN, _PROVENANCE, _ADMISSION) as record.list shows it, without what only the judge knows. */
json_t *query_record_json(const struct tide_supply *t) TM_CHECK;
/* Does anything of this host run that image, or did? */
bool query_digest_is_here(struct pipeline *p, struct bytes digest);
/* The document that record.remove names. NULL: it is there, and *ret_data says what it is (new reference). */
json_t *query_record_find(const struct query_env *env, const json_t *request, uint8_t ret_document[32],
                          json_t **ret_data) TM_CHECK;

#endif
