/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syslog - what happens to findings, as lines of JSON to the host's syslog: for those who do not watch.
 *
 * Owns:  one datagram socket, non-blocking, connected to /dev/log. A line is one datagram as syslog(3) writes it
 *        (RFC 3164: priority, local time, "tidemarkd[PID]: "), below 8 KiB; bytes that containers chose are escaped.
 * Never: waits, or decides what is news (judge_ops.news does, once each). Where nobody listens a line is lost and
 *        counted; where there is no room just now the owner may try again.
 *
 * The line: {"schema": "tidemark.news.1", "event": "opened" | "page" | "count" | "contained" | "expired" | "closed" |
 * "reopened", "id": "F-12", "type", "host", "workload", "image", "digest", "containers": [name…] (three at most),
 * "confidence", "severity", "count", "first_seen", "last_seen", "what": first program that ran or first subject,
 * "state", "verdict", "closed_by", "past"}. Fields are added, never renamed.
 */
#ifndef TIDEMARK_SYSLOG_H
#define TIDEMARK_SYSLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"

struct finding;
struct syslog_sink;

#define SYSLOG_LINE_MAX 8192u

/* path: the socket, "/dev/log"; facility: "authpriv", "auth", "daemon", "user", "local0" … "local7"; -EINVAL: it is
 * none of these. Connects when it sends. */
int syslog_sink_new(const char *path, const char *facility, struct syslog_sink **ret) TM_CHECK;
struct syslog_sink *syslog_sink_free(struct syslog_sink *s);

/* The JSON of one event of a finding, bounded. news: one bit of enum finding_news. Pure. */
int syslog_text(const struct finding *f, unsigned news, struct buf *out) TM_CHECK;
/*
 * Send one line; page: priority alert, else notice. 0; -EAGAIN: there is no room now, nothing is counted; else
 * negative: it was lost, and is counted. *ret_first: it is the first that was lost since one went through, so that it
 * is said once.
 */
int syslog_send(struct syslog_sink *s, bool page, struct bytes text, int64_t wall_ns, bool *ret_first) TM_CHECK;

struct syslog_stats {
        uint64_t sent, lost;
};
void syslog_stats(const struct syslog_sink *s, struct syslog_stats *ret);

#endif
