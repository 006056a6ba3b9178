/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: configuration as text: what a recording opens with, and the shipped file. Hands over: what load.c reads back.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/config-priv.h"
#include "tidemark/buf.h"

static void put_quoted(const char *s, struct buf *out)
{
        buf_put_u8(out, '"');
        for (; *s; s++) {
                if (*s == '"' || *s == '\\')
                        buf_put_u8(out, '\\');
                buf_put_u8(out, (uint8_t)*s);
        }
        buf_put_u8(out, '"');
}

static void put_time(uint64_t ns, struct buf *out)
{
        for (const struct time_unit *u = config_time_units; u->suffix; u++) {
                uint64_t unit = (uint64_t)u->ns;

                if (ns >= unit && ns % unit == 0) {
                        buf_printf(out, "\"%llu%s\"", (unsigned long long)(ns / unit), u->suffix);
                        return;
                }
        }
        buf_printf(out, "\"%.6fms\"", (double)ns / 1e6);
}

static void put_bytes(uint64_t n, struct buf *out)
{
        if (n && n % (1u << 20) == 0)
                buf_printf(out, "\"%lluM\"", (unsigned long long)n >> 20);
        else if (n && n % 1024 == 0)
                buf_printf(out, "\"%lluK\"", (unsigned long long)n >> 10);
        else
                buf_printf(out, "%llu", (unsigned long long)n);
}

static void put_disabled(const struct cfg *c, struct buf *out)
{
        size_t told = 0;

        buf_put_str(out, "[");
        for (unsigned f = 0; f < FACILITY__MAX; f++)
                if (facility_in(c->disabled, f))
                        buf_printf(out, "%s\"%s\"", told++ ? ", " : "", facility_word(f));
        buf_put_str(out, "]");
}

/* One a line, each begun with what begins a line here. */
static void put_list(const struct str_list *list, const char *indent, struct buf *out)
{
        buf_put_str(out, "[");
        for (uint32_t i = 0; i < list->n; i++) {
                buf_printf(out, "%s\n%s        ", i ? "," : "", indent);
                put_quoted(list->text[i], out);
        }
        if (list->n)
                buf_printf(out, "\n%s", indent);
        buf_put_str(out, "]");
}

void config_put_value(const struct cfg *c, const struct option_row *o, const char *indent, struct buf *out)
{
        const void *p = (const char *)c + o->offset;

        switch (o->form) {
        case OPT_TEXT:
        case OPT_WORD:
        case OPT_PATH:
                put_quoted(p, out);
                break;
        case OPT_COUNT:
        case OPT_PERCENT:
                buf_printf(out, "%u", *(const uint32_t *)p);
                break;
        case OPT_COUNT64:
                buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)p);
                break;
        case OPT_SIZE:
                buf_printf(out, "%zu", *(const size_t *)p);
                break;
        case OPT_BYTES:
                put_bytes(*(const uint32_t *)p, out);
                break;
        case OPT_BYTES64:
                put_bytes(*(const uint64_t *)p, out);
                break;
        case OPT_TIME:
                put_time(*(const uint64_t *)p, out);
                break;
        case OPT_CHANCE:
                buf_printf(out, "%.17g%s", *(const double *)p, fmod(*(const double *)p, 1) == 0 ? ".0" : "");
                break;
        case OPT_BITS:
                buf_printf(out, "%.2f", *(const int32_t *)p / 4.0);
                break;
        case OPT_DISABLE:
                put_disabled(c, out);
                break;
        case OPT_YES:
                buf_put_str(out, *(const bool *)p ? "true" : "false");
                break;
        case OPT_PATTERNS:
        case OPT_NAMES:
        case OPT_PATHS:
        case OPT_PLACES:
                put_list(p, indent, out);
                break;
        }
}

/* One line an option, by its full name: libconfig takes no dots in names, so a group is opened for each change of it.
 */
static void put_all(const struct cfg *c, struct buf *out, bool with_help)
{
        size_t n;
        const struct option_row *o = config_options(&n);
        const char *group = "";
        size_t group_len = 0;

        for (size_t i = 0; i < n; i++) {
                const char *dot = strchr(o[i].name, '.');
                size_t len = (size_t)(dot - o[i].name);

                if (len != group_len || memcmp(group, o[i].name, len) != 0) {
                        buf_printf(out, "%s%s%.*s:\n{\n", group_len ? "};\n" : "", group_len && with_help ? "\n" : "",
                                   (int)len, o[i].name);
                        group = o[i].name;
                        group_len = len;
                }
                if (with_help)
                        buf_printf(out, "        # %s\n        # ", o[i].help);
                else
                        buf_put_str(out, "        ");
                buf_printf(out, "%s = ", dot + 1);
                config_put_value(c, &o[i], with_help ? "        # " : "        ", out);
                buf_put_str(out, ";\n");
        }
        buf_put_str(out, "};\n");
}

/* A list on one line. */
static void flatten(const struct buf *value, struct buf *out)
{
        bool space = false;

        buf_reset(out);
        for (size_t i = 0; i < value->len; i++) {
                bool white = value->p[i] == '\n' || value->p[i] == ' ';

                if (!white && space && out->len && out->p[out->len - 1] != '[')
                        buf_put_u8(out, ' ');
                if (!white)
                        buf_put_u8(out, value->p[i]);
                space = white;
        }
}

int cfg_each(const struct cfg *c, int (*each)(const char *name, const char *value, bool secret, void *arg), void *arg)
{
        _cleanup_buf_ struct buf value, line;
        size_t n;
        const struct option_row *o = config_options(&n);
        int r = 0;

        buf_init(&value, 1u << 20);
        buf_init(&line, 1u << 20);
        for (size_t i = 0; i < n && r == 0; i++) {
                buf_reset(&value);
                config_put_value(c, &o[i], "", &value);
                flatten(&value, &line);
                r = value.err ? value.err : line.err;
                if (r == 0)
                        r = each(o[i].name, buf_cstr(&line), o[i].form == OPT_PATTERNS, arg);
        }
        return r;
}

int cfg_dump(const struct cfg *c, struct buf *out)
{
        put_all(c, out, false);
        buf_put_str(out, "host = ");
        put_quoted(c->judge.host, out);
        buf_put_str(out, ";\n");
        return out->err;
}

void cfg_print_defaults(FILE *out)
{
        _cleanup_buf_ struct buf b;
        struct cfg c;

        cfg_default(&c);
        buf_init(&b, 1u << 20);
        put_all(&c, &b, true);
        fputs("# tidemark.conf - see tidemark.conf(5). Every option with its default: take the '#' away to change "
              "one.\n"
              "# Check with: tidemarkd --check-config. Files in conf.d/ beside this one are read after it, in order "
              "of\n"
              "# their names, and the later word counts.\n\n",
              out);
        fputs(buf_cstr(&b), out);
}
