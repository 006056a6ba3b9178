/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of a finding's page: the next sensible commands, by what the finding is and what was done about it. */
#include <string.h>

#include "cli/show-priv.h"
#include "tidemark/buf.h"
#include "tidemark/str.h"

#define NAME_WIDTH 56u

/* When a line is of use. */
static bool is_closed(const json_t *f)
{
        return strcmp(cli_text(f, "state"), "closed") == 0;
}

static bool is_running(const json_t *f)
{
        size_t i;
        json_t *o;

        json_array_foreach(json_object_get(f, "watched"), i,
                           o) if (strcmp(cli_text(o, "state"), "running") == 0) return true;
        return false;
}

static bool is_isolated(const json_t *f)
{
        return strcmp(cli_text(json_object_get(f, "containment"), "state"), "isolated") == 0;
}

static bool may_capture(const json_t *f)
{
        return !is_closed(f) && is_running(f) && json_array_size(json_object_get(f, "evidence")) == 0;
}

static bool may_isolate(const json_t *f)
{
        return !is_closed(f) && is_running(f) && !is_isolated(f);
}

static bool has_no_verdict(const json_t *f)
{
        return *cli_text(f, "verdict") == '\0';
}

static bool is_session(const json_t *f)
{
        return strcmp(cli_text(f, "type"), "session") == 0;
}

static bool may_allow(const json_t *f)
{
        return !is_closed(f) && !is_session(f);
}

static bool always(const json_t *f)
{
        (void)f;
        return true;
}

/* %s: the finding's id, or the workload's name. */
static const struct {
        bool (*when)(const json_t *f);
        bool of_workload;
        const char *before, *after, *why;
} lines[] = {
        {may_capture, false, "tidemark evidence capture ", "",
         "keep what is in memory and in its write layer, before anybody touches it; it goes on undisturbed"},
        {may_isolate, false, "tidemark contain isolate ", " --dry-run",
         "see what cutting its connections would do; without --dry-run it takes the evidence first, then cuts"},
        {is_isolated, false, "tidemark contain release ", "", "give its connections back"},
        {always, false, "tidemark explain ", "", "which baseline entry or rule decided, and what would quiet it"},
        {always, true, "tidemark findings --all --workload ", "", "what else it did"},
        {always, true, "tidemark baseline show ", "", "what it is known to do"},
        {may_allow, true, "tidemark baseline review ", "", "if it is normal: approve it there, for good"},
        {has_no_verdict, false, "tidemark triage ", " --verdict malicious|misconfigured|benign|unsure --note TEXT",
         "say what it was; --close when nothing is left to do"},
        {is_closed, false, "tidemark triage ", " --reopen", "it is not over"},
};

void show_next(const struct cli *c, const json_t *f)
{
        const char *name = cli_text(json_object_get(f, "workload"), "name");
        _cleanup_buf_ struct buf word;

        buf_init(&word, 65536);
        show_heading(c, "Next");
        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
                if (!lines[i].when(f))
                        continue;
                buf_reset(&word); /* somebody copies the line, and the name may be an image author's */
                str_shell(bytes_str(lines[i].of_workload ? name : cli_text(f, "id")), &word);
                printf("  %s", lines[i].before);
                cli_put(stdout, word.len < NAME_WIDTH ? buf_cstr(&word) : "WORKLOAD", NAME_WIDTH);
                printf("%s\n      ", lines[i].after);
                cli_wrap(stdout, lines[i].why, 6, 6);
        }
}
