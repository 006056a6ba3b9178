/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process - the two processes of tidemarkd, as main.c starts them. Each runs one loop until it is told to end, until
 * the other is gone, or until something fails that it cannot go on without; it returns its exit status.
 */
#ifndef TIDEMARK_DAEMON_PROCESS_H
#define TIDEMARK_DAEMON_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "tidemark/config.h"

struct keys;
struct playbook;

/* Exit statuses of the daemon, as the command line's (DESIGN section 6). */
enum { EXIT_DONE = 0, EXIT_FOUND = 1, EXIT_USAGE = 2, EXIT_FAILED = 4 };

/* Descriptors are taken over. -1: not wanted. */
struct engine_setup {
        const struct cfg *cfg;
        const char *dir; /* state directory of the engine, its own */
        int pair_fd;     /* its end of the pair */
        int control_fd;  /* listening control.sock */
        int record_fd;   /* new, empty file for the recording */
        struct keys *keys; /* of import.keys, read; borrowed */
        const struct playbook *playbook; /* NULL: none; borrowed */
        struct keys *records_keys; /* of records.keys, the same */
        int image_fd;    /* the program that reads images; it runs what was there when we started */
        int reader_fd;   /* the same program, for records */
        uid_t uid;
        gid_t gid;
};
int engine_run(const struct engine_setup *s);

struct sensor_setup {
        const struct cfg *cfg;
        const char *state_dir;
        const char *trail_dir;
        const char *evidence_dir;
        const char *runtime_dir;
        int pair_fd;
        int admin_fd; /* listening admin.sock */
        pid_t engine; /* its process */
        const struct playbook *playbook; /* NULL: none; borrowed */
        bool foreground;
};
int sensor_run(const struct sensor_setup *s);

#endif
