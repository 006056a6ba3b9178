/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: taking options out of a command's arguments, and saying that they are wrong. */
#include <stdarg.h>
#include <string.h>

#include "cli/cli-priv.h"

int cli_usage(const char *fmt, ...)
{
        va_list ap;

        fputs("tidemark: ", stderr);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputs("; see tidemark --help\n", stderr);
        return CLI_USAGE;
}

int cli_options(struct cli *c, const struct cli_option *options, size_t n, int *ret_n)
{
        int left = 1;

        for (int i = 1; i < c->argc; i++) {
                size_t k = 0;

                if (strncmp(c->argv[i], "--", 2) != 0) {
                        c->argv[left++] = c->argv[i];
                        continue;
                }
                while (k < n && strcmp(c->argv[i], options[k].name) != 0)
                        k++;
                if (k == n)
                        return cli_usage("%s: unknown option '%s'", c->argv[0], c->argv[i]);
                if (!options[k].value)
                        *options[k].flag = true;
                else if (++i < c->argc)
                        *options[k].value = c->argv[i];
                else
                        return cli_usage("%s: %s needs a value", c->argv[0], options[k].name);
        }
        *ret_n = left - 1;
        return CLI_DONE;
}
