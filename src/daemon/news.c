/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which words of the engine about a finding are taken, and which record of audit they are. Pure. Must not: take a
 * part of what is wrong elsewhere. Hands over: a struct audit_note, whose strings are as hostile as before.
 */
#include "daemon/news.h"

#include <errno.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"

#define NAME_MAX_LEN 256u
#define ID_MAX_LEN 64u

static const struct {
        const char *name;
        uint32_t max;
        enum news_as as;
} keys[KEY__MAX] = {
        [KEY_TYPE] = {"type", 32, NEWS_WORDS},
        [KEY_WORKLOAD] = {"workload", 256, NEWS_WORDS},
        [KEY_IMAGE] = {"image", 80, NEWS_WORDS},
        [KEY_WHAT] = {"what", 32, NEWS_WORDS},
        [KEY_REASON] = {"reason", 64, NEWS_WORDS},
        [KEY_SUBJECT] = {"subject", 4096, NEWS_WORDS},
        [KEY_EXECUTABLE] = {"executable", 4096, NEWS_WORDS},
        [KEY_COMM] = {"comm", 64, NEWS_WORDS},
        [KEY_CMD] = {"cmd", 4096, NEWS_WORDS},
        [KEY_ADDRESS] = {"address", 16, NEWS_UNTOLD},
        [KEY_PROTO] = {"proto", 3, NEWS_UNTOLD},
        [KEY_PORT] = {"port", 5, NEWS_UNTOLD},
        [KEY_PID] = {"pid", 10, NEWS_NUMBER},
        [KEY_CONFIDENCE] = {"confidence", 3, NEWS_NUMBER},
        [KEY_SEVERITY] = {"severity", 16, NEWS_WORDS},
        [KEY_COUNT] = {"count", 19, NEWS_NUMBER},
        [KEY_STATE] = {"state", 16, NEWS_WORDS},
        [KEY_VERDICT] = {"verdict", 32, NEWS_WORDS},
        [KEY_BY] = {"by", 200, NEWS_WORDS},
        [KEY_NOTE] = {"note", 1000, NEWS_WORDS},
};
const char *news_key_name(enum news_key key)
{
        return keys[key].name;
}

enum news_as news_key_as(enum news_key key)
{
        return keys[key].as;
}

static bool is_id(struct bytes id)
{
        for (uint32_t i = 0; i < id.len; i++)
                if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'f')))
                        return false;
        return id.len <= ID_MAX_LEN;
}

int news_read(const struct tide_event *act, struct news *ret)
{
        struct news n = {.container = act->container,
                         .name = act->act.name,
                         .finding = act->act.finding,
                         .bits = act->act.flags};
        struct bytes k, v;
        struct rd r;

        if (n.bits == 0 || (n.bits & ~((1u << NEWS_BITS) - 1)) || n.finding == 0 || n.name.len > NAME_MAX_LEN ||
            !is_id(n.container))
                return -EINVAL;
        rd_init(&r, act->act.args.p, act->act.args.len);
        while (tide_list_next(&r, &k, &v)) {
                size_t i = 0;

                while (i < KEY__MAX && !bytes_eq(k, bytes_str(keys[i].name)))
                        i++;
                if (i == KEY__MAX || v.len == 0 || v.len > keys[i].max || n.of[i].len)
                        return -EINVAL;
                n.of[i] = v;
        }
        if (r.err)
                return r.err;
        *ret = n;
        return 0;
}

uint64_t news_number(const struct news *n, enum news_key key, uint64_t max)
{
        uint64_t v = 0;

        for (uint32_t i = 0; i < n->of[key].len; i++) {
                uint8_t c = n->of[key].p[i];

                if (c < '0' || c > '9')
                        return 0;
                v = v * 10 + (uint64_t)(c - '0');
        }
        return v <= max ? v : 0;
}

enum audit_note_type news_kind(const struct news *n)
{
        static const struct {
                const char *what;
                enum audit_note_type type;
        } rows[] = {{"exec", AUDIT_NOTE_EXEC},           {"executable", AUDIT_NOTE_EXECUTABLE},
                    {"file", AUDIT_NOTE_FILE},           {"network", AUDIT_NOTE_NETWORK},
                    {"privilege", AUDIT_NOTE_PRIVILEGE}, {"session", AUDIT_NOTE_SESSION}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (bytes_eq(n->of[KEY_WHAT], bytes_str(rows[i].what)))
                        return rows[i].type;
        return AUDIT_NOTE_FINDING;
}

static enum audit_note_type note_type(const struct news *n, unsigned bit)
{
        static const struct {
                unsigned bit;
                enum audit_note_type type;
        } bits[] = {{NEWS_PAGED, AUDIT_NOTE_PAGED},
                    {NEWS_EXPIRED, AUDIT_NOTE_CLOSED},
                    {NEWS_CLOSED, AUDIT_NOTE_CLOSED},
                    {NEWS_REOPENED, AUDIT_NOTE_REOPENED}};

        for (size_t i = 0; i < ARRAY_LEN(bits); i++)
                if (bit == bits[i].bit)
                        return bits[i].type;
        return bit == NEWS_OPENED ? news_kind(n) : AUDIT_NOTE_NONE; /* contained: the act itself is a record */
}

static bool has_path(struct bytes path)
{
        return path.len && path.p[0] == '/';
}

void news_note(const struct news *n, unsigned bit, struct audit_note *ret)
{
        *ret = (struct audit_note){
                .type = note_type(n, bit),
                .ok = true,
                .container = n->container,
                .name = n->name.len ? n->name : n->of[KEY_WORKLOAD],
                .image = n->of[KEY_IMAGE],
                .comm = n->of[KEY_COMM],
                .cmd = n->of[KEY_CMD],
                .reason = n->of[KEY_REASON],
                .address = n->of[KEY_ADDRESS],
                .pid = (uint32_t)news_number(n, KEY_PID, UINT32_MAX),
                .port = (uint16_t)news_number(n, KEY_PORT, UINT16_MAX),
                .proto = (uint8_t)news_number(n, KEY_PROTO, UINT8_MAX),
                .finding = n->finding,
        };
        if (ret->type == AUDIT_NOTE_CLOSED)
                ret->reason = bit == NEWS_EXPIRED ? BYTES_LIT("expired") : n->of[KEY_VERDICT];
        if (has_path(n->of[KEY_SUBJECT]))
                ret->path = n->of[KEY_SUBJECT];
        else if (has_path(n->of[KEY_EXECUTABLE]))
                ret->path = n->of[KEY_EXECUTABLE];
}
