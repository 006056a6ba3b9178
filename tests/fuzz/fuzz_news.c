/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's words about a finding, as the sensor takes them, and the record of audit that they become: a byte of
 * bits, then the list of key and value. Whatever it is, it is taken as it stands or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/news.h"
#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

static void one(const struct news *n, unsigned bit)
{
        _cleanup_buf_ struct buf text;
        struct audit_note note;
        uint16_t type = 0;

        buf_init(&text, AUDIT_LOG_TEXT_MAX);
        news_note(n, bit, &note);
        if (note.type == AUDIT_NOTE_NONE)
                return;
        if (audit_log_format(&note, &type, &text) < 0 || text.len == 0)
                abort();
        if (memchr(text.p, '\n', text.len) || memchr(text.p, '\'', text.len))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct tide_event act = {.kind = TIDE_ACT};
        struct news n;

        if (size < 1)
                return 0;
        act.act.act = ACT_NEWS;
        act.act.finding = 7;
        act.act.flags = data[0];
        act.act.args = bytes_of(data + 1, size - 1);
        if (news_read(&act, &n) < 0)
                return 0;
        for (unsigned k = 0; k < KEY__MAX; k++) {
                if (n.of[k].len && (n.of[k].p < data || n.of[k].p + n.of[k].len > data + size))
                        abort();
                if (news_number(&n, k, 1000) > 1000)
                        abort();
        }
        for (unsigned b = 0; b < 8; b++)
                one(&n, 1u << b);
        return 0;
}

FUZZ_MAIN("news", "tests/fuzz/corpus/news")
