/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence that is being taken: by command, by policy, or before a container is cut off or killed.
 *
 * Owns: what is under way, the limits of what is taken without being asked. Must not: read anything of a container
 * itself (act/'s worker does). Hands over: what became of each, by sensor_deed_say(), the trail and the audit log.
 */
#include <errno.h>

#include "daemon/sensor_evidence-priv.h"

void sensor_capture_stop(struct sensor *s)
{
        (void)s;
}

void sensor_capture_busy(const struct sensor *s, struct buf *out)
{
        (void)s, (void)out;
}

json_t *sensor_capture_status(const struct sensor *s)
{
        (void)s;
        return json_array();
}

int sensor_capture_deed(struct sensor *s, const struct sensor_deed *d)
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
