/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: reading configuration files, and naming every mistake in them at once. The only user of libconfig. Must not:
 * stop at the first mistake, or change anything when there is one. Hands over: a struct cfg.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libconfig.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "config/config-priv.h"
#include "tidemark/cidr.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"

#define FILE_MAX (1u << 20)
#define MISTAKES_MAX 200u

struct loader {
        struct cfg *c; /* the draft */
        struct cfg_mistakes *ms;
        const char *file;
};

/* ---- mistakes ---- */

void cfg_mistakes_print(const struct cfg_mistakes *ms, FILE *out)
{
        for (size_t i = 0; i < ms->n; i++) {
                if (ms->m[i].line > 0)
                        fprintf(out, "%s:%d: %s\n", ms->m[i].file, ms->m[i].line, ms->m[i].text);
                else
                        fprintf(out, "%s: %s\n", ms->m[i].file, ms->m[i].text);
        }
}

const char *cfg_default_path(void)
{
        static const char path[] = TM_SYSCONFDIR "/tidemark/tidemark.conf";

        return access(path, F_OK) == 0 ? path : NULL;
}

void cfg_mistakes_release(struct cfg_mistakes *ms)
{
        for (size_t i = 0; i < ms->n; i++) {
                free(ms->m[i].file);
                free(ms->m[i].text);
        }
        free(ms->m);
        memset(ms, 0, sizeof(*ms));
}

static void TM_PRINTF(4, 0)
        put_mistake(struct cfg_mistakes *ms, const char *file, int line, const char *fmt, va_list ap)
{
        struct cfg_mistake *m;

        if (ms->n == MISTAKES_MAX)
                return; /* nobody reads more, and there is one in any case */
        if (ms->n == ms->cap) {
                size_t cap = ms->cap ? 2 * ms->cap : 8;

                m = realloc(ms->m, cap * sizeof(*m));
                if (!m)
                        return;
                ms->m = m;
                ms->cap = cap;
        }
        m = &ms->m[ms->n];
        m->line = line;
        m->file = strdup(file);
        if (vasprintf(&m->text, fmt, ap) < 0)
                m->text = NULL;
        if (m->file && m->text) {
                ms->n++;
                return;
        }
        free(m->file);
        free(m->text);
}

static void TM_PRINTF(3, 4) mistake(struct loader *l, int line, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        put_mistake(l->ms, l->file, line, fmt, ap);
        va_end(ap);
}

int config_mistake(struct cfg_mistakes *ms, const char *file, int line, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        put_mistake(ms, file, line, fmt, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- values ---- */

/* A number of the setting, whatever way it is written. false: it is no number. */
static bool get_number(const config_setting_t *s, double *ret)
{
        switch (config_setting_type(s)) {
        case CONFIG_TYPE_INT:
                *ret = config_setting_get_int(s);
                return true;
        case CONFIG_TYPE_INT64:
                *ret = (double)config_setting_get_int64(s);
                return true;
        case CONFIG_TYPE_FLOAT:
                *ret = config_setting_get_float(s);
                return true;
        default:
                return false;
        }
}

static bool get_time(const config_setting_t *s, double *ret)
{
        const char *text = config_setting_get_string(s);
        char *end;
        double n;

        if (!text || !isdigit((unsigned char)text[0]))
                return false;
        n = strtod(text, &end);
        for (const struct time_unit *u = config_time_units; u->suffix; u++)
                if (strcmp(end, u->suffix) == 0) {
                        *ret = n * u->ns;
                        return true;
                }
        return false;
}

static bool get_bytes(const config_setting_t *s, double *ret)
{
        static const struct {
                const char *suffix;
                double bytes;
        } units[] = {{"", 1}, {"K", 1024.0}, {"M", 1048576.0}, {"G", 1073741824.0}};
        const char *text = config_setting_get_string(s);
        char *end;
        double n;

        if (get_number(s, ret))
                return true;
        if (!text || !isdigit((unsigned char)text[0]))
                return false;
        n = strtod(text, &end);
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
                if (strcmp(end, units[i].suffix) == 0) {
                        *ret = n * units[i].bytes;
                        return true;
                }
        return false;
}

/* How each form is written, for people who wrote it otherwise. */
static const char *const expected[] = {
        [OPT_TEXT] = "a text in quotation marks",
        [OPT_WORD] = "a word in quotation marks",
        [OPT_COUNT] = "a whole number",
        [OPT_COUNT64] = "a whole number",
        [OPT_PERCENT] = "a whole number from 0 to 100",
        [OPT_BYTES] = "a number of bytes, such as 65536 or \"4M\"",
        [OPT_TIME] = "a duration with its unit, such as \"72h\" (units: ms, s, m, h, d)",
        [OPT_CHANCE] = "a chance between 0 and 1, such as 0.02",
        [OPT_BITS] = "bits in steps of a quarter, such as 2.25",
        [OPT_DISABLE] = "a list of words, such as [\"names\"]",
        [OPT_SIZE] = "a whole number",
        [OPT_YES] = "true or false",
        [OPT_PATTERNS] = "a list of texts, such as [\"--pin=\"]",
        [OPT_NAMES] = "a list of names, such as [\"ci-*\"]",
        [OPT_PLACES] = "a list of addresses and networks, such as [\"10.0.0.7\", \"fd00::/64\"]",
        [OPT_PATHS] = "a list of absolute paths, such as [\"/etc/tidemark/keys/release.pem\"]",
        [OPT_BYTES64] = "a number of bytes, such as 65536 or \"20G\"",
        [OPT_PATH] = "an absolute path, or \"\" for none",
};

static bool is_bytes(enum option_form form)
{
        return form == OPT_BYTES || form == OPT_BYTES64;
}

static bool is_whole(enum option_form form)
{
        return form == OPT_COUNT || form == OPT_COUNT64 || form == OPT_PERCENT || form == OPT_SIZE;
}

static void set_number(struct cfg *c, const struct option_row *o, double v)
{
        void *p = (char *)c + o->offset;

        switch (o->form) {
        case OPT_COUNT64:
        case OPT_TIME:
        case OPT_BYTES64:
                *(uint64_t *)p = (uint64_t)llround(v);
                break;
        case OPT_SIZE:
                *(size_t *)p = (size_t)v;
                break;
        case OPT_CHANCE:
                *(double *)p = v;
                break;
        case OPT_BITS:
                *(int32_t *)p = (int32_t)lround(4 * v);
                break;
        default:
                *(uint32_t *)p = (uint32_t)v;
        }
}

/* In words of its own form: "1s", "64K", not nanoseconds or long numbers. */
static void put_limit(const struct option_row *o, double v, char *dst, size_t size)
{
        const struct time_unit *u = config_time_units;

        if (is_bytes(o->form)) {
                unsigned i = 0;

                for (; i < 3 && v >= 1024 && fmod(v, 1024) == 0; i++)
                        v /= 1024;
                snprintf(dst, size, "%.0f%.1s", v, &"\0KMG"[i]);
                return;
        }
        if (o->form != OPT_TIME || v <= 0) {
                snprintf(dst, size, "%g", v);
                return;
        }
        while (u[1].suffix && v < u->ns)
                u++;
        snprintf(dst, size, "%g%s", v / u->ns, u->suffix);
}

static void load_number(struct loader *l, const struct option_row *o, const config_setting_t *s)
{
        int line = config_setting_source_line(s);
        char min[32], max[32];
        double v;
        bool ok = o->form == OPT_TIME ? get_time(s, &v) : is_bytes(o->form) ? get_bytes(s, &v) : get_number(s, &v);

        if (!ok || (is_whole(o->form) && floor(v) != v) || (o->form == OPT_BITS && floor(4 * v) != 4 * v)) {
                mistake(l, line, "%s: expected %s", o->name, expected[o->form]);
                return;
        }
        if (v < o->min || v > o->max) {
                put_limit(o, o->min, min, sizeof(min));
                put_limit(o, o->max, max, sizeof(max));
                mistake(l, line, "%s: out of range: expected %s to %s", o->name, min, max);
                return;
        }
        set_number(l->c, o, v);
}

static void load_text(struct loader *l, const struct option_row *o, const config_setting_t *s)
{
        const char *text = config_setting_type(s) == CONFIG_TYPE_STRING ? config_setting_get_string(s) : NULL;
        int line = config_setting_source_line(s);
        bool known = !o->words;

        if (!text || (o->form == OPT_PATH ? *text && *text != '/' : !*text)) {
                mistake(l, line, "%s: expected %s", o->name, expected[o->form]);
                return;
        }
        for (const char *const *w = o->words; w && *w; w++)
                known = known || strcmp(text, *w) == 0;
        if (!known)
                mistake(l, line, "%s: unknown word \"%.40s\": %s", o->name, text, o->help);
        else if (strlen(text) >= o->size)
                mistake(l, line, "%s: too long: at most %zu characters", o->name, o->size - 1);
        else
                memcpy((char *)l->c + o->offset, text, strlen(text) + 1);
}

static void load_disable(struct loader *l, const struct option_row *o, const config_setting_t *s)
{
        int line = config_setting_source_line(s);
        uint32_t *set = (uint32_t *)((char *)l->c + o->offset);

        if (!config_setting_is_array(s) && !config_setting_is_list(s)) {
                mistake(l, line, "%s: expected %s", o->name, expected[o->form]);
                return;
        }
        *set = 0;
        for (int i = 0; i < config_setting_length(s); i++) {
                const char *text = config_setting_get_string_elem(s, i);
                unsigned f = text ? facility_find(bytes_str(text)) : FACILITY__MAX;

                if (f == FACILITY__MAX)
                        mistake(l, line, "%s: unknown facility \"%.40s\": %s", o->name, text ? text : "?", o->help);
                else
                        *set |= 1u << f;
        }
}

static void load_yes(struct loader *l, const struct option_row *o, const config_setting_t *s)
{
        if (config_setting_type(s) != CONFIG_TYPE_BOOL)
                mistake(l, config_setting_source_line(s), "%s: expected %s", o->name, expected[o->form]);
        else
                *(bool *)((char *)l->c + o->offset) = config_setting_get_bool(s);
}

static int check_name(const char *name, char *why, size_t size)
{
        snprintf(why, size, "it must have 1 to %u characters", STR_LIST_TEXT - 1);
        return *name && strlen(name) < STR_LIST_TEXT ? 0 : -EINVAL;
}

static int check_path(const char *path, char *why, size_t size)
{
        if (check_name(path, why, size) < 0)
                return -EINVAL;
        snprintf(why, size, "it must begin with /");
        return path[0] == '/' ? 0 : -EINVAL;
}

static int check_place(const char *place, char *why, size_t size)
{
        struct cidr c;

        snprintf(why, size, "it must be an address, or a network whose bits behind its prefix are 0");
        return strlen(place) < STR_LIST_TEXT ? cidr_parse(place, &c) : -EINVAL;
}

/* How a text of each kind of list is looked at, and what it is called. */
static const struct list_kind {
        int (*check)(const char *text, char *why, size_t size);
        const char *what;
} list_kinds[OPT_PLACES + 1] = {
        [OPT_PATTERNS] = {mask_check, "pattern"},
        [OPT_NAMES] = {check_name, "name"},
        [OPT_PATHS] = {check_path, "path"},
        [OPT_PLACES] = {check_place, "place"},
};

static void load_list(struct loader *l, const struct option_row *o, const config_setting_t *s)
{
        struct str_list *list = (struct str_list *)((char *)l->c + o->offset);
        const struct list_kind *kind = &list_kinds[o->form];
        char why[128];
        int n = config_setting_length(s);

        if ((!config_setting_is_array(s) && !config_setting_is_list(s)) || n > (int)STR_LIST_MAX) {
                mistake(l, config_setting_source_line(s), "%s: expected %s, at most %u of them", o->name,
                        expected[o->form], STR_LIST_MAX);
                return;
        }
        memset(list, 0, sizeof(*list));
        for (int i = 0; i < n; i++) {
                const config_setting_t *elem = config_setting_get_elem(s, (unsigned)i);
                const char *text = config_setting_get_string_elem(s, i);

                if (!text)
                        mistake(l, config_setting_source_line(elem), "%s: expected %s", o->name, expected[o->form]);
                else if (kind->check(text, why, sizeof(why)) < 0)
                        mistake(l, config_setting_source_line(elem), "%s: the %s \"%.60s\" cannot be used: %s",
                                o->name, kind->what, text, why);
                else
                        memcpy(list->text[list->n++], text, strlen(text) + 1);
        }
}

/* ---- settings ---- */

/* Letters to change, add or leave out (Levenshtein), for short names. */
static unsigned distance(const char *a, const char *b)
{
        unsigned row[64];
        size_t nb = strlen(b);

        if (nb >= ARRAY_LEN(row) || strlen(a) >= ARRAY_LEN(row))
                return 99;
        for (size_t i = 0; i <= nb; i++)
                row[i] = (unsigned)i;
        for (size_t i = 1; a[i - 1]; i++) {
                unsigned corner = row[0];

                row[0] = (unsigned)i;
                for (size_t k = 1; k <= nb; k++) {
                        unsigned best = corner + (a[i - 1] != b[k - 1]);

                        corner = row[k];
                        if (row[k] + 1 < best)
                                best = row[k] + 1;
                        if (row[k - 1] + 1 < best)
                                best = row[k - 1] + 1;
                        row[k] = best;
                }
        }
        return row[nb];
}

static void unknown(struct loader *l, const char *name, int line)
{
        const char *near = NULL;
        unsigned best = 4;
        size_t n;
        const struct option_row *o = config_options(&n);

        for (size_t i = 0; i < n; i++)
                if (distance(name, o[i].name) < best) {
                        best = distance(name, o[i].name);
                        near = o[i].name;
                }
        if (near)
                mistake(l, line, "unknown option %.80s; did you mean %s?", name, near);
        else
                mistake(l, line, "unknown option %.80s; see tidemarkd --print-defaults", name);
}

static void load_setting(struct loader *l, const char *group, const config_setting_t *s)
{
        size_t n;
        const struct option_row *o = config_options(&n);
        char name[128];

        snprintf(name, sizeof(name), "%s%s%s", group, *group ? "." : "", config_setting_name(s));
        for (size_t i = 0; i < n; i++) {
                if (strcmp(o[i].name, name) != 0)
                        continue;
                if (o[i].form == OPT_TEXT || o[i].form == OPT_WORD || o[i].form == OPT_PATH)
                        load_text(l, &o[i], s);
                else if (o[i].form == OPT_DISABLE)
                        load_disable(l, &o[i], s);
                else if (o[i].form == OPT_YES)
                        load_yes(l, &o[i], s);
                else if (o[i].form >= OPT_PATTERNS && o[i].form <= OPT_PLACES)
                        load_list(l, &o[i], s);
                else
                        load_number(l, &o[i], s);
                return;
        }
        unknown(l, name, config_setting_source_line(s));
}

static bool is_group_name(const char *name)
{
        size_t n, len = strlen(name);
        const struct option_row *o = config_options(&n);

        for (size_t i = 0; i < n; i++)
                if (strncmp(o[i].name, name, len) == 0 && o[i].name[len] == '.')
                        return true;
        return false;
}

static void load_settings(struct loader *l, const config_setting_t *root)
{
        for (int i = 0; i < config_setting_length(root); i++) {
                config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
                const char *name = config_setting_name(s);

                if (strcmp(name, "host") == 0 && config_setting_type(s) == CONFIG_TYPE_STRING) {
                        snprintf(l->c->judge.host, sizeof(l->c->judge.host), "%s", config_setting_get_string(s));
                } else if (!config_setting_is_group(s)) {
                        if (is_group_name(name))
                                mistake(l, config_setting_source_line(s), "%s: expected a group: %s: { ... };", name,
                                        name);
                        else
                                load_setting(l, "", s);
                } else if (!is_group_name(name)) {
                        unknown(l, name, config_setting_source_line(s));
                } else {
                        for (int k = 0; k < config_setting_length(s); k++)
                                load_setting(l, name, config_setting_get_elem(s, (unsigned)k));
                }
        }
}

/* What the options mean together. */
static void check_sense(struct loader *l)
{
        if (l->c->judge.show > l->c->judge.page)
                mistake(l, 0, "queue.show (%u) is above queue.page (%u): what is worth waking somebody must be shown",
                        l->c->judge.show, l->c->judge.page);
        if (l->c->state_dir[0] != '/' || l->c->runtime_dir[0] != '/')
                mistake(l, 0, "paths.state and paths.runtime must begin with /");
}

static void parse(struct loader *l, const char *text)
{
        config_t cf;

        /* libconfig would open what @include names, wherever it is. */
        for (const char *at = text; at; at = strchr(at, '\n')) {
                int line = 1;

                at += strspn(at, " \t\n");
                if (strncmp(at, "@include", 8) != 0)
                        continue;
                for (const char *p = text; p < at; p++)
                        line += *p == '\n';
                mistake(l, line, "@include is not taken: put the file into conf.d/");
                return;
        }
        config_init(&cf);
        if (config_read_string(&cf, text) != CONFIG_TRUE)
                mistake(l, config_error_line(&cf), "%s: expected such as: queue: { show = 50; };",
                        config_error_text(&cf));
        else
                load_settings(l, config_root_setting(&cf));
        config_destroy(&cf);
}

static void parse_bytes(struct loader *l, struct bytes text)
{
        _cleanup_free_ char *copy = bytes_dup(text);

        if (!copy)
                mistake(l, 0, "cannot be read: out of memory");
        else if (strlen(copy) != text.len)
                mistake(l, 0, "holds a zero byte: this is no text");
        else
                parse(l, copy);
}

int cfg_load_text(struct bytes text, const char *name, struct cfg *c, struct cfg_mistakes *ms)
{
        struct cfg draft = *c;
        struct loader l = {.c = &draft, .ms = ms, .file = name};
        size_t before = ms->n;

        parse_bytes(&l, text);
        if (ms->n == before)
                check_sense(&l);
        if (ms->n != before)
                return -EINVAL;
        *c = draft;
        return 0;
}

/* ---- files ---- */

static int read_file(struct loader *l, const char *path, struct buf *out)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        uint8_t p[4096];
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0) {
                mistake(l, 0, "cannot be read: %s", strerror(errno));
                return -EINVAL;
        }
        if (!S_ISREG(st.st_mode)) {
                mistake(l, 0, "is no regular file");
                return -EINVAL;
        }
        if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & S_IWOTH)) {
                mistake(l, 0,
                        "belongs to another user or may be written by anybody; expected root's: chown root FILE; chmod "
                        "644 FILE");
                return -EINVAL;
        }
        while ((n = read(fd, p, sizeof(p))) > 0)
                buf_put(out, p, (size_t)n);
        if (n < 0 || out->err) {
                mistake(l, 0, "cannot be read: %s", n < 0 ? strerror(errno) : "it is larger than 1 MiB");
                return -EINVAL;
        }
        return 0;
}

int config_take_file(const char *path, struct buf *out, struct cfg_mistakes *ms)
{
        struct loader l = {.ms = ms, .file = path};

        return read_file(&l, path, out);
}

static void load_file(const char *path, struct cfg *draft, struct cfg_mistakes *ms)
{
        struct loader l = {.c = draft, .ms = ms, .file = path};
        _cleanup_buf_ struct buf text;

        buf_init(&text, FILE_MAX);
        if (read_file(&l, path, &text) < 0)
                return;
        parse_bytes(&l, buf_bytes(&text));
}

static int is_conf(const struct dirent *e)
{
        size_t len = strlen(e->d_name);

        return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_drop_ins(const char *path, struct cfg *draft, struct cfg_mistakes *ms)
{
        char dir[4096], file[4096 + 256];
        const char *slash = strrchr(path, '/');
        struct dirent **found = NULL;
        int n;

        snprintf(dir, sizeof(dir), "%.*sconf.d", slash ? (int)(slash - path) + 1 : 0, path);
        n = scandir(dir, &found, is_conf, by_name);
        if (n < 0 && errno != ENOENT) {
                struct loader l = {.c = draft, .ms = ms, .file = dir};

                mistake(&l, 0, "cannot be read: %s", strerror(errno));
        }
        for (int i = 0; i < n; i++) {
                snprintf(file, sizeof(file), "%s/%s", dir, found[i]->d_name);
                load_file(file, draft, ms);
        }
        for (int i = 0; i < n; i++)
                free(found[i]);
        free(found);
}

int cfg_load(const char *path, struct cfg *c, struct cfg_mistakes *ms)
{
        struct cfg draft = *c;
        struct loader l = {.c = &draft, .ms = ms, .file = path ? path : "defaults"};
        size_t before = ms->n;

        if (path) {
                load_file(path, &draft, ms);
                load_drop_ins(path, &draft, ms);
        }
        if (ms->n == before)
                check_sense(&l);
        if (ms->n != before)
                return -EINVAL;
        *c = draft;
        return 0;
}
