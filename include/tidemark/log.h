/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - lines for the operator of the agent, on standard error. Never findings: those are data.
 *
 * One write(2) per line on a descriptor that is set non-blocking-safe: a line that cannot be written at once is
 * dropped and counted, the caller never waits. Untrusted text must go through str_print first.
 * Called from: daemon, cli, priv, sense sources. Never from base, tide, decoders, fuse, judge.
 */
#ifndef TIDEMARK_LOG_H
#define TIDEMARK_LOG_H

#include <stdint.h>

#include "tidemark/attr.h"

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* Set once at start-up, before any other process is forked. process: "sensor", "engine" … shown in each line. */
void log_setup(enum log_level max, const char *process);
void log_line(enum log_level level, const char *module, const char *fmt, ...) TM_PRINTF(3, 4);
uint64_t log_dropped(void);

#define log_error(mod, ...) log_line(LOG_LVL_ERROR, mod, __VA_ARGS__)
#define log_warn(mod, ...) log_line(LOG_LVL_WARN, mod, __VA_ARGS__)
#define log_info(mod, ...) log_line(LOG_LVL_INFO, mod, __VA_ARGS__)
#define log_debug(mod, ...) log_line(LOG_LVL_DEBUG, mod, __VA_ARGS__)

#endif
