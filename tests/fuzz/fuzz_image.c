/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes of an image: headers of programs and scripts, databases of packages, and what the helper says that opens
 * files. Whatever it holds: every text that is handed out lies within the input or the parser's own, and ends. */
#include <stdlib.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/exehead.h"
#include "tidemark/imagefile.h"
#include "tidemark/packages.h"

/* Each byte is looked at, so that a sanitizer sees where it lies. */
static void look(struct bytes b)
{
        static volatile uint8_t sum;

        for (uint32_t i = 0; i < b.len; i++)
                sum ^= b.p[i];
}

static int on_package(struct bytes name, struct bytes version, void *arg)
{
        (void)arg;
        if (name.len == 0 || version.len == 0 || name.len > PACKAGES_TEXT || version.len > PACKAGES_TEXT)
                abort();
        look(name);
        look(version);
        return 0;
}

static int on_path(struct bytes path, void *arg)
{
        (void)arg;
        if (path.len == 0 || path.p[0] == '/')
                abort();
        look(path);
        return 0;
}

static void heads(const uint8_t *data, size_t size)
{
        struct exehead h = exehead_decode(data, size);

        if (h.kind == EXEHEAD_SCRIPT && h.interpreter.len + h.argument.len > EXEHEAD_INTERPRETER)
                abort();
        look(h.interpreter);
        look(h.argument);
}

static void messages(const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf b;
        struct image_msg m, back;

        buf_init(&b, 1 << 20);
        if (image_msg_decode(data, size, &m) < 0)
                return;
        image_msg_put(&b, &m);
        if (b.err || b.len != size || image_msg_decode(b.p, b.len, &back) < 0 || !bytes_eq(m.path, back.path))
                abort();
        if (image_role(m.path, m.mode) >= IMAGE__ROLE_MAX)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct packages_ops ops = {.package = on_package, .path = on_path};
        struct bytes text = bytes_of(data, size);
        struct packages_stats st = {0};

        heads(data, size);
        messages(data, size);
        look(dpkg_list_owner(text));
        if (dpkg_parse_status(text, &ops, NULL, &st) < 0 || dpkg_parse_list(text, &ops, NULL, &st) < 0 ||
            dpkg_parse_sums(text, &ops, NULL, &st) < 0 || apk_parse_installed(text, &ops, NULL, &st) < 0)
                abort();
        return 0;
}

FUZZ_MAIN("image", "tests/fuzz/corpus/image")
