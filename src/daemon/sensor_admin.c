/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: admin.sock and the way of a command: asked (on the disk) ▸ engine ▸ outcome (on the disk) ▸ answer. Must not:
 * understand the command (the engine does), or pass one on that is not in the trail, but for cutting a container off:
 * that waits for the disk a second at most, and its records are written late. Hands over: TIDE_COMMAND.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "admin"
#define NO_LOGIN UINT32_MAX /* as /proc/PID/loginuid has it when nobody logged in */
#define OTHERS_MAX 4u       /* connections of users that are not root, of all: they leave room for root's */
#define URGENT_NS NSEC_PER_SEC
/* What the trail answers by: two records of a command. */
#define ASKED(id) (2 * (id))
#define OUTCOME(id) (2 * (id) + 1)

static struct sensor_command *find(struct sensor *s, uint64_t id)
{
        for (size_t i = 0; i < SENSOR_COMMANDS; i++)
                if (s->commands[i].id == id)
                        return &s->commands[i];
        return NULL;
}

static void forget(struct sensor_command *c)
{
        free(c->line);
        if (c->has_fd)
                close(c->fd);
        memset(c, 0, sizeof(*c));
}

static void refuse(struct lineclient *c, const char *what, const char *why)
{
        char text[400];

        snprintf(text, sizeof(text), "{\"ok\":false,\"error\":\"%s: %s\",\"code\":4}", what, why);
        lineclient_send(c, bytes_str(text));
}

static void pass_on(struct sensor *s, struct sensor_command *c)
{
        struct tide_event ev = {.kind = TIDE_COMMAND};

        if (c->passed)
                return;
        c->passed = true;
        ev.act.id = c->id;
        ev.act.uid = c->peer.uid;
        ev.act.pid = (uint32_t)c->peer.pid;
        ev.act.login_uid = c->login_uid;
        ev.act.text = bytes_str(c->line);
        sensor_send(s, PAIR_CONTROL, &ev, c->has_fd ? c->fd : -1);
}

static struct trail_entry entry_of(const struct sensor_command *c, const char *kind, struct bytes text)
{
        return (struct trail_entry){.kind = kind,
                                    .source = c->own ? TRAIL_AGENT : TRAIL_OPERATOR,
                                    .finding = c->finding,
                                    .comm = bytes_str(c->comm),
                                    .command = c->id,
                                    .uid = c->peer.uid,
                                    .login_uid = c->login_uid,
                                    .pid = (uint32_t)c->peer.pid,
                                    .text = text};
}

/* What the trail needs to know of a request; the engine looks at all of it. */
static void look_into(struct sensor_command *c)
{
        static const char *const fields[] = {"id", "target"};
        json_t *o = json_loads(c->line, 0, NULL);
        const char *name = json_string_value(json_object_get(o, "cmd"));

        c->urgent = name && strcmp(name, "contain.isolate") == 0;
        for (size_t i = 0; i < ARRAY_LEN(fields) && c->finding == 0; i++) {
                const char *text = json_string_value(json_object_get(o, fields[i]));
                unsigned long long n = 0;

                if (text && strlen(text) < 24 && sscanf(text, "F-%20llu", &n) == 1)
                        c->finding = n;
        }
        json_decref(o);
}

/* It waits for the disk so long, and no longer. */
static void be_quick(struct sensor *s, struct sensor_command *c)
{
        uint64_t first;

        c->due_ns = first = loop_now(s->loop) + URGENT_NS;
        for (size_t i = 0; i < SENSOR_COMMANDS; i++)
                if (s->commands[i].due_ns && s->commands[i].due_ns < first)
                        first = s->commands[i].due_ns;
        loop_timer_set(s->urgent_timer, first);
}

static int ask(struct sensor *s, struct sensor_command *c)
{
        struct trail_entry e;
        int r;

        if (!c->line)
                return -ENOMEM;
        look_into(c);
        e = entry_of(c, "asked", bytes_str(c->line));
        if (!c->urgent)
                return sensor_trail_wait(s, ASKED(c->id), false, &e);
        r = sensor_trail_wait(s, ASKED(c->id), true, &e);
        if (r == 0)
                be_quick(s, c);
        else /* it goes on all the same: no room is no better reason than no disk */
                pass_on(s, c);
        return 0;
}

/* It is counted, and in the trail as far as the rate allows; an answer that a person understands. */
static void refuse_stranger(struct sensor *s, struct lineclient *client, struct bytes line)
{
        const struct linepeer *peer = lineclient_peer(client);
        struct sensor_who who = {.uid = peer->uid, .pid = (uint32_t)peer->pid};
        char words[96];

        sensor_trail_refused(s, TRAIL_AGENT, &who, "admin.sock", line);
        snprintf(words, sizeof(words), "only root may change something, and this was asked by user %u", peer->uid);
        refuse(client, "not done", words);
}

static void on_line(struct lineclient *client, struct bytes line, void *arg)
{
        struct sensor *s = arg;
        const struct linepeer *peer = lineclient_peer(client);
        struct sensor_command *c = find(s, 0);
        _cleanup_close_ int fd = lineclient_take_fd(client);
        int r;

        if (peer->uid != 0) {
                refuse_stranger(s, client, line);
                return;
        }
        if (!c) {
                refuse(client, "not done", "too many commands are under way, try again");
                return;
        }
        *c = (struct sensor_command){
                .id = ++s->last_command, .client = lineclient_id(client), .peer = *peer, .login_uid = NO_LOGIN};
        sensor_trail_who((uint32_t)peer->pid, &c->login_uid, c->comm);
        c->has_fd = fd >= 0;
        c->fd = TAKE_FD(fd);
        c->line = bytes_dup(line);
        r = ask(s, c);
        if (r < 0) {
                refuse(client, "not done, the trail cannot be written", err_str(r));
                forget(c);
        }
}

int sensor_admin_own(struct sensor *s, const char *line, int fd, uint64_t *ret_id)
{
        struct sensor_command *c = find(s, 0);
        int r;

        if (!c) {
                close(fd);
                return -EBUSY;
        }
        *c = (struct sensor_command){.id = ++s->last_command, .own = true, .has_fd = true, .fd = fd,
                                     .peer = {.pid = getpid()}, .login_uid = NO_LOGIN, .comm = "tidemarkd"};
        c->line = bytes_dup(bytes_str(line));
        r = ask(s, c);
        if (r < 0) {
                forget(c);
                return r;
        }
        *ret_id = c->id;
        return 0;
}

/* The first record of a command is on the disk, or is not. */
static void on_asked(struct sensor *s, struct sensor_command *c, int err)
{
        struct lineclient *client = lineserver_find(s->admin, c->client);
        struct trail_entry e;

        if (err == 0 || c->urgent) {
                if (!c->answered)
                        c->due_ns = 0;
                pass_on(s, c);
                return;
        }
        if (client)
                refuse(client, "not done, the trail cannot be written", err_str(err));
        e = entry_of(c, "refused", bytes_str(c->line));
        sensor_trail(s, &e); /* late, by then */
        if (c->own)
                sensor_drop_left(s, c->id);
        forget(c);
}

/* It is done, whatever became of the second record, which is written late: the client must know. */
static void answer(struct sensor *s, struct sensor_command *c)
{
        struct lineclient *client = lineserver_find(s->admin, c->client);

        if (client)
                lineclient_send(client, bytes_str(c->line));
        if (c->own && bytes_has_prefix(bytes_str(c->line), BYTES_LIT("{\"ok\":false,\"again\":true")))
                sensor_drop_left(s, c->id);
        else if (c->own)
                sensor_drop_answered(s, c->id, bytes_has_prefix(bytes_str(c->line), BYTES_LIT("{\"ok\":true")));
        forget(c);
}

void sensor_admin_written(struct sensor *s, uint64_t cookie, int err)
{
        struct sensor_command *c = cookie > 1 ? find(s, cookie / 2) : NULL;

        if (c && cookie == ASKED(c->id))
                on_asked(s, c, err);
        else if (c)
                answer(s, c);
}

/* The disk has not answered: cutting a container off, and saying so, is worth more than the order of two records. */
static void on_urgent(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        uint64_t now = loop_now(s->loop), next = 0;

        for (size_t i = 0; i < SENSOR_COMMANDS; i++) {
                struct sensor_command *c = &s->commands[i];

                if (c->due_ns && c->due_ns <= now) {
                        c->due_ns = 0;
                        if (c->answered)
                                answer(s, c);
                        else
                                pass_on(s, c);
                }
                if (c->due_ns && (next == 0 || c->due_ns < next))
                        next = c->due_ns;
        }
        if (next)
                loop_timer_set(t, next);
}

void sensor_admin_reply(struct sensor *s, const struct tide_event *act)
{
        struct sensor_command *c = act->act.id ? find(s, act->act.id) : NULL;
        struct trail_entry e;
        char *line;

        if (!c || c->answered)
                return; /* the engine may say what it likes; only commands under way have an answer */
        line = bytes_dup(act->act.text);
        if (!line)
                return;
        free(c->line);
        c->line = line;
        c->answered = true;
        e = entry_of(c, "outcome", act->act.text);
        e.source = TRAIL_ENGINE;
        if (sensor_trail_wait(s, OUTCOME(c->id), true, &e) < 0)
                answer(s, c);
        else if (c->urgent)
                be_quick(s, c);
}

struct sensor_command *sensor_admin_command(struct sensor *s, uint64_t id)
{
        struct sensor_command *c = id ? find(s, id) : NULL;

        return c && c->passed && !c->answered ? c : NULL;
}

int sensor_admin_open(struct sensor *s)
{
        static const struct lineserver_ops server_ops = {.line = on_line, .descriptors = true, .others = OTHERS_MAX};
        int r = loop_timer_new(s->loop, on_urgent, s, &s->urgent_timer);

        if (r == 0)
                r = lineserver_new(s->loop, s->setup->admin_fd, &server_ops, s, &s->admin);
        if (r < 0)
                log_error(MOD, "admin.sock cannot be served: %s", err_str(r));
        return r;
}

void sensor_admin_close(struct sensor *s)
{
        s->admin = lineserver_free(s->admin);
        loop_timer_free(s->urgent_timer);
        for (size_t i = 0; i < SENSOR_COMMANDS; i++)
                forget(&s->commands[i]);
}
