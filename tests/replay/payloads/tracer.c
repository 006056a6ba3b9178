/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tracer PID - takes control of a process, writes a word into its stack that stood there already, lets it go. */
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
        pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
        struct user_regs_struct regs;
        long word;

        if (pid <= 0 || ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0 || waitpid(pid, NULL, __WALL) != pid ||
            ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
                return 1;
        word = ptrace(PTRACE_PEEKDATA, pid, (void *)regs.rsp, NULL);
        ptrace(PTRACE_POKEDATA, pid, (void *)regs.rsp, (void *)word);
        return ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0;
}
