/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which files make something run later, or let somebody in: what a program that wants to stay writes. Must not:
 * know whether that is new (baseline), nor what it weighs (score.c). Pure.
 */
#include "judge/judge-priv.h"

struct place {
        const char *head, *tail; /* what the path begins and ends with */
};

/* By path, as the container sees it. Directories of what comes and goes there all day are none. */
static const struct place places[] = {
        /* at times, and at the start */
        {"/etc/cron", ""},
        {"/etc/anacrontab", ""},
        {"/var/spool/cron/", ""},
        {"/var/spool/at/", ""},
        {"/etc/systemd/system/", ""},
        {"/etc/systemd/user/", ""},
        {"/usr/lib/systemd/system/", ""},
        {"/lib/systemd/system/", ""},
        {"/etc/init.d/", ""},
        {"/etc/rc.local", ""},
        {"/etc/inittab", ""},
        {"/etc/udev/rules.d/", ""},
        /* with every program, shell, session or interpreter */
        {"/etc/ld.so.", ""},
        {"/etc/profile", ""},
        {"/etc/bash.bashrc", ""},
        {"/etc/environment", ""},
        {"/etc/update-motd.d/", ""},
        {"", "/.bashrc"},
        {"", "/.bash_profile"},
        {"", "/.profile"},
        {"", "/.zshrc"},
        {"", "/sitecustomize.py"},
        {"", "/usercustomize.py"},
        {"/usr/lib/python", ".pth"},
        {"/usr/local/lib/python", ".pth"},
        /* who may come in, and as whom */
        {"/etc/passwd", ""},
        {"/etc/shadow", ""},
        {"/etc/group", ""},
        {"/etc/gshadow", ""},
        {"/etc/sudoers", ""},
        {"/etc/doas.conf", ""},
        {"/etc/pam.d/", ""},
        {"/etc/security/", ""},
        {"/etc/ssh/", ""},
        {"", "/.ssh/authorized_keys"},
        {"", "/.ssh/authorized_keys2"},
        {"", "/.rhosts"},
};

bool score_is_lasting_place(struct bytes path)
{
        for (size_t i = 0; i < ARRAY_LEN(places); i++)
                if (bytes_has_prefix(path, bytes_str(places[i].head)) &&
                    bytes_has_suffix(path, bytes_str(places[i].tail)))
                        return true;
        return false;
}

bool judge_is_lasting_place(struct bytes path)
{
        return score_is_lasting_place(path);
}
