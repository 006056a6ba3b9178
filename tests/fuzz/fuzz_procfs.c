/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever stands in /proc/PID/{stat,status,cgroup,mountinfo} and in a monitor's command line. */
#include "fuzz.h"

#include "tidemark/buf.h"
#include "tidemark/layer.h"
#include "tidemark/procfs.h"
#include "trace/container-priv.h"
#include "trace/peek-priv.h"

#define ID "157a5595c87ff68546acabd0af3fe3cf0888757ffa17e1986ad7aacf48549120"

static void hold(int promise)
{
        if (!promise)
                abort();
}

static bool inside(struct bytes part, struct bytes whole)
{
        return part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes text = bytes_of(data, size), rest = text;
        struct layer *layer = NULL;
        struct procfs_stat st;
        struct procfs_status status;
        struct procfs_cgroup cg;
        struct procfs_mount m;
        struct buf scratch, bundle;

        buf_init(&scratch, FUZZ_INPUT_MAX);
        buf_init(&bundle, 4096);
        if (procfs_parse_stat(text, &st) == 0)
                hold(memchr(st.comm, 0, sizeof(st.comm)) != NULL);
        if (procfs_parse_status(text, &status) == 0)
                hold(status.nspid_count > 0 || status.nspid_last == 0);
        if (procfs_parse_cgroup(text, &cg) == 0)
                hold(cg.id.len == 64 && inside(cg.id, text) && inside(cg.path, text) && inside(cg.id, cg.path) &&
                     cg.runtime != NULL);
        if (procfs_parse_root_mount(text, &scratch, &m) == 0) {
                hold(bytes_eq(m.point, BYTES_LIT("/")) && scratch.len <= size + 8);
                hold(container_rootdir(m.upper).len <= m.upper.len + 1);
        }
        if (procfs_parse_mount_at(text, BYTES_LIT("/etc"), &scratch, &m) == 0)
                hold(bytes_eq(m.point, BYTES_LIT("/etc")));
        if (procfs_parse_mount_of(text, 0, 64, BYTES_LIT("/a/b"), &scratch, &m) == 0)
                hold(m.dev_minor == 64 && m.root.len <= 4);
        if (procfs_parse_mount_id(text, 151, &scratch, &m) == 0)
                hold(m.id == 151);
        while (rest.len) {
                struct bytes line = rest;
                const uint8_t *end = memchr(rest.p, '\n', rest.len);
                struct peek_line mapping;
                uint64_t dev;

                line.len = end ? (uint32_t)(end - rest.p) : rest.len;
                rest = bytes_of(rest.p + line.len + (end != NULL), rest.len - line.len - (end != NULL));
                if (peek_parse_line(line, &mapping) == 1)
                        hold(mapping.from < mapping.to && mapping.path.len && inside(mapping.path, line));
                if (procfs_parse_mount_dev(line, &dev) < 0)
                        hold(line.len == 0 || procfs_parse_mount_id(line, 151, &scratch, &m) < 0 || m.id == 151);
        }
        (void)procfs_parse_root_id(text);
        (void)procfs_parse_mnt_id(text);
        if (layer_new(text, text, &layer) == 0)
                hold(size > 0 && data[0] == '/');
        layer_free(layer);
        if (container_bundle(text, text, BYTES_LIT(ID), &bundle) == 0)
                hold(bundle.len > 0 && bundle.p[0] == '/');
        buf_release(&scratch);
        buf_release(&bundle);
        return 0;
}

FUZZ_MAIN("procfs", "tests/fuzz/corpus/procfs")
