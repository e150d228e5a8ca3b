/* Lines on stderr: whole, one write each, and never across a progress bar. */
#include <sys/socket.h>

#include "support/log.h"
#include "support/thread.h"
#include "support_rig.h"

/* stderr becomes a socket that keeps every write apart as one packet. */
static int saved, packets;

static void catch_begin(void) {
    int ends[2], room = 1 << 20;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    packets = ends[0];
}

/* The next write, or "" when there is none. */
static const char *caught(void) {
    static char packet[8192];
    ssize_t n = recv(packets, packet, sizeof packet - 1, MSG_DONTWAIT);
    packet[n > 0 ? n : 0] = 0;
    return packet;
}

static void catch_end(void) {
    log_set_bar(NULL, NULL);
    log_set_level(LOG_NOTE);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(packets);
}

START_TEST(prefixes) {
    log_line(LOG_ERROR, "cannot open '%s'", "x");
    ck_assert_str_eq(caught(), "sluice: error: cannot open 'x'\n");
    log_line(LOG_WARN, "%d of %d", 1, 2);
    ck_assert_str_eq(caught(), "sluice: warning: 1 of 2\n");
    log_line(LOG_NOTE, "note");
    ck_assert_str_eq(caught(), "sluice: note\n");
    log_line(LOG_DETAIL, "not at this level");
    ck_assert_str_eq(caught(), "");
    log_raw(LOG_NOTE, "as it\nis");
    ck_assert_str_eq(caught(), "as it\nis");
}
END_TEST

START_TEST(levels) {
    for (int level = LOG_QUIET; level <= LOG_DETAIL; level++) {
        log_set_level((enum log_level)level);
        for (int line = LOG_ERROR; line <= LOG_DETAIL; line++) {
            bool wanted = line <= level;
            ck_assert(log_wants((enum log_level)line) == wanted);
            log_line((enum log_level)line, "x");
            ck_assert_int_eq(*caught() != 0, wanted);
            log_raw((enum log_level)line, "y");
            ck_assert_int_eq(*caught() != 0, wanted);
        }
    }
}
END_TEST

START_TEST(long_lines_are_cut_and_still_end) {
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_line(LOG_WARN, "%s", text);
    const char *line = caught();
    size_t n = strlen(line);
    ck_assert_uint_gt(n, 4000);
    ck_assert_uint_lt(n, 4100);
    ck_assert_int_eq(line[n - 1], '\n');
    ck_assert_str_eq(caught(), "");
}
END_TEST

static int drawn;

static void redraw(void *ctx) {
    ++*(int *)ctx;
}

START_TEST(a_bar_steps_aside) {
    drawn = 0;
    log_set_bar(redraw, &drawn);
    log_line(LOG_NOTE, "line");
    ck_assert_str_eq(caught(), "\r\033[Ksluice: line\n");
    ck_assert_int_eq(drawn, 1);
    log_line(LOG_DETAIL, "unwanted");
    ck_assert_int_eq(drawn, 1);
    log_raw(LOG_NOTE, "bar");
    ck_assert_str_eq(caught(), "bar");
    ck_assert_int_eq(drawn, 1);
    log_set_bar(NULL, NULL);
    log_line(LOG_NOTE, "line");
    ck_assert_str_eq(caught(), "sluice: line\n");
    ck_assert_int_eq(drawn, 1);
}
END_TEST

static void *say(void *arg) {
    for (int i = 0; i < 50; i++)
        log_line(LOG_NOTE, "thread %d says %d", *(int *)arg, i);
    return NULL;
}

START_TEST(threads_do_not_mix) {
    pthread_t threads[4];
    int ids[4], lines = 0, next[4] = {0};
    sl_error err;
    for (int i = 0; i < 4; i++) {
        ids[i] = i;
        ck_assert_int_eq(thread_start(&threads[i], "say", say, &ids[i], &err), SL_OK);
    }
    while (lines < 200) {
        int id, n, used = 0;
        char packet[256];
        ssize_t got = recv(packets, packet, sizeof packet - 1, 0);
        ck_assert_int_gt(got, 0);
        packet[got] = 0;
        ck_assert_int_eq(sscanf(packet, "sluice: thread %d says %d\n%n", &id, &n, &used), 2);
        ck_assert_int_eq(used, got);
        ck_assert_int_eq(n, next[id]++);
        lines++;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(a_closed_stderr_is_survived) {
    close(STDERR_FILENO);
    log_line(LOG_ERROR, "nobody reads this");
    log_raw(LOG_ERROR, "nor this");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_checked_fixture(tc, catch_begin, catch_end);
    tcase_add_test(tc, prefixes);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, long_lines_are_cut_and_still_end);
    tcase_add_test(tc, a_bar_steps_aside);
    tcase_add_test(tc, threads_do_not_mix);
    tcase_add_test(tc, a_closed_stderr_is_survived);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
