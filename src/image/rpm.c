/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the process that reads rpm's database by librpm, on copies that nobody else has. It copies what it is given,
 * unread, then gives up all but reading files by name (confine.h), and only then parses. Must not: verify signatures
 * (whoever made the image made the database), or end its parent: whatever becomes of it is a note.
 *
 * What crosses between the two is one byte of kind and text a datagram.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <rpm/header.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmfi.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/image-priv.h"
#include "tidemark/confine.h"
#include "tidemark/err.h"
#include "tidemark/passfd.h"

#define DATAGRAM 8192u
#define DATABASE_BYTES ((uint64_t)512 << 20)

enum said {
        SAID_FILE = 'f',
        SAID_GO = 'g',
        SAID_PACKAGE = 'p',
        SAID_VERSION = 'v',
        SAID_PATH = 'n',
        SAID_NOTE = 'w',
        SAID_END = 'e'
};

/* Which file is the database, by which of librpm's backends, the newest first. */
static const struct backend {
        const char *file, *name;
} backends[] = {{"rpmdb.sqlite", "sqlite"}, {"Packages.db", "ndb"}, {"Packages", "bdb_ro"}};

struct rpm {
        pid_t pid;
        int fd;
};

const char *rpm_version(void)
{
        static char text[64];

        snprintf(text, sizeof(text), "librpm %s", RPMVERSION);
        return text;
}

/* ---- in the process of its own ---- */

struct child {
        int fd;
        const char *scratch;
        bool have[ARRAY_LEN(backends)], wal, failed;
};

static int say(int fd, enum said kind, struct bytes text)
{
        uint8_t msg[DATAGRAM];

        if (text.len > sizeof(msg) - 1)
                text.len = sizeof(msg) - 1;
        msg[0] = (uint8_t)kind;
        if (text.len)
                memcpy(msg + 1, text.p, text.len);
        return send(fd, msg, text.len + 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void say_note(struct child *c, const char *what, const char *why)
{
        char words[400];

        snprintf(words, sizeof(words), "rpm's database: %s%s%s", what, *why ? ": " : "", why);
        c->failed = say(c->fd, SAID_NOTE, bytes_str(words)) < 0 || c->failed;
}

static int copy(int from, int to)
{
        uint8_t chunk[65536];
        uint64_t at = 0;
        ssize_t n;

        while ((n = pread(from, chunk, sizeof(chunk), (off_t)at)) > 0) {
                at += (uint64_t)n;
                if (at > DATABASE_BYTES)
                        return ERR_LIMIT;
                for (ssize_t done = 0, w; done < n; done += w) {
                        w = write(to, chunk + done, (size_t)(n - done));
                        if (w < 0)
                                return -errno;
                }
        }
        return n < 0 ? -errno : 0;
}

/* A database in mode WAL wants to make files beside it: that its journal is not there is what bytes 18 and 19 say
 * (sqlite.org/fileformat2.html). */
static int without_wal(int fd)
{
        uint8_t head[20];

        if (pread(fd, head, sizeof(head), 0) != sizeof(head) || head[18] != 2)
                return 0;
        head[18] = head[19] = 1;
        return pwrite(fd, head + 18, 2, 18) == 2 ? 0 : -errno;
}

static void take(struct child *c, struct bytes path, int from)
{
        int slash = bytes_rfind(path, '/');
        struct bytes name = bytes_of(path.p + slash + 1, path.len - (uint32_t)(slash + 1));
        char to_path[4096];
        struct stat st;
        int r;

        for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
                _cleanup_close_ int to = -1;

                if (!bytes_eq(name, bytes_str(backends[i].file)) || c->have[i])
                        continue;
                snprintf(to_path, sizeof(to_path), "%s/%s", c->scratch, backends[i].file);
                to = open(to_path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
                r = to < 0 ? -errno : copy(from, to);
                if (r == 0 && i == 0)
                        r = without_wal(to);
                c->have[i] = r == 0;
                if (r < 0)
                        say_note(c, "it cannot be copied", err_str(r));
        }
        if (bytes_eq(name, BYTES_LIT("rpmdb.sqlite-wal")) && fstat(from, &st) == 0 && st.st_size > 0)
                c->wal = true;
}

static int on_log(rpmlogRec rec, rpmlogCallbackData data)
{
        struct child *c = data;
        char words[300];

        if (rpmlogRecPriority(rec) > RPMLOG_ERR)
                return 0;
        snprintf(words, sizeof(words), "%s", rpmlogRecMessage(rec));
        words[strcspn(words, "\n")] = '\0';
        say_note(c, "librpm says", words);
        return 0;
}

static void tell_package(struct child *c, rpmts ts, Header h)
{
        char *evr = headerGetAsString(h, RPMTAG_EVR);
        const char *name = headerGetString(h, RPMTAG_NAME);
        rpmfi fi = rpmfiNew(ts, h, RPMTAG_BASENAMES, RPMFI_FLAGS_QUERY);
        int r;

        /* the keys that it trusts are kept as packages of this name */
        if (name && strcmp(name, "gpg-pubkey") != 0) {
                r = say(c->fd, SAID_PACKAGE, bytes_str(name));
                if (r == 0)
                        r = say(c->fd, SAID_VERSION, bytes_str(evr ? evr : "(none)"));
                while (r == 0 && rpmfiNext(fi) >= 0)
                        if (!S_ISDIR(rpmfiFMode(fi)))
                                r = say(c->fd, SAID_PATH, bytes_str(rpmfiFN(fi)));
                c->failed = c->failed || r < 0;
        }
        rpmfiFree(fi);
        free(evr);
}

static void read_database(struct child *c, const char *backend)
{
        rpmdbMatchIterator it;
        char why[200];
        unsigned n = 0;
        Header h;
        rpmts ts;

        addMacro(NULL, "_dbpath", NULL, c->scratch, RMIL_CMDLINE);
        addMacro(NULL, "_db_backend", NULL, backend, RMIL_CMDLINE);
        rpmlogSetCallback(on_log, c);
        ts = rpmtsCreate();
        rpmtsSetVSFlags(ts, _RPMVSF_NODIGESTS | _RPMVSF_NOSIGNATURES | RPMVSF_NOHDRCHK);
        rpmtsSetRootDir(ts, "/");
        if (rpmtsOpenDB(ts, O_RDONLY) != 0) {
                snprintf(why, sizeof(why),
                         "by %s, backend %s: it is damaged, of a newer version, or this librpm lacks "
                         "that backend",
                         rpm_version(), backend);
                say_note(c, "it cannot be read", why);
                rpmtsFree(ts);
                return;
        }
        it = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
        for (; !c->failed && (h = rpmdbNextIterator(it)); n++)
                tell_package(c, ts, h);
        rpmdbFreeIterator(it);
        rpmtsFree(ts);
        if (n == 0) {
                snprintf(why, sizeof(why), "by %s, backend %s", rpm_version(), backend);
                say_note(c, "no package is found in it", why);
        }
}

static void run_child(struct child *c)
{
        uint8_t msg[DATAGRAM];
        size_t n, best = 0;
        ssize_t len;
        int fd, r;

        while ((len = passfd_recv(c->fd, msg, sizeof(msg), &fd, 1, &n, 0)) > 0 && msg[0] == SAID_FILE) {
                if (n == 1)
                        take(c, bytes_of(msg + 1, (size_t)len - 1), fd);
                if (n == 1)
                        close(fd);
        }
        if (len <= 0)
                return;
        if (c->wal)
                say_note(c, "what lies in its journal (rpmdb.sqlite-wal) is not read", "");
        while (best < ARRAY_LEN(backends) && !c->have[best])
                best++;
        r = best == ARRAY_LEN(backends) ? 0 : rpmReadConfigFiles(NULL, NULL);
        if (r != 0)
                say_note(c, "librpm's own configuration cannot be read on this host", "");
        if (r == 0 && best < ARRAY_LEN(backends)) {
                r = confine_limits(MEMORY, CPU_SECONDS);
                if (r == 0)
                        r = confine(CONFINE_FILE_READER);
                if (r == 0)
                        read_database(c, backends[best].name);
                else
                        say_note(c, "its reader cannot be confined, and so was not started", err_str(r));
        }
        if (say(c->fd, SAID_END, bytes_of(NULL, 0)) < 0)
                _exit(EXIT_FAILURE);
}

/* ---- and whoever asks it ---- */

int rpm_new(const char *scratch, struct rpm **ret)
{
        _cleanup_(rpm_freep) struct rpm *r = calloc(1, sizeof(*r));
        struct child c = {.scratch = scratch};
        pid_t parent = getpid();
        int sv[2];

        *ret = NULL;
        if (!scratch)
                return 0;
        if (!r)
                return -ENOMEM;
        r->fd = -1;
        if (access(scratch, W_OK | X_OK) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
                return -errno;
        r->pid = fork();
        if (r->pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                        _exit(EXIT_FAILURE);
                close(sv[0]);
                close(FD_ENGINE);
                close(FD_FILES);
                c.fd = sv[1];
                run_child(&c);
                _exit(EXIT_SUCCESS);
        }
        close(sv[1]);
        r->fd = sv[0];
        if (r->pid < 0)
                return -EAGAIN;
        *ret = TAKE_PTR(r);
        return 0;
}

struct rpm *rpm_free(struct rpm *r)
{
        if (!r)
                return NULL;
        if (r->fd >= 0)
                close(r->fd); /* which ends it */
        if (r->pid > 0)
                while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        free(r);
        return NULL;
}

int rpm_take(struct rpm *r, struct bytes path, int fd)
{
        uint8_t msg[DATAGRAM];
        int err;

        if (path.len > sizeof(msg) - 1)
                return 0;
        msg[0] = SAID_FILE;
        memcpy(msg + 1, path.p, path.len);
        err = passfd_send(r->fd, msg, path.len + 1, &fd, 1, 0);
        return err == -ENOMEM ? err : 0; /* that it is gone is told at the end */
}

static int one(char kind, struct bytes text, char name[256], const struct rpm_ops *ops, void *arg)
{
        char words[600];

        switch (kind) {
        case SAID_PACKAGE:
                snprintf(name, 256, "%.*s", (int)(text.len < 255 ? text.len : 255), (const char *)text.p);
                return 0;
        case SAID_VERSION:
                return ops->package(bytes_str(name), text, arg);
        case SAID_PATH:
                return ops->path(text, arg);
        case SAID_NOTE:
                ops->note(str_print(text, words, sizeof(words)), arg);
                return 0;
        default:
                return kind == SAID_END ? 1 : 0;
        }
}

int rpm_tell(struct rpm *r, const struct rpm_ops *ops, void *arg)
{
        uint8_t msg[DATAGRAM];
        char name[256] = "";
        ssize_t len = -EPIPE;
        int err = say(r->fd, SAID_GO, bytes_of(NULL, 0));

        while (err == 0) {
                do
                        len = recv(r->fd, msg, sizeof(msg), 0);
                while (len < 0 && errno == EINTR);
                if (len <= 0)
                        break;
                err = one((char)msg[0], bytes_of(msg + 1, (size_t)len - 1), name, ops, arg);
        }
        if (len <= 0 || err == -EPIPE) {
                ops->note("rpm's database: its reader ended before its end; it may be damaged", arg);
                return 0;
        }
        return err < 0 ? err : 0;
}
