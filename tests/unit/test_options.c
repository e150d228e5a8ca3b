/* test_options.c: argv and the environment to options: precedence, forms, what is refused and with which
 * words. */
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "harness.h"

static struct cli cli;
static sl_error err;

static sl_status parse(const char *line) {
    static char words[1024], *argv[64];
    int argc = 1;
    argv[0] = "sluice";
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    options_clear(&cli);
    memset(&err, 0, sizeof err);
    return options_parse(&cli, argc, argv, &err);
}

static void setup(void) {
    char name[64];
    for (const struct option_def *o = option_table; o->name; o++)
        unsetenv(options_env_name(o->name, name, sizeof name));
}

static void teardown(void) {
    options_clear(&cli);
}

#define OK(line) ck_assert_msg(parse(line) == SL_OK, "%s: %s", line, err.text)
#define REFUSED(line, words)                                                                                 \
    do {                                                                                                     \
        ck_assert_int_eq(parse(line), SL_E_USAGE);                                                           \
        ck_assert_msg(strstr(err.text, words) != NULL, "%s: %s", line, err.text);                            \
    } while (0)

START_TEST(words_and_values) {
    OK("run m i o -b64 --workers=3 -qn 7 --device cpu --memory-limit 1.5G --gpu-memory 2G --rejects-ok");
    ck_assert_str_eq(cli.verb->name, "run");
    ck_assert_int_eq(cli.argument_count, 3);
    ck_assert_str_eq(cli.arguments[2], "o");
    ck_assert_int_eq(cli.job.batch_size, 64);
    ck_assert_uint_eq(cli.job.workers, 3);
    ck_assert_uint_eq(cli.job.limit, 7);
    ck_assert_int_eq(cli.verbosity, -1);
    ck_assert_uint_eq(cli.job.memory_limit, 3ull << 29);
    ck_assert_uint_eq(cli.job.gpu_memory, 2ull << 30);
    ck_assert(cli.job.rejects_ok && !cli.job.overwrite);
    OK("-v run -v m -- --input -o");
    ck_assert_int_eq(cli.verbosity, 2);
    ck_assert_str_eq(cli.arguments[1], "--input");
    ck_assert_str_eq(cli.arguments[2], "-o");
    OK("run - - -");
    ck_assert_int_eq(cli.argument_count, 3);
    OK("");
    ck_assert_ptr_null(cli.verb);
}
END_TEST

START_TEST(defaults) {
    OK("run m i o");
    ck_assert_str_eq(cli.progress, "auto");
    ck_assert_str_eq(cli.color, "auto");
    ck_assert_int_eq(cli.job.batch_size, 0);
    ck_assert_int_eq(cli.job.csv_header, -1);
    ck_assert_double_eq(cli.job.max_rejects_percent, 5);
    ck_assert_uint_eq(cli.job.max_rejects, UINT64_MAX);
    ck_assert_uint_eq(cli.job.nbytes, sizeof cli.job);
    OK("run m i o --batch-size auto --workers auto");
    ck_assert_int_eq(cli.job.batch_size, 0);
}
END_TEST

START_TEST(rejects_allowed) {
    OK("run m i o --max-rejects 12");
    ck_assert_uint_eq(cli.job.max_rejects, 12);
    ck_assert_double_lt(cli.job.max_rejects_percent, 0);
    OK("run m i o --max-rejects 12 --max-rejects 0.5%");
    ck_assert_uint_eq(cli.job.max_rejects, UINT64_MAX);
    ck_assert_double_eq(cli.job.max_rejects_percent, 0.5);
    OK("run m i o --max-rejects 0");
    ck_assert_uint_eq(cli.job.max_rejects, 0);
    OK("run m i o --max-rejects 100%");
    REFUSED("run m i o --max-rejects 100.1%", "bad --max-rejects '100.1%'");
    REFUSED("run m i o --max-rejects %", "bad --max-rejects '%'");
    REFUSED("run m i o --max-rejects 1.5", "bad --max-rejects '1.5'");
    REFUSED("run m i o --max-rejects 1.2.3%", "bad --max-rejects");
}
END_TEST

START_TEST(dims) {
    char line[512] = "plan m";
    OK("plan m --dim batch=4 --dim seq=128 --dim batch=8");
    ck_assert_uint_eq(cli.job.dim_count, 2);
    ck_assert_str_eq(cli.job.dim_names[0], "batch");
    ck_assert_int_eq(cli.job.dim_values[0], 8);
    ck_assert_int_eq(cli.job.dim_values[1], 128);
    for (int i = 0; i < CLI_DIMS; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " --dim d%d=1", i);
    ck_assert_int_eq(parse(line), SL_OK);
    ck_assert_uint_eq(cli.job.dim_count, CLI_DIMS);
    strcat(line, " --dim more=1");
    ck_assert_int_eq(parse(line), SL_E_USAGE);
    REFUSED("plan m --dim batch=2147483648", "bad --dim");
}
END_TEST

START_TEST(environment) {
    setenv("SLUICE_BATCH_SIZE", "16", 1);
    setenv("SLUICE_DIM", "batch=2", 1);
    setenv("SLUICE_OVERWRITE", "1", 1);
    setenv("SLUICE_REJECTS_OK", "0", 1);
    setenv("SLUICE_VERBOSE", "true", 1);
    OK("run m i o");
    ck_assert_int_eq(cli.job.batch_size, 16);
    ck_assert(cli.job.overwrite && !cli.job.rejects_ok);
    ck_assert_int_eq(cli.verbosity, 1);
    OK("run m i o --batch-size 32 --dim batch=3 -q");
    ck_assert_int_eq(cli.job.batch_size, 32);
    ck_assert_uint_eq(cli.job.dim_count, 1);
    ck_assert_int_eq(cli.job.dim_values[0], 3);
    ck_assert_int_eq(cli.verbosity, -1);
    OK("inspect m"); /* what does not apply there is no mistake in the environment */
    setenv("SLUICE_HELP", "run", 1);
    setenv("SLUICE_MAN", "1", 1);
    OK("inspect m");
    ck_assert(!cli.help && !cli.man);
    setenv("SLUICE_BATCH_SIZE", "-1", 1);
    REFUSED("inspect m", "(from SLUICE_BATCH_SIZE in the environment)");
    unsetenv("SLUICE_HELP");
    unsetenv("SLUICE_MAN");
}
END_TEST

START_TEST(suggestions) {
    REFUSED("rnu", "unknown verb 'rnu': did you mean 'run'?");
    REFUSED("plan m --devise cpu", "unknown option '--devise': did you mean '--device'?");
    REFUSED("plan m --xyzzyxyzzy", "'sluice help all' lists them");
    REFUSED("plan m --batch-siz=3", "did you mean '--batch-size'?");
    REFUSED("plan m --mna", "unknown option '--mna'"); /* hidden options are not suggested */
    ck_assert_ptr_null(strstr(err.text, "'--man'"));
    REFUSED("plan m -y", "unknown option '-y'");
    REFUSED("run a b c d e", "too many arguments: 'e'");
}
END_TEST

START_TEST(each_for_its_verbs) {
    REFUSED("inspect m --limit 3", "option '--limit' is not for 'inspect': it belongs to 'run'");
    REFUSED("--limit 3 inspect m", "not for 'inspect'");
    REFUSED("plan m --checkpoint 3", "not for 'plan'");
    OK("inspect m --limit 3 --help");
    OK("--limit 3");
    for (const struct option_def *o = option_table; o->name; o++) /* nothing is for no verb */
        ck_assert_msg((o->verbs & VERB_ANY) != 0 && o->set && o->text, "%s", o->name);
}
END_TEST

START_TEST(table_is_sound) {
    char a[64], b[64];
    for (const struct option_def *o = option_table; o->name; o++)
        for (const struct option_def *p = option_table; p != o; p++) {
            ck_assert_str_ne(o->name, p->name);
            ck_assert(!o->letter || o->letter != p->letter);
            ck_assert_str_ne(options_env_name(o->name, a, sizeof a), options_env_name(p->name, b, sizeof b));
        }
    ck_assert_str_eq(options_env_name("max-record-size", a, sizeof a), "SLUICE_MAX_RECORD_SIZE");
    ck_assert_str_eq(options_env_name("max-record-size", a, 8), "SLUICE_");
}
END_TEST

START_TEST(optional_value) {
    OK("run --help m");
    ck_assert_str_eq(cli.help, "");
    ck_assert_str_eq(cli.arguments[0], "m");
    OK("--help=all");
    ck_assert_str_eq(cli.help, "all");
    OK("-hv");
    ck_assert_str_eq(cli.help, "");
    ck_assert_int_eq(cli.verbosity, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, words_and_values);
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, rejects_allowed);
    tcase_add_test(tc, dims);
    tcase_add_test(tc, environment);
    tcase_add_test(tc, suggestions);
    tcase_add_test(tc, each_for_its_verbs);
    tcase_add_test(tc, table_is_sound);
    tcase_add_test(tc, optional_value);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
