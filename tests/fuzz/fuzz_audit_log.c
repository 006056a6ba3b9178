/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of an audit record, of a note whose strings a container chose: first a byte of type, then counted strings
 * and numbers. Whatever they are, it is one line of fields, each once, below its limit, with no byte that ends msg='…';
 * and what path was can be had back.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tidemark/audit_log.h"
#include "tidemark/buf.h"

static struct bytes some(struct rd *r)
{
        return rd_take(r, rd_u8(r) * 4u < rd_left(r) ? rd_u8(r) : rd_left(r) < 300 ? rd_left(r) : 300);
}

static unsigned digit(char c)
{
        return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* As ausearch -i has it: in quotes as it is, else from digits. */
static void check_path(const char *value, size_t len, struct bytes path)
{
        if (value[0] == '"') {
                if (len < 2 || value[len - 1] != '"' || len - 2 > path.len || memcmp(value + 1, path.p, len - 2) != 0)
                        abort();
                return;
        }
        if (len % 2 || len / 2 > path.len)
                abort();
        for (size_t i = 0; i < len / 2; i++)
                if (digit(value[2 * i]) * 16 + digit(value[2 * i + 1]) != path.p[i])
                        abort();
}

static void check_fields(char *text, struct bytes path)
{
        char *names[32], *save = NULL;
        size_t n = 0;

        for (char *f = strtok_r(text, " ", &save); f; f = strtok_r(NULL, " ", &save)) {
                char *eq = strchr(f, '=');

                if (!eq || n == 32 || eq[1] == 0)
                        abort();
                *eq = 0;
                if (strcmp(f, "exe") == 0 || strcmp(f, "res") == 0)
                        abort();
                for (size_t i = 0; i < n; i++)
                        if (strcmp(names[i], f) == 0)
                                abort();
                names[n++] = f;
                if (strcmp(f, "path") == 0)
                        check_path(eq + 1, strlen(eq + 1), path);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_buf_ struct buf text;
        struct audit_note n = {0};
        uint16_t type = 0;
        struct rd r;

        buf_init(&text, 4096);
        rd_init(&r, data, size);
        n.type = (enum audit_note_type)rd_u8(&r);
        n.timed = rd_u8(&r) & 1;
        n.path = some(&r);
        n.name = some(&r);
        n.cmd = some(&r);
        n.comm = some(&r);
        n.reason = some(&r);
        n.image = some(&r);
        n.container = some(&r);
        n.address = some(&r);
        n.pid = rd_u32(&r);
        n.finding = rd_u64(&r);
        n.hash = some(&r);
        if (audit_log_format(&n, &type, &text) < 0) {
                if (text.len || (n.type > AUDIT_NOTE_NONE && n.type < AUDIT_NOTE__MAX))
                        abort();
                return 0;
        }
        if (text.len == 0 || text.len > AUDIT_LOG_TEXT_MAX || type < 1100 || type > 2999)
                abort();
        for (size_t i = 0; i < text.len; i++)
                if (text.p[i] < 0x20 || text.p[i] > 0x7e || text.p[i] == '\'')
                        abort();
        check_fields((char *)(uintptr_t)buf_cstr(&text), n.path);
        return 0;
}

FUZZ_MAIN("audit_log", "tests/fuzz/corpus/audit_log")
