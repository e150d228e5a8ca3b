/* System calls that finish what they began: short, interrupted, refused, and never half a file. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "support/file.h"
#include "support/mem.h"
#include "support_rig.h"

START_TEST(reads_at_an_offset) {
    char out[8];
    int fd = open(rig_puts("f", "0123456789"), O_RDONLY);
    ck_assert_int_eq(file_pread(fd, out, 4, 3), 4);
    ck_assert_mem_eq(out, "3456", 4);
    ck_assert_int_eq(file_pread(fd, out, 8, 6), 4); /* up to the end */
    ck_assert_int_eq(file_pread(fd, out, 8, 10), 0);
    ck_assert_int_eq(file_pread(fd, out, 8, 1000), 0);
    ck_assert_int_eq(file_pread(fd, out, 0, 0), 0);
    ck_assert_int_eq(file_read(fd, out, 8), 8);
    ck_assert_int_eq(file_read(fd, out, 8), 2);
    ck_assert_int_eq(file_read(fd, out, 8), 0);
    close(fd);
    errno = 0;
    ck_assert_int_eq(file_pread(fd, out, 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(file_read(fd, out, 1), -1);
}
END_TEST

#define PIPED 1000000

static void on_alarm(int number) {
    (void)number;
}

static void *drain(void *arg) {
    static unsigned char chunk[10000]; /* slow, so that the writer waits */
    size_t total = 0;
    int fd = *(int *)arg;
    sigset_t all;
    sigfillset(&all); /* the signals are for the writer */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (ssize_t n; (n = file_read(fd, chunk, sizeof chunk)) > 0; total += (size_t)n, usleep(n / 8))
        for (ssize_t i = 0; i < n; i++)
            if (chunk[i] != (unsigned char)((total + (size_t)i) % 251))
                return NULL;
    return total == PIPED ? arg : NULL;
}

/* A pipe takes a little at a time, and a signal without SA_RESTART arrives every millisecond. */
START_TEST(writes_all_through_signals) {
    int ends[2];
    pthread_t thread;
    void *result;
    struct sigaction action = {.sa_handler = on_alarm}, before;
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    unsigned char *data = mem_alloc(PIPED, 1);
    for (size_t i = 0; i < PIPED; i++)
        data[i] = (unsigned char)(i % 251);
    ck_assert_int_eq(pipe(ends), 0);
    sigaction(SIGALRM, &action, &before);
    ck_assert_int_eq(pthread_create(&thread, NULL, drain, &ends[0]), 0);
    setitimer(ITIMER_REAL, &every, NULL);
    ck_assert_int_eq(file_write_all(ends[1], data, PIPED), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    close(ends[1]);
    pthread_join(thread, &result);
    ck_assert_ptr_nonnull(result);
    close(ends[0]);
    sigaction(SIGALRM, &before, NULL);
    mem_free(data);
    ck_assert_int_eq(file_write_all(-1, "x", 1), -1);
    ck_assert_int_eq(file_write_all(-1, "", 0), 0);
}
END_TEST

START_TEST(a_full_disk_says_so) {
    int fd = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    errno = 0;
    ck_assert_int_eq(file_write_all(fd, "x", 1), -1);
    ck_assert_int_eq(errno, ENOSPC);
    close(fd);
}
END_TEST

START_TEST(opens_only_regular_files) {
    int dir = open(rig_dir, O_RDONLY | O_DIRECTORY), fd;
    rig_puts("sub/file", "x");
    ck_assert_int_eq(symlinkat("sub/file", dir, "link"), 0);
    ck_assert_int_eq(symlinkat("sub", dir, "linked_dir"), 0);
    ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", rig_path("socket"));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    fd = file_open_regular(dir, "sub/file");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    fd = file_open_regular(dir, "linked_dir/file"); /* only the last part must be no link */
    ck_assert_int_ge(fd, 0);
    close(fd);
    static const struct {
        const char *path;
        int errnum;
    } bad[] = {{"link", ELOOP},  {"fifo", EINVAL},        {"sub", EINVAL},      {"socket", EINVAL},
               {"none", ENOENT}, {"sub/file/x", ENOTDIR}, {"/dev/null", EINVAL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        ck_assert_int_eq(file_open_regular(dir, bad[i].path), -1);
        ck_assert_msg(errno == bad[i].errnum, "'%s': %s", bad[i].path, strerror(errno));
    }
    close(s);
    close(dir);
}
END_TEST

START_TEST(makes_directories) {
    int dir = open(rig_dir, O_RDONLY | O_DIRECTORY);
    struct stat st;
    ck_assert_int_eq(file_make_dirs(dir, "a/b/c/file", false), 0);
    ck_assert_int_eq(fstatat(dir, "a/b/c", &st, 0), 0);
    ck_assert_int_eq(fstatat(dir, "a/b/c/file", &st, 0), -1);
    ck_assert_int_eq(file_make_dirs(dir, "a/b/c/file", false), 0); /* again */
    ck_assert_int_eq(file_make_dirs(dir, "a/x//y/", true), 0);
    ck_assert_int_eq(fstatat(dir, "a/x/y", &st, 0), 0);
    ck_assert_int_eq(file_make_dirs(dir, "file", false), 0);
    ck_assert_int_eq(fstatat(dir, "file", &st, 0), -1);
    ck_assert_int_eq(file_make_dirs(dir, rig_path("abs/d"), true), 0);
    ck_assert_int_eq(fstatat(dir, "abs/d", &st, 0), 0);
    rig_puts("plain", "x");
    static const char *const blocked[] = {"plain/x", "plain/x/y"};
    for (int i = 0; i < 2; i++)
        for (int all = 0; all < 2; all++) {
            errno = 0;
            ck_assert_int_eq(file_make_dirs(dir, blocked[i], all), -1);
            ck_assert_int_eq(errno, ENOTDIR);
        }
    errno = 0;
    ck_assert_int_eq(file_make_dirs(dir, "plain", true), -1);
    ck_assert_int_eq(errno, ENOTDIR);
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    ck_assert_int_eq(file_make_dirs(dir, longest, true), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    close(dir);
}
END_TEST

START_TEST(replaces_whole) {
    int dir = open(rig_dir, O_RDONLY | O_DIRECTORY);
    char text[64];
    struct stat st;
    sl_error err = {0};
    ck_assert_int_eq(file_replace(dir, "f", "first", 5, &err), SL_OK);
    ck_assert_int_eq(file_replace(dir, "f", "second one", 10, &err), SL_OK);
    rig_read(rig_path("f"), text, sizeof text);
    ck_assert_str_eq(text, "second one");
    ck_assert_int_eq(file_replace(dir, "f", "", 0, &err), SL_OK);
    ck_assert_uint_eq(rig_read(rig_path("f"), text, sizeof text), 0);
    mkdirat(dir, "sub", 0755);
    ck_assert_int_eq(file_replace(dir, "sub/g", "x", 1, &err), SL_OK);
    ck_assert_int_eq(file_replace(AT_FDCWD, rig_path("sub/h"), "x", 1, &err), SL_OK);
    ck_assert_int_eq(file_sync_parent(dir, "sub/g"), 0);
    ck_assert_int_eq(file_sync_parent(dir, "f"), 0);
    ck_assert_int_eq(file_sync_parent(dir, "/f"), 0);
    ck_assert_int_eq(file_sync_parent(dir, "none/f"), -1);
    /* what cannot be replaced stays, and no temporary file either */
    mkdirat(dir, "d", 0755);
    ck_assert_int_eq(file_replace(dir, "d", "x", 1, &err), SL_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "'d'"));
    ck_assert_int_eq(file_replace(dir, "none/f", "x", 1, &err), SL_E_IO);
    ck_assert_int_eq(fstatat(dir, "d.tmp", &st, 0), -1);
    ck_assert_int_eq(fstatat(dir, "f.tmp", &st, 0), -1);
    /* a planted link is not written through */
    rig_puts("victim", "kept");
    ck_assert_int_eq(symlinkat("victim", dir, "f.tmp"), 0);
    ck_assert_int_eq(file_replace(dir, "f", "x", 1, &err), SL_E_IO);
    rig_read(rig_path("victim"), text, sizeof text);
    ck_assert_str_eq(text, "kept");
    close(dir);
}
END_TEST

START_TEST(maps) {
    const void *data;
    size_t nbytes;
    sl_error err = {0};
    ck_assert_int_eq(file_map(rig_puts("f", "mapped"), &data, &nbytes, &err), SL_OK);
    ck_assert_uint_eq(nbytes, 6);
    ck_assert_mem_eq(data, "mapped", 6);
    file_unmap(data, nbytes);
    ck_assert_int_eq(file_map(rig_puts("empty", ""), &data, &nbytes, &err), SL_OK);
    ck_assert_uint_eq(nbytes, 0);
    ck_assert_ptr_null(data);
    file_unmap(data, nbytes);
    ck_assert_int_eq(file_map(rig_path("none"), &data, &nbytes, &err), SL_E_NOINPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "none': No such file"));
    ck_assert_int_eq(file_map(rig_dir, &data, &nbytes, &err), SL_E_NOINPUT);
    ck_assert_int_eq(mkfifo(rig_path("fifo"), 0600), 0);
    ck_assert_int_eq(file_map(rig_path("fifo"), &data, &nbytes, &err), SL_E_NOINPUT); /* and does not hang */
    ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("file");
    TCase *tc = tcase_create("file");
    tcase_add_checked_fixture(tc, rig_make_dir, rig_remove_dir);
    tcase_add_test(tc, reads_at_an_offset);
    tcase_add_test(tc, writes_all_through_signals);
    tcase_add_test(tc, a_full_disk_says_so);
    tcase_add_test(tc, opens_only_regular_files);
    tcase_add_test(tc, makes_directories);
    tcase_add_test(tc, replaces_whole);
    tcase_add_test(tc, maps);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
