/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: records that belong together by their serial, until the last of them came. Must not: wait longer for it than
 * AUDIT_WAIT_NS, or hold more than AUDIT_OPEN events. Hands over: acts to the caller's function.
 */
#include "tidemark/audit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"

#define AUDIT_OPEN 64u
#define AUDIT_WAIT_NS UINT64_C(100000000)
#define TEXTS_MAX (16u << 10) /* of one event: four paths of at most PATH_MAX, as the kernel cuts them */
#define FIELD_MAX (64u << 10) /* a record is at most 8970 bytes: MAX_AUDIT_MESSAGE_LENGTH of libaudit.h */

struct span {
        uint32_t at, len;
};

struct slot {
        bool used, skipped, has_syscall, has_execve, in_piece, broken;
        uint64_t since_ns;
        struct audit_act act; /* its strings are made at the end */
        struct span exe, comm, cwd, program, key;
        struct buf texts, args;
        uint32_t argc, next; /* arguments: how many there are, which comes next */
        uint8_t address[16];
};

struct audit {
        const struct audit_ops *ops;
        void *arg;
        struct slot slots[AUDIT_OPEN];
        struct buf field; /* one value, decoded */
        struct audit_stats stats;
};

int audit_new(const struct audit_ops *ops, void *arg, struct audit **ret)
{
        struct audit *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        a->ops = ops;
        a->arg = arg;
        buf_init(&a->field, FIELD_MAX);
        for (size_t i = 0; i < AUDIT_OPEN; i++) {
                buf_init(&a->slots[i].texts, TEXTS_MAX);
                buf_init(&a->slots[i].args, TIDE_ARGS_MAX);
        }
        *ret = a;
        return 0;
}

struct audit *audit_free(struct audit *a)
{
        if (!a)
                return NULL;
        for (size_t i = 0; i < AUDIT_OPEN; i++) {
                buf_release(&a->slots[i].texts);
                buf_release(&a->slots[i].args);
        }
        buf_release(&a->field);
        free(a);
        return NULL;
}

/* ---- the end of an event ---- */

static struct bytes text_of(const struct slot *s, struct span w)
{
        return w.len ? bytes_of(s->texts.p + w.at, w.len) : BYTES_LIT("");
}

static void close_argument(struct slot *s)
{
        if (s->args.len < TIDE_ARGS_MAX)
                buf_put_u8(&s->args, 0);
        s->act.args_total++;
        s->next++;
        s->in_piece = false;
}

static bool is_act(const struct slot *s)
{
        if (!s->has_syscall || s->skipped)
                return false;
        return s->act.kind == AUDIT_EXEC ? s->act.success : s->act.kind == AUDIT_CONNECT && s->act.address.len;
}

static void end(struct audit *a, struct slot *s)
{
        struct audit_act *act = &s->act;

        if (s->in_piece)
                close_argument(s);
        s->used = false;
        a->stats.open--;
        if (!is_act(s)) {
                a->stats.other++;
                return;
        }
        act->exe = text_of(s, s->exe);
        act->comm = text_of(s, s->comm);
        act->cwd = text_of(s, s->cwd);
        act->program = text_of(s, s->program);
        act->key = text_of(s, s->key);
        act->args = buf_bytes(&s->args);
        act->args_known = s->has_execve && !s->broken && s->next == s->argc;
        a->stats.acts++;
        a->ops->act(act, a->arg);
}

static void begin(struct audit *a, struct slot *s, const struct audit_record *r, uint64_t now_ns)
{
        struct buf texts = s->texts, args = s->args;

        buf_reset(&texts);
        buf_reset(&args);
        *s = (struct slot){.used = true, .since_ns = now_ns, .texts = texts, .args = args};
        s->act.serial = r->serial;
        s->act.wall_ns = r->wall_ns;
        s->act.login_uid = s->act.session = s->act.uid = s->act.gid = UINT32_MAX;
        a->stats.open++;
}

/* That of the serial; else a free one, else the oldest, which ends now. */
static struct slot *slot_of(struct audit *a, const struct audit_record *r, uint64_t now_ns)
{
        struct slot *best = &a->slots[0];

        for (size_t i = 0; i < AUDIT_OPEN; i++) {
                struct slot *s = &a->slots[i];

                if (s->used && s->act.serial == r->serial && s->act.wall_ns == r->wall_ns)
                        return s;
                if (best->used && (!s->used || s->since_ns < best->since_ns))
                        best = s;
        }
        if (r->type == AUDIT_REC_EOE)
                return NULL;
        if (best->used) {
                a->stats.crowded++;
                end(a, best);
        }
        begin(a, best, r, now_ns);
        return best;
}

uint64_t audit_expire(struct audit *a, uint64_t now_ns)
{
        uint64_t next = 0;

        for (size_t i = 0; a->stats.open && i < AUDIT_OPEN; i++) {
                struct slot *s = &a->slots[i];
                uint64_t due = s->since_ns + AUDIT_WAIT_NS;

                if (!s->used)
                        continue;
                if (due <= now_ns) {
                        a->stats.late++;
                        end(a, s);
                } else if (next == 0 || due < next) {
                        next = due;
                }
        }
        return next;
}

/* ---- what the records say ---- */

static bool number(struct bytes v, unsigned base, uint64_t *ret)
{
        static const char digits[] = "0123456789abcdef";
        uint64_t n = 0;

        if (v.len == 0 || v.len > 16)
                return false;
        for (uint32_t i = 0; i < v.len; i++) {
                const char *at = v.p[i] ? strchr(digits, v.p[i]) : NULL;
                unsigned d = at ? (unsigned)(at - digits) : base;

                if (d >= base)
                        return false;
                n = n * base + d;
        }
        *ret = n;
        return true;
}

static uint32_t number32(struct bytes v)
{
        uint64_t n;

        return number(v, 10, &n) && n <= UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* A text that is too long for the event is left out, never cut: half a path is another path. */
static struct span keep(struct slot *s, const struct audit_field *f)
{
        size_t at = s->texts.len;

        if (audit_field_text(f, &s->texts) < 0 || s->texts.err) {
                s->texts.len = at;
                s->texts.err = 0;
                return (struct span){0, 0};
        }
        return (struct span){(uint32_t)at, (uint32_t)(s->texts.len - at)};
}

/*
 * AUDIT_ARCH_* of linux/audit.h and the machines' tables of system calls; 0: has none. execve(2) is told by its EXECVE
 * record, whatever the machine.
 */
static const struct {
        uint32_t arch;
        uint16_t connect, socketcall;
} machines[] = {
        {0xc000003e, 42, 0},    /* x86-64, x32 */
        {0x40000003, 362, 102}, /* i386 */
        {0xc00000b7, 203, 0},   /* aarch64 */
        {0x40000028, 283, 0},   /* arm */
        {0xc0000015, 328, 102}, /* ppc64le */
        {0x80000016, 362, 102}, /* s390x */
        {0xc00000f3, 203, 0},   /* riscv64 */
};
#define SOCKETCALL_CONNECT 3 /* linux/net.h: SYS_CONNECT */
#define X32_BIT 0x40000000u

static bool is_connect(uint64_t arch, uint64_t call, uint64_t a0)
{
        for (size_t i = 0; i < ARRAY_LEN(machines); i++)
                if (machines[i].arch == arch)
                        return (call & ~(uint64_t)X32_BIT) == machines[i].connect ||
                               (machines[i].socketcall && call == machines[i].socketcall && a0 == SOCKETCALL_CONNECT);
        return false;
}

struct call {
        uint64_t arch, number, a0;
};

/* Its numbers. Returns whether it was one of them. */
static bool syscall_number(struct audit_act *act, struct call *c, const struct audit_field *f)
{
        const struct {
                const char *name;
                uint32_t *to;
        } rows[] = {{"pid", &act->pid}, {"ppid", &act->ppid}, {"auid", &act->login_uid},
                    {"euid", &act->uid}, {"egid", &act->gid}, {"ses", &act->session}};
        const struct {
                const char *name;
                unsigned base;
                uint64_t *to;
        } longs[] = {{"arch", 16, &c->arch}, {"syscall", 10, &c->number}, {"a0", 16, &c->a0}};
        uint64_t n;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (bytes_eq(f->name, bytes_str(rows[i].name))) {
                        *rows[i].to = number32(f->value);
                        return true;
                }
        for (size_t i = 0; i < ARRAY_LEN(longs); i++)
                if (bytes_eq(f->name, bytes_str(longs[i].name))) {
                        if (number(f->value, longs[i].base, &n))
                                *longs[i].to = n;
                        return true;
                }
        return false;
}

static void on_result(struct audit_act *act, struct bytes v)
{
        bool minus = v.len && v.p[0] == '-';
        uint64_t n;

        if (minus)
                v = bytes_of(v.p + 1, v.len - 1);
        if (number(v, 10, &n))
                act->exit = minus ? -(int64_t)n : (int64_t)n;
}

static void on_syscall(struct audit *a, struct slot *s, struct bytes rest)
{
        struct call c = {0};
        struct audit_field f;

        (void)a;
        s->has_syscall = true;
        while (audit_field_next(&rest, &f)) {
                if (!f.quoted && syscall_number(&s->act, &c, &f))
                        continue;
                if (bytes_eq(f.name, BYTES_LIT("success")))
                        s->act.success = bytes_eq(f.value, BYTES_LIT("yes"));
                else if (bytes_eq(f.name, BYTES_LIT("exit")))
                        on_result(&s->act, f.value);
                else if (bytes_eq(f.name, BYTES_LIT("comm")))
                        s->comm = keep(s, &f);
                else if (bytes_eq(f.name, BYTES_LIT("exe")))
                        s->exe = keep(s, &f);
                else if (bytes_eq(f.name, BYTES_LIT("key")))
                        s->key = keep(s, &f);
        }
        if (s->act.pid == UINT32_MAX || s->act.pid == 0)
                s->skipped = true;
        if (is_connect(c.arch, c.number, c.a0))
                s->act.kind = AUDIT_CONNECT;
}

/* "a12", "a12_len", "a12[3]": which argument, and which piece of it (UINT32_MAX: the whole). */
static bool argument(struct bytes name, uint32_t *ret_n, uint32_t *ret_piece)
{
        uint64_t n, piece = UINT32_MAX;
        uint32_t i = 1;

        if (name.len < 2 || name.p[0] != 'a')
                return false;
        while (i < name.len && name.p[i] != '[')
                i++;
        if (!number(bytes_of(name.p + 1, i - 1), 10, &n) || n >= UINT32_MAX)
                return false;
        if (i < name.len && (name.p[name.len - 1] != ']' || name.len - i < 3 ||
                             !number(bytes_of(name.p + i + 1, name.len - i - 2), 10, &piece) || piece >= UINT32_MAX))
                return false;
        *ret_n = (uint32_t)n;
        *ret_piece = (uint32_t)piece;
        return true;
}

static void keep_argument(struct audit *a, struct slot *s, const struct audit_field *f)
{
        size_t room = TIDE_ARGS_MAX - s->args.len;

        buf_reset(&a->field);
        if (audit_field_text(f, &a->field) < 0 || a->field.err) {
                s->broken = true;
                return;
        }
        buf_put(&s->args, a->field.p, a->field.len < room ? a->field.len : room);
        s->act.args_total += (uint32_t)a->field.len;
}

static void on_execve(struct audit *a, struct slot *s, struct bytes rest)
{
        struct audit_field f;
        uint32_t n, piece;
        uint64_t argc;

        s->act.kind = AUDIT_EXEC;
        while (audit_field_next(&rest, &f)) {
                if (!s->has_execve && bytes_eq(f.name, BYTES_LIT("argc")) && number(f.value, 10, &argc) &&
                    argc < UINT32_MAX) {
                        s->argc = (uint32_t)argc;
                        s->has_execve = true;
                        continue;
                }
                if (!argument(f.name, &n, &piece))
                        continue; /* aN_len, and what is not known */
                if (s->in_piece && n == s->next + 1)
                        close_argument(s);
                if (n != s->next || (piece != UINT32_MAX && s->in_piece != (piece > 0))) {
                        s->broken = true; /* some are missing: what follows is not told for what is missing */
                        continue;
                }
                keep_argument(a, s, &f);
                s->in_piece = piece != UINT32_MAX;
                if (!s->in_piece)
                        close_argument(s);
        }
}

static void on_cwd(struct audit *a, struct slot *s, struct bytes rest)
{
        struct audit_field f;

        (void)a;
        while (audit_field_next(&rest, &f))
                if (bytes_eq(f.name, BYTES_LIT("cwd")))
                        s->cwd = keep(s, &f);
}

/* Item 0 is what was called; the others are its interpreter, or a library's loader. */
static void on_path(struct audit *a, struct slot *s, struct bytes rest)
{
        struct audit_field f;
        bool first = false;

        (void)a;
        while (audit_field_next(&rest, &f)) {
                if (bytes_eq(f.name, BYTES_LIT("item")))
                        first = bytes_eq(f.value, BYTES_LIT("0"));
                else if (first && bytes_eq(f.name, BYTES_LIT("name")))
                        s->program = keep(s, &f);
        }
}

/* A struct sockaddr of this machine: ip(7), ipv6(7). */
static void on_address(struct slot *s, struct bytes raw)
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        sa_family_t family;

        if (raw.len < sizeof(family))
                return;
        memcpy(&family, raw.p, sizeof(family));
        if (family == AF_INET && raw.len >= offsetof(struct sockaddr_in, sin_zero)) {
                memset(&in, 0, sizeof(in));
                memcpy(&in, raw.p, raw.len < sizeof(in) ? raw.len : sizeof(in));
                memcpy(s->address, &in.sin_addr, 4);
                s->act.port = ntohs(in.sin_port);
                s->act.address = bytes_of(s->address, 4);
        } else if (family == AF_INET6 && raw.len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
                memset(&in6, 0, sizeof(in6));
                memcpy(&in6, raw.p, raw.len < sizeof(in6) ? raw.len : sizeof(in6));
                memcpy(s->address, &in6.sin6_addr, 16);
                s->act.port = ntohs(in6.sin6_port);
                s->act.address = memcmp(s->address, mapped, sizeof(mapped)) == 0 ? bytes_of(s->address + 12, 4)
                                                                                 : bytes_of(s->address, 16);
        }
}

static void on_sockaddr(struct audit *a, struct slot *s, struct bytes rest)
{
        struct audit_field f;

        while (audit_field_next(&rest, &f)) {
                if (!bytes_eq(f.name, BYTES_LIT("saddr")))
                        continue;
                buf_reset(&a->field);
                if (audit_field_text(&f, &a->field) == 0 && !a->field.err)
                        on_address(s, buf_bytes(&a->field));
        }
}

void audit_take(struct audit *a, uint16_t type, struct bytes text, uint64_t now_ns)
{
        static const struct {
                uint16_t type;
                void (*read)(struct audit *, struct slot *, struct bytes);
        } rows[] = {{AUDIT_REC_SYSCALL, on_syscall}, {AUDIT_REC_EXECVE, on_execve},     {AUDIT_REC_CWD, on_cwd},
                    {AUDIT_REC_PATH, on_path},       {AUDIT_REC_SOCKADDR, on_sockaddr}};
        struct audit_record r;
        struct slot *s;
        int err = audit_record_decode(type, text, &r);

        a->stats.records++;
        if (err < 0) {
                *(err == -ENOMSG ? &a->stats.other : &a->stats.malformed) += 1;
                return;
        }
        s = slot_of(a, &r, now_ns);
        if (!s)
                return;
        if (r.type == AUDIT_REC_EOE) {
                end(a, s);
                return;
        }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (rows[i].type == r.type)
                        rows[i].read(a, s, r.fields);
}

void audit_stats(const struct audit *a, struct audit_stats *ret)
{
        *ret = a->stats;
}
