/* SPDX-License-Identifier: GPL-2.0-or-later */
/* filecap FILE - give a file the capability CAP_NET_RAW, as setcap(8) does. */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

int main(int argc, char **argv)
{
        struct vfs_cap_data cap;

        memset(&cap, 0, sizeof(cap));
        cap.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
        cap.data[0].permitted = 1u << CAP_NET_RAW;
        if (argc != 2 || setxattr(argv[1], "security.capability", &cap, sizeof(cap), 0) < 0) {
                perror("filecap");
                return 1;
        }
        return 0;
}
