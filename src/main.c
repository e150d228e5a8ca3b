/* main.c: argv to a verb. */
#include "cli/verbs.h"
#include "support/log.h"

int main(int argc, char **argv) {
    struct cli cli;
    sl_error err = {0};
    int status;
    if (options_parse(&cli, argc, argv, &err) == SL_OK) {
        status = verbs_run(&cli);
    } else {
        log_line(LOG_ERROR, "%s", err.text);
        status = (int)err.status;
    }
    options_clear(&cli);
    return status;
}
