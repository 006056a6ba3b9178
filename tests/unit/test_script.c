/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripts that interpreters run: found by arguments, compared with what is in the write layer, raised by the judge. The
 * arguments are those of real command lines; options are the interpreters' own.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/script-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/fuse.h"

static void set_args(struct tide_exec *x, const char *exe, const char *line, char *space)
{
        size_t n = strlen(line);

        for (size_t i = 0; i <= n; i++)
                space[i] = line[i] == ' ' || line[i] == 0 ? '\0' : line[i] == '~' ? ' ' : line[i];
        x->actor.exe = bytes_str(exe);
        x->args = bytes_of(space, n + 1);
        x->args_total = (uint32_t)n + 1;
        x->cwd = BYTES_LIT("/work");
}

/* What the command line runs; files that are tried, blanks between them. */
static void test_arguments(void)
{
        static const struct {
                const char *exe, *line; /* "~" is a blank within an argument */
                enum script_known known;
                const char *files;
        } rows[] = {
                {"/bin/dash", "sh /tmp/x.sh", SCRIPT_FILES, "/tmp/x.sh"},
                {"/bin/bash", "bash -x -e ./run.sh --conf a", SCRIPT_FILES, "/work/run.sh"},
                {"/bin/bash", "-bash -l deploy", SCRIPT_FILES, "/work/deploy"},
                {"/bin/bash", "bash -eo pipefail /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/bash", "bash +e -O extglob -- /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/bash", "bash -c /tmp/x", SCRIPT_NONE, ""},
                {"/bin/bash", "bash -lc ls~/tmp /tmp/x", SCRIPT_NONE, ""},
                {"/bin/bash", "bash -s /tmp/x", SCRIPT_NONE, ""},
                {"/bin/bash", "bash", SCRIPT_NONE, ""},
                {"/bin/bash", "bash --rcfile /tmp/rc -i", SCRIPT_FILES, "/tmp/rc"},
                {"/bin/bash", "bash --init-file=/tmp/rc /opt/a", SCRIPT_FILES, "/tmp/rc /opt/a"},
                {"/bin/bash", "bash --norc --noprofile /opt/a", SCRIPT_FILES, "/opt/a"},
                {"/bin/dash", "sh - /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/usr/bin/zsh", "zsh --emulate sh /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/busybox", "sh /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/busybox", "/bin/busybox sh /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/busybox", "busybox ash -x /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/busybox", "cat /tmp/x", SCRIPT_NONE, ""},
                {"/bin/busybox", "busybox cat /tmp/x", SCRIPT_NONE, ""},
                {"/bin/busybox", "awk -f /tmp/x.awk data", SCRIPT_FILES, "/tmp/x.awk"},
                {"/bin/busybox.static", "ash /tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/usr/bin/python3.11", "python3 /var/cache/y.py", SCRIPT_FILES,
                 "/var/cache/y.py /var/cache/y.py/__main__.py"},
                {"/usr/bin/python3.13t", "python3 -uB -W ignore -Xdev y.py", SCRIPT_FILES,
                 "/work/y.py /work/y.py/__main__.py"},
                {"/usr/bin/python3.11", "python3 -c import~os /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/python3.11", "python3 -Im http.server", SCRIPT_NONE, ""},
                {"/usr/bin/python3.11", "python3 - /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/python3.11", "python3 /opt/app/../../tmp//./x.py", SCRIPT_FILES,
                 "/tmp/x.py /tmp/x.py/__main__.py"},
                {"/usr/bin/perl", "perl -w -I lib /tmp/x.pl", SCRIPT_FILES, "/tmp/x.pl"},
                {"/usr/bin/perl", "perl -MIO::Socket -e 1 /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/perl5.36.0", "perl -Ilib -MPOSIX x.pl", SCRIPT_FILES, "/work/x.pl"},
                {"/usr/bin/perl", "perl -lne print /var/log/x", SCRIPT_NONE, ""},
                {"/usr/bin/php8.2", "php -d memory_limit=1G -f /tmp/x.php", SCRIPT_FILES, "/tmp/x.php"},
                {"/usr/bin/php8.2", "php -dfoo=1 /tmp/x.php", SCRIPT_FILES, "/tmp/x.php"},
                {"/usr/bin/php8.2", "php -r echo~1; /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/php", "php -S 0.0.0.0:80 -t /srv router.php", SCRIPT_FILES, "/work/router.php"},
                {"/usr/local/bin/node", "node --inspect=9229 --title x /srv/app", SCRIPT_FILES,
                 "/srv/app /srv/app.js /srv/app.mjs /srv/app.cjs /srv/app/index.js"},
                {"/usr/local/bin/node", "node -e 1 /tmp/x", SCRIPT_NONE, ""},
                {"/usr/local/bin/node", "node -pe 1", SCRIPT_NONE, ""},
                {"/usr/local/bin/node", "node --require /tmp/hook.js -e 1", SCRIPT_FILES,
                 "/tmp/hook.js /tmp/hook.js.js /tmp/hook.js.mjs /tmp/hook.js.cjs /tmp/hook.js/index.js"},
                {"/usr/bin/ruby3.1", "ruby -W:no-deprecated -I lib /tmp/x", SCRIPT_FILES, "/tmp/x /tmp/x.rb"},
                {"/usr/bin/ruby3.1", "ruby -e puts /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/lua5.4", "lua -e x=1 /tmp/x.lua", SCRIPT_FILES, "/tmp/x.lua"},
                {"/usr/bin/expect", "expect -f /tmp/x.exp", SCRIPT_FILES, "/tmp/x.exp"},
                {"/usr/bin/gawk", "awk {print} /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/mawk", "awk -F : -f/tmp/x.awk /etc/passwd", SCRIPT_FILES, "/tmp/x.awk"},
                {"/opt/java/bin/java", "java -Xmx1g -jar /tmp/x.jar run", SCRIPT_FILES, "/tmp/x.jar"},
                {"/opt/java/bin/java", "java -cp /opt/a.jar:/tmp/b Main", SCRIPT_FILES, "/opt/a.jar /tmp/b"},
                {"/opt/java/bin/java", "java -Dx=y Main", SCRIPT_NONE, ""},
                {"/opt/java/bin/java", "java /tmp/X.java", SCRIPT_FILES, "/tmp/X.java"},
                {"/usr/bin/bun", "bun run x.ts", SCRIPT_FILES,
                 "/work/x.ts /work/x.ts.ts /work/x.ts.js /work/x.ts/index.ts /work/x.ts/index.js"},
                {"/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2 /tmp/prog -v", SCRIPT_FILES, "/tmp/prog"},
                {"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
                 "ld.so --library-path /tmp --preload /tmp/p.so /bin/ls", SCRIPT_FILES, "/tmp/p.so /bin/ls"},
                {"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1 /tmp/prog", SCRIPT_FILES, "/tmp/prog"},
                {"/lib64/ld-linux-x86-64.so.2", "ld.so --list /tmp/prog", SCRIPT_NONE, ""},
                {"/bin/dash", "sh /proc/self/root/tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/dash", "sh /proc/self/cwd/x", SCRIPT_FILES, "/work/x"},
                {"/bin/dash", "sh ../../../tmp/x", SCRIPT_FILES, "/tmp/x"},
                {"/bin/dash", "sh /", SCRIPT_NONE, ""},
                {"/usr/bin/sha256sum", "sha256sum /tmp/x", SCRIPT_NONE, ""},
                {"/usr/sbin/nginx", "nginx -c /tmp/x", SCRIPT_NONE, ""},
                {"/usr/bin/ldd", "ldd /tmp/x", SCRIPT_NONE, ""},
                {"", "sh /tmp/x", SCRIPT_NONE, ""},
        };
        struct script_names names;
        struct buf text;

        script_names_init(&names);
        buf_init(&text, TIDE_RECORD_MAX);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct tide_exec x = {.mode = 0};
                struct script_files files;
                char space[300], got[1000] = "";

                set_args(&x, rows[i].exe, rows[i].line, space);
                CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), rows[i].known);
                for (unsigned k = 0; k < files.n; k++) {
                        struct bytes p = script_path(&files, &text, k);
                        size_t n = strlen(got);

                        snprintf(got + n, sizeof(got) - n, "%s%.*s", n ? " " : "", (int)p.len, (const char *)p.p);
                }
                if (strcmp(got, rows[i].files) != 0)
                        printf("\n    %s: %s, not %s", rows[i].line, got, rows[i].files);
                CU_ASSERT_STRING_EQUAL(got, rows[i].files);
        }
        buf_release(&text);
}

/* Where arguments or the directory are not known, that is said. */
static void test_arguments_lost(void)
{
        struct script_files files;
        struct script_names names;
        struct tide_exec x = {.mode = 0};
        char space[300];
        struct buf text;

        script_names_init(&names);
        buf_init(&text, TIDE_RECORD_MAX);
        x.actor.exe = BYTES_LIT("/bin/dash");
        CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), SCRIPT_UNKNOWN);
        x.actor.exe = BYTES_LIT("/bin/busybox");
        CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), SCRIPT_UNKNOWN);
        x.actor.exe = BYTES_LIT("/bin/date");
        CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), SCRIPT_NONE);
        set_args(&x, "/bin/dash", "sh x.sh", space);
        x.cwd = bytes_of(NULL, 0);
        CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), SCRIPT_UNKNOWN);
        set_args(&x, "/bin/bash", "bash -x -e /tmp/scri", space);
        x.args.len--; /* cut within the last word */
        x.args_total = 5000;
        CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), SCRIPT_UNKNOWN);
        set_args(&x, "/bin/bash", "bash /tmp/x and~so~on", space);
        x.args_total = 5000; /* what counts is there */
        CU_ASSERT_EQUAL(script_parse_exec(&names, &x, &text, &files), SCRIPT_FILES);
        buf_release(&text);
}

/* ---- with what is in the write layer ---- */

struct both { /* fuse, and the judge behind it */
        struct world w;
        struct fuse *f;
        char script[300]; /* of the last execution; empty: none */
        uint8_t change;
};

static int on_event(const struct tide_event *ev, void *arg)
{
        struct both *b = arg;

        if (ev->kind == TIDE_EXEC) {
                snprintf(b->script, sizeof(b->script), "%.*s", (int)ev->exec.script.len,
                         (const char *)ev->exec.script.p);
                b->change = ev->exec.script_change;
                CU_ASSERT_EQUAL(ev->exec.script_layer, ev->exec.script.len ? LAYER_WRITE : LAYER_UNKNOWN);
        }
        return judge_event(b->w.j, ev);
}

static void on_save_index(int what, struct bytes key, struct bytes blob, void *arg)
{
        (void)what, (void)key, (void)blob, (void)arg;
}

static const struct fuse_ops fuse_ops = {.event = on_event, .save = on_save_index};

static void send_to(struct both *b, struct tide_event *ev)
{
        ev->container = BYTES_LIT("c1");
        ev->boot_ns = b->w.now;
        ev->wall_ns = (int64_t)(T0 + b->w.now);
        b->w.now += SEC / 1000;
        CU_ASSERT_EQUAL(fuse_event(b->f, ev), 0);
}

static void both_open(struct both *b)
{
        struct fuse_params fp;
        struct tide_event ev = {.kind = TIDE_CTR_START};

        memset(b, 0, sizeof(*b));
        world_open(&b->w);
        fuse_params_default(&fp);
        CU_ASSERT_EQUAL_FATAL(fuse_new(&fp, &fuse_ops, b, &b->f), 0);
        ev.ctr.init_pid = INIT_PID;
        ev.ctr.init_start = 1;
        send_to(b, &ev);
        ev = (struct tide_event){.kind = TIDE_CONTENT};
        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("localhost/web:1");
        ev.content.config_digest = BYTES_LIT("sha256:aa");
        send_to(b, &ev);
}

static void both_close(struct both *b)
{
        fuse_free(b->f);
        world_close(&b->w);
}

struct written_file {
        const char *path;
        uint32_t mode;
        enum tide_change change;
        uint16_t ops;
        uint64_t size;
};

static void write_file(struct both *b, const struct written_file *wf)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = wf->ops == OP_FOUND ? SRC_WALK : SRC_CONTENT};

        if (ev.sources == SRC_CONTENT) {
                ev.file.actor = actor(300, ORIGIN_ENTRYPOINT, "/usr/bin/wget");
                ev.file.actor.exe_layer = LAYER_IMAGE;
        }
        ev.file.ops = wf->ops ? wf->ops : OP_CREATE | OP_WRITE;
        ev.file.change = (uint8_t)(wf->change ? wf->change : CHANGE_ADDED);
        ev.file.mode = wf->mode ? wf->mode : S_IFREG | 0644;
        ev.file.type = S_ISDIR(ev.file.mode) ? DT_DIR : DT_REG;
        ev.file.path = bytes_str(wf->path);
        ev.file.size = wf->size;
        ev.file.ctime_ns = 5;
        send_to(b, &ev);
}

static void run_line(struct both *b, const char *exe, const char *line)
{
        struct tide_event ev = {.kind = TIDE_EXEC};
        char space[300];

        ev.exec.actor = actor(301, ORIGIN_ENTRYPOINT, exe);
        ev.exec.actor.exe_layer = LAYER_IMAGE;
        ev.exec.program = bytes_str(exe);
        ev.exec.program_layer = LAYER_IMAGE;
        ev.exec.caller = BYTES_LIT("/bin/init");
        set_args(&ev.exec, exe, line, space);
        ev.exec.actor.exe = bytes_str(exe);
        send_to(b, &ev);
}

static void test_write_layer(void)
{
        static const struct {
                const char *what;
                struct written_file file;
                const char *line, *script;
                enum tide_change change;
        } rows[] = {
                {"written there", {.path = "/tmp/x"}, "sh /tmp/x", "/tmp/x", CHANGE_ADDED},
                {"by a relative name", {.path = "/work/x"}, "sh ./x", "/work/x", CHANGE_ADDED},
                {"found by a walk", {.path = "/tmp/x", .ops = OP_FOUND}, "sh /tmp/x", "/tmp/x", CHANGE_ADDED},
                {"in place of the image's",
                 {.path = "/etc/init.sh", .change = CHANGE_MODIFIED},
                 "sh /etc/init.sh",
                 "/etc/init.sh",
                 CHANGE_MODIFIED},
                {"the image's", {.path = "/tmp/x"}, "sh /etc/init.sh", "", 0},
                {"gone again", {.path = "/tmp/x", .ops = OP_DELETE}, "sh /tmp/x", "", 0},
                {"removed from the image",
                 {.path = "/etc/init.sh", .change = CHANGE_REMOVED, .ops = OP_DELETE},
                 "sh /etc/init.sh",
                 "",
                 0},
                {"in a volume, at a mount point that the runtime made", {.path = "/tmp/y"}, "sh /vol/x", "", 0},
                {"below a link of the write layer",
                 {.path = "/opt/l", .mode = S_IFLNK | 0777},
                 "sh /opt/l/x",
                 "/opt/l/x",
                 CHANGE_ADDED},
                {"by an old name", {.path = "/run/x"}, "sh /var/run/x", "/run/x", CHANGE_ADDED},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct both b;
                char script[300];

                both_open(&b);
                write_file(&b, &rows[i].file);
                run_line(&b, "/bin/dash", rows[i].line);
                snprintf(script, sizeof(script), "%s", rows[i].script);
                if (strcmp(rows[i].what, "by an old name") == 0) /* as it was called */
                        snprintf(script, sizeof(script), "/var/run/x");
                if (strcmp(b.script, script) != 0)
                        printf("\n    %s: '%s'", rows[i].what, b.script);
                CU_ASSERT_STRING_EQUAL(b.script, script);
                CU_ASSERT_EQUAL(b.change, rows[i].change);
                CU_ASSERT_EQUAL(b.w.opened, script[0] ? 1 : 0);
                both_close(&b);
        }
}

/* The runtime makes empty files to mount others upon them, before the first program runs. */
static void test_mount_point(void)
{
        struct tide_event ev = {.kind = TIDE_WALK, .walk = {.reason = WALK_START}};
        struct both b;

        both_open(&b);
        send_to(&b, &ev);
        write_file(&b, &(struct written_file){.path = "/entry.sh", .ops = OP_FOUND});
        write_file(&b, &(struct written_file){.path = "/copied.sh", .ops = OP_FOUND, .size = 10});
        ev = (struct tide_event){.kind = TIDE_WALK, .walk = {.reason = WALK_START, .ended = 1, .complete = 1}};
        send_to(&b, &ev);
        run_line(&b, "/bin/dash", "sh /entry.sh");
        CU_ASSERT_STRING_EQUAL(b.script, "");
        run_line(&b, "/bin/dash", "sh /copied.sh"); /* by "cp" of the runtime, before it was started */
        CU_ASSERT_STRING_EQUAL(b.script, "/copied.sh");
        write_file(&b, &(struct written_file){.path = "/entry.sh"});
        run_line(&b, "/bin/dash", "sh /entry.sh");
        CU_ASSERT_STRING_EQUAL(b.script, "/entry.sh");
        both_close(&b);
}

/* Raised while learning, once; under a pattern that covers its file; and not the same as a program of that name. */
static void test_raised(void)
{
        char path[64];
        struct both b;

        both_open(&b);
        b.w.now += 120 * SEC;
        run_line(&b, "/bin/dash", "sh /etc/init.sh");
        CU_ASSERT_STRING_EQUAL(b.w.verdict, "learned");
        for (int i = 0; i < 20; i++) {
                snprintf(path, sizeof(path), "/tmp/item%c", 'a' + i);
                write_file(&b, &(struct written_file){.path = path});
        }
        CU_ASSERT_EQUAL(fuse_flush(b.f), 0);
        CU_ASSERT_EQUAL(decide(&b.w, "baseline.activate", "web@sha256:aa"), 0);
        write_file(&b, &(struct written_file){.path = "/tmp/another"});
        run_line(&b, "/bin/dash", "sh /etc/init.sh");
        CU_ASSERT_EQUAL(b.w.opened, 0); /* the pattern covers what was written, as data */
        run_line(&b, "/bin/dash", "sh /tmp/another");
        CU_ASSERT_EQUAL(b.w.opened, 1);
        CU_ASSERT_TRUE(b.w.confidence >= b.w.p.page);
        CU_ASSERT_EQUAL(b.w.severity, SEVERITY_HIGH);
        CU_ASSERT_PTR_NOT_NULL(strstr(b.w.factors, "ran_script=40"));
        CU_ASSERT_PTR_NOT_NULL(strstr(b.w.factors, "wrote_then_ran=8"));
        CU_ASSERT_PTR_NOT_NULL(strstr(b.w.story, "ran the script /tmp/another, from the write layer"));
        for (int i = 0; i < 5; i++)
                run_line(&b, "/bin/dash", "sh /tmp/another");
        CU_ASSERT_EQUAL(b.w.opened, 1);
        CU_ASSERT_EQUAL(b.w.count, 6);
        both_close(&b);
}

/* Names of chance are one candidate; another name is another one. */
static void test_raised_once(void)
{
        struct both b;

        both_open(&b);
        b.w.now += 120 * SEC;
        write_file(&b, &(struct written_file){.path = "/tmp/job-a8F3kQ9z.sh"});
        run_line(&b, "/bin/dash", "sh /tmp/job-a8F3kQ9z.sh");
        b.w.now += 3 * HOUR;
        write_file(&b, &(struct written_file){.path = "/tmp/job-Zk3Qw9x1.sh"});
        run_line(&b, "/bin/dash", "sh /tmp/job-Zk3Qw9x1.sh");
        CU_ASSERT_EQUAL(b.w.opened, 1);
        CU_ASSERT_EQUAL(b.w.count, 2);
        b.w.now += 3 * HOUR;
        write_file(&b, &(struct written_file){.path = "/tmp/upd.sh"});
        run_line(&b, "/bin/dash", "sh /tmp/upd.sh");
        CU_ASSERT_EQUAL(b.w.opened, 2);
        both_close(&b);
}

static const struct unit_case cases[] = {
        {"which files a command line runs", test_arguments},
        {"arguments that were not read are not known", test_arguments_lost},
        {"a script is compared with what is in the write layer", test_write_layer},
        {"a mount point is not of the write layer", test_mount_point},
        {"a script that a data pattern covers is raised when it runs", test_raised},
        {"scripts under names of chance are one", test_raised_once},
};
UNIT_MAIN("script", cases)
