/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deeds: what the engine asks the sensor to do to a container or with evidence.
 *
 * Owns: whether a deed is backed: by a command of root's that is under way and asked for just that, or by policy.
 * Must not: do any of it, or believe the engine in what it can look up itself: how a container is to be cut off, or
 * ended, is read from the command. Hands over: to the owner of each deed, who says what becomes of it by
 * sensor_deed_say().
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "deeds"

/* Who does it. An owner that refuses says so by sensor_deed_say() and returns 0; negative: it could not even begin. */
static const struct {
        const char *command; /* "cmd" of the line on admin.sock that asks for it */
        int (*run)(struct sensor *s, const struct sensor_deed *d);
} owners[DEED__MAX] = {
        [DEED_ISOLATE] = {"contain.isolate", sensor_contain_isolate},
        [DEED_RELEASE] = {"contain.release", sensor_contain_release},
        [DEED_KILL] = {"contain.kill", sensor_contain_kill},
        [DEED_CAPTURE] = {"evidence.capture", sensor_evidence_deed},
        [DEED_LIST] = {"evidence.list", sensor_evidence_deed},
        [DEED_COPY] = {"evidence.copy", sensor_evidence_deed},
        [DEED_REMOVE] = {"evidence.remove", sensor_evidence_deed},
};

/* A container that was named by its id's digits is that one. By another name, or by a finding, the engine resolves. */
static bool is_target(const json_t *line, const struct sensor_deed *d)
{
        const char *target = json_string_value(json_object_get(line, "target"));
        size_t n = target ? strlen(target) : 0;

        if (n < 12 || strspn(target, "0123456789abcdef") != n)
                return true;
        return strncmp(d->container, target, n) == 0;
}

/* Which evidence goes out or away is root's word alone. */
static bool is_piece(const json_t *line, const struct sensor_deed *d)
{
        const char *name = json_string_value(json_object_get(line, "name"));

        return (d->deed != DEED_COPY && d->deed != DEED_REMOVE) || (name && bytes_eq(d->name, bytes_str(name)));
}

static bool is_containment(uint8_t deed)
{
        return deed == DEED_ISOLATE || deed == DEED_RELEASE || deed == DEED_KILL;
}

/* By a name, or by a finding, the engine resolves: to one container, unless all of them were asked for. */
static bool is_only_target(const json_t *line, struct sensor_command *c, const struct sensor_deed *d)
{
        if (!is_containment(d->deed) || json_is_true(json_object_get(line, "all")))
                return true;
        if (!c->container[0])
                snprintf(c->container, sizeof(c->container), "%s", d->container);
        return strcmp(c->container, d->container) == 0;
}

/* What only a person says: none of it is taken from the engine. */
static const char *const said_by_persons[] = {"now", "keep_probes", "reason", "for", "yes_lose_state"};

static bool is_said_by_persons(struct bytes key)
{
        for (size_t i = 0; i < ARRAY_LEN(said_by_persons); i++)
                if (bytes_eq(key, bytes_str(said_by_persons[i])))
                        return true;
        return false;
}

/* Of containment: from the line (NULL: by policy), then what the engine has to say beside that, for the evidence. */
static void put_args(const json_t *line, struct bytes engine, struct buf *out)
{
        struct bytes k, v;
        struct rd r;

        for (size_t i = 0; i < ARRAY_LEN(said_by_persons); i++) {
                const json_t *o = json_object_get(line, said_by_persons[i]);
                struct bytes key = bytes_str(said_by_persons[i]);
                char number[24];

                snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(o));
                if (json_is_string(o))
                        tide_list_put(out, key, bytes_str(json_string_value(o)));
                else if (json_is_integer(o))
                        tide_list_put(out, key, bytes_str(number));
                else if (json_is_true(o))
                        tide_list_put(out, key, BYTES_LIT("true"));
        }
        rd_init(&r, engine.p, engine.len);
        while (tide_list_next(&r, &k, &v))
                if (!is_said_by_persons(k))
                        tide_list_put(out, k, v);
}

/* NULL, or why it is not backed. args: of containment, those that count. */
static const char *check_backing(struct sensor *s, struct sensor_deed *d, struct buf *args)
{
        struct sensor_command *c = sensor_admin_command(s, d->command);
        const char *why = NULL;
        json_t *line;

        if (d->command == 0) {
                put_args(NULL, d->args, args);
                return d->flags & DEEDF_POLICY ? NULL : "no command asked for it";
        }
        if (!c)
                return "its command is not under way";
        line = json_loads(c->line, 0, NULL);
        if (!line || strcmp(owners[d->deed].command, json_string_value(json_object_get(line, "cmd")) ?: "") != 0)
                why = "its command asked for something else";
        else if (!is_target(line, d))
                why = "its command named another container";
        else if (!is_piece(line, d))
                why = "its command named other evidence";
        else if (!is_only_target(line, c, d))
                why = "its command was for one container, and that was another";
        else
                put_args(line, d->args, args);
        if (json_is_true(json_object_get(line, "dry_run")))
                d->flags |= DEEDF_DRY_RUN;
        json_decref(line);
        d->flags &= ~(unsigned)DEEDF_POLICY;
        d->uid = c->peer.uid;
        d->login_uid = c->login_uid;
        d->pid = (uint32_t)c->peer.pid;
        memcpy(d->comm, c->comm, sizeof(d->comm));
        return why;
}

int sensor_deed_arg(const struct sensor_deed *d, const char *key, struct bytes *ret)
{
        struct bytes k, v;
        struct rd r;

        rd_init(&r, d->args.p, d->args.len);
        while (tide_list_next(&r, &k, &v))
                if (bytes_eq(k, bytes_str(key))) {
                        *ret = v;
                        return 0;
                }
        return -ENOENT;
}

bool sensor_deed_flag(const struct sensor_deed *d, const char *key)
{
        struct bytes v;

        return sensor_deed_arg(d, key, &v) == 0 && bytes_eq(v, BYTES_LIT("true"));
}

void sensor_deed_say(struct sensor *s, const struct sensor_deed *d, const struct sensor_said *said)
{
        struct tide_event ev = {.kind = TIDE_DONE, .container = bytes_str(d->container)};

        ev.done.deed = d->deed;
        ev.done.state = (uint8_t)said->state;
        ev.done.last = said->last;
        ev.done.command = d->command;
        ev.done.finding = d->finding;
        ev.done.name = bytes_str(said->name ? said->name : "");
        ev.done.words = bytes_str(said->words ? said->words : "");
        ev.done.facts = bytes_str(said->facts ? said->facts : "");
        ev.done.what = (uint8_t)said->what;
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

static void refuse(struct sensor *s, const struct sensor_deed *d, const char *why)
{
        struct sensor_said said = {.state = DEED_REFUSED, .last = true, .words = why};
        char text[256];

        snprintf(text, sizeof(text), "%s of container %.12s for command %llu: %s", tide_deed_name(d->deed),
                 d->container[0] ? d->container : "none", (unsigned long long)d->command, why);
        if (sensor_trail_may_refuse(s)) {
                log_error(MOD, "not done: %s", text);
                sensor_trail(s, &(struct trail_entry){.kind = "refused", .source = TRAIL_AGENT, .command = d->command,
                                                      .container = bytes_str(d->container), .finding = d->finding,
                                                      .login_uid = UINT32_MAX, .text = bytes_str(text)});
        }
        sensor_deed_say(s, d, &said);
}

void sensor_deed_run(struct sensor *s, const struct tide_event *act)
{
        struct sensor_deed d = {.deed = act->act.deed, .command = act->act.id, .finding = act->act.finding,
                                .flags = act->act.flags, .uid = 0, .login_uid = UINT32_MAX, .name = act->act.name,
                                .args = act->act.args};
        _cleanup_buf_ struct buf args;
        const char *why;
        int r;

        buf_init(&args, TIDE_RECORD_MAX);
        if (d.deed == DEED_NONE || d.deed >= DEED__MAX || act->container.len >= sizeof(d.container)) {
                refuse(s, &d, "it is none that is known");
                return;
        }
        memcpy(d.container, act->container.p ? (const char *)act->container.p : "", act->container.len);
        why = check_backing(s, &d, &args);
        if (is_containment(d.deed)) {
                d.args = buf_bytes(&args);
                why = args.err ? err_str(args.err) : why;
        }
        if (!why && !owners[d.deed].run)
                why = "this build cannot do it";
        if (why) {
                refuse(s, &d, why);
                return;
        }
        sensor_evidence_known(s, &d);
        r = owners[d.deed].run(s, &d);
        if (r < 0)
                refuse(s, &d, err_str(r));
}
