/* The list of shards: one order, regular files only, and clear words for what cannot be listed. */
#include "archive_rig.h"

static void list(struct shard_list *shards, const char *input) {
    sl_error err = {0};
    ck_assert_msg(shard_list_open(shards, input, &err) == SL_OK, "%s", err.text);
}

static void fails(const char *input, sl_status status, const char *said) {
    struct shard_list shards;
    sl_error err = {0};
    ck_assert_int_eq(shard_list_open(&shards, input, &err), status);
    ck_assert_msg(strstr(err.text, said), "'%s' does not say '%s'", err.text, said);
    ck_assert_ptr_null(shards.items);
    ck_assert_int_eq(shards.dir_fd, -1);
}

START_TEST(order_is_by_bytes) {
    struct shard_list shards;
    static const char *const made[] = {"b.csv",      "a-1.csv",      "a/z.csv",    "B.csv",
                                       "a.csv",      "\xc3\xa9.csv", "a10",        "a2",
                                       "line\nfeed", "a/b/c.csv",    "bad\xffzone"};
    static const char *const sorted[] = {"B.csv",       "a-1.csv",    "a.csv",       "a/b/c.csv",
                                         "a/z.csv",     "a10",        "a2",          "b.csv",
                                         "bad\xffzone", "line\nfeed", "\xc3\xa9.csv"};
    mkdir(rig_path("a"), 0777);
    mkdir(rig_path("a/b"), 0777);
    for (size_t i = 0; i < 11; i++)
        rig_write(made[i], "12345", i % 6);
    list(&shards, rig_dir);
    ck_assert_uint_eq(shards.count, 11);
    for (size_t i = 0; i < 11; i++)
        ck_assert_str_eq(shards.items[i].name, sorted[i]);
    ck_assert_uint_eq(shards.total_nbytes, 15 + 10);
    ck_assert_str_eq(shards.root, rig_dir);
    struct stat st;
    ck_assert_int_eq(fstatat(shards.dir_fd, "a/z.csv", &st, 0), 0);
    ck_assert_uint_eq(shards.items[4].nbytes, 2);
    ck_assert_uint_eq(shards.items[4].inode, st.st_ino);
    shard_list_close(&shards);
    shard_list_close(&shards);
}
END_TEST

START_TEST(what_is_left_out) {
    struct shard_list shards;
    static const char *const dirs[] = {"_sluice", ".git", "d", "d/_sluice", "empty"};
    for (size_t i = 0; i < 5; i++)
        mkdir(rig_path(dirs[i]), 0777);
    static const char *const files[] = {"_sluice/journal", ".git/x", "_SUCCESS", ".hidden",
                                        "d/_SUCCESS",      "a.part", "d/x",      "_other"};
    for (size_t i = 0; i < 8; i++)
        rig_write(files[i], "x", 1);
    ck_assert_int_eq(symlink("a.part", rig_path("link")), 0);
    ck_assert_int_eq(symlink("/", rig_path("d/root")), 0);
    ck_assert_int_eq(symlink("nowhere", rig_path("dangling")), 0);
    ck_assert_int_eq(mkfifo(rig_path("fifo"), 0666), 0);
    list(&shards, rig_dir);
    ck_assert_uint_eq(shards.count, 3);
    ck_assert_str_eq(shards.items[0].name, "_other");
    ck_assert_str_eq(shards.items[1].name, "a.part");
    ck_assert_str_eq(shards.items[2].name, "d/x");
    ck_assert_uint_eq(shards.hidden, 2);
    ck_assert_uint_eq(shards.links, 3);
    ck_assert_uint_eq(shards.special, 1);
    ck_assert_uint_eq(shards.empty_dirs, 1);
    shard_list_close(&shards);
}
END_TEST

START_TEST(one_file) {
    struct shard_list shards;
    rig_write("one.csv", "1\n", 2);
    list(&shards, rig_path("one.csv"));
    ck_assert_uint_eq(shards.count, 1);
    ck_assert_str_eq(shards.items[0].name, "one.csv");
    ck_assert_uint_eq(shards.items[0].nbytes, 2);
    shard_list_close(&shards);
    ck_assert_int_eq(chdir(rig_dir), 0);
    list(&shards, "one.csv");
    ck_assert_str_eq(shards.items[0].name, "one.csv");
    shard_list_close(&shards);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(links_to_the_input) {
    struct shard_list shards;
    mkdir(rig_path("real"), 0777);
    rig_write("real/a.csv", "1\n", 2);
    ck_assert_int_eq(symlink("real", rig_path("linked")), 0);
    ck_assert_int_eq(symlink("real/a.csv", rig_path("a.csv")), 0);
    list(&shards, rig_path("linked")); /* the user named it himself */
    ck_assert_uint_eq(shards.count, 1);
    shard_list_close(&shards);
    fails(rig_path("a.csv"), SL_E_NOINPUT, "it is a link");
}
END_TEST

START_TEST(nothing_to_list) {
    fails(rig_dir, SL_E_NOINPUT, "holds no files");
    rig_write(".hidden", "x", 1);
    fails(rig_dir, SL_E_NOINPUT, "1 hidden");
    fails(rig_path("missing"), SL_E_NOINPUT, "missing");
    fails("", SL_E_NOINPUT, "cannot open input ''");
    fails("/dev/null", SL_E_NOINPUT, "neither a directory nor a regular file");
    mkfifo(rig_path("fifo"), 0666);
    fails(rig_path("fifo"), SL_E_NOINPUT, "neither a directory nor a regular file");
    char name[5000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    fails(name, SL_E_NOINPUT, "name too long");
}
END_TEST

START_TEST(too_deep) {
    char name[512] = "";
    for (int i = 0; i < 70; i++) {
        strcat(name, i ? "/d" : "d");
        mkdir(rig_path(name), 0777);
    }
    fails(rig_dir, SL_E_NOINPUT, "levels deep");
}
END_TEST

/* Root may read everything, so only an ordinary user sees this fail; run as root it gives up its rights. */
START_TEST(directory_that_cannot_be_read) {
    rig_write("a.csv", "1\n", 2);
    mkdir(rig_path("closed"), 0777);
    ck_assert_int_eq(chmod(rig_path("closed"), 0), 0);
    ck_assert_int_eq(chmod(rig_dir, 0777), 0);
    uid_t before = geteuid();
    if (before == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    fails(rig_dir, SL_E_NOINPUT, "closed");
    if (before == 0)
        ck_assert_int_eq(seteuid(0), 0);
    chmod(rig_path("closed"), 0777);
}
END_TEST

START_TEST(no_memory) {
    rig_write("a.csv", "1\n", 2);
    for (size_t n = 1;; n++) {
        struct shard_list shards;
        sl_error err = {0};
        mem_fail_nth(n, false);
        sl_status st = shard_list_open(&shards, rig_dir, &err);
        mem_fail_nth(0, false);
        if (st == SL_OK) {
            shard_list_close(&shards);
            ck_assert_uint_gt(n, 3);
            break;
        }
        ck_assert_int_eq(st, SL_E_MEMORY);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shard");
    TCase *tcase = tcase_create("shards");
    tcase_add_checked_fixture(tcase, rig_make_dir, rig_remove_dir);
    tcase_add_test(tcase, order_is_by_bytes);
    tcase_add_test(tcase, what_is_left_out);
    tcase_add_test(tcase, one_file);
    tcase_add_test(tcase, links_to_the_input);
    tcase_add_test(tcase, nothing_to_list);
    tcase_add_test(tcase, too_deep);
    tcase_add_test(tcase, directory_that_cannot_be_read);
    tcase_add_test(tcase, no_memory);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
