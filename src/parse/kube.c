/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube - a workload's name from a pod's: what the pod's controller appended is taken away, so that the next pod of the
 * same controller is the same workload.
 *
 *     Deployment   web-5d59d67564-2xkqp     hash of the template: at most 10 of ten letters (rand.SafeEncodeString of a
 *                                           number), and 5 of 27 letters (rand.String) of the ReplicaSet
 *     DaemonSet    agent-2xkqp
 *     Job          import-2xkqp
 *     CronJob      backup-27811320-2xkqp    the planned minute (before 1.21: second) since 1970
 *     StatefulSet  db-0
 *
 * (k8s.io/apimachinery/pkg/util/rand, pkg/controller/cronjob.) A pod's name is its author's: one who can choose it can
 * also choose the namespace's other names, so nothing rests on it but which baseline is taken.
 */
#include "parse/meta-priv.h"

#include <string.h>

#include "tidemark/event.h"

#define RANDOM 5u
#define HASH_MIN 6u /* shorter ones are rarer than words of these letters */
#define HASH_MAX 10u

/* The part behind the last '-', if it is all of these letters and so long. */
static bool take_tail(struct bytes *name, const char *letters, uint32_t min, uint32_t max)
{
        int dash = bytes_rfind(*name, '-');
        uint32_t len, i;

        if (dash <= 0)
                return false;
        len = name->len - (uint32_t)dash - 1;
        if (len < min || len > max)
                return false;
        for (i = 0; i < len; i++)
                if (!strchr(letters, name->p[(uint32_t)dash + 1 + i]) || !name->p[(uint32_t)dash + 1 + i])
                        return false;
        name->len = (uint32_t)dash;
        return true;
}

static struct bytes owner(struct bytes pod, uint8_t *ret_class)
{
        static const char random[] = "bcdfghjklmnpqrstvwxz2456789", hash[] = "456789bcdf", digits[] = "0123456789";
        struct bytes name = pod;

        if (!take_tail(&name, random, RANDOM, RANDOM)) {
                take_tail(&name, digits, 1, 5);
                return name;
        }
        if (take_tail(&name, digits, 8, 8) || take_tail(&name, digits, 10, 10))
                *ret_class = CLASS_JOB;
        else
                take_tail(&name, hash, HASH_MIN, HASH_MAX);
        return name;
}

void kube_workload(struct bytes namespace, struct bytes pod, struct bytes container, struct buf *out,
                   uint8_t *ret_class)
{
        static const char random[] = "bcdfghjklmnpqrstvwxz2456789";
        struct bytes of = owner(pod, ret_class);

        /* kubectl debug makes it, for a person. */
        if (bytes_has_prefix(container, BYTES_LIT("debugger-")) && take_tail(&container, random, RANDOM, RANDOM))
                *ret_class = CLASS_SESSION;
        buf_put(out, namespace.p, namespace.len);
        buf_put_u8(out, '/');
        buf_put(out, of.p, of.len);
        buf_put_u8(out, '/');
        buf_put(out, container.p, container.len);
}
