/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the words for what a kernel may give. Pure. */
#include "tidemark/facility.h"

#include "tidemark/attr.h"

static const char *const words[FACILITY__MAX] = {
        [FACILITY_CONTENT] = "content",     [FACILITY_FILESYSTEM_MARK] = "filesystem-mark",
        [FACILITY_OPEN_EXEC] = "open-exec", [FACILITY_NAMES] = "names",
        [FACILITY_INOTIFY] = "inotify",     [FACILITY_NSPID] = "nspid",
        [FACILITY_FLOWS] = "flows",
};

const char *facility_word(unsigned f)
{
        return f < FACILITY__MAX ? words[f] : "";
}

unsigned facility_find(struct bytes word)
{
        unsigned f = 0;

        while (f < FACILITY__MAX && !bytes_eq(word, bytes_str(words[f])))
                f++;
        return f;
}
