/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemarkd: the command line, and the start as a list of stages.
 *
 * Owns: everything that needs full privileges and is done once: directories, users, sockets, the recording's file, the
 * fork. Must not: keep any of it in the engine. Hands over: to engine_run in the child, to sensor_run in the parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "daemon/process.h"
#include "tidemark/err.h"
#include "tidemark/evidence.h"
#include "tidemark/playbook.h"
#include "tidemark/lineserver.h"
#include "tidemark/log.h"
#include "tidemark/nstry.h"
#include "tidemark/trail.h"
#include "tidemark/user.h"

#define MOD "start"
#define DEFAULT_CONFIG TM_SYSCONFDIR "/tidemark/tidemark.conf"

struct options {
        const char *config, *state, *runtime, *record;
        bool foreground, check, defaults, version, help;
};

/* What the stages have made. */
struct start {
        struct options opt;
        struct cfg cfg;
        struct keys *keys, *records_keys;
        struct playbook *playbook; /* NULL: none */
        enum log_level level;
        const char *state, *runtime; /* command line, else configuration */
        char engine_dir[512], trail_dir[512], evidence_dir[512];
        uid_t engine_uid;
        gid_t engine_gid, control_gid;
        int record_fd, control_fd, admin_fd, image_fd, reader_fd;
        int pair[2];
        pid_t engine;
};

/* ---- the command line ---- */

struct option_row {
        const char *name;
        const char *value; /* NULL: takes none */
        const char *help;
        size_t offset; /* in struct options: const char * with a value, bool without */
};
static const struct option_row rows[] = {
        {"foreground", NULL, "also say on standard error what is watched (the daemon never detaches itself)",
         offsetof(struct options, foreground)},
        {"config", "FILE", "configuration, default " DEFAULT_CONFIG, offsetof(struct options, config)},
        {"state-dir", "DIR", "where baselines, findings and the trail are kept", offsetof(struct options, state)},
        {"runtime-dir", "DIR", "where control.sock and admin.sock are made", offsetof(struct options, runtime)},
        {"record", "FILE", "record all events into a new FILE, for 'tidemark replay'",
         offsetof(struct options, record)},
        {"check-config", NULL, "name every mistake in the configuration, and exit", offsetof(struct options, check)},
        {"print-defaults", NULL, "print a configuration file with every option and its default, and exit",
         offsetof(struct options, defaults)},
        {"version", NULL, "print the version, and exit", offsetof(struct options, version)},
        {"help", NULL, "print this, and exit", offsetof(struct options, help)},
};

static void usage(FILE *out)
{
        fprintf(out, "Usage: tidemarkd [OPTION]...\nWatches containers for drift: a sensor with few privileges and an "
                     "engine with none.\n\n");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                fprintf(out, "  --%-14s %-5s %s\n", rows[i].name, rows[i].value ? rows[i].value : "", rows[i].help);
        fprintf(out,
                "\nExit status: 0 done, 1 --check-config found mistakes, 2 wrong usage, 4 failed. See tidemarkd(8).\n");
}

static int parse_options(struct options *o, int argc, char **argv)
{
        struct option longs[ARRAY_LEN(rows) + 1] = {{0}};
        int i, c;

        for (size_t n = 0; n < ARRAY_LEN(rows); n++)
                longs[n] = (struct option){.name = rows[n].name,
                                           .has_arg = rows[n].value ? required_argument : no_argument};
        while ((c = getopt_long(argc, argv, "", longs, &i)) == 0) {
                if (rows[i].value)
                        *(const char **)((char *)o + rows[i].offset) = optarg;
                else
                        *(bool *)((char *)o + rows[i].offset) = true;
        }
        if (c != -1) /* getopt_long has named the option */
                return -EINVAL;
        if (optind < argc) {
                fprintf(stderr, "tidemarkd: unexpected argument '%s'; see tidemarkd --help\n", argv[optind]);
                return -EINVAL;
        }
        return 0;
}

/* ---- stages: each logs its own failure ---- */

/* Beside the configuration, unless it names another. A file that is named must be there. */
static int load_playbook(struct start *s, const char *config, struct cfg_mistakes *ms)
{
        const char *path = s->cfg.playbook, *slash = config ? strrchr(config, '/') : NULL;
        char beside[4096];

        if (strcmp(path, "auto") == 0) {
                if (!config)
                        config = TM_SYSCONFDIR "/tidemark/tidemark.conf", slash = strrchr(config, '/');
                snprintf(beside, sizeof(beside), "%.*splaybook.conf", slash ? (int)(slash - config) + 1 : 0, config);
                path = beside;
                if (access(path, F_OK) < 0)
                        return 0;
        }
        s->playbook = calloc(1, sizeof(*s->playbook));
        return s->playbook ? playbook_load(path, s->playbook, ms) : -ENOMEM;
}

static int stage_config(struct start *s)
{
        struct cfg_mistakes ms = {0};
        const char *path = s->opt.config;
        int r;

        if (!path) /* the default one need not be there */
                path = cfg_default_path();
        cfg_default(&s->cfg);
        r = cfg_load(path, &s->cfg, &ms);
        if (r == 0)
                r = load_playbook(s, path, &ms);
        cfg_mistakes_print(&ms, stderr);
        if (r < 0 && ms.n == 0)
                fprintf(stderr, "tidemarkd: configuration: %s\n", err_str(r));
        else if (r < 0)
                fprintf(stderr, "tidemarkd: %zu mistake%s in the configuration\n", ms.n, ms.n == 1 ? "" : "s");
        cfg_mistakes_release(&ms);
        s->state = s->opt.state ? s->opt.state : s->cfg.state_dir;
        s->runtime = s->opt.runtime ? s->opt.runtime : s->cfg.runtime_dir;
        return r;
}

/* Of --check-config. How many mistakes there are in what an option names. */
static size_t check_keys_of(const char *option, const struct str_list *paths)
{
        _cleanup_(keys_freep) struct keys *keys = NULL;
        size_t bad = 0;

        if (keys_read(paths, &keys) < 0 || keys_parse(keys) < 0)
                return 1;
        for (size_t i = 0; i < keys_count(keys); i++) {
                if (!keys_wrong(keys, i))
                        continue;
                fprintf(stderr, "%s: %s: %s\n", option, keys_path(keys, i), keys_wrong(keys, i));
                bad++;
        }
        return bad;
}

static size_t check_keys(struct start *s)
{
        size_t bad = check_keys_of("import.keys", &s->cfg.import_keys) +
                     check_keys_of("records.keys", &s->cfg.records_keys);
        const char *why = s->cfg.evidence.sign_key[0] ? evidence_key_wrong(s->cfg.evidence.sign_key) : NULL;

        if (why) {
                fprintf(stderr, "evidence.sign_key: %s: %s\n", s->cfg.evidence.sign_key, why);
                bad++;
        }
        if (bad)
                fprintf(stderr, "tidemarkd: %zu mistake%s in what the configuration names\n", bad, bad == 1 ? "" : "s");
        return bad;
}

/* As root, before the fork: the engine may not be able to. What is wrong with one is said by the engine. */
static int stage_keys(struct start *s)
{
        int r = keys_read(&s->cfg.import_keys, &s->keys);

        if (r == 0)
                r = keys_read(&s->cfg.records_keys, &s->records_keys);
        if (r < 0)
                log_error(MOD, "import.keys, records.keys: %s", err_str(r));
        return r;
}

static int stage_log(struct start *s)
{
        static const char *const names[] = {"error", "warn", "info", "debug"};

        s->level = LOG_LVL_INFO;
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
                if (strcmp(s->cfg.log_level, names[i]) == 0)
                        s->level = (enum log_level)i;
        log_setup(s->level, "sensor");
        if (geteuid() != 0) {
                log_error(MOD, "tidemarkd must be started as root: it needs fanotify, the proc connector and other "
                               "users' /proc");
                return -EPERM;
        }
        return 0;
}

/* Where conntrack is not loaded nobody knows: then as on all but the oldest kernels. */
static int stage_network(struct start *s)
{
        int r;

        if (!cfg_net_scope_is_auto(&s->cfg) || facility_in(s->cfg.disabled, FACILITY_FLOWS))
                return 0;
        r = nstry_everywhere();
        s->cfg.net_auto = r == 1 ? NET_SCOPE_HOST : NET_SCOPE_NAMESPACE;
        if (r == 1)
                log_info(MOD, "conntrack is on in every network namespace of this kernel, whoever asks for it: flows "
                              "are watched in the host's (network.scope = \"auto\")");
        else if (r < 0)
                log_debug(MOD, "whether conntrack is on in every network namespace is not known: %s", err_str(r));
        return 0;
}

static int stage_users(struct start *s)
{
        int r = user_find(s->cfg.engine_user, &s->engine_uid, &s->engine_gid);

        if (r < 0) {
                log_error(MOD,
                          "user '%s' (engine.user): %s; make it with: useradd --system --shell /usr/sbin/nologin "
                          "--no-create-home --user-group %s",
                          s->cfg.engine_user, r == -ENOENT ? "there is none of this name" : err_str(r),
                          s->cfg.engine_user);
                return r;
        }
        if (s->engine_uid == 0) {
                log_error(MOD, "user '%s' (engine.user) is root: the engine needs a user of its own",
                          s->cfg.engine_user);
                return -EINVAL;
        }
        r = user_find_group(s->cfg.control_group, &s->control_gid);
        if (r < 0)
                log_error(MOD, "group '%s' (control.group): %s; make it with: groupadd --system %s",
                          s->cfg.control_group, r == -ENOENT ? "there is none of this name" : err_str(r),
                          s->cfg.control_group);
        return r;
}

static int make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
        int r = user_dir(path, mode, uid, gid);

        if (r < 0)
                log_error(MOD, "directory %s: %s%s", path, err_str(r),
                          r == -ENOENT ? "; its parent must exist" : r == -EPERM ? "; it belongs to another user" : "");
        return r;
}

/* Root writes, the group reads; what is made in it later is of its group (its writer cannot change groups). */
static int make_trail(struct start *s)
{
        int r = make_dir(s->trail_dir, 02750, 0, s->control_gid);

        if (r < 0)
                return r;
        r = trail_set_group(s->trail_dir, s->control_gid);
        if (r < 0)
                log_error(MOD, "the trail in %s cannot be given to group '%s': %s", s->trail_dir,
                          s->cfg.control_group, err_str(r));
        return r;
}

static int stage_dirs(struct start *s)
{
        int r;

        if ((size_t)snprintf(s->engine_dir, sizeof(s->engine_dir), "%s/engine", s->state) >= sizeof(s->engine_dir) ||
            (size_t)snprintf(s->trail_dir, sizeof(s->trail_dir), "%s/trail", s->state) >= sizeof(s->trail_dir) ||
            (size_t)snprintf(s->evidence_dir, sizeof(s->evidence_dir), "%s/evidence", s->state) >=
                    sizeof(s->evidence_dir)) {
                log_error(MOD, "the path of the state directory is too long: %s", s->state);
                return -ENAMETOOLONG;
        }
        /* Whoever may read the trail passes through, and sees no names on the way. */
        r = make_dir(s->state, s->control_gid == s->engine_gid ? 0750 : 0751, 0, s->engine_gid);
        if (r == 0)
                r = make_dir(s->engine_dir, 0700, s->engine_uid, s->engine_gid);
        if (r == 0)
                r = make_trail(s);
        if (r == 0)
                r = make_dir(s->evidence_dir, 0700, 0, 0);
        if (r == 0)
                r = make_dir(s->runtime, 0755, 0, s->control_gid);
        return r;
}

static int stage_record(struct start *s)
{
        int r;

        if (!s->opt.record)
                return 0;
        s->record_fd = open(s->opt.record, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (s->record_fd >= 0)
                return 0;
        r = -errno;
        log_error(MOD, "recording %s: %s%s", s->opt.record, err_str(r),
                  r == -EEXIST ? "; it is never overwritten: give a new name, or move it away" : "");
        return r;
}

/* Beside this program, as in the directory that it was built in; else where it was installed. */
static int stage_image(struct start *s)
{
        char path[512];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("tidemark-image"));
        char *slash;

        path[n > 0 ? n : 0] = '\0';
        slash = strrchr(path, '/');
        if (slash) {
                strcpy(slash + 1, "tidemark-image");
                s->reader_fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (s->reader_fd < 0)
                s->reader_fd = open(TM_LIBEXECDIR "/tidemark-image", O_RDONLY | O_CLOEXEC);
        if (s->reader_fd < 0)
                log_warn(MOD,
                         TM_LIBEXECDIR "/tidemark-image cannot be opened (%s): no records are imported, images are not "
                                       "analysed, and programs from write layers are not hashed",
                         err_str(-errno));
        if (s->reader_fd >= 0 && s->cfg.image_analyse)
                s->image_fd = fcntl(s->reader_fd, F_DUPFD_CLOEXEC, 0);
        return 0;
}

static int listen_at(const char *dir, const char *name, mode_t mode, gid_t group, int *ret_fd)
{
        char path[512];
        int r = -ENAMETOOLONG;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path))
                r = lineserver_listen(path, mode, group, ret_fd);
        if (r < 0)
                log_error(MOD, "socket %s/%s: %s%s", dir, name, err_str(r),
                          r == -EADDRINUSE ? "; another tidemarkd serves it: stop it, or give another --runtime-dir"
                                           : "");
        return r;
}

static int stage_sockets(struct start *s)
{
        int r = listen_at(s->runtime, "control.sock", 0660, s->control_gid, &s->control_fd);

        if (r == 0)
                r = listen_at(s->runtime, "admin.sock", 0660, s->control_gid, &s->admin_fd);
        if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s->pair) < 0) {
                r = -errno;
                log_error(MOD, "socket pair: %s", err_str(r));
        }
        return r;
}

static void remove_socket(const char *dir, const char *name)
{
        char path[512];

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path))
                unlink(path);
}

static void run_engine(struct start *s)
{
        struct engine_setup setup = {.cfg = &s->cfg, .dir = s->engine_dir, .pair_fd = s->pair[1],
                                     .control_fd = s->control_fd, .record_fd = s->record_fd, .keys = s->keys,
                                     .records_keys = s->records_keys, .reader_fd = s->reader_fd,
                                     .playbook = s->playbook,
                                     .image_fd = s->image_fd,
                                     .uid = s->engine_uid, .gid = s->engine_gid};

        close(s->pair[0]);
        close(s->admin_fd);
        log_setup(s->level, "engine");
        _exit(engine_run(&setup));
}

static int stage_fork(struct start *s)
{
        int r;

        fflush(NULL);
        s->engine = fork();
        if (s->engine < 0) {
                r = -errno;
                log_error(MOD, "fork: %s", err_str(r));
                return r;
        }
        if (s->engine == 0)
                run_engine(s);
        close(s->pair[1]);
        close(s->control_fd);
        if (s->record_fd >= 0)
                close(s->record_fd);
        if (s->image_fd >= 0)
                close(s->image_fd);
        if (s->reader_fd >= 0)
                close(s->reader_fd);
        return 0;
}

static int (*const stages[])(struct start *) = {stage_log,     stage_users,   stage_dirs, stage_record, stage_keys,
                                                stage_network, stage_image,   stage_sockets, stage_fork};

int main(int argc, char **argv)
{
        struct start s = {.record_fd = -1, .control_fd = -1, .admin_fd = -1, .image_fd = -1,
                          .reader_fd = -1, .pair = {-1, -1}};
        struct sensor_setup setup;
        int r;

        umask(077);
        if (parse_options(&s.opt, argc, argv) < 0)
                return EXIT_USAGE;
        if (s.opt.help || s.opt.version || s.opt.defaults) {
                if (s.opt.help)
                        usage(stdout);
                else if (s.opt.version)
                        puts(PACKAGE_NAME " " PACKAGE_VERSION);
                else
                        cfg_print_defaults(stdout);
                return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
        }
        if (stage_config(&s) < 0)
                return s.opt.check ? EXIT_FOUND : EXIT_USAGE;
        if (s.opt.check) {
                if (check_keys(&s) > 0)
                        return EXIT_FOUND;
                puts("configuration: no mistake");
                return EXIT_DONE;
        }
        for (size_t i = 0; i < ARRAY_LEN(stages); i++)
                if (stages[i](&s) < 0) {
                        keys_free(s.keys);
                        keys_free(s.records_keys);
                        return EXIT_FAILED;
                }
        setup = (struct sensor_setup){.cfg = &s.cfg, .state_dir = s.state, .trail_dir = s.trail_dir,
                                      .evidence_dir = s.evidence_dir, .runtime_dir = s.runtime, .pair_fd = s.pair[0],
                                      .admin_fd = s.admin_fd, .engine = s.engine, .playbook = s.playbook,
                                      .foreground = s.opt.foreground};
        r = sensor_run(&setup);
        remove_socket(s.runtime, "control.sock");
        remove_socket(s.runtime, "admin.sock");
        return r;
}
