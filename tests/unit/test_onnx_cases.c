/* test_onnx_cases.c: one or two of ONNX's own cases for each operator, and ensembles and pipelines that ONNX
 * Runtime computed (tests/golden/onnx/cases.tar.gz, made by tests/onnx/run.sh): all must pass. The whole
 * suite needs Python: tests/onnx/run.sh. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "onnx_case.h"

static char root[64];
static size_t operators, cases;

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void unpack(void) {
    char command[4096];
    const char *tests = getenv("SLUICE_TESTS_DIR");
    snprintf(root, sizeof root, "/tmp/sluice-cases-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(command, sizeof command, "tar -xzf '%s/golden/onnx/cases.tar.gz' -C %s", tests ? tests : "tests",
             root);
    ck_assert_int_eq(system(command), 0);
}

static void remove_all(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}

/* Runs the cases of one operator; the names of those that did not pass are added to `bad`. */
static void run_operator(const char *name, bool device, char *bad, size_t bad_nbytes) {
    char dir[512], path[1024], why[1024];
    struct dirent **list;
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    int n = scandir(dir, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (case_run(path, device, why, sizeof why) != CASE_PASSED)
            snprintf(bad + strlen(bad), bad_nbytes - strlen(bad), "\n%s: %s", list[i]->d_name, why);
        free(list[i]);
        cases++;
    }
    if (n >= 0)
        free(list);
    operators++;
}

START_TEST(every_case_passes) {
    static char bad[8192];
    struct dirent **list;
    unpack();
    *bad = 0;
    operators = cases = 0;
    int n = scandir(root, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        run_operator(list[i]->d_name, _i != 0, bad, sizeof bad);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    remove_all();
    ck_assert_msg(!*bad, "did not pass:%s", bad);
    ck_assert_uint_ge(operators, 255);
    ck_assert_uint_ge(cases, 517);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onnx_cases");
    TCase *t = tcase_create("cases");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_case_passes, 0, 2); /* on the references, on the cpu device */
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
