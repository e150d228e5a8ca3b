/* traced.h: runs a function in a child that is stopped at every system call that can change a file, so that a test can
 * kill it at exactly the k-th, or have that call fail. No library is preloaded and nothing of this is in the product. */
#ifndef TESTS_TRACED_H
#define TESTS_TRACED_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum traced_act { TRACED_COUNT, TRACED_KILL, TRACED_FAIL };

struct traced {
    enum traced_act act;
    long call;      /* only this system call counts; -1: all that change files */
    unsigned at;    /* acts at the call of that number, from 1 */
    int errnum;     /* TRACED_FAIL */
    bool for_ever;  /* and at all that follow */
    int first_fd;   /* set by traced_run: what was open before, as the test's own messages, is not counted */
    unsigned count; /* out: calls that were seen */
    bool acted;     /* out */
};

static inline bool traced_counts(const struct traced *t, long nr, int fd) {
    static const long calls[] = {
        SYS_write,   SYS_openat,    SYS_ftruncate, SYS_fsync,    SYS_fdatasync,
        SYS_mkdirat, SYS_renameat2, SYS_unlinkat,  SYS_linkat,   SYS_pwrite64,
#ifdef SYS_renameat
        SYS_renameat,
#endif
#ifdef SYS_rename
        SYS_rename,  SYS_unlink,    SYS_rmdir,     SYS_mkdir,    SYS_link,
#endif
    };
    if ((nr == SYS_write || nr == SYS_pwrite64) && fd < t->first_fd)
        return false;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i] == nr)
            return t->call < 0 || t->call == nr;
    return false;
}

#if defined __x86_64__
#define TRACED_CAN_FAIL 1
static inline void traced_skip_call(pid_t child) {
    ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, orig_rax), -1L);
}
static inline void traced_set_result(pid_t child, int errnum) {
    ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, rax), -(long)errnum);
}
#else
#define TRACED_CAN_FAIL 0
static inline void traced_skip_call(pid_t child) {
    (void)child;
}
static inline void traced_set_result(pid_t child, int errnum) {
    (void)child;
    (void)errnum;
}
#endif

/* The child is at the entry of a call. True when that call is to fail. False with t->acted when it was killed. */
static inline bool traced_at_entry(struct traced *t, pid_t child, long nr, int fd) {
    if (!traced_counts(t, nr, fd))
        return false;
    t->count++;
    if (t->act == TRACED_COUNT || t->count < t->at || (t->count > t->at && !t->for_ever))
        return false;
    t->acted = true;
    if (t->act == TRACED_KILL) {
        kill(child, SIGKILL);
        return false;
    }
    traced_skip_call(child);
    return true;
}

/* The wait status of the child that ran `run(ctx)` and exited with what that returned; -1 when tracing is not
 * possible here. */
static inline int traced_run(struct traced *t, int (*run)(void *), void *ctx) {
    int status;
    t->count = 0;
    t->acted = false;
    t->first_fd = dup(STDOUT_FILENO);
    close(t->first_fd);
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(250);
        raise(SIGSTOP);
        _exit(run(ctx));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    if (!WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return -1;
    }
    bool failing = false;
    long deliver = 0;
    while (ptrace(PTRACE_SYSCALL, child, NULL, (void *)deliver) == 0 || errno == ESRCH) {
        struct ptrace_syscall_info info = {0};
        if (waitpid(child, &status, 0) != child)
            return -1;
        if (!WIFSTOPPED(status))
            return status;
        deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
        if (deliver || ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info) <= 0)
            continue;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
            failing = traced_at_entry(t, child, (long)info.entry.nr, (int)info.entry.args[0]);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT && failing) {
            traced_set_result(child, t->errnum);
            failing = false;
        }
    }
    return -1;
}

#endif
