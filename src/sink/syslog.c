/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the socket to the host's syslog, and the form of a line. Must not: wait, or decide what is told. Hands over:
 * datagrams.
 */
#include "tidemark/syslog.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "tidemark/finding.h"
#include "tidemark/when.h"

#define SHOWN 240u
#define CONTAINERS 3u

static const struct {
        const char *name;
        int value;
} facilities[] = {{"authpriv", LOG_AUTHPRIV}, {"auth", LOG_AUTH},     {"daemon", LOG_DAEMON}, {"user", LOG_USER},
                  {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
                  {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}};

struct syslog_sink {
        struct sockaddr_un address;
        int facility, fd;
        bool losing;
        struct syslog_stats stats;
};

int syslog_sink_new(const char *path, const char *facility, struct syslog_sink **ret)
{
        struct syslog_sink *s;
        size_t i = 0;

        while (i < ARRAY_LEN(facilities) && strcmp(facilities[i].name, facility) != 0)
                i++;
        if (i == ARRAY_LEN(facilities) || strlen(path) >= sizeof(s->address.sun_path))
                return -EINVAL;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->address.sun_family = AF_UNIX;
        memcpy(s->address.sun_path, path, strlen(path));
        s->facility = facilities[i].value;
        s->fd = -1;
        *ret = s;
        return 0;
}

struct syslog_sink *syslog_sink_free(struct syslog_sink *s)
{
        if (!s)
                return NULL;
        if (s->fd >= 0)
                close(s->fd);
        free(s);
        return NULL;
}

void syslog_stats(const struct syslog_sink *s, struct syslog_stats *ret)
{
        *ret = s->stats;
}

/* ---- the line ---- */

/* Escaped, and cut: what is long is in tidemark show. */
static json_t *shown(const struct str_owned *v)
{
        char text[SHOWN];

        return v->len ? json_string(str_print(str_get(v), text, sizeof(text))) : json_null();
}

static json_t *when(int64_t ns)
{
        char text[CLOCK_TEXT];

        return ns ? json_string(clock_rfc3339(ns, text)) : json_null();
}

static json_t *number(uint64_t id)
{
        char text[24];

        snprintf(text, sizeof(text), "F-%llu", (unsigned long long)id);
        return id ? json_string(text) : json_null();
}

static json_t *containers(const struct finding *f)
{
        json_t *a = json_array();

        for (uint32_t i = 0; i < f->ncontainers && i < CONTAINERS; i++)
                json_array_append_new(a,
                                      shown(f->containers[i].name.len ? &f->containers[i].name : &f->containers[i].id));
        return a;
}

/* The first program that ran, else the first subject. */
static json_t *what(const struct finding *f)
{
        for (uint32_t i = 0; i < f->nsignals; i++)
                if (f->signals[i].kind == DIM_PROCESS)
                        return shown(&f->signals[i].subject);
        if (f->nsignals == 0)
                return json_null();
        return shown(f->signals[0].where.len ? &f->signals[0].where : &f->signals[0].subject);
}

int syslog_text(const struct finding *f, unsigned news, struct buf *out)
{
        const struct {
                const char *name;
                json_t *value;
        } rows[] = {
                {"schema", json_string("tidemark.news.1")},
                {"event", json_string(finding_news_name(news))},
                {"id", number(f->id)},
                {"type", json_string(finding_type_name(f->type))},
                {"host", shown(&f->host)},
                {"workload", shown(&f->workload)},
                {"image", shown(&f->image)},
                {"digest", shown(&f->digest)},
                {"containers", containers(f)},
                {"confidence", json_integer(f->confidence)},
                {"severity", json_string(finding_severity_name(f->severity))},
                {"count", json_integer((json_int_t)(f->count & INT64_MAX))},
                {"first_seen", when(f->first_ns)},
                {"last_seen", when(f->last_ns)},
                {"what", what(f)},
                {"state", json_string(finding_state_name(f->state))},
                {"verdict", shown(&f->verdict)},
                {"closed_by", shown(&f->closed_by)},
                {"past", number(f->past)},
        };
        json_t *o = json_object();
        char *text;
        int bad = 0;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) /* what is NULL is an error, and freed by nobody */
                bad |= json_object_set_new(o, rows[i].name, rows[i].value);
        text = bad ? NULL : json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
        json_decref(o);
        if (!text)
                return -ENOMEM;
        buf_put_str(out, text);
        free(text);
        return out->err;
}

/* ---- sending ---- */

static int connected(struct syslog_sink *s)
{
        int r = 0;

        if (s->fd >= 0)
                return 0;
        s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->fd < 0)
                return -errno;
        if (connect(s->fd, (const struct sockaddr *)&s->address, sizeof(s->address)) < 0)
                r = -errno;
        if (r < 0) {
                close(s->fd);
                s->fd = -1;
        }
        return r;
}

static int send_it(struct syslog_sink *s, const char *line, size_t len)
{
        int r = connected(s);

        if (r < 0 || send(s->fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                return r;
        r = -errno;
        if (r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET || r == -ENOENT) { /* it was started anew */
                close(s->fd);
                s->fd = -1;
        }
        return r;
}

int syslog_send(struct syslog_sink *s, bool page, struct bytes text, int64_t wall_ns, bool *ret_first)
{
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        char line[SYSLOG_LINE_MAX];
        time_t now = (time_t)(wall_ns / 1000000000);
        struct tm tm = {0};
        bool first = !s->losing;
        int n, r;

        localtime_r(&now, &tm);
        n = snprintf(line, sizeof(line),
                     "<%d>%s %2d %02d:%02d:%02d tidemarkd[%d]: ", s->facility | (page ? LOG_ALERT : LOG_NOTICE),
                     months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)getpid());
        if (n < 0 || (size_t)n + text.len > sizeof(line)) {
                r = -EMSGSIZE;
        } else {
                memcpy(line + n, text.p, text.len);
                r = send_it(s, line, (size_t)n + text.len);
                if (r == -ECONNREFUSED || r == -ECONNRESET || r == -ENOTCONN) /* of an earlier daemon: the new one */
                        r = send_it(s, line, (size_t)n + text.len);
        }
        *ret_first = r < 0 && r != -EAGAIN && first;
        if (r == -EAGAIN)
                return r;
        s->losing = r < 0;
        s->stats.sent += r == 0;
        s->stats.lost += r < 0;
        return r;
}
