/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: one question to one of the daemon's sockets, and what is said when there is no answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli-priv.h"
#include "tidemark/err.h"
#include "tidemark/lineserver.h"

#define TIMEOUT_MS 15000
#define TICK_MS 300
#define LONGEST_MS (24 * 3600 * 1000) /* of what may take long: whoever asked will not wait longer */

static const char *const names[] = {[CLI_CONTROL] = "control.sock", [CLI_ADMIN] = "admin.sock"};

int cli_no_socket(const char *path, int err)
{
        if (err == -ENOENT || err == -ECONNREFUSED) {
                fprintf(stderr,
                        "tidemark: the daemon is not running: nobody listens on %s\n"
                        "  start it (systemctl start tidemark), or name its directory with --runtime-dir\n",
                        path);
                return CLI_NOT_RUNNING;
        }
        if (err == -EACCES) {
                fprintf(stderr,
                        "tidemark: %s: permission denied\n  reading needs root or the group of control.sock "
                        "(tidemark); changing needs root\n",
                        path);
                return CLI_FAILED;
        }
        fprintf(stderr, "tidemark: %s: %s\n", path, err_str(err));
        return CLI_FAILED;
}

/* For what may take long: who is called meanwhile. */
struct waiting {
        void (*tick)(void *arg); /* may be NULL */
        void *arg;
};

static int receive(struct lineconn *conn, const struct waiting *w, struct bytes *ret)
{
        int waited = 0, r;

        if (!w)
                return lineconn_recv(conn, TIMEOUT_MS, ret);
        while ((r = lineconn_recv(conn, TICK_MS, ret)) == -ETIMEDOUT && waited < LONGEST_MS) {
                waited += TICK_MS;
                if (w->tick)
                        w->tick(w->arg);
        }
        return r;
}

static int exchange(const char *path, struct bytes line, int fd, const struct waiting *w, json_t **ret)
{
        _cleanup_(lineconn_closep) struct lineconn *conn = NULL;
        struct bytes got;
        int r = lineconn_open(path, TIMEOUT_MS, &conn);

        if (r == 0)
                r = fd < 0 ? lineconn_send(conn, line) : lineconn_send_fd(conn, line, fd);
        if (r == 0)
                r = receive(conn, w, &got);
        if (r < 0)
                return r;
        *ret = json_loadb((const char *)got.p, got.len, 0, NULL);
        return *ret ? 0 : -EPROTO;
}

static int ask(const struct cli *c, enum cli_socket socket, json_t *request, int fd, const struct waiting *w,
               json_t **ret_data)
{
        char path[512];
        char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
        json_t *answer = NULL;
        int r = line ? 0 : -ENOMEM;

        json_decref(request);
        snprintf(path, sizeof(path), "%s/%s", c->runtime_dir, names[socket]);
        if (r == 0)
                r = exchange(path, bytes_str(line), fd, w, &answer);
        free(line);
        if (r < 0)
                return cli_no_socket(path, r);
        if (!json_is_true(json_object_get(answer, "ok"))) {
                fputs("tidemark: ", stderr);
                cli_wrap(stderr,
                         *cli_text(answer, "error") ? cli_text(answer, "error")
                                                    : "the daemon gave no answer that is understood",
                         10, 2);
                r = (int)cli_int(answer, "code");
                json_decref(answer);
                return r > 0 && r <= CLI_FAILED ? r : CLI_FAILED;
        }
        *ret_data = json_incref(json_object_get(answer, "data"));
        json_decref(answer);
        return CLI_DONE;
}

int cli_ask(const struct cli *c, enum cli_socket socket, json_t *request, json_t **ret_data)
{
        return ask(c, socket, request, -1, NULL, ret_data);
}

int cli_ask_with(const struct cli *c, json_t *request, int fd, json_t **ret_data)
{
        const struct waiting w = {NULL, NULL}; /* what the descriptor is of may take its time to read */

        return ask(c, CLI_ADMIN, request, fd, &w, ret_data);
}

int cli_ask_long(const struct cli *c, json_t *request, void (*tick)(void *arg), void *arg, json_t **ret_data)
{
        const struct waiting w = {tick, arg};

        return ask(c, CLI_ADMIN, request, -1, &w, ret_data);
}

int cli_ask_all(const struct cli *c, json_t *(*request)(void *arg, json_t *after), void *arg, const char *array,
                json_t **ret_data)
{
        json_t *all = json_array(), *data = NULL, *after = NULL;
        int r;

        do {
                json_t *part;

                json_decref(data);
                data = NULL;
                r = cli_ask(c, CLI_CONTROL, request(arg, after), &data);
                if (r != CLI_DONE) {
                        json_decref(all);
                        return r;
                }
                part = json_object_get(data, array);
                json_array_extend(all, part);
                after = json_array_size(part) ? json_array_get(all, json_array_size(all) - 1) : NULL;
        } while (after && cli_int(data, "more") > 0);
        json_object_set_new(data, array, all);
        *ret_data = data;
        return CLI_DONE;
}
