/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the headers of ELF files and scripts. Must not: believe an offset. Pure. elf(5), execve(2). */
#include "tidemark/exehead.h"

#include <elf.h>
#include <string.h>

/* A number of size bytes in the file's own order; 0 beyond its end. */
static uint64_t number(struct bytes b, bool big, uint64_t at, unsigned size)
{
        uint64_t v = 0;

        if (at > b.len || size > b.len - at)
                return 0;
        for (unsigned i = 0; i < size; i++)
                v |= (uint64_t)b.p[at + i] << (8 * (big ? size - 1 - i : i));
        return v;
}

/* What PT_INTERP says, if it lies here; *ret_has: there is one. */
static struct bytes elf_interpreter(struct bytes b, bool big, bool wide, bool *ret_has)
{
        uint64_t phoff = number(b, big, wide ? 32 : 28, wide ? 8 : 4);
        uint64_t size = number(b, big, wide ? 54 : 42, 2), n = number(b, big, wide ? 56 : 44, 2);

        *ret_has = false;
        if (size < (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || phoff > b.len)
                return bytes_of(NULL, 0);
        for (uint64_t i = 0; i < n && phoff + (i + 1) * size <= b.len; i++) {
                uint64_t at = phoff + i * size;
                uint64_t offset, len;

                if (number(b, big, at, 4) != PT_INTERP)
                        continue;
                *ret_has = true;
                offset = number(b, big, at + (wide ? 8 : 4), wide ? 8 : 4);
                len = number(b, big, at + (wide ? 32 : 16), wide ? 8 : 4);
                if (len < 2 || offset > b.len || len > b.len - offset)
                        return bytes_of(NULL, 0);
                return bytes_of(b.p + offset, strnlen((const char *)b.p + offset, len));
        }
        return bytes_of(NULL, 0);
}

static struct exehead elf(struct bytes b)
{
        struct exehead h = {.kind = EXEHEAD_OTHER};
        bool wide = b.p[EI_CLASS] == ELFCLASS64, big = b.p[EI_DATA] == ELFDATA2MSB, has = false;

        if ((!wide && b.p[EI_CLASS] != ELFCLASS32) || (!big && b.p[EI_DATA] != ELFDATA2LSB) ||
            b.len < (wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
                return h;
        h.interpreter = elf_interpreter(b, big, wide, &has);
        switch (number(b, big, 16, 2)) {
        case ET_EXEC:
                h.kind = EXEHEAD_PROGRAM;
                break;
        case ET_DYN:
                h.kind = has ? EXEHEAD_PROGRAM : EXEHEAD_SHARED;
                break;
        default:
                h.kind = EXEHEAD_OBJECT;
                break;
        }
        return h;
}

static bool is_blank(uint8_t c)
{
        return c == ' ' || c == '\t';
}

static struct bytes trimmed(struct bytes b)
{
        while (b.len && is_blank(b.p[0])) {
                b.p++;
                b.len--;
        }
        while (b.len && is_blank(b.p[b.len - 1]))
                b.len--;
        return b;
}

static struct exehead script(struct bytes b)
{
        struct exehead h = {.kind = EXEHEAD_SCRIPT};
        uint32_t n = 0;

        b = bytes_of(b.p + 2, b.len - 2 < EXEHEAD_INTERPRETER ? b.len - 2 : EXEHEAD_INTERPRETER);
        while (n < b.len && b.p[n] != '\n' && b.p[n] != '\0')
                n++;
        b = trimmed(bytes_of(b.p, n));
        n = 0;
        while (n < b.len && !is_blank(b.p[n]))
                n++;
        h.interpreter = bytes_of(b.p, n);
        h.argument = trimmed(bytes_of(b.p + n, b.len - n));
        return h;
}

struct exehead exehead_decode(const void *p, size_t len)
{
        struct bytes b = bytes_of(p, len < EXEHEAD_BYTES ? len : EXEHEAD_BYTES);

        if (b.len > EI_NIDENT && memcmp(b.p, ELFMAG, SELFMAG) == 0)
                return elf(b);
        if (b.len > 2 && b.p[0] == '#' && b.p[1] == '!')
                return script(b);
        return (struct exehead){.kind = EXEHEAD_OTHER};
}
