/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: manifest.json: which host, which container, by which agent, when by which clock, and what the notes say. Must
 * not: read anything that a container shapes. Hands over: its text.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"

#define FACT_MAX 256u

/* The first line of a file of the host. */
static json_t *fact(const char *path)
{
        _cleanup_buf_ struct buf b;
        char shown[FACT_MAX];
        struct bytes line;

        buf_init(&b, FACT_MAX);
        if (capture_read(path, FACT_MAX, &b) < 0)
                return json_null();
        line = buf_bytes(&b);
        while (line.len && (line.p[line.len - 1] == '\n' || line.p[line.len - 1] == ' '))
                line.len--;
        return json_string(str_print(line, shown, sizeof(shown)));
}

static json_t *host(void)
{
        struct utsname u;

        if (uname(&u) < 0)
                memset(&u, 0, sizeof(u));
        return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", u.nodename, "kernel", u.release, "machine", u.machine,
                         "machine_id", fact("/etc/machine-id"), "boot_id", fact("/proc/sys/kernel/random/boot_id"));
}

/* adjtimex(2): is the clock held by something, and how far may it be off? Read only: modes is 0. */
static json_t *clock_state(const struct capture_run *r)
{
        struct timex t = {.modes = 0};
        int state = adjtimex(&t);

        return json_pack("{s:I, s:I, s:I, s:b, s:i, s:I, s:I, s:I}", "began_boot_ns", (json_int_t)r->began_ns,
                         "now_boot_ns", (json_int_t)clock_boot_ns(), "now_wall_ns", (json_int_t)clock_wall_ns(),
                         "synchronised", state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC), "state", state,
                         "offset", (json_int_t)t.offset, "esterror_us", (json_int_t)t.esterror, "maxerror_us",
                         (json_int_t)t.maxerror);
}

static json_t *container(const struct capture_run *r)
{
        const struct capture_spec *s = r->spec;
        char shown[4 * CAPTURE_PATH];

        return json_pack(
                "{s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:b}", "id", s->id, "runtime", s->runtime ? s->runtime : "unknown",
                "init_pid", (int)s->init_pid, "init_start", (json_int_t)s->init_start, "pid_namespace",
                (json_int_t)s->pidns, "mount_namespace", (json_int_t)s->mntns, "upper",
                str_print(bytes_str(s->upper ? s->upper : ""), shown, sizeof(shown)), "ended_meanwhile", r->died);
}

/* What the caller says is an object, or else is kept as text. */
static json_t *caller(const struct capture_spec *s)
{
        json_t *o = json_loads(s->caller ? s->caller : "{}", JSON_REJECT_DUPLICATES, NULL);

        if (o && json_is_object(o))
                return o;
        json_decref(o);
        return json_string(s->caller);
}

static json_t *limits(const struct capture_limits *l)
{
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "volatile_ns", (json_int_t)l->volatile_ns, "total_ns",
                         (json_int_t)l->total_ns, "bytes", (json_int_t)l->bytes, "file_bytes",
                         (json_int_t)l->file_bytes, "log_bytes", (json_int_t)l->log_bytes, "entries",
                         (json_int_t)l->entries);
}

static json_t *whole(struct capture_run *r, const char *list_sha, uint64_t list_size)
{
        json_t *o = json_pack(
                "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:{s:I, s:i, s:i}, s:{s:s, s:s, s:I, s:I, s:I}}",
                "schema", CAPTURE_SCHEMA, "agent", r->spec->agent ? r->spec->agent : "", "host", host(), "clock",
                clock_state(r), "container", container(r), "limits", limits(&r->spec->limits), "caller",
                caller(r->spec), "masked_values", (json_int_t)r->masked, "contained_boot_ns",
                (json_int_t)r->contained_ns, "volatile", "took_ns", (json_int_t)r->vol.ns, "processes",
                (int)r->vol.processes, "missed", (int)r->vol.missed, "members", "file", "members.jsonl", "sha256",
                list_sha, "size", (json_int_t)list_size, "count", (json_int_t)capture_out_members(r->out), "content",
                (json_int_t)capture_out_content(r->out));

        if (o && capture_notes_put(r->notes, r->contained_ns, o) < 0) {
                json_decref(o);
                return NULL;
        }
        return o;
}

int capture_manifest(struct capture_run *r, const char *list_sha, uint64_t list_size, struct buf *out)
{
        json_t *o = whole(r, list_sha, list_size);
        char *text = o ? json_dumps(o, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;

        json_decref(o);
        if (!text)
                return -ENOMEM;
        buf_put_str(out, text);
        buf_put_u8(out, '\n');
        free(text);
        return out->err;
}
