/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the types of our records and the text of one, field by field. Pure. Must not: let a byte that a container chose
 * through as it is, or write a field twice. Hands over: what libaudit is given as message.
 */
#include "act/audit_log-priv.h"

#include <errno.h>
#include <stdio.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"

/* Room for each value as it is encoded. Together with the rest they may be more than the text: then the last is left
 * out. */
#define PATH_ROOM 400u
#define CMD_ROOM 200u
#define NAME_ROOM 100u
#define COMM_ROOM 40u
#define WORD_ROOM 80u
#define ID_ROOM 12u
#define CUT_ROOM 8u

static const struct row {
        uint16_t type, timed; /* timed 0: the same */
        bool act;
        const char *op;
} rows[AUDIT_NOTE__MAX] = {
        [AUDIT_NOTE_EXEC] = {AUDIT_ANOM_EXEC, 0, false, "drift-exec"},
        [AUDIT_NOTE_EXECUTABLE] = {AUDIT_ANOM_MK_EXEC, 0, false, "drift-executable"},
        [AUDIT_NOTE_FILE] = {AUDIT_ANOM_ACCESS_FS, 0, false, "drift-file"},
        [AUDIT_NOTE_NETWORK] = {AUDIT_RESP_ANOMALY, 0, false, "net-drift"},
        [AUDIT_NOTE_PRIVILEGE] = {AUDIT_RESP_ANOMALY, 0, false, "privilege-drift"},
        [AUDIT_NOTE_SESSION] = {AUDIT_ANOM_SESSION, 0, false, "exec-session"},
        [AUDIT_NOTE_FINDING] = {AUDIT_RESP_ANOMALY, 0, false, "drift"},
        [AUDIT_NOTE_PAGED] = {AUDIT_RESP_ALERT, 0, false, "page"},
        [AUDIT_NOTE_CLOSED] = {AUDIT_RESP_ANOMALY, 0, false, "finding-closed"},
        [AUDIT_NOTE_REOPENED] = {AUDIT_RESP_ANOMALY, 0, false, "finding-reopened"},
        [AUDIT_NOTE_ISOLATED] = {AUDIT_RESP_ORIGIN_BLOCK, AUDIT_RESP_ORIGIN_BLOCK_TIMED, true, "isolate"},
        [AUDIT_NOTE_RELEASED] = {AUDIT_RESP_ORIGIN_UNBLOCK_TIMED, 0, true, "release"},
        [AUDIT_NOTE_KILLED] = {AUDIT_RESP_KILL_PROC, 0, true, "kill"},
        [AUDIT_NOTE_FROZEN] = {AUDIT_RESP_TERM_ACCESS, 0, true, "freeze"},
        [AUDIT_NOTE_RESUMED] = {AUDIT_VIRT_CONTROL, 0, true, "resume"},
        [AUDIT_NOTE_CAPTURED] = {AUDIT_RESP_EXEC, 0, true, "evidence-capture"},
        [AUDIT_NOTE_REMOVED] = {AUDIT_RESP_EXEC, 0, true, "evidence-remove"},
        [AUDIT_NOTE_STARTED] = {AUDIT_VIRT_CONTROL, 0, false, "start"},
        [AUDIT_NOTE_STOPPED] = {AUDIT_VIRT_CONTROL, 0, false, "stop"},
        [AUDIT_NOTE_COMPARED] = {AUDIT_VIRT_INTEGRITY_CHECK, 0, false, "compare-image"},
        [AUDIT_NOTE_CONFIGURED] = {AUDIT_USYS_CONFIG, 0, true, "config-change"},
        [AUDIT_NOTE_REFUSED] = {AUDIT_USER_CMD, 0, false, "refused"},
        [AUDIT_NOTE_CHECKPOINT] = {AUDIT_TRUSTED_APP, 0, true, "trail-checkpoint"},
        [AUDIT_NOTE_WITHHELD] = {AUDIT_RESP_ANOMALY, 0, true, "records-withheld"},
};

bool audit_log_is_act(enum audit_note_type type)
{
        return type < AUDIT_NOTE__MAX && rows[type].act;
}

/* The text being made: what does not fit in whole is left out, and that is said at the end. */
struct text {
        char p[AUDIT_LOG_TEXT_MAX];
        size_t len;
        bool cut;
};

static void put(struct text *t, const char *name, const char *value, size_t len)
{
        size_t before = t->len ? 1 : 0, nlen = strlen(name);

        if (t->len + before + nlen + 1 + len > sizeof(t->p) - CUT_ROOM) {
                t->cut = true;
                return;
        }
        if (before)
                t->p[t->len++] = ' ';
        memcpy(t->p + t->len, name, nlen);
        t->len += nlen;
        t->p[t->len++] = '=';
        memcpy(t->p + t->len, value, len);
        t->len += len;
}

/* ---- values that a container may choose ---- */

static bool is_plain(uint8_t c)
{
        return c > 0x20 && c < 0x7f && c != '"' && c != '\'';
}

static bool is_all_plain(struct bytes s)
{
        for (uint32_t i = 0; i < s.len; i++)
                if (!is_plain(s.p[i]))
                        return false;
        return true;
}

/* In quotes, or in upper-case hexadecimal digits without any. */
static void put_encoded(struct text *t, const char *name, struct bytes s, size_t room)
{
        static const char digits[] = "0123456789ABCDEF";
        char value[PATH_ROOM + 2];
        size_t len = 0;

        if (s.len == 0)
                return;
        if (is_all_plain(bytes_of(s.p, s.len < room ? s.len : room))) {
                t->cut = t->cut || s.len > room - 2;
                value[len++] = '"';
                for (uint32_t i = 0; i < s.len && len < room - 1; i++)
                        value[len++] = (char)s.p[i];
                value[len++] = '"';
        } else {
                t->cut = t->cut || s.len > room / 2;
                for (uint32_t i = 0; i < s.len && len + 2 <= room; i++) {
                        value[len++] = digits[s.p[i] >> 4];
                        value[len++] = digits[s.p[i] & 15];
                }
        }
        put(t, name, value, len);
}

/* Arguments with a NUL between two, as audit shows them: with spaces. */
static void put_command(struct text *t, struct bytes args)
{
        uint8_t line[CMD_ROOM];
        uint32_t n = 0;

        while (args.len && args.p[args.len - 1] == 0)
                args.len--;
        t->cut = t->cut || args.len > sizeof(line);
        for (; n < args.len && n < sizeof(line); n++)
                line[n] = args.p[n] ? args.p[n] : ' ';
        put_encoded(t, "cmd", bytes_of(line, n), CMD_ROOM);
}

/* ---- values of ours ---- */

static bool is_word(uint8_t c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
               c == '.' || c == ':' || c == '+';
}

static void put_word(struct text *t, const char *name, const char *before, struct bytes s, size_t room)
{
        char value[WORD_ROOM];
        size_t len = strlen(before);

        if (s.len == 0)
                return;
        memcpy(value, before, len);
        for (uint32_t i = 0; i < s.len && len < room; i++)
                value[len++] = is_word(s.p[i]) ? (char)s.p[i] : s.p[i] == ' ' ? '-' : '_';
        put(t, name, value, len);
}

static void put_number(struct text *t, const char *name, const char *before, uint64_t n)
{
        char value[32];

        if (n)
                put(t, name, value, (size_t)snprintf(value, sizeof(value), "%s%llu", before, (unsigned long long)n));
}

/* Uid 0 and "no login" are answers too, as soon as somebody asked; who was refused has no number. */
static void put_asked(struct text *t, const struct audit_note *n)
{
        char value[16];

        if (n->command == 0 && n->type != AUDIT_NOTE_REFUSED)
                return;
        put_number(t, "command", "", n->command);
        put(t, "id", value, (size_t)snprintf(value, sizeof(value), "%u", n->uid));
        put(t, "sauid", value, (size_t)snprintf(value, sizeof(value), "%u", n->login_uid));
}

static void put_address(struct text *t, struct bytes address)
{
        char text[TIDE_ADDRESS_TEXT];

        if (address.len != 4 && address.len != 16)
                return;
        tide_address_text(address, text);
        put(t, "daddr", text, strlen(text));
}

int audit_log_format(const struct audit_note *n, uint16_t *ret_type, struct buf *out)
{
        const struct row *row = n->type < AUDIT_NOTE__MAX ? &rows[n->type] : &rows[AUDIT_NOTE_NONE];
        struct text t = {.len = 0};

        if (!row->op)
                return -EINVAL;
        put_word(&t, "op", "", bytes_str(n->op ? n->op : row->op), WORD_ROOM);
        put_number(&t, "finding", "F-", n->finding);
        put_encoded(&t, "vm", n->name, NAME_ROOM);
        put_number(&t, "vm-pid", "", n->pid);
        put_word(&t, "ctr-id", "", n->container, ID_ROOM);
        put_encoded(&t, "path", n->path, PATH_ROOM);
        put_word(&t, "reason", "", n->reason, WORD_ROOM);
        put_asked(&t, n);
        put_number(&t, "n", "", n->n);
        put_word(&t, "hash", "sha256:", n->hash, WORD_ROOM);
        put_address(&t, n->address);
        put_number(&t, "rport", "", n->port);
        put_number(&t, "proto", "", n->proto);
        put_encoded(&t, "comm", n->comm, COMM_ROOM);
        put_word(&t, "img-digest", "", n->image, WORD_ROOM);
        put_command(&t, n->cmd);
        buf_put(out, t.p, t.len);
        if (t.cut)
                buf_put_str(out, " cut=yes");
        if (out->err)
                return out->err;
        *ret_type = n->timed && row->timed ? row->timed : row->type;
        return 0;
}
