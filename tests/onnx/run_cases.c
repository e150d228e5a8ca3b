/* run_cases.c: runs all cases under DIR/<operator>/<case> and prints a table by operator.
 *
 *     run_cases [-d] [-n] [-v | -l] DIR
 *
 * Every case runs in a process of its own, so that a crash is one line in the table. Exit status 1 when a
 * case failed or crashed; a refusal (an operator or dtype we do not have, said by name) is no failure. -v
 * tells why for each that did not pass, -l lists those that did; -d runs them on the cpu device, not on the
 * references; -n without passes, and loops as loops. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/onnx_case.h"

enum outcome { PASSED, FAILED, REFUSED, CRASHED, OUTCOMES };

static bool on_device;

static bool is_hidden(const char *name) {
    return name[0] == '.';
}

static int visible(const struct dirent *entry) {
    return !is_hidden(entry->d_name);
}

static enum outcome run_one(const char *dir, char *why, size_t why_nbytes) {
    int fds[2], status = 0;
    if (pipe(fds) != 0)
        return CRASHED;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        alarm(60);
        why[0] = 0;
        enum case_result result = case_run(dir, on_device, why, why_nbytes);
        ssize_t n = write(fds[1], why, strlen(why));
        _exit(n < 0 ? 99 : (int)result);
    }
    close(fds[1]);
    size_t used = 0;
    for (ssize_t n; used < why_nbytes - 1 && (n = read(fds[0], why + used, why_nbytes - 1 - used)) > 0;)
        used += (size_t)n;
    why[used] = 0;
    close(fds[0]);
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > CASE_REFUSED) {
        snprintf(why, why_nbytes, "crashed (signal %d, status %d)",
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
        return CRASHED;
    }
    return (enum outcome)WEXITSTATUS(status);
}

static void run_operator(const char *root, const char *name, char flag, size_t totals[OUTCOMES]) {
    static const char *const words[] = {"passed", "FAILED", "refused", "CRASHED"};
    char dir[4096], path[8192], why[2048];
    struct dirent **cases;
    size_t counts[OUTCOMES] = {0};
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    int n = scandir(dir, &cases, visible, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, cases[i]->d_name);
        enum outcome outcome = run_one(path, why, sizeof why);
        counts[outcome]++;
        totals[outcome]++;
        if (flag == 'l' && outcome == PASSED)
            printf("%s\n", path);
        else if (flag != 'l' && outcome != PASSED && (flag == 'v' || outcome != REFUSED))
            printf("    %-7s %s: %s\n", words[outcome], cases[i]->d_name, why);
        free(cases[i]);
    }
    if (n >= 0)
        free(cases);
    if (flag == 'l')
        return;
    printf("%-32s %6zu %6zu %8zu %8zu\n", name, counts[PASSED], counts[FAILED], counts[REFUSED],
           counts[CRASHED]);
}

int main(int argc, char **argv) {
    int option;
    char flag = 0;
    struct dirent **operators;
    size_t totals[OUTCOMES] = {0};
    while ((option = getopt(argc, argv, "dnvl")) != -1) {
        on_device = on_device || option == 'd';
        case_no_passes = case_no_passes || option == 'n';
        flag = option == 'v' || option == 'l' ? (char)option : flag;
        if (option == '?')
            return 64;
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "usage: run_cases [-d] [-n] [-v | -l] DIR\n");
        return 64;
    }
    const char *root = argv[optind];
    int n = scandir(root, &operators, visible, alphasort);
    if (n < 0) {
        perror(root);
        return 66;
    }
    if (flag != 'l')
        printf("%-32s %6s %6s %8s %8s\n", "operator", "passed", "failed", "refused", "crashed");
    for (int i = 0; i < n; i++) {
        run_operator(root, operators[i]->d_name, flag, totals);
        free(operators[i]);
    }
    free(operators);
    if (flag != 'l')
        printf("%-32s %6zu %6zu %8zu %8zu\n", "all", totals[PASSED], totals[FAILED], totals[REFUSED],
               totals[CRASHED]);
    return totals[FAILED] || totals[CRASHED];
}
