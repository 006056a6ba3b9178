/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stallfs MOUNTPOINT FILE - a FUSE file system without libfuse: one program, "busybox", with FILE's content. It answers
 * until SIGUSR1 comes ("stalled" is printed): from then on nothing at all is answered, whoever asks waits. SIGUSR2:
 * what is asked from then on is answered again. SIGTERM unmounts and ends; the kernel then fails every request that
 * waits. Nothing is cached by names or attributes, so that each look asks the server. Prints "mounted" when it can be
 * used, and one line per request while stalled ("unanswered OPCODE"): a test sees who was asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROG_INO 2
#define BUFFER (1u << 20)

static volatile sig_atomic_t stalled, ended;

static void on_signal(int sig)
{
        if (sig == SIGTERM || sig == SIGINT)
                ended = 1;
        else
                stalled = sig == SIGUSR1;
}

static void say(const char *word, unsigned number)
{
        printf("%s %u\n", word, number);
        fflush(stdout);
}

struct fs {
        int dev;
        unsigned char *content;
        size_t size;
};

static int load(const char *path, struct fs *fs)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -1;
        fs->size = (size_t)st.st_size;
        fs->content = malloc(fs->size + 1);
        if (!fs->content || read(fd, fs->content, fs->size) != (ssize_t)fs->size)
                return -1;
        return close(fd);
}

static void answer(struct fs *fs, const struct fuse_in_header *in, int error, const void *p, size_t len)
{
        static unsigned char out[sizeof(struct fuse_out_header) + BUFFER];
        struct fuse_out_header h = {.unique = in->unique, .error = -error, .len = (uint32_t)(sizeof(h) + len)};

        memcpy(out, &h, sizeof(h));
        if (len)
                memcpy(out + sizeof(h), p, len);
        if (write(fs->dev, out, sizeof(h) + len) < 0 && errno != ENOENT) /* ENOENT: whoever asked has gone */
                perror("answer");
}

static struct fuse_attr attr_of(const struct fs *fs, uint64_t ino)
{
        struct fuse_attr a = {.ino = ino, .nlink = 1, .blksize = 4096};

        a.mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755;
        a.size = ino == FUSE_ROOT_ID ? 0 : fs->size;
        return a;
}

static void on_init(struct fs *fs, const struct fuse_in_header *in, const void *arg)
{
        const struct fuse_init_in *i = arg;
        struct fuse_init_out o = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};

        o.max_readahead = i->max_readahead;
        o.max_write = 65536;
        answer(fs, in, 0, &o, sizeof(o));
}

static void on_read(struct fs *fs, const struct fuse_in_header *in, const void *arg)
{
        const struct fuse_read_in *r = arg;
        size_t n = r->offset < fs->size ? fs->size - r->offset : 0;

        n = n < r->size ? n : r->size;
        n = n < BUFFER ? n : BUFFER;
        answer(fs, in, 0, fs->content + (n ? r->offset : 0), n);
}

static void on_readdir(struct fs *fs, const struct fuse_in_header *in, const void *arg)
{
        const struct fuse_read_in *r = arg;
        unsigned char b[64] = {0};
        struct fuse_dirent d = {.ino = PROG_INO, .off = 1, .namelen = 7, .type = S_IFREG >> 12};

        memcpy(b, &d, offsetof(struct fuse_dirent, name));
        memcpy(b + offsetof(struct fuse_dirent, name), "busybox", 7);
        answer(fs, in, 0, b, r->offset ? 0 : FUSE_DIRENT_SIZE(&d));
}

static void serve(struct fs *fs, const struct fuse_in_header *in, const void *arg)
{
        struct fuse_entry_out e = {.nodeid = PROG_INO, .attr = attr_of(fs, PROG_INO)};
        struct fuse_attr_out a = {.attr = attr_of(fs, in->nodeid)};
        struct fuse_open_out o = {.fh = 1};
        struct fuse_statfs_out s = {.st = {.bsize = 4096, .namelen = 255}};

        switch (in->opcode) {
        case FUSE_INIT:
                on_init(fs, in, arg);
                break;
        case FUSE_LOOKUP:
                if (strcmp(arg, "busybox") == 0)
                        answer(fs, in, 0, &e, sizeof(e));
                else
                        answer(fs, in, ENOENT, NULL, 0);
                break;
        case FUSE_GETATTR:
                answer(fs, in, 0, &a, sizeof(a));
                break;
        case FUSE_OPEN:
                if (((const struct fuse_open_in *)arg)->flags & O_SYNC)
                        o.open_flags = FOPEN_DIRECT_IO; /* mmap(2) then waits for pages that are being read */
                answer(fs, in, 0, &o, sizeof(o));
                break;
        case FUSE_OPENDIR:
                answer(fs, in, 0, &o, sizeof(o));
                break;
        case FUSE_READ:
                on_read(fs, in, arg);
                break;
        case FUSE_READDIR:
                on_readdir(fs, in, arg);
                break;
        case FUSE_STATFS:
                answer(fs, in, 0, &s, sizeof(s));
                break;
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
        case FUSE_FLUSH:
        case FUSE_ACCESS:
                answer(fs, in, 0, NULL, 0);
                break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                break; /* no answer is expected */
        default:
                answer(fs, in, ENOSYS, NULL, 0);
        }
}

static int run(struct fs *fs)
{
        static unsigned char b[BUFFER] __attribute__((aligned(8)));
        const struct fuse_in_header *in = (const void *)b;
        struct pollfd pf = {.fd = fs->dev, .events = POLLIN};
        int told = 0;

        while (!ended) {
                int ready = poll(&pf, 1, 100); /* a timeout closes the race of a signal that comes just before */
                ssize_t n;

                if (stalled && !told)
                        say("stalled", 0);
                told = stalled;
                if (ready <= 0)
                        continue;
                n = read(fs->dev, b, sizeof(b));
                if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
                        continue;
                if (n < 0)
                        return errno == ENODEV ? 0 : -1; /* unmounted by somebody else */
                if (!stalled) {
                        serve(fs, in, b + sizeof(*in));
                        continue;
                }
                say("unanswered", in->opcode);
        }
        return 0;
}

int main(int argc, char **argv)
{
        static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
        struct fs fs = {.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
        char options[128];
        int r;

        if (argc != 3 || fs.dev < 0 || load(argv[2], &fs) < 0) {
                perror("stallfs MOUNTPOINT FILE");
                return 1;
        }
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
                sigaction(signals[i], &(struct sigaction){.sa_handler = on_signal}, NULL);
        snprintf(options, sizeof(options), "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fs.dev);
        if (mount("stallfs", argv[1], "fuse.stallfs", 0, options) < 0) {
                perror("mount");
                return 1;
        }
        say("mounted", 0);
        r = run(&fs);
        umount2(argv[1], MNT_DETACH);
        return r < 0;
}
