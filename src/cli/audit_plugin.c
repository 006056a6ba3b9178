/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark audit-plugin: auditd's records, from standard input to the agent's audit.sock. auditd-plugins(5), format
 * string: one line a record.
 *
 * Owns: lines that the agent has not taken yet, 1 MiB at most. Must not: let auditd wait (what does not fit is dropped
 * and counted, with the agent gone as well), or read more of a line than its type. Hands over: lines of the types that
 * the engine looks at; "#lost N" when it had to drop some, "#changed" for a change of audit's rules. Ends with standard
 * input, or by SIGTERM.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"

#define WAITING_MAX (1u << 20)
#define LINE_MAX_BYTES 16384u /* a longer one is no record: MAX_AUDIT_MESSAGE_LENGTH of libaudit.h is 8970 */
#define AGAIN_NS NSEC_PER_SEC /* between two tries to reach the agent */
#define LAST_MS 1000          /* for what waits at the end */

struct plugin {
        const char *runtime_dir;
        int sock; /* -1: the agent is not there */
        uint64_t tried_ns;
        struct buf in;      /* a line that has begun */
        bool skip;          /* of a line that is too long, the rest */
        struct buf waiting; /* whole lines; those before sent are gone */
        size_t sent;
        uint64_t dropped, dropped_told;
};

/* ---- to the agent ---- */

static void disconnect(struct plugin *p)
{
        if (p->sock >= 0)
                close(p->sock);
        p->sock = -1;
        for (size_t i = p->sent; i < p->waiting.len; i++) /* what began to be sent is lost with it */
                p->dropped += p->waiting.p[i] == '\n';
        buf_reset(&p->waiting);
        p->sent = 0;
}

static void reach(struct plugin *p)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        uint64_t now = clock_boot_ns();

        if (p->sock >= 0 || (p->tried_ns && now - p->tried_ns < AGAIN_NS))
                return;
        p->tried_ns = now;
        if ((size_t)snprintf(to.sun_path, sizeof(to.sun_path), "%s/audit.sock", p->runtime_dir) >= sizeof(to.sun_path))
                return;
        p->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (p->sock >= 0 && connect(p->sock, (struct sockaddr *)&to, sizeof(to)) < 0)
                disconnect(p);
}

static void push(struct plugin *p)
{
        while (p->sock >= 0 && p->sent < p->waiting.len) {
                ssize_t n = send(p->sock, p->waiting.p + p->sent, p->waiting.len - p->sent, MSG_NOSIGNAL);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n < 0)
                        disconnect(p);
                else
                        p->sent += (size_t)n;
        }
        if (p->sent == p->waiting.len) {
                buf_reset(&p->waiting);
                p->sent = 0;
        }
}

static void make_room(struct plugin *p)
{
        if (p->sent == 0)
                return;
        memmove(p->waiting.p, p->waiting.p + p->sent, p->waiting.len - p->sent);
        p->waiting.len -= p->sent;
        p->sent = 0;
}

static bool put(struct plugin *p, struct bytes line)
{
        size_t before = p->waiting.len;

        buf_put(&p->waiting, line.p, line.len);
        buf_put_u8(&p->waiting, '\n');
        if (!p->waiting.err)
                return true;
        p->waiting.len = before;
        p->waiting.err = 0;
        return false;
}

/* ---- from auditd ---- */

/* What it is for the agent: the line as it is, a word for it, or nothing. */
static struct bytes wanted(struct bytes whole)
{
        static const char *const types[] = {"SYSCALL ", "EXECVE ", "CWD ", "PATH ", "SOCKADDR ", "EOE "};
        struct bytes line = whole, type = BYTES_LIT("type=");

        if (bytes_has_prefix(line, BYTES_LIT("node=")))
                while (line.len && !bytes_has_prefix(line, type)) {
                        const uint8_t *space = memchr(line.p, ' ', line.len);

                        line = space ? bytes_of(space + 1, line.len - (size_t)(space + 1 - line.p)) : BYTES_LIT("");
                }
        if (!bytes_has_prefix(line, type))
                return BYTES_LIT("");
        line = bytes_of(line.p + type.len, line.len - type.len);
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if (bytes_has_prefix(line, bytes_str(types[i])))
                        return whole;
        return bytes_has_prefix(line, BYTES_LIT("CONFIG_CHANGE ")) ? BYTES_LIT("#changed") : BYTES_LIT("");
}

static void take_line(struct plugin *p, struct bytes line)
{
        char lost[40];

        line = wanted(line);
        if (line.len == 0)
                return;
        reach(p);
        if (p->sock < 0) {
                p->dropped++;
                return;
        }
        make_room(p);
        if (p->dropped > p->dropped_told) {
                snprintf(lost, sizeof(lost), "#lost %llu", (unsigned long long)(p->dropped - p->dropped_told));
                if (put(p, bytes_str(lost)))
                        p->dropped_told = p->dropped;
        }
        if (!put(p, line))
                p->dropped++;
}

static void take(struct plugin *p, struct bytes text)
{
        while (text.len) {
                const uint8_t *end = memchr(text.p, '\n', text.len);
                size_t len = end ? (size_t)(end - text.p) : text.len;

                if (!p->skip)
                        buf_put(&p->in, text.p, len);
                if (p->in.err) {
                        p->skip = true;
                        p->dropped++;
                        buf_reset(&p->in);
                }
                if (end && !p->skip)
                        take_line(p, buf_bytes(&p->in));
                if (end) {
                        p->skip = false;
                        buf_reset(&p->in);
                        len++;
                }
                text = bytes_of(text.p + len, text.len - len);
        }
}

/* ---- until it ends ---- */

/* 1: go on; 0: standard input has ended, or SIGTERM came. */
static int turn(struct plugin *p, int signals)
{
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = p->sock, .events = (short)(p->waiting.len ? POLLOUT : 0)},
                               {.fd = signals, .events = POLLIN}};
        char text[65536];
        ssize_t n;

        if (poll(fds, ARRAY_LEN(fds), -1) < 0)
                return errno == EINTR ? 1 : -errno;
        if (fds[2].revents)
                return 0;
        if (fds[1].revents & (POLLERR | POLLHUP))
                disconnect(p);
        if (fds[0].revents) {
                n = read(STDIN_FILENO, text, sizeof(text));
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 0;
                if (n > 0)
                        take(p, bytes_of(text, (size_t)n));
        }
        push(p);
        return 1;
}

static void finish(struct plugin *p)
{
        struct pollfd fd = {.fd = p->sock, .events = POLLOUT};

        push(p);
        if (p->sock >= 0 && p->waiting.len && poll(&fd, 1, LAST_MS) > 0)
                push(p);
        if (p->dropped)
                fprintf(stderr, "tidemark: audit-plugin: %llu records could not be given to the agent\n",
                        (unsigned long long)p->dropped);
        disconnect(p);
        buf_release(&p->in);
        buf_release(&p->waiting);
}

int cli_audit_plugin(struct cli *c)
{
        struct plugin p = {.runtime_dir = c->runtime_dir, .sock = -1};
        _cleanup_close_ int signals = -1;
        sigset_t term;
        int operands, r = cli_options(c, NULL, 0, &operands);

        if (r != CLI_DONE || operands)
                return r != CLI_DONE ? r : cli_usage("audit-plugin takes no operand: it reads standard input");
        buf_init(&p.in, LINE_MAX_BYTES);
        buf_init(&p.waiting, WAITING_MAX);
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &term, NULL) < 0)
                return CLI_FAILED;
        signals = signalfd(-1, &term, SFD_CLOEXEC);
        signal(SIGHUP, SIG_IGN); /* auditd has read its configuration anew: we have none */
        do
                r = signals < 0 ? -errno : turn(&p, signals);
        while (r > 0);
        finish(&p);
        return r < 0 ? CLI_FAILED : CLI_DONE;
}
