/* SPDX-License-Identifier: GPL-2.0-or-later */
/* show-priv - the parts of a finding's page, each in a file of its own. Each prints its heading, or nothing. */
#ifndef TIDEMARK_CLI_SHOW_PRIV_H
#define TIDEMARK_CLI_SHOW_PRIV_H

#include "cli/cli-priv.h"

void show_heading(const struct cli *c, const char *text);
/* show_explained.c: the two explanations side by side, and the criteria that fit */
void show_explained(const struct cli *c, const json_t *finding);
/* show_known.c: the image; how it was watched, what was not seen; what was done */
void show_image(const struct cli *c, const json_t *finding);
void show_watched(const struct cli *c, const json_t *finding);
void show_done(const struct cli *c, const json_t *finding);
/* show_supply.c: what records of the image say, and the conclusion */
void show_supply(const struct cli *c, const json_t *finding);
/* show_next.c: the next sensible commands */
void show_next(const struct cli *c, const json_t *finding);

#endif
