/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fan-priv - what groups and marks are made with, and older headers lack: linux/fanotify.h of Linux 4.20 and 5.9. */
#ifndef TIDEMARK_SENSE_FAN_PRIV_H
#define TIDEMARK_SENSE_FAN_PRIV_H

#include "tidemark/kmsg.h"

#ifndef FAN_MARK_FILESYSTEM
#define FAN_MARK_FILESYSTEM 0x00000100
#endif
#ifndef FAN_REPORT_DIR_FID
#define FAN_REPORT_DIR_FID 0x00000400
#endif
#ifndef FAN_REPORT_NAME
#define FAN_REPORT_NAME 0x00000800
#endif
#define FAN_INFO_DFID_NAME 2 /* FAN_EVENT_INFO_TYPE_DFID_NAME */

#endif
