/* SPDX-License-Identifier: GPL-2.0-or-later */
/* evidence-priv - between the loop's side of the evidence directory and its helpers: datagrams, one a message. */
#ifndef TIDEMARK_ACT_EVIDENCE_PRIV_H
#define TIDEMARK_ACT_EVIDENCE_PRIV_H

#include "tidemark/evidence.h"

#define EVIDENCE_MESSAGE (EVIDENCE_FACTS + 1024u)

enum evidence_message {
        EVIDENCE_SAYS_PIECE = 1, /* u8 kind · string name · string facts */
        EVIDENCE_SAYS_REMOVED,   /* u8 kind · string name · u8 verdict · string facts */
        EVIDENCE_SAYS_GRANTED,   /* u8 kind · u64 bytes */
        EVIDENCE_SAYS_DONE, /* u8 kind · u32 error (as it is) · u64 pieces · u64 bytes · u64 disk_free ·
                             * u8 writable · u8 more · u64 granted · u8 by_disk · string words */
};

/* What a helper does: the whole of one request. Blocks. Its result is said in EVIDENCE_SAYS_DONE; this one is whether
 * that could be said. */
int evidence_work(int fd, const char *dir, const struct evidence_ask *ask);

#endif
