/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hook - a library that does what it was brought for as soon as it is loaded: here, it notes that it was. */
#include <stdio.h>

__attribute__((constructor)) static void loaded(void)
{
        FILE *f = fopen("/tmp/.loaded", "w");

        if (f)
                fclose(f);
}
