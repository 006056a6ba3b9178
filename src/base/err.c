/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the words for errors that errno has none for. Pure. */
#include "tidemark/err.h"

#include <string.h>

#include "tidemark/attr.h"

static const struct {
        int err;
        const char *text;
} words[] = {
        {0, "no error"},
        {ERR_OVERRUN, "the kernel's queue overflowed and events were lost"},
        {ERR_TRUNCATED, "ends too early"},
        {ERR_UNTRUSTED, "comes from somebody who may not say this"},
        {ERR_SCHEMA, "is of a version or shape that is not known here"},
        {ERR_CHECKSUM, "was changed after it was written: its checksum does not fit"},
        {ERR_LIMIT, "is beyond a limit"},
        {ERR_FOREIGN, "is not a file of tidemark"},
};

const char *err_str(int err)
{
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (words[i].err == err)
                        return words[i].text;
        return strerror(err < 0 ? -err : err);
}
