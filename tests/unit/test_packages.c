/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Databases of packages that are text, first bytes of programs, and which files of an image are wanted. */
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/exehead.h"
#include "tidemark/imagefile.h"
#include "tidemark/packages.h"

/* What was told: "name=version" and "path", each behind a blank. */
static char told[4096];
static struct packages_stats st;

static int on_package(struct bytes name, struct bytes version, void *arg)
{
        size_t n = strlen(told);

        (void)arg;
        snprintf(told + n, sizeof(told) - n, " %.*s=%.*s", (int)name.len, (const char *)name.p, (int)version.len,
                 (const char *)version.p);
        return 0;
}

static int on_path(struct bytes path, void *arg)
{
        size_t n = strlen(told);

        (void)arg;
        snprintf(told + n, sizeof(told) - n, " %.*s", (int)path.len, (const char *)path.p);
        return 0;
}

static const struct packages_ops ops = {on_package, on_path};

static const char *of(int (*parse)(struct bytes, const struct packages_ops *, void *, struct packages_stats *),
                      const char *text)
{
        told[0] = '\0';
        memset(&st, 0, sizeof(st));
        CU_ASSERT_EQUAL(parse(bytes_str(text), &ops, NULL, &st), 0);
        return told;
}

static void test_dpkg(void)
{
        CU_ASSERT_STRING_EQUAL(of(dpkg_parse_status, "Package: a\nStatus: install ok installed\nVersion: 1:2-3\n"
                                                     "Description: x\n Package: not this\n\nPackage: gone\n"
                                                     "Status: deinstall ok config-files\nVersion: 1\n\n\n"
                                                     "Package: half\nStatus: install ok half-installed\nVersion: 1\n\n"
                                                     "Package: b\nVersion: 4"),
                               " a=1:2-3 b=4"); /* without a status: an image without a package manager */
        CU_ASSERT_EQUAL(st.packages, 2);
        CU_ASSERT_EQUAL(st.malformed, 0);
        /* of a newer version: more fields; damaged: no version, no colon */
        CU_ASSERT_STRING_EQUAL(
                of(dpkg_parse_status, "Package: a\r\nNew-Field: 7\nVersion: 1\n\nPackage: b\n\nnonsense\n"), " a=1");
        CU_ASSERT_EQUAL(st.malformed, 3);
        CU_ASSERT_STRING_EQUAL(of(dpkg_parse_status, ""), "");
        CU_ASSERT_STRING_EQUAL(of(dpkg_parse_list, "/.\n/bin\n/bin/sh\n./etc/x y\n\n"), " bin bin/sh etc/x y");
        CU_ASSERT_STRING_EQUAL(of(dpkg_parse_sums, "0123456789abcdef0123456789abcdef  usr/bin/x\nshort\n"),
                               " usr/bin/x");
        CU_ASSERT_EQUAL(st.malformed, 1);
        CU_ASSERT_TRUE(bytes_eq(dpkg_list_owner(BYTES_LIT("/var/lib/dpkg/info/libc6:amd64.list")), BYTES_LIT("libc6")));
        CU_ASSERT_TRUE(
                bytes_eq(dpkg_list_owner(BYTES_LIT("/var/lib/dpkg/info/base-files.list")), BYTES_LIT("base-files")));
        CU_ASSERT_TRUE(bytes_eq(dpkg_list_owner(BYTES_LIT("x.y.md5sums")), BYTES_LIT("x.y")));
}

static void test_apk(void)
{
        CU_ASSERT_STRING_EQUAL(of(apk_parse_installed, "C:Q1\nP:musl\nV:1.2-r0\nF:lib\nR:ld.so\na:0:0:755\nR:libc.so\n"
                                                       "F:\nR:init\n\nP:empty\nV:2\n\n"),
                               " musl=1.2-r0 lib/ld.so lib/libc.so init empty=2");
        CU_ASSERT_EQUAL(st.malformed, 0);
        /* without its end, a line that is none, a package without a version, a file of no package */
        CU_ASSERT_STRING_EQUAL(of(apk_parse_installed, "P:a\nV:1\n!\n\nP:b\nF:x\nR:y\n\nR:nobodys\n\nP:c\nV:3"),
                               " a=1 x/y c=3");
        CU_ASSERT_EQUAL(st.malformed, 3);
}

/* A text that is cut anywhere is read up to there. */
static void test_cut(void)
{
        static const char apk[] = "P:musl\nV:1.2-r0\nF:lib\nR:ld.so\n\nP:empty\nV:2\n\n";

        for (size_t n = 0; n < sizeof(apk); n++) {
                char *exact = malloc(n ? n : 1);

                CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
                memcpy(exact, apk, n);
                told[0] = '\0';
                CU_ASSERT_EQUAL(apk_parse_installed(bytes_of(exact, n), &ops, NULL, &st), 0);
                CU_ASSERT_EQUAL(dpkg_parse_status(bytes_of(exact, n), &ops, NULL, &st), 0);
                CU_ASSERT_EQUAL(dpkg_parse_sums(bytes_of(exact, n), &ops, NULL, &st), 0);
                free(exact);
        }
}

static int refuse(struct bytes path, void *arg)
{
        (void)path, (void)arg;
        return -ENOMEM;
}

static void test_end(void)
{
        static const struct packages_ops no = {on_package, refuse};

        CU_ASSERT_EQUAL(dpkg_parse_list(BYTES_LIT("/a\n/b\n"), &no, NULL, &st), -ENOMEM);
        CU_ASSERT_EQUAL(apk_parse_installed(BYTES_LIT("P:a\nV:1\nF:x\nR:y\n"), &no, NULL, &st), -ENOMEM);
}

/* ---- first bytes ---- */

struct elf {
        Elf64_Ehdr head;
        Elf64_Phdr part[2];
        char interp[16];
};

static struct elf elf(uint16_t type, bool interp)
{
        struct elf e = {.head = {.e_type = type, .e_phoff = offsetof(struct elf, part), .e_phnum = 2}};

        memcpy(e.head.e_ident, ELFMAG, SELFMAG);
        e.head.e_ident[EI_CLASS] = ELFCLASS64;
        e.head.e_ident[EI_DATA] = ELFDATA2LSB;
        e.head.e_phentsize = sizeof(Elf64_Phdr);
        e.part[0].p_type = PT_LOAD;
        e.part[1].p_type = interp ? PT_INTERP : PT_LOAD;
        e.part[1].p_offset = offsetof(struct elf, interp);
        e.part[1].p_filesz = sizeof(e.interp);
        strcpy(e.interp, "/lib/ld.so");
        return e;
}

static void test_heads(void)
{
        struct elf e = elf(ET_DYN, true);
        struct exehead h = exehead_decode(&e, sizeof(e));

        CU_ASSERT_EQUAL(h.kind, EXEHEAD_PROGRAM);
        CU_ASSERT_TRUE(bytes_eq(h.interpreter, BYTES_LIT("/lib/ld.so")));
        e = elf(ET_DYN, false);
        CU_ASSERT_EQUAL(exehead_decode(&e, sizeof(e)).kind, EXEHEAD_SHARED);
        e = elf(ET_EXEC, false);
        CU_ASSERT_EQUAL(exehead_decode(&e, sizeof(e)).kind, EXEHEAD_PROGRAM);
        e = elf(ET_REL, false);
        CU_ASSERT_EQUAL(exehead_decode(&e, sizeof(e)).kind, EXEHEAD_OBJECT);
        e = elf(ET_DYN, true); /* offsets that lead out of it */
        e.part[1].p_offset = UINT64_MAX - 2;
        h = exehead_decode(&e, sizeof(e));
        CU_ASSERT_TRUE(h.kind == EXEHEAD_PROGRAM && h.interpreter.len == 0);
        e.head.e_phoff = UINT64_MAX;
        CU_ASSERT_EQUAL(exehead_decode(&e, sizeof(e)).kind, EXEHEAD_SHARED);
        e = elf(ET_EXEC, true);
        e.head.e_ident[EI_CLASS] = 9;
        CU_ASSERT_EQUAL(exehead_decode(&e, sizeof(e)).kind, EXEHEAD_OTHER);
        for (size_t n = 0; n < sizeof(e); n++) { /* cut anywhere */
                uint8_t *exact = malloc(n ? n : 1);

                CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
                e = elf(ET_EXEC, true);
                memcpy(exact, &e, n);
                h = exehead_decode(exact, n);
                CU_ASSERT_TRUE(h.kind == (n < sizeof(Elf64_Ehdr) ? EXEHEAD_OTHER : EXEHEAD_PROGRAM));
                free(exact);
        }
}

static void test_scripts(void)
{
        static char longer[600] = "#!/";
        struct exehead h = exehead_decode("#! /usr/bin/env  python3 -u\t\nprint()", 37);

        CU_ASSERT_EQUAL(h.kind, EXEHEAD_SCRIPT);
        CU_ASSERT_TRUE(bytes_eq(h.interpreter, BYTES_LIT("/usr/bin/env")));
        CU_ASSERT_TRUE(bytes_eq(h.argument, BYTES_LIT("python3 -u")));
        h = exehead_decode("#!/bin/sh", 9);
        CU_ASSERT_TRUE(h.kind == EXEHEAD_SCRIPT && bytes_eq(h.interpreter, BYTES_LIT("/bin/sh")));
        CU_ASSERT_EQUAL(exehead_decode("#!", 2).kind, EXEHEAD_OTHER);
        CU_ASSERT_EQUAL(exehead_decode("", 0).kind, EXEHEAD_OTHER);
        memset(longer + 3, 'a', sizeof(longer) - 4);
        h = exehead_decode(longer, sizeof(longer) - 1);
        CU_ASSERT_EQUAL(h.interpreter.len, EXEHEAD_INTERPRETER);
}

/* ---- which files ---- */

static enum image_role role(const char *path, uint32_t mode)
{
        return image_role(bytes_str(path), mode);
}

static void test_roles(void)
{
        CU_ASSERT_EQUAL(role("bin/true", 0755), IMAGE_RUNS);
        CU_ASSERT_EQUAL(role("bin/odd", 04644), IMAGE_RUNS);
        CU_ASSERT_EQUAL(role("lib/libc.so.6", 0644), IMAGE_LIBRARY);
        CU_ASSERT_EQUAL(role("lib/libssl.so.1.1", 0644), IMAGE_LIBRARY);
        CU_ASSERT_EQUAL(role("lib/libx.so", 0644), IMAGE_LIBRARY);
        CU_ASSERT_EQUAL(role("lib/.so", 0644), IMAGE_NONE);
        CU_ASSERT_EQUAL(role("lib/libx.so.bak", 0644), IMAGE_NONE);
        CU_ASSERT_EQUAL(role("app/main.py", 0644), IMAGE_SCRIPT);
        CU_ASSERT_EQUAL(role("etc/passwd", 0644), IMAGE_NONE);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/status", 0644), IMAGE_DPKG);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/status-old", 0644), IMAGE_NONE);
        CU_ASSERT_EQUAL(role("x/var/lib/dpkg/status", 0644), IMAGE_NONE);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/info/dash.list", 0644), IMAGE_DPKG_LIST);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/info/dash.postinst", 0755), IMAGE_RUNS);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/info/sub/dash.list", 0644), IMAGE_NONE);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/status.d/base", 0644), IMAGE_DPKG_D);
        CU_ASSERT_EQUAL(role("var/lib/dpkg/status.d/base.md5sums", 0644), IMAGE_DPKG_SUMS);
        CU_ASSERT_EQUAL(role("lib/apk/db/installed", 0644), IMAGE_APK);
        CU_ASSERT_EQUAL(role("usr/lib/sysimage/rpm/rpmdb.sqlite", 0644), IMAGE_RPM);
        CU_ASSERT_EQUAL(role("var/lib/rpm/Packages", 0644), IMAGE_RPM);
        CU_ASSERT_EQUAL(role("", 0644), IMAGE_NONE);
}

static void test_messages(void)
{
        _cleanup_buf_ struct buf b;
        struct image_msg m = {.kind = IMAGE_MSG_FILE, .role = IMAGE_RUNS, .caps = 1, .layer = 7, .mode = 0100755}, back;

        m.uid = 1;
        m.gid = 2;
        m.size = 1ull << 40;
        m.error = -13;
        m.path = BYTES_LIT("/bin/x");
        m.text = BYTES_LIT("text");
        m.entries = 9;
        m.complete = 1;
        buf_init(&b, IMAGE_MSG_MAX);
        image_msg_put(&b, &m);
        CU_ASSERT_EQUAL(image_msg_decode(b.p, b.len, &back), 0);
        CU_ASSERT_TRUE(back.kind == m.kind && back.role == m.role && back.caps && back.layer == 7 &&
                       back.mode == m.mode);
        CU_ASSERT_TRUE(back.uid == 1 && back.gid == 2 && back.size == m.size && back.error == -13 && back.entries == 9);
        CU_ASSERT_TRUE(bytes_eq(back.path, m.path) && bytes_eq(back.text, m.text) && back.complete);
        for (size_t n = 0; n < b.len; n++)
                CU_ASSERT_TRUE(image_msg_decode(b.p, n, &back) < 0);
        buf_put_u8(&b, 0); /* too long */
        CU_ASSERT_EQUAL(image_msg_decode(b.p, b.len, &back), ERR_SCHEMA);
        buf_reset(&b);
        m.path = BYTES_LIT("bin/x"); /* not absolute */
        image_msg_put(&b, &m);
        CU_ASSERT_EQUAL(image_msg_decode(b.p, b.len, &back), ERR_SCHEMA);
        buf_reset(&b);
        m.path = BYTES_LIT("/x");
        m.kind = IMAGE_MSG__MAX;
        image_msg_put(&b, &m);
        CU_ASSERT_EQUAL(image_msg_decode(b.p, b.len, &back), ERR_SCHEMA);
}

static const struct unit_case cases[] = {
        {"dpkg's paragraphs, lists and sums", test_dpkg},   {"apk's installed", test_apk},
        {"a text that is cut anywhere", test_cut},          {"whoever reads may end it", test_end},
        {"ELF files by their headers", test_heads},         {"scripts by their first line", test_scripts},
        {"which files of an image are wanted", test_roles}, {"messages about files", test_messages},
};
UNIT_MAIN("packages", cases)
