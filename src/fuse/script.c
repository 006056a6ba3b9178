/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: interpreters and their options: which files an execution of one runs. Must not: know what is in a write layer
 * (fuse.c). Pure. */
#include "fuse/script-priv.h"

#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"

#define PATH_BYTES 4096u

enum how {
        RUNS_FIRST = 1u << 0,   /* the first argument that is no option is the file */
        PLUS_TOO = 1u << 1,     /* "+x" is an option as "-x" is */
        WORDS = 1u << 2,        /* options are words with one dash: "-jar", no letters in a row */
        ONLY_SOURCE = 1u << 3,  /* … the first argument is one only if it has that suffix */
        DASH_GOES_ON = 1u << 4, /* a dash alone ends the options; else it stands for standard input */
};

/*
 * Letters of options: that take the next argument, or what is left of theirs; whose such value is a file that is run
 * (a subset); that take only what is left of theirs; after which no file is named. Words likewise, blanks between them.
 */
struct interpreter {
        const char *names;
        unsigned how;
        const char *value, *file, *rest, *none;
        const char *word_value, *word_file, *word_none;
        const char *suffixes; /* it tries these names too, the directory's own among them */
        const char *source;   /* of ONLY_SOURCE */
        const char *skip;     /* commands that stand before the file */
};

static const struct interpreter table[] = {
        {.names = "sh bash rbash dash ash hush ksh mksh lksh oksh pdksh zsh yash",
         .how = RUNS_FIRST | PLUS_TOO | DASH_GOES_ON,
         .value = "oO",
         .none = "cs",
         .word_value = "--emulate",
         .word_file = "--rcfile --init-file"},
        {.names = "python pypy",
         .how = RUNS_FIRST,
         .value = "WXQ",
         .none = "cm",
         .word_value = "--check-hash-based-pycs",
         .suffixes = "/__main__.py"},
        {.names = "perl", .how = RUNS_FIRST, .value = "I", .rest = "MmFiCDxVd", .none = "eE"},
        {.names = "php php-cgi phpdbg lsphp",
         .how = RUNS_FIRST,
         .value = "fFcdztS",
         .file = "fF",
         .none = "rBRE",
         .word_value = "--define --php-ini --zend-extension --docroot --server",
         .word_file = "--file --process-file",
         .word_none = "--run --process-begin --process-code --process-end"},
        {.names = "bun deno",
         .how = RUNS_FIRST,
         .value = "rc",
         .file = "r",
         .none = "ep",
         .word_value = "--config --cwd --env-file",
         .word_file = "--preload --require --import",
         .word_none = "--eval --print eval repl",
         .skip = "run serve test bench",
         .suffixes = ".ts .js /index.ts /index.js"},
        {.names = "node nodejs",
         .how = RUNS_FIRST,
         .value = "rC",
         .file = "r",
         .none = "ep",
         .word_value =
                 "--conditions --icu-data-dir --openssl-config --redirect-warnings --title --input-type --env-file "
                 "--diagnostic-dir --inspect-port --debug-port --dns-result-order --unhandled-rejections",
         .word_file = "--require --import --loader --experimental-loader",
         .word_none = "--eval --print -pe",
         .suffixes = ".js .mjs .cjs /index.js"},
        {.names = "ruby jruby",
         .how = RUNS_FIRST,
         .value = "ICrE",
         .file = "r",
         .rest = "FKWxTi",
         .none = "e",
         .suffixes = ".rb"},
        {.names = "lua luajit texlua", .how = RUNS_FIRST, .value = "el"},
        {.names = "tclsh wish jimsh", .how = RUNS_FIRST, .word_value = "-encoding"},
        {.names = "expect", .how = RUNS_FIRST, .value = "cfbd", .file = "fb"},
        {.names = "awk gawk mawk nawk",
         .how = 0,
         .value = "fEFvil",
         .file = "fEil",
         .word_file = "--file --exec --include"},
        {.names = "Rscript", .how = RUNS_FIRST, .none = "e"},
        {.names = "guile", .how = RUNS_FIRST, .value = "slL", .file = "sl", .none = "c"},
        {.names = "pwsh",
         .how = RUNS_FIRST | WORDS,
         .word_value = "-ExecutionPolicy -WorkingDirectory -OutputFormat -InputFormat -SettingsFile",
         .word_file = "-File -f",
         .word_none = "-Command -c -EncodedCommand -e -ec"},
        {.names = "java",
         .how = RUNS_FIRST | WORDS | ONLY_SOURCE,
         .word_value = "--module-path -p --upgrade-module-path --add-modules -m --module --add-opens --add-exports "
                       "--add-reads --enable-native-access",
         .word_file = "-jar -cp -classpath --class-path",
         .source = ".java"},
        {.names = "ld.so",
         .how = RUNS_FIRST | WORDS,
         .word_value = "--library-path --inhibit-rpath --argv0 --glibc-hwcaps-prepend --glibc-hwcaps-mask",
         .word_file = "--preload --audit",
         .word_none = "--list --verify --help --version --list-tunables --list-diagnostics"},
};

/* ---- which interpreter ---- */

static struct bytes base_name(struct bytes path)
{
        int at = bytes_rfind(path, '/');

        if (path.len == 0)
                return path;
        return bytes_of(path.p + at + 1, path.len - (uint32_t)(at + 1));
}

/* The first word of *words, which is cut off. False: there is none. */
static bool next_word(const char **words, struct bytes *ret)
{
        const char *p = *words ? *words : "", *end;

        while (*p == ' ')
                p++;
        end = p;
        while (*end && *end != ' ')
                end++;
        *ret = bytes_of(p, (size_t)(end - p));
        *words = end;
        return ret->len > 0;
}

static bool has_word(const char *words, struct bytes word)
{
        struct bytes w;

        while (next_word(&words, &w))
                if (bytes_eq(w, word))
                        return true;
        return false;
}

static bool is_digit(uint8_t c)
{
        return c >= '0' && c <= '9';
}

/* Without what says which of its versions: "3.11", "-8.2", "3.13t". */
static struct bytes stem_of(struct bytes s)
{
        if (s.len > 1 && !is_digit(s.p[s.len - 1]) && is_digit(s.p[s.len - 2]))
                s.len--;
        while (s.len && (is_digit(s.p[s.len - 1]) || s.p[s.len - 1] == '.' || s.p[s.len - 1] == '-'))
                s.len--;
        return s;
}

/* The dynamic loader: "ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1", "ld-2.31.so", "ld64.so.2", "ld.so". */
static bool is_loader(struct bytes name)
{
        static const char so[] = ".so";

        if (name.len < 5 || name.p[0] != 'l' || name.p[1] != 'd')
                return false;
        if (!bytes_has_prefix(name, BYTES_LIT("ld-")) && !bytes_has_prefix(name, BYTES_LIT("ld.so")) &&
            !bytes_has_prefix(name, BYTES_LIT("ld64.so")))
                return false;
        for (uint32_t i = 0; i + sizeof(so) - 1 <= name.len; i++)
                if (memcmp(name.p + i, so, sizeof(so) - 1) == 0)
                        return true;
        return false;
}

static uint32_t length_bit(struct bytes stem)
{
        return stem.len < 32 ? UINT32_C(1) << stem.len : 0;
}

void script_names_init(struct script_names *ret)
{
        struct bytes n;

        memset(ret, 0, sizeof(*ret));
        for (size_t i = 0; i < ARRAY_LEN(table); i++)
                for (const char *names = table[i].names; next_word(&names, &n);)
                        ret->lengths[n.p[0]] |= length_bit(n);
}

static const struct interpreter *find(const struct script_names *known, struct bytes name)
{
        if (name.len && name.p[0] == '-') /* a login shell's */
                name = bytes_of(name.p + 1, name.len - 1);
        name = is_loader(name) ? BYTES_LIT("ld.so") : stem_of(name);
        if (name.len == 0 || name.p[0] >= ARRAY_LEN(known->lengths) || !(known->lengths[name.p[0]] & length_bit(name)))
                return NULL;
        for (size_t i = 0; i < ARRAY_LEN(table); i++)
                if (has_word(table[i].names, name))
                        return &table[i];
        return NULL;
}

/* Programs that are many. */
static bool is_box(struct bytes name)
{
        name = stem_of(name);
        return bytes_eq(name, BYTES_LIT("busybox")) || bytes_eq(name, BYTES_LIT("toybox")) ||
               bytes_eq(name, BYTES_LIT("busybox.static")) || bytes_eq(name, BYTES_LIT("busybox-static"));
}

/* ---- arguments ---- */

struct args {
        struct bytes all;
        uint32_t at;
        bool whole;  /* all of them are there */
        bool missed; /* one was asked for that is not there */
};

static bool next_arg(struct args *a, struct bytes *ret)
{
        const uint8_t *end;
        uint32_t len;

        if (a->at >= a->all.len) {
                a->missed = a->missed || !a->whole;
                return false;
        }
        end = memchr(a->all.p + a->at, 0, a->all.len - a->at);
        len = end ? (uint32_t)(end - (a->all.p + a->at)) : a->all.len - a->at;
        *ret = bytes_of(a->all.p + a->at, len);
        a->at += len + 1;
        if (!end && !a->whole) { /* cut within it */
                a->missed = true;
                return false;
        }
        return true;
}

static bool has_letter(const char *letters, uint8_t c)
{
        return letters && c && strchr(letters, c);
}

/* ---- files ---- */

struct finder {
        const struct tide_exec *x;
        const struct interpreter *in;
        struct buf *text;
        struct script_files *files;
        bool lost; /* one was named that cannot be told: relative to a directory that is not known, or too long */
};

/* What /proc says of the process itself is what is meant by it. */
static struct bytes without_proc(struct bytes path, struct bytes cwd, struct bytes *ret_from)
{
        static const struct {
                const char *prefix;
                bool cwd;
        } rows[] = {{"/proc/self/root/", false},
                    {"/proc/1/root/", false},
                    {"/proc/thread-self/root/", false},
                    {"/proc/self/cwd/", true}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct bytes prefix = bytes_str(rows[i].prefix);

                if (!bytes_has_prefix(path, prefix))
                        continue;
                *ret_from = rows[i].cwd ? cwd : bytes_of(NULL, 0);
                return bytes_of(path.p + prefix.len, path.len - prefix.len);
        }
        *ret_from = path.len && path.p[0] == '/' ? bytes_of(NULL, 0) : cwd;
        return path;
}

/* Component by component: from is where out began. */
static void put_components(struct bytes s, size_t from, struct buf *out)
{
        for (uint32_t at = 0, end; at < s.len; at = end + 1) {
                end = at;
                while (end < s.len && s.p[end] != '/')
                        end++;
                if (end == at || (end - at == 1 && s.p[at] == '.'))
                        continue;
                if (end - at == 2 && s.p[at] == '.' && s.p[at + 1] == '.') {
                        while (out->len > from && out->p[--out->len] != '/')
                                ;
                        continue;
                }
                buf_put_u8(out, '/');
                buf_put(out, s.p + at, end - at);
        }
}

static void add_path(struct finder *f, struct bytes name, struct bytes suffix)
{
        size_t from = f->text->len;
        struct bytes dir, path;

        if (f->files->n == SCRIPT_FILES_MAX)
                return;
        path = without_proc(name, f->x->cwd, &dir);
        if ((dir.len == 0 && path.len == name.len && (name.len == 0 || name.p[0] != '/')) ||
            name.len + suffix.len > PATH_BYTES) {
                f->lost = f->lost || name.len > 0;
                return;
        }
        put_components(dir, from, f->text);
        put_components(path, from, f->text);
        if (suffix.len && suffix.p[0] == '/')
                put_components(suffix, from, f->text);
        else if (f->text->len > from)
                buf_put(f->text, suffix.p, suffix.len);
        if (f->text->err || f->text->len == from) /* "/" is no file */
                return;
        f->files->at[++f->files->n] = f->text->len;
}

static void add_file(struct finder *f, struct bytes name)
{
        const char *suffixes = f->in->suffixes;
        struct bytes suffix;

        if (name.len == 0 || bytes_eq(name, BYTES_LIT("-")))
                return;
        add_path(f, name, bytes_of(NULL, 0));
        while (next_word(&suffixes, &suffix))
                add_path(f, name, suffix);
}

/* Several may stand there, as in a class path. */
static void add_list(struct finder *f, struct bytes list)
{
        for (uint32_t at = 0, end; at < list.len; at = end + 1) {
                end = at;
                while (end < list.len && list.p[end] != ':')
                        end++;
                add_file(f, bytes_of(list.p + at, end - at));
        }
}

/* ---- options ---- */

enum step { GO_ON, OPTIONS_END, NO_FILE };

static enum step on_value(struct finder *f, struct args *a, struct bytes left, bool runs)
{
        if (left.len == 0 && !next_arg(a, &left))
                return NO_FILE;
        if (runs)
                add_list(f, left);
        return GO_ON;
}

/* "--rcfile FILE", "--rcfile=FILE", "-jar FILE". */
static enum step on_word(struct finder *f, struct args *a, struct bytes arg)
{
        const uint8_t *eq = memchr(arg.p, '=', arg.len);
        struct bytes word = bytes_of(arg.p, eq ? (size_t)(eq - arg.p) : arg.len);
        struct bytes value = eq ? bytes_of(eq + 1, arg.len - word.len - 1) : bytes_of(NULL, 0);

        if (has_word(f->in->word_none, word))
                return NO_FILE;
        if (has_word(f->in->word_file, word))
                return eq && value.len == 0 ? GO_ON : on_value(f, a, value, true);
        if (!eq && has_word(f->in->word_value, word))
                return on_value(f, a, value, false);
        return GO_ON;
}

static enum step on_letters(struct finder *f, struct args *a, struct bytes arg)
{
        for (uint32_t i = 1; i < arg.len; i++) {
                struct bytes left = bytes_of(arg.p + i + 1, arg.len - i - 1);

                if (has_letter(f->in->none, arg.p[i]))
                        return NO_FILE;
                if (has_letter(f->in->value, arg.p[i]))
                        return on_value(f, a, left, has_letter(f->in->file, arg.p[i]));
                if (has_letter(f->in->rest, arg.p[i]))
                        return GO_ON;
        }
        return GO_ON;
}

static enum step on_option(struct finder *f, struct args *a, struct bytes arg)
{
        if (bytes_eq(arg, BYTES_LIT("-")) && !(f->in->how & DASH_GOES_ON))
                return NO_FILE;
        if (bytes_eq(arg, BYTES_LIT("--")) || bytes_eq(arg, BYTES_LIT("-")))
                return OPTIONS_END;
        if (has_word(f->in->word_none, arg) || has_word(f->in->word_file, arg) || has_word(f->in->word_value, arg) ||
            (f->in->how & WORDS) || bytes_has_prefix(arg, BYTES_LIT("--")))
                return on_word(f, a, arg);
        return on_letters(f, a, arg);
}

static void parse(struct finder *f, struct args *a)
{
        struct bytes arg;

        while (next_arg(a, &arg)) {
                bool option = arg.len > 0 && (arg.p[0] == '-' || (arg.p[0] == '+' && (f->in->how & PLUS_TOO)));
                enum step step = option ? on_option(f, a, arg) : OPTIONS_END;

                if (step == GO_ON || (!option && has_word(f->in->skip, arg)))
                        continue;
                if (step == NO_FILE)
                        return;
                if (option && !next_arg(a, &arg))
                        return;
                if (!(f->in->how & RUNS_FIRST))
                        return;
                if (!(f->in->how & ONLY_SOURCE) || bytes_has_suffix(arg, bytes_str(f->in->source)))
                        add_file(f, arg);
                return;
        }
}

/* Which interpreter runs; of a program that is many, the one that was called. */
static const struct interpreter *find_called(const struct script_names *names, const struct tide_exec *x,
                                             struct args *a)
{
        struct bytes name = base_name(x->actor.exe), called;

        if (!is_box(name)) {
                const struct interpreter *in = find(names, name);

                if (in)
                        next_arg(a, &called);
                return in;
        }
        if (!next_arg(a, &called))
                return NULL;
        called = base_name(called);
        if (is_box(called) && !next_arg(a, &called))
                return NULL;
        return find(names, base_name(called));
}

enum script_known script_parse_exec(const struct script_names *names, const struct tide_exec *x, struct buf *text,
                                    struct script_files *ret)
{
        struct finder f = {.x = x, .text = text, .files = ret};
        struct args a = {.all = x->args, .whole = x->args.len > 0 && x->args_total <= x->args.len};

        buf_reset(text);
        ret->n = 0;
        ret->at[0] = 0;
        f.in = find_called(names, x, &a);
        if (!f.in)
                return a.missed ? SCRIPT_UNKNOWN : SCRIPT_NONE;
        parse(&f, &a);
        if (ret->n)
                return SCRIPT_FILES;
        return a.missed || f.lost ? SCRIPT_UNKNOWN : SCRIPT_NONE;
}

struct bytes script_path(const struct script_files *files, const struct buf *text, unsigned i)
{
        return bytes_of(text->p + files->at[i], files->at[i + 1] - files->at[i]);
}
