/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: evidence that is being taken, and the directory where it lies. Must not: read anything of a container itself
 * (act/'s workers do), or touch the directory in the loop. Hands over: what became of each, by sensor_deed_say().
 */
#include <errno.h>

#include "daemon/sensor-priv.h"

int sensor_evidence_start(struct sensor *s)
{
        (void)s;
        return 0;
}

void sensor_evidence_stop(struct sensor *s)
{
        (void)s;
}

void sensor_evidence_round(struct sensor *s)
{
        (void)s;
}

int sensor_evidence_deed(struct sensor *s, const struct sensor_deed *d)
{
        (void)s, (void)d;
        return -EOPNOTSUPP;
}

void sensor_evidence_contained(struct sensor *s, const char *container, uint64_t boot_ns)
{
        (void)s, (void)container, (void)boot_ns;
}

int sensor_evidence_before(struct sensor *s, const struct sensor_deed *d, const struct container *c,
                           uint64_t deadline_ns, sensor_evidence_cb cb, void *arg)
{
        (void)s, (void)d, (void)c, (void)deadline_ns, (void)cb, (void)arg;
        return -EOPNOTSUPP;
}
