/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: how people write times, and what a zone's clock shows when: "2d", "2026-12-24 06:00", "Europe/Berlin". Must
 * not: ask the daemon. The zone of this process is changed for that, which nothing else here looks at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/when-priv.h"

#define ZONES "/usr/share/zoneinfo"
#define STEP 43200 /* no zone changes its clock twice in half a day */

static bool digits(const char *s, size_t n, int *ret)
{
        int v = 0;

        for (size_t i = 0; i < n; i++) {
                if (s[i] < '0' || s[i] > '9')
                        return false;
                v = 10 * v + (s[i] - '0');
        }
        *ret = v;
        return true;
}

bool when_span(const char *text, int64_t *ret)
{
        static const struct {
                char unit;
                int64_t seconds;
        } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
        size_t n = strspn(text, "0123456789");
        int v;

        if (n == 0 || n > 6 || strlen(text) != n + 1 || !digits(text, n, &v))
                return false;
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
                if (text[n] == units[i].unit) {
                        *ret = v * units[i].seconds;
                        return true;
                }
        return false;
}

/* ---- zones ---- */

static bool fixed(const char *name, int32_t *ret)
{
        int hours, minutes = 0;
        size_t len = strlen(name);

        *ret = 0;
        if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0 || strcmp(name, "GMT") == 0)
                return true;
        if ((name[0] != '+' && name[0] != '-') || len < 3 || !digits(name + 1, 2, &hours))
                return false;
        if (len == 6 && name[3] == ':' ? !digits(name + 4, 2, &minutes)
            : len == 5                 ? !digits(name + 3, 2, &minutes)
                                       : len != 3)
                return false;
        if (hours > 14 || minutes > 59)
                return false;
        *ret = (name[0] == '-' ? -1 : 1) * (3600 * hours + 60 * minutes);
        return true;
}

/* Names are files below the zones' directory: of nothing else may the C library be told. */
static bool is_named(const char *name)
{
        const char *dir = getenv("TZDIR");
        char path[512];
        struct stat st;

        if (!*name || *name == '/' || strstr(name, "..") || strlen(name) > 64 ||
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") != strlen(name))
                return false;
        snprintf(path, sizeof(path), "%s/%s", dir && *dir ? dir : ZONES, name);
        return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int when_zone(const char *name, struct when_zone *ret)
{
        char tz[80];

        memset(ret, 0, sizeof(*ret));
        ret->fixed = fixed(name, &ret->seconds);
        if (ret->fixed)
                return 0;
        if (!is_named(name))
                return -EINVAL;
        snprintf(tz, sizeof(tz), ":%s", name);
        if (setenv("TZ", tz, 1) < 0)
                return -errno;
        tzset();
        return 0;
}

static int32_t offset(const struct when_zone *z, int64_t t)
{
        time_t at = (time_t)t;
        struct tm tm;

        if (z->fixed)
                return z->seconds;
        return localtime_r(&at, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

size_t when_offsets(const struct when_zone *z, int64_t from, int64_t until, struct when_offset *ret, size_t max)
{
        size_t n = 0;

        ret[n++] = (struct when_offset){from, offset(z, from)};
        for (int64_t t = from; t < until && !z->fixed;) {
                int64_t next = t + STEP, low = t, high = next;

                t = next;
                if (offset(z, next) == ret[n - 1].seconds)
                        continue;
                while (high - low > 1) {
                        int64_t mid = low + (high - low) / 2;

                        if (offset(z, mid) == ret[n - 1].seconds)
                                low = mid;
                        else
                                high = mid;
                }
                if (n == max)
                        return max + 1;
                ret[n++] = (struct when_offset){high, offset(z, high)};
        }
        return n;
}

/* ---- times ---- */

/* "2026-12-24", with "T" or a space "06:00" or "06:00:30" behind it, and perhaps "Z". */
static bool read_date(const char *s, struct tm *tm, bool *utc)
{
        size_t len = strlen(s);
        int year, month;

        memset(tm, 0, sizeof(*tm));
        tm->tm_isdst = -1;
        *utc = len > 10 && s[len - 1] == 'Z';
        len -= *utc;
        if ((len != 10 && len != 16 && len != 19) || !digits(s, 4, &year) || s[4] != '-' || !digits(s + 5, 2, &month) ||
            s[7] != '-' || !digits(s + 8, 2, &tm->tm_mday))
                return false;
        if (len > 10 && ((s[10] != 'T' && s[10] != ' ') || !digits(s + 11, 2, &tm->tm_hour) || s[13] != ':' ||
                         !digits(s + 14, 2, &tm->tm_min)))
                return false;
        if (len == 19 && (s[16] != ':' || !digits(s + 17, 2, &tm->tm_sec)))
                return false;
        tm->tm_year = year - 1900;
        tm->tm_mon = month - 1;
        return month >= 1 && month <= 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour < 24 &&
               tm->tm_min < 60 && tm->tm_sec < 60;
}

bool when_time(const char *text, const struct when_zone *z, int64_t now, int64_t *ret)
{
        struct tm tm, same;
        int64_t span;
        bool utc;
        time_t t;

        if (when_span(text, &span)) {
                *ret = now + span;
                return true;
        }
        if (!read_date(text, &tm, &utc))
                return false;
        same = tm;
        t = timegm(&same);
        if (same.tm_mday != tm.tm_mday) /* a 31st that is none */
                return false;
        *ret = utc ? (int64_t)t : z->fixed ? (int64_t)t - z->seconds : (int64_t)mktime(&tm);
        return true;
}
