/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tidemark: the command line. Owns: the table of commands and the global options. Hands over: to one file a command. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli-priv.h"

static const struct cli_command commands[] = {
        {"probe", "[--config FILE] [--state-dir DIR]", "what this kernel gives each sensor, and what is used instead",
         cli_probe},
        {"report",
         "[--weeks N] [--workload NAME] | --quarter 2026Q4|now [--state-dir DIR | --config FILE] |\n"
         "      --audit FROM TO [--state-dir DIR | --config FILE] [--audit-log FILE]",
         "findings and false positives per workload per week; what a playbook's review, and an auditor looks at",
         cli_report},
        {"status", "[--check]", "sensors, losses, containers, workloads, baselines, memory", cli_status},
        {"findings", "[--state STATE] [--workload NAME] [--all | --suppressed | --sessions]", "the queue",
         cli_findings},
        {"show", "ID", "one finding, whole", cli_show},
        {"triage", "ID... [--verdict VERDICT] [--note TEXT] [--close | --reopen]",
         "what you make of findings: malicious, misconfigured, benign, unsure", cli_triage},
        {"contain",
         "isolate CONTAINER|ID [--all] [--now] [--keep-probes] [--for TIME] [--reason TEXT] |\n"
         "      release CONTAINER | list | kill CONTAINER --yes-lose-state NAME",
         "cut a container off from its network, let it go again, or end it", cli_contain},
        {"watch", "", "live events and findings, until interrupted", cli_watch},
        {"baseline",
         "list | show WORKLOAD | learn WORKLOAD | activate WORKLOAD | review [WORKLOAD] |\n"
         "      approve | reject WORKLOAD ITEM ... --reason TEXT | refresh WORKLOAD |\n"
         "      export WORKLOAD [--output FILE] [--no-counts] | import FILE --reason TEXT",
         "what workloads are known to do", cli_baseline},
        {"explain", "ID | EVENT | --workload NAME (--path PATH [--runs] | --destination PLACE) [--executable PATH]",
         "why it is there, and what would quiet it", cli_explain},
        {"allow", "add OPTION... | list [--all] | remove RULE", "what is normal: rules that hide it, and what they hid",
         cli_allow},
        {"suppress", "add OPTION... | list [--all] | remove RULE", "not now: windows of time, and what they kept back",
         cli_suppress},
        {"tune", "[--apply N --reason TEXT] [--time SECONDS]",
         "rules that past findings suggest, each with what it would have hidden", cli_tune},
        {"evidence",
         "capture ID|CONTAINER [--all] [--freeze] [--no-wait] [--reason TEXT] | list |\n"
         "      copy NAME DEST | remove NAME --reason TEXT | verify FILE [--trail DIR] [--key PEM]",
         "what a container is, taken before it changes: processes, sockets, files, logs", cli_evidence},
        {"record",
         "import FILE|DIRECTORY | list | show DIGEST|WORKLOAD | verify FILE | remove DOCUMENT",
         "an image's way here: provenance, SBOMs, admissions", cli_record},
        {"image", "list | show DIGEST|WORKLOAD", "what images hold: programs, libraries, and which packages own them",
         cli_image},
        {"trail",
         "show [--kind KIND] [--container C] [--finding ID] [--since T] [--until T] |\n"
         "      verify [--audit-log FILE]",
         "what was asked, done, seen and lost: its records; and whether they are all as they were written", cli_trail},
        {"audit-plugin", "", "auditd's records, from standard input to the agent: auditd runs this", cli_audit_plugin},
        {"replay", "[--partial] FILE [show ID | explain ID]", "the engine over a recording", cli_replay},
};

static void help(FILE *out)
{
        fputs("Usage: tidemark [--runtime-dir DIR] [--json] COMMAND ...\n\n", out);
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
                fprintf(out, "  %s%s%s\n", commands[i].name, *commands[i].usage ? " " : "", commands[i].usage);
                fprintf(out, "      %s\n", commands[i].help);
        }
        fputs("\n  --json             print data instead of text; may stand anywhere\n"
              "  --runtime-dir DIR  where the daemon's sockets are, default " TM_RUNDIR "\n"
              "  --dry-run          with changing commands: say what would be changed, and change nothing\n"
              "\nExit status: 0 done, 2 wrong usage, 3 the daemon is not running, 4 failed. See tidemark(1).\n", out);
}

/* Global options are taken wherever they stand. */
static int take_global(struct cli *c, int argc, char **argv)
{
        c->argv = argv + 1;
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--json") == 0)
                        c->json = true;
                else if (strcmp(argv[i], "--runtime-dir") == 0) {
                        if (++i == argc)
                                return cli_usage("--runtime-dir needs a value");
                        c->runtime_dir = argv[i];
                } else
                        c->argv[c->argc++] = argv[i];
        }
        return CLI_DONE;
}

int main(int argc, char **argv)
{
        struct cli c = {.runtime_dir = TM_RUNDIR, .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
        int r = take_global(&c, argc, argv);

        if (r != CLI_DONE)
                return r;
        if (c.argc == 0) {
                help(stderr);
                return CLI_USAGE;
        }
        if (strcmp(c.argv[0], "--help") == 0 || strcmp(c.argv[0], "help") == 0) {
                help(stdout);
                return CLI_DONE;
        }
        if (strcmp(c.argv[0], "--version") == 0) {
                puts(PACKAGE_NAME " " PACKAGE_VERSION);
                return CLI_DONE;
        }
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                if (strcmp(c.argv[0], commands[i].name) == 0) {
                        r = commands[i].run(&c);
                        return fflush(stdout) == 0 || r != CLI_DONE ? r : CLI_FAILED;
                }
        return cli_usage("unknown command '%s'", c.argv[0]);
}
