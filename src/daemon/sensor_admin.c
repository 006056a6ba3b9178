/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: admin.sock and the way of a command: asked (on the disk) ▸ engine ▸ outcome (on the disk) ▸ answer. Must not:
 * understand the command (the engine does), or pass one on that is not in the trail. Hands over: TIDE_COMMAND.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/procfs.h"

#define MOD "admin"
#define TRAIL_DEADLINE_NS (10 * NSEC_PER_SEC)
#define NO_LOGIN UINT32_MAX /* as /proc/PID/loginuid has it when nobody logged in */

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

static int note(struct sensor *s, const struct sensor_command *c, const char *kind, struct bytes text)
{
        struct trail_entry e = {.kind = kind, .command = c->id, .uid = c->peer.uid, .login_uid = c->login_uid,
                                .pid = (uint32_t)c->peer.pid, .wall_ns = clock_wall_ns(), .text = text};

        return trail_append(s->trail, c->id, &e);
}

static void on_line(struct lineclient *client, struct bytes line, void *arg)
{
        struct sensor *s = arg;
        const struct linepeer *peer = lineclient_peer(client);
        struct sensor_command *c = find(s, 0);
        _cleanup_close_ int fd = lineclient_take_fd(client);
        int r;

        if (peer->uid != 0) { /* the socket's mode says so already */
                refuse(client, "not done", "only root may change something");
                return;
        }
        if (!c) {
                refuse(client, "not done", "too many commands are under way, try again");
                return;
        }
        *c = (struct sensor_command){
                .id = ++s->last_command, .client = lineclient_id(client), .peer = *peer, .login_uid = NO_LOGIN};
        if (procfs_number((uint32_t)peer->pid, "loginuid", &c->login_uid) < 0)
                c->login_uid = NO_LOGIN;
        c->has_fd = fd >= 0;
        c->fd = TAKE_FD(fd);
        c->line = bytes_dup(line);
        r = c->line ? note(s, c, "asked", line) : -ENOMEM;
        if (r < 0) {
                refuse(client, "not done, the trail cannot be written", err_str(r));
                forget(c);
        }
}

static void pass_on(struct sensor *s, const struct sensor_command *c)
{
        struct tide_event ev = {.kind = TIDE_COMMAND};

        ev.act.id = c->id;
        ev.act.uid = c->peer.uid;
        ev.act.pid = (uint32_t)c->peer.pid;
        ev.act.login_uid = c->login_uid;
        ev.act.text = bytes_str(c->line);
        sensor_send(s, PAIR_CONTROL, &ev, c->has_fd ? c->fd : -1);
}

/* Written to the trail, or not: the next step of the command. */
static void on_trail(uint64_t cookie, uint64_t n, int err, void *arg)
{
        struct sensor *s = arg;
        struct sensor_command *c = cookie ? find(s, cookie) : NULL;
        struct lineclient *client = c ? lineserver_find(s->admin, c->client) : NULL;

        (void)n;
        if (err < 0)
                log_error(MOD, "the trail cannot be written: %s", err_str(err));
        if (!c)
                return;
        if (err == 0 && !c->answered) {
                pass_on(s, c);
                return;
        }
        if (client && c->answered) /* done, whatever became of the second record: the client must know */
                lineclient_send(client, bytes_str(c->line));
        else if (client)
                refuse(client, "not done, the trail cannot be written", err_str(err));
        forget(c);
}

void sensor_admin_reply(struct sensor *s, const struct tide_event *act)
{
        struct sensor_command *c = act->act.id ? find(s, act->act.id) : NULL;
        char *line;

        if (!c || c->answered)
                return; /* the engine may say what it likes; only commands under way have an answer */
        line = bytes_dup(act->act.text);
        if (!line)
                return;
        free(c->line);
        c->line = line;
        c->answered = true;
        if (note(s, c, "outcome", act->act.text) < 0)
                on_trail(c->id, 0, -ENOBUFS, s);
}

const struct sensor_command *sensor_admin_command(struct sensor *s, uint64_t id)
{
        const struct sensor_command *c = id ? find(s, id) : NULL;

        return c && !c->answered ? c : NULL;
}

void sensor_trail(struct sensor *s, const struct trail_entry *entry)
{
        struct trail_entry e = *entry;
        int r;

        if (e.wall_ns == 0)
                e.wall_ns = clock_wall_ns();
        r = trail_keep(s->trail, 0, &e);
        if (r < 0)
                log_error(MOD, "the trail cannot be written: %s", err_str(r));
}

void sensor_admin_note(struct sensor *s, const char *kind, const char *text)
{
        sensor_trail(s, &(struct trail_entry){
                                .kind = kind, .source = TRAIL_AGENT, .login_uid = NO_LOGIN, .text = bytes_str(text)});
}

int sensor_admin_open(struct sensor *s)
{
        static const struct lineserver_ops server_ops = {.line = on_line, .descriptors = true};
        static const struct trail_ops trail_ops = {.done = on_trail, .confine = caps_none};
        char why[TRAIL_WHY];
        int r = trail_start(s->loop, s->setup->trail_dir, NULL, TRAIL_DEADLINE_NS, &trail_ops, s, &s->trail, why);

        if (r < 0) {
                log_error(MOD, "the trail in %s: %s%s%s", s->setup->trail_dir, err_str(r), why[0] ? "; " : "", why);
                return r;
        }
        r = lineserver_new(s->loop, s->setup->admin_fd, &server_ops, s, &s->admin);
        if (r < 0)
                log_error(MOD, "admin.sock cannot be served: %s", err_str(r));
        return r;
}

void sensor_admin_close(struct sensor *s)
{
        s->trail = trail_stop(s->trail);
        s->admin = lineserver_free(s->admin);
        for (size_t i = 0; i < SENSOR_COMMANDS; i++)
                forget(&s->commands[i]);
}
