/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what an address is, and how much of it names a destination. Pure.
 *
 * Public IPv4 addresses are kept whole: neighbours there are strangers. Within a site machines come and go, and their
 * network is what stays. With IPv6 a host's last 64 bits are often drawn anew (RFC 8981), so that the network counts.
 * 169.254/16 is kept whole: 169.254.169.254 gives away a cloud's credentials, its neighbours tell the time.
 */
#include "tidemark/generalise.h"

#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"

struct row {
        uint8_t bytes[16];
        uint8_t length; /* of the prefix, in bits */
        uint8_t kind;   /* enum address_kind */
        uint8_t keeps;  /* so many bits name the destination */
};

/* IANA's special-purpose registries (RFC 6890), as far as they change the judgement; the first that fits counts. */
static const struct row v4[] = {
        {{0}, 8, ADDRESS_SPECIAL, 32},        /* "this host on this network" */
        {{10}, 8, ADDRESS_PRIVATE, 24},       /* RFC 1918 */
        {{100, 64}, 10, ADDRESS_PRIVATE, 24}, /* RFC 6598, shared address space */
        {{127}, 8, ADDRESS_LOOPBACK, 32},
        {{169, 254}, 16, ADDRESS_LINK, 32},    /* RFC 3927 */
        {{172, 16}, 12, ADDRESS_PRIVATE, 24},  /* RFC 1918 */
        {{192, 168}, 16, ADDRESS_PRIVATE, 24}, /* RFC 1918 */
        {{224}, 4, ADDRESS_GROUP, 32},         /* RFC 5771 */
        {{255, 255, 255, 255}, 32, ADDRESS_GROUP, 32},
        {{240}, 4, ADDRESS_SPECIAL, 32}, /* RFC 1112, reserved */
        {{0}, 0, ADDRESS_PUBLIC, 32},
};
static const struct row v6[] = {
        {{[15] = 1}, 128, ADDRESS_LOOPBACK, 128},
        {{0}, 128, ADDRESS_SPECIAL, 128},     /* the unspecified address */
        {{0xfc}, 7, ADDRESS_PRIVATE, 64},     /* RFC 4193 */
        {{0xfe, 0x80}, 10, ADDRESS_LINK, 64}, /* RFC 4291 */
        {{0xff}, 8, ADDRESS_GROUP, 128},      /* RFC 4291 */
        {{0}, 0, ADDRESS_PUBLIC, 64},
};

struct bytes address_plain(struct bytes address)
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291, 2.5.5.2 */

        if (address.len == 16 && memcmp(address.p, mapped, sizeof(mapped)) == 0)
                return bytes_of(address.p + sizeof(mapped), 4);
        return address;
}

static bool fits(const struct row *row, struct bytes a)
{
        unsigned whole = row->length / 8, bits = row->length % 8;

        if (whole && memcmp(a.p, row->bytes, whole) != 0)
                return false;
        return bits == 0 || (a.p[whole] ^ row->bytes[whole]) >> (8 - bits) == 0;
}

static const struct row *row_of(struct bytes a)
{
        const struct row *row = a.len == 4 ? v4 : v6;

        while (!fits(row, a)) /* the last one fits everything */
                row++;
        return row;
}

enum address_kind address_kind(struct bytes address)
{
        struct bytes a = address_plain(address);

        return a.len == 4 || a.len == 16 ? (enum address_kind)row_of(a)->kind : ADDRESS_NONE;
}

/* As inet_ntop(3) writes it, which with each flow would be most of what judging it takes. */
static void put_v4(const uint8_t *a, struct buf *out)
{
        char text[16];
        size_t n = 0;

        for (int i = 0; i < 4; i++) {
                if (a[i] >= 100)
                        text[n++] = (char)('0' + a[i] / 100);
                if (a[i] >= 10)
                        text[n++] = (char)('0' + a[i] / 10 % 10);
                text[n++] = (char)('0' + a[i] % 10);
                if (i < 3)
                        text[n++] = '.';
        }
        buf_put(out, text, n);
}

void generalise_address(struct bytes address, struct buf *out)
{
        struct bytes a = address_plain(address);
        char text[TIDE_ADDRESS_TEXT];
        const struct row *row;
        uint8_t kept[16] = {0};

        if (a.len != 4 && a.len != 16) {
                buf_put_str(out, "?");
                return;
        }
        row = row_of(a);
        memcpy(kept, a.p, row->keeps / 8u);
        if (a.len == 4)
                put_v4(kept, out);
        else
                buf_put_str(out, tide_address_text(bytes_of(kept, a.len), text));
        if (row->keeps < 8u * a.len)
                buf_put_str(out, a.len == 4 ? "/24" : "/64"); /* all that the table has */
}
