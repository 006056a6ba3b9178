/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which options have another value than at the last start, for the trail; a copy of them all beside it, secret
 * patterns as hashes. Must not: run while the loop does (it waits for the disk). Hands over: records of the kind
 * "configured".
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/playbook.h"

#define MOD "trail"
#define COPY "configuration"
#define COPY_MAX (4u << 20)
#define VALUE_SHOWN 512u
#define RECORD_BYTES 12000u /* of one record: below TRAIL_TEXT_MAX */

struct comparing {
        struct sensor *s;
        struct buf now, before; /* NAME = VALUE lines */
        json_t *changes;
        size_t bytes, total, records;
        const char *since;
};

/* "NAME = VALUE\n"; of what is secret, the hash. */
static int put_line(const char *name, const char *value, bool secret, void *arg)
{
        struct buf *out = arg;
        char hash[TRAIL_HASH + 1];
        int r = secret ? trail_hash(bytes_str(value), hash) : 0;

        buf_printf(out, "%s = %s%s\n", name, secret ? "sha256:" : "", secret ? hash : value);
        return r < 0 ? r : out->err;
}

/* The next line of text: its name and value, terminated in place. */
static bool next_line(char **text, char **ret_name, char **ret_value)
{
        char *line = strsep(text, "\n"), *mark = line ? strstr(line, " = ") : NULL;

        if (!mark)
                return false;
        *mark = '\0';
        *ret_name = line;
        *ret_value = mark + 3;
        return true;
}

static const char *value_in(const char *text, const char *name, size_t *ret_len)
{
        size_t len = strlen(name);

        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                if (strncmp(line, name, len) != 0 || strncmp(line + len, " = ", 3) != 0)
                        continue;
                *ret_len = strcspn(line + len + 3, "\n");
                return line + len + 3;
        }
        return NULL;
}

static json_t *shown(const char *value, size_t len)
{
        char text[4 * VALUE_SHOWN];

        if (!value)
                return json_null();
        return json_string(str_print(bytes_of(value, len > VALUE_SHOWN ? VALUE_SHOWN : len), text, sizeof(text)));
}

static void flush(struct comparing *c)
{
        json_t *o = json_pack("{s:s,s:O}", "since", c->since, "changes", c->changes);
        char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

        if (text)
                sensor_admin_note(c->s, "configured", text);
        free(text);
        json_decref(o);
        json_array_clear(c->changes);
        c->bytes = 0;
        c->records++;
}

static void add(struct comparing *c, const char *name, const char *old, size_t old_len, const char *now)
{
        json_t *o = json_pack("{s:s,s:o,s:o}", "option", name, "old", shown(old, old_len), "new",
                              shown(now, now ? strlen(now) : 0));

        c->bytes += strlen(name) + 64 + 2 * (old_len < VALUE_SHOWN ? old_len : VALUE_SHOWN) +
                    2 * (now && strlen(now) < VALUE_SHOWN ? strlen(now) : VALUE_SHOWN);
        json_array_append_new(c->changes, o);
        c->total++;
        if (c->bytes > RECORD_BYTES)
                flush(c);
}

/* What there was before and is no more is named as well: another version of the agent may have other options. */
static int compare(struct comparing *c)
{
        _cleanup_free_ char *now = strdup(buf_cstr(&c->now)), *before = strdup(buf_cstr(&c->before));
        char *at = now, *name, *value;
        size_t len = 0;

        if (!now || !before)
                return -ENOMEM;
        while (next_line(&at, &name, &value)) {
                const char *old = value_in(buf_cstr(&c->before), name, &len);

                if (!old || len != strlen(value) || memcmp(old, value, len) != 0)
                        add(c, name, old, old ? len : 0, value);
        }
        at = before;
        while (next_line(&at, &name, &value))
                if (!value_in(buf_cstr(&c->now), name, &len))
                        add(c, name, value, strlen(value), NULL);
        return 0;
}

/* As it was at the last start; at the first one, as if it had been the defaults. */
static int read_before(struct comparing *c)
{
        struct cfg *defaults;
        int r = trail_kept_read(c->s->setup->trail_dir, COPY, &c->before);

        c->since = "last start";
        if (r != -ENOENT)
                return r;
        c->since = "defaults";
        defaults = calloc(1, sizeof(*defaults));
        if (!defaults)
                return -ENOMEM;
        cfg_default(defaults);
        r = cfg_each(defaults, put_line, &c->before);
        free(defaults);
        return r;
}

/* The criteria of triage, as if they were options: a revision is a change like any other. */
static int put_playbook(const struct playbook *p, struct buf *out)
{
        int r = 0;

        if (!p)
                return 0;
        put_line("playbook.version", p->version, false, out);
        put_line("playbook.owner", p->owner, false, out);
        put_line("playbook.review", p->review, false, out);
        for (uint32_t i = 0; i < p->n && r == 0; i++) {
                const struct playbook_criterion *k = &p->criteria[i];
                _cleanup_buf_ struct buf name, value;

                buf_init(&name, 128);
                buf_init(&value, 16384);
                buf_printf(&name, "playbook.criteria[%s]", k->name);
                buf_printf(&value, "%s:", k->verdict);
                for (uint32_t n = 0; n < k->nall; n++)
                        buf_printf(&value, " %s", k->all[n]);
                for (uint32_t n = 0; n < k->nany; n++)
                        buf_printf(&value, " %s%s", n ? "" : "one of ", k->any[n]);
                buf_printf(&value, ": %s", k->words);
                r = name.err ? name.err : value.err;
                if (r == 0)
                        r = put_line(buf_cstr(&name), buf_cstr(&value), false, out);
        }
        return r < 0 ? r : out->err;
}

static int run(struct comparing *c)
{
        int r = cfg_each(c->s->cfg, put_line, &c->now);
        size_t left = 0;

        if (r == 0)
                r = put_playbook(c->s->setup->playbook, &c->now);
        if (r == 0)
                r = read_before(c);
        if (r == 0)
                r = compare(c);
        if (r == 0 && json_array_size(c->changes))
                flush(c);
        if (r == 0 && c->total)
                trail_flush(c->s->trail, &left);
        /* what is not on the disk is told again by the next start */
        if (r == 0 && left == 0 && (c->total || strcmp(c->since, "defaults") == 0))
                r = trail_kept_write(c->s->setup->trail_dir, COPY, buf_bytes(&c->now));
        return r;
}

void sensor_trail_config_hash(struct sensor *s, char ret_hash[TRAIL_HASH + 1])
{
        _cleanup_buf_ struct buf now;

        buf_init(&now, COPY_MAX);
        if (cfg_each(s->cfg, put_line, &now) < 0 || trail_hash(buf_bytes(&now), ret_hash) < 0)
                ret_hash[0] = '\0';
}

void sensor_trail_config(struct sensor *s)
{
        struct comparing c = {.s = s, .changes = json_array()};
        char hash[TRAIL_HASH + 1];
        int r;

        buf_init(&c.now, COPY_MAX);
        buf_init(&c.before, COPY_MAX);
        r = c.changes ? run(&c) : -ENOMEM;
        if (r < 0)
                log_error(MOD, "what is configured otherwise than before is not known: %s/%s: %s", s->setup->trail_dir,
                          COPY, err_str(r));
        sensor_trail_config_hash(s, hash);
        if (c.total)
                sensor_auditlog(
                        s, &(struct audit_note){
                                   .type = AUDIT_NOTE_CONFIGURED, .ok = true, .n = c.total, .hash = bytes_str(hash)});
        json_decref(c.changes);
        buf_release(&c.now);
        buf_release(&c.before);
}
