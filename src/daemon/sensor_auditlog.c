/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of ours in the kernel's audit log. Owns: which of them are asked for. Must not: block. Hands over: to
 * act/audit_log.
 */
#include "daemon/sensor-priv.h"

void sensor_auditlog(struct sensor *s, const struct audit_note *note)
{
        (void)s, (void)note;
}
