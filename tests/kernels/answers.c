/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answers RECORDS ADDRESS... - a name server at these addresses, by UDP and by TCP; says "ready" when it listens.
 * RECORDS is a file, read again for each query, with lines as "www.test A 198.51.100.1", "www.test AAAA 2001:db8::1",
 * "a.test CNAME www.test". A name that is in none of them does not exist.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVERS 8 /* addresses; two sockets each */
#define HEAD 12
#define MESSAGE 4096
#define NAME 256
#define ALIASES 8

enum { T_A = 1, T_CNAME = 5, T_AAAA = 28 };

struct message {
        uint8_t p[MESSAGE];
        size_t len;
        unsigned answers;
};

static void put16(struct message *m, unsigned v)
{
        m->p[m->len++] = (uint8_t)(v >> 8);
        m->p[m->len++] = (uint8_t)v;
}

static void put_name(struct message *m, const char *name)
{
        while (*name) {
                size_t n = strcspn(name, ".");

                m->p[m->len++] = (uint8_t)n;
                memcpy(m->p + m->len, name, n);
                m->len += n;
                name += n + (name[n] == '.');
        }
        m->p[m->len++] = 0;
}

/* The question's name, in words; what follows it. NULL: it is none. */
static const uint8_t *get_name(const uint8_t *p, const uint8_t *end, char name[NAME])
{
        size_t len = 0;

        while (p < end && *p) {
                size_t n = *p++;

                if (n > 63 || n > (size_t)(end - p) || len + n + 2 > NAME)
                        return NULL;
                if (len)
                        name[len++] = '.';
                memcpy(name + len, p, n);
                len += n;
                p += n;
        }
        name[len] = '\0';
        return end - p >= 5 ? p + 1 : NULL;
}

static void put_record(struct message *m, const char *owner, unsigned type, const char *value)
{
        size_t at;

        if (m->len + 2 * NAME + 32 > MESSAGE)
                return;
        put_name(m, owner);
        put16(m, type);
        put16(m, 1);
        put16(m, 0);
        put16(m, 60);
        at = m->len;
        m->len += 2;
        if (type == T_CNAME)
                put_name(m, value);
        else if (inet_pton(type == T_A ? AF_INET : AF_INET6, value, m->p + m->len) == 1)
                m->len += type == T_A ? 4 : 16;
        m->p[at] = (uint8_t)((m->len - at - 2) >> 8);
        m->p[at + 1] = (uint8_t)(m->len - at - 2);
        m->answers++;
}

static unsigned type_of(const char *word)
{
        return strcmp(word, "A") == 0 ? T_A : strcmp(word, "AAAA") == 0 ? T_AAAA : T_CNAME;
}

/* What is known of one name: answers are put, an alias is handed back. Whether there is such a name. */
static int look(const char *path, const char *name, unsigned type, struct message *m, char *alias)
{
        char owner[NAME], word[8], value[NAME];
        FILE *f = fopen(path, "r");
        int is = 0;

        alias[0] = '\0';
        while (f && fscanf(f, "%255s %7s %255s", owner, word, value) == 3) {
                if (strcasecmp(owner, name) != 0)
                        continue;
                is = 1;
                if (type_of(word) == T_CNAME)
                        strcpy(alias, value);
                if (type_of(word) == type || type_of(word) == T_CNAME)
                        put_record(m, name, type_of(word), value);
        }
        if (f)
                fclose(f);
        return is;
}

/* The answer to a query, or nothing. */
static size_t answer(const char *path, const uint8_t *query, size_t len, struct message *m)
{
        char name[NAME], alias[NAME];
        const uint8_t *tail = len > HEAD ? get_name(query + HEAD, query + len, name) : NULL;
        unsigned type;
        int is;

        if (!tail || query[2] & 0x80)
                return 0;
        type = (unsigned)tail[0] << 8 | tail[1];
        m->len = (size_t)(tail + 4 - query);
        m->answers = 0;
        memcpy(m->p, query, m->len);
        is = look(path, name, type, m, alias);
        for (int i = 0; i < ALIASES && alias[0] && type != T_CNAME; i++) {
                strcpy(name, alias);
                look(path, name, type, m, alias);
        }
        m->p[2] = 0x84 | (query[2] & 1);
        m->p[3] = is ? 0x80 : 0x83;
        memset(m->p + 4, 0, 8);
        m->p[5] = 1;
        m->p[7] = (uint8_t)m->answers;
        return m->len;
}

static int take(int fd, uint8_t *p, size_t len)
{
        while (len) {
                ssize_t n = read(fd, p, len);

                if (n <= 0)
                        return -1;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

/* One connection, in a process of its own. */
static void serve(const char *path, int fd)
{
        uint8_t query[MESSAGE], head[2];
        struct message m;

        while (take(fd, head, 2) == 0) {
                size_t len = (size_t)head[0] << 8 | head[1];

                if (len > sizeof(query) || take(fd, query, len) < 0 || (len = answer(path, query, len, &m)) == 0)
                        break;
                memmove(m.p + 2, m.p, len);
                m.p[0] = (uint8_t)(len >> 8);
                m.p[1] = (uint8_t)len;
                if (write(fd, m.p, len + 2) < 0)
                        break;
        }
        _exit(0);
}

static void by_tcp(const char *path, int fd)
{
        int c = accept(fd, NULL, NULL);

        if (c >= 0 && fork() == 0)
                serve(path, c);
        close(c);
}

static void by_udp(const char *path, int fd)
{
        struct sockaddr_storage from;
        socklen_t size = sizeof(from);
        uint8_t query[MESSAGE];
        struct message m;
        ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &size);
        size_t len = n > 0 ? answer(path, query, (size_t)n, &m) : 0;

        if (len)
                (void)!sendto(fd, m.p, len, 0, (struct sockaddr *)&from, size);
}

static int bound(const char *address, int type)
{
        struct sockaddr_storage at = {0};
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&at;
        struct sockaddr_in *four = (struct sockaddr_in *)&at;
        int is_six = inet_pton(AF_INET6, address, &six->sin6_addr) == 1, fd, on = 1;

        at.ss_family = is_six ? AF_INET6 : AF_INET;
        if (is_six)
                six->sin6_port = htons(53);
        else
                four->sin_port = htons(53);
        if (!is_six && inet_pton(AF_INET, address, &four->sin_addr) != 1)
                exit(2);
        fd = socket(at.ss_family, type, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&at, is_six ? sizeof(*six) : sizeof(*four)) < 0 ||
            (type == SOCK_STREAM && listen(fd, 16) < 0)) {
                perror(address);
                exit(1);
        }
        return fd;
}

int main(int argc, char **argv)
{
        struct pollfd p[2 * SERVERS];
        nfds_t n = 0;

        if (argc < 3 || argc > 2 + SERVERS)
                return 2;
        signal(SIGCHLD, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        for (int i = 2; i < argc; i++) {
                p[n++] = (struct pollfd){.fd = bound(argv[i], SOCK_DGRAM), .events = POLLIN};
                p[n++] = (struct pollfd){.fd = bound(argv[i], SOCK_STREAM), .events = POLLIN};
        }
        puts("ready");
        fflush(stdout);
        while (poll(p, n, -1) > 0)
                for (nfds_t i = 0; i < n; i++)
                        if (p[i].revents && i % 2)
                                by_tcp(argv[1], p[i].fd);
                        else if (p[i].revents)
                                by_udp(argv[1], p[i].fd);
        return 1;
}
