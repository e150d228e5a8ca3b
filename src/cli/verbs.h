/* verbs.h: what each verb does with the command line. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/options.h"

/* Runs the verb; the program's exit status. */
int verbs_run(struct cli *cli);

#endif
