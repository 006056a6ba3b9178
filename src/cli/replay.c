/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tidemark replay FILE: the engine's own core over a recording, in this process. Needs no daemon and no privileges;
 * prints what the queue would hold, in the same form.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/pipeline.h"
#include "tidemark/query.h"
#include "tidemark/record.h"

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        struct cfg_mistakes ms = {0};
        struct cfg *c = arg;
        int r;

        cfg_default(c);
        r = cfg_load_text(text, "the recording's configuration", c, &ms);
        for (size_t i = 0; i < ms.n; i++)
                fprintf(stderr, "tidemark: %s: line %d: %s\n", ms.m[i].file, ms.m[i].line, ms.m[i].text);
        cfg_mistakes_release(&ms);
        *jp = c->judge;
        *fp = c->fuse;
        return r;
}

static int run(const char *path, bool partial, struct cfg *cfg, struct pipeline **ret)
{
        _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct pipeline_replay info = {.partial = partial};
        int r;

        if (fd < 0) {
                fprintf(stderr, "tidemark: %s: %s\n", path, strerror(errno));
                return CLI_FAILED;
        }
        r = record_reader_new(fd, &reader);
        if (r < 0)
                snprintf(info.why, sizeof(info.why), "%s", err_str(r));
        else
                r = pipeline_replay(reader, make_params, NULL, cfg, &info, ret);
        if (r == 0 && info.cut)
                fprintf(stderr, "tidemark: %s: it was cut; replayed are the %llu events that are whole\n", path,
                        (unsigned long long)info.events);
        if (r == 0)
                return CLI_DONE;
        fprintf(stderr, "tidemark: %s: at byte %llu: %s\n", path, (unsigned long long)info.offset, info.why);
        if (r == ERR_TRUNCATED)
                fputs("  the daemon was killed while it recorded, or the file was cut; --partial replays what lies "
                      "before\n",
                      stderr);
        return CLI_FAILED;
}

/* One page after the other, as the daemon is asked. */
static json_t *all_findings(const struct query_env *env)
{
        json_t *all = json_array(), *data = NULL, *answer = NULL, *last = NULL;

        do {
                json_t *request = json_pack("{s:s,s:b,s:s}", "cmd", "findings", "all", 1, "state", "all");

                if (last)
                        json_object_set(request, "after", json_object_get(last, "id"));
                json_decref(answer);
                answer = query_run(env, request);
                json_decref(request);
                data = json_object_get(answer, "data");
                json_array_extend(all, json_object_get(data, "findings"));
                last = json_array_size(json_object_get(data, "findings"))
                               ? json_array_get(all, json_array_size(all) - 1)
                               : NULL;
        } while (last && cli_int(data, "more") > 0);
        data = data ? json_copy(data) : json_object();
        json_object_set_new(data, "findings", all);
        json_decref(answer);
        return data;
}

/* What may follow the recording: a command with one id, and how its answer is shown. */
static const struct one {
        const char *name;
        void (*print)(const struct cli *c, const json_t *data);
} ones[] = {{"show", cli_print_finding}, {"explain", cli_print_explanation}};

static const struct one *find_one(const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(ones); i++)
                if (strcmp(ones[i].name, name) == 0)
                        return &ones[i];
        return NULL;
}

static int show_one(const struct cli *c, const struct query_env *env, const struct one *one, const char *id)
{
        json_t *request = json_pack("{s:s,s:s}", "cmd", one->name, "id", id), *answer = query_run(env, request);
        int r = CLI_FAILED;

        if (!json_is_true(json_object_get(answer, "ok"))) {
                fputs("tidemark: ", stderr);
                cli_wrap(stderr, cli_text(answer, "error"), 10, 2);
        } else if (c->json) {
                r = cli_print_json(json_object_get(answer, "data"));
        } else {
                one->print(c, json_object_get(answer, "data"));
                r = CLI_DONE;
        }
        json_decref(answer);
        json_decref(request);
        return r;
}

static int print_all(const struct cli *c, const struct query_env *env)
{
        json_t *data = all_findings(env);
        int r = CLI_DONE;

        if (c->json)
                r = cli_print_json(json_object_get(data, "findings"));
        else
                cli_print_findings(c, data, true);
        json_decref(data);
        return r;
}

int cli_replay(struct cli *c)
{
        _cleanup_(pipeline_freep) struct pipeline *p = NULL;
        struct query_env env = {0};
        const struct one *one;
        struct cfg cfg;
        bool partial = false;
        const struct cli_option options[] = {{"--partial", NULL, &partial}};
        int operands, r = cli_options(c, options, ARRAY_LEN(options), &operands);

        if (r != CLI_DONE)
                return r;
        one = operands == 3 ? find_one(c->argv[2]) : NULL;
        if (operands != 1 && !one)
                return cli_usage("replay takes a recording, and then perhaps: show ID, or explain ID");
        r = run(c->argv[1], partial, &cfg, &p);
        if (r != CLI_DONE)
                return r;
        env.pipeline = p;
        env.params = &cfg.judge;
        return one ? show_one(c, &env, one, c->argv[3]) : print_all(c, &env);
}
