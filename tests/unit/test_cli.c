/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line does with texts: escaped, cut, wrapped, in columns that fit. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli-priv.h"
#include "cli/show-priv.h"
#include "tests/unit/unit.h"

static char out[8192];

static FILE *paper(void)
{
        memset(out, 0, sizeof(out));
        return fmemopen(out, sizeof(out) - 1, "w");
}

static void test_put(void)
{
        static const struct {
                const char *text;
                size_t width;
                const char *want;
        } rows[] = {
                {"plain", 10, "plain"},
                {"exactly ten", 11, "exactly ten"},
                {"eleven char", 10, "eleven ..."},
                {"red \033[31m", 40, "red \\x1b[31m"},
                {"once \\xff escaped", 40, "once \\xff escaped"}, /* the daemon's escapes stay as they are */
                {"two\nlines", 40, "two\\nlines"},
                {"gr\xc3\xbc\xc3\x9f", 4, "gr\xc3\xbc\xc3\x9f"}, /* four columns, six bytes */
                {"\xe2\x80\xae", 40, "\\xe2\\x80\\xae"},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                FILE *f = paper();

                cli_put(f, rows[i].text, rows[i].width);
                fclose(f);
                CU_ASSERT_STRING_EQUAL(out, rows[i].want);
        }
}

static size_t widest(const char *text)
{
        size_t most = 0;

        while (*text) {
                size_t n = strcspn(text, "\n");

                most = n > most ? n : most;
                text += n + (text[n] == '\n');
        }
        return most;
}

static void test_wrap(void)
{
        char words[1200] = "", word[301];
        FILE *f;

        for (int i = 0; i < 100; i++)
                strcat(words, i % 7 ? "word " : "longerword ");
        f = paper();
        cli_wrap(f, words, 20, 8);
        fclose(f);
        CU_ASSERT_TRUE(widest(out) <= CLI_WIDTH);
        CU_ASSERT_TRUE(widest(out) > CLI_WIDTH - 20);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n        word"));
        memset(word, 'x', sizeof(word) - 1); /* one that no line holds */
        word[sizeof(word) - 1] = '\0';
        f = paper();
        cli_wrap(f, word, 4, 4);
        fclose(f);
        CU_ASSERT_TRUE(widest(out) <= CLI_WIDTH);
        CU_ASSERT_EQUAL(strlen(out), 300 + 3 * 5 + 1); /* all of it, on four lines */
        f = paper();
        cli_wrap(f, "", 4, 4);
        fclose(f);
        CU_ASSERT_STRING_EQUAL(out, "\n");
        memset(word, 'x', 89); /* it fills the first line, and the second word ends where the first one began */
        strcpy(word + 89, " baseline list");
        f = paper();
        cli_wrap(f, word, 10, 2);
        fclose(f);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "\n  baseline list\n"));
}

static void test_table(void)
{
        static const char *const head[] = {"A", "LONG", "B"};
        char cell[200];
        const char *const row[] = {"1", cell, "last"}, *const empty[] = {NULL, "", "x"};
        static const char *const times[] = {"A", "WHEN", "C", "D", "E", "F"}, wide[] = "as long as eighteen";
        const char *const cells[] = {wide, cell, wide, wide, wide, wide};
        struct cli_table *t = cli_table_new(3, head);
        FILE *f;

        memset(cell, 'y', sizeof(cell) - 1);
        cell[sizeof(cell) - 1] = '\0';
        cli_table_row(t, row);
        cli_table_row(t, empty);
        f = paper();
        cli_table_print(f, t);
        fclose(f);
        CU_ASSERT_TRUE(widest(out) <= CLI_WIDTH);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "yyy...  last\n"));
        CU_ASSERT_EQUAL(strncmp(out, "A  LONG ", 8), 0);
        t = cli_table_new(3, head);
        f = paper();
        cli_table_print(f, t);
        fclose(f);
        CU_ASSERT_STRING_EQUAL(out, "A  LONG  B\n");
        /* A time that is cut says nothing, wherever it stands and however long it is beside the others. */
        memset(cell, 'y', 19);
        strcpy(cell + 19, "");
        t = cli_table_new(ARRAY_LEN(times), times);
        cli_table_row(t, cells);
        cli_table_keep(t, 1);
        f = paper();
        cli_table_print(f, t);
        fclose(f);
        CU_ASSERT_TRUE(widest(out) <= CLI_WIDTH);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "  yyyyyyyyyyyyyyyyyyy  "));
}

static void test_options(void)
{
        const char *value = NULL;
        bool flag = false;
        const struct cli_option options[] = {{"--value", &value, NULL}, {"--flag", NULL, &flag}};
        char words[6][16] = {"command", "one", "--value", "v", "--flag", "two"}, other[] = "--other";
        char *argv[] = {words[0], words[1], words[2], words[3], words[4], words[5]}, *bad[] = {words[0], words[2]};
        struct cli c = {.argc = 6, .argv = argv};
        int n = 0;

        CU_ASSERT_EQUAL(cli_options(&c, options, 2, &n), CLI_DONE);
        CU_ASSERT_EQUAL(n, 2);
        CU_ASSERT_STRING_EQUAL(argv[1], "one");
        CU_ASSERT_STRING_EQUAL(argv[2], "two");
        CU_ASSERT_STRING_EQUAL(value, "v");
        CU_ASSERT_TRUE(flag);
        c = (struct cli){.argc = 2, .argv = bad};
        CU_ASSERT_EQUAL(cli_options(&c, options, 2, &n), CLI_USAGE);
        bad[1] = other;
        CU_ASSERT_EQUAL(cli_options(&c, options, 2, &n), CLI_USAGE);
}

void show_heading(const struct cli *c, const char *text)
{
        (void)c;
        puts(text);
}

/* What it prints, into out. */
static void next_of(const char *workload)
{
        json_t *f = json_pack("{s:s,s:s,s:{s:s}}", "id", "F-1", "state", "open", "workload", "name", workload);
        int stdout_was, fd;
        FILE *to = tmpfile();
        size_t n;

        CU_ASSERT_TRUE_FATAL(f && to);
        fflush(stdout);
        stdout_was = dup(STDOUT_FILENO);
        fd = fileno(to);
        CU_ASSERT_TRUE_FATAL(stdout_was >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
        show_next(NULL, f);
        fflush(stdout);
        dup2(stdout_was, STDOUT_FILENO);
        close(stdout_was);
        rewind(to);
        n = fread(out, 1, sizeof(out) - 1, to);
        out[n] = '\0';
        fclose(to);
        json_decref(f);
}

/* Its lines are there to be copied into root's shell, and a workload may be called as an image's author likes. */
static void test_next(void)
{
        char name[100];

        next_of("shop");
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "tidemark baseline show shop\n"));
        next_of("x;reboot'");
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "tidemark baseline show 'x;reboot'\\'''\n"));
        memset(name, ';', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        next_of(name); /* cut, it would be no word any more */
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "tidemark baseline show WORKLOAD\n"));
        CU_ASSERT_PTR_NULL(strstr(out, ";;"));
}

static const struct unit_case cases[] = {
        {"texts are escaped and cut by columns", test_put},
        {"texts are wrapped", test_wrap},
        {"tables fit", test_table},
        {"options and operands", test_options},
        {"lines to be copied hold one command each", test_next},
};
UNIT_MAIN("cli", cases)
