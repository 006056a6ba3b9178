/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is told of findings to those who do not watch: it waits for the commit that holds the finding, then goes
 * to syslog (and to the sensor: engine_told.c). Must not: decide what is news (the judge does, once each), or wait for
 * anybody.
 */
#include "daemon/engine-priv.h"

#include <errno.h>
#include <string.h>

#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/syslog.h"

#define MOD "engine"
#define WAITING_MAX (1u << 20)
#define AGAIN_NS (50 * NSEC_PER_MSEC)
#define PATIENCE_NS (5 * NSEC_PER_SEC)

/* Flag, length, text; news of one finding one by one. */
void engine_news_tell(struct engine *e, const struct finding *f, unsigned news)
{
        engine_told_tell(e, f, news);
        for (unsigned b = 0; e->syslog && b < NEWS_BITS; b++) {
                _cleanup_buf_ struct buf text;
                size_t before = e->news.len;

                buf_init(&text, SYSLOG_LINE_MAX);
                if (!(news & 1u << b))
                        continue;
                if (syslog_text(f, 1u << b, &text) == 0) {
                        buf_put_u8(&e->news, (1u << b) == NEWS_PAGED);
                        buf_put_bytes(&e->news, buf_bytes(&text));
                }
                if (text.err || e->news.err) {
                        e->news_lost++;
                        e->news.len = before;
                        e->news.err = 0;
                }
        }
}

/* The first one of those that wait. 0; -EAGAIN: syslog has no room; other errors: it is lost, and counted. */
static int send_first(struct engine *e, size_t *ret_used)
{
        bool page, first = false;
        struct bytes text;
        struct rd r;
        int err;

        rd_init(&r, e->news.p, e->news_ready);
        page = rd_u8(&r) != 0;
        text = rd_bytes(&r);
        *ret_used = e->news_ready - rd_left(&r);
        err = syslog_send(e->syslog, page, text, clock_wall_ns(), &first);
        if (err == -EAGAIN)
                return err;
        if (err < 0 && first)
                log_warn(MOD,
                         "a line to syslog (%s) was lost: %s; lines that are lost are counted in status until one goes "
                         "through",
                         e->cfg->sink_socket, err_str(err));
        return err;
}

static void drop_first(struct engine *e, size_t used)
{
        memmove(e->news.p, e->news.p + used, e->news.len - used);
        e->news.len -= used;
        e->news_ready -= used;
}

/* A burst may be more than syslog takes at once: it is given a while, and nobody waits for it. */
static void send_ready(struct engine *e)
{
        uint64_t now = loop_now(e->loop);
        size_t used;

        while (e->syslog && e->news_ready) {
                int r = send_first(e, &used);

                if (r == -EAGAIN && e->news_since == 0)
                        e->news_since = now;
                if (r == -EAGAIN && now < e->news_since + PATIENCE_NS) {
                        loop_timer_set(e->news_timer, now + AGAIN_NS);
                        return;
                }
                e->news_lost += r == -EAGAIN;
                if (r != -EAGAIN)
                        e->news_since = 0;
                drop_first(e, used);
        }
}

static void on_again(struct loop_timer *t, void *arg)
{
        (void)t;
        send_ready(arg);
}

void engine_news_committed(struct engine *e)
{
        engine_told_committed(e);
        e->news_ready = e->news.len;
        send_ready(e);
}

int engine_news_open(struct engine *e)
{
        int r = 0;

        buf_init(&e->news, WAITING_MAX);
        engine_told_open(e);
        if (!e->cfg->sink_syslog)
                return 0;
        r = syslog_sink_new(e->cfg->sink_socket, e->cfg->sink_facility, &e->syslog);
        if (r < 0)
                log_error(MOD, "sink.syslog_socket: %s is no socket that can be used: %s", e->cfg->sink_socket,
                          err_str(r));
        if (r == 0)
                r = loop_timer_new(e->loop, on_again, e, &e->news_timer);
        return r;
}

void engine_news_status(const struct engine *e, json_t *o)
{
        struct syslog_stats st = {0};

        engine_told_status(e, o);
        if (e->syslog)
                syslog_stats(e->syslog, &st);
        json_object_set_new(o, "syslog",
                            json_pack("{s:b,s:I,s:I}", "on", e->syslog != NULL, "sent", (json_int_t)st.sent, "lost",
                                      (json_int_t)(st.lost + e->news_lost)));
}

void engine_news_close(struct engine *e)
{
        e->syslog = syslog_sink_free(e->syslog);
        loop_timer_free(e->news_timer);
        buf_release(&e->news);
        engine_told_close(e);
}
