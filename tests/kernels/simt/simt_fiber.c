/* simt_fiber.c: fibers: stacks that one OS thread switches between. A switch saves the registers a C function
 * must keep and takes some nanoseconds (ucontext, used on other machines, asks the kernel each time). Fibers
 * whose thread has ended are used again for the next one, so a kernel without barriers runs on one stack.
 * AddressSanitizer is told of each switch. ThreadSanitizer is not: what the fibers of a block do to each
 * other is for simt_shadow.c, and to it they are one thread, as they should be; only its own idea of who
 * called whom, for its reports, is mixed up between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "simt_block.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(SIMT_UCONTEXT) /* to try it where it is not needed */
#define SWITCH_UCONTEXT 1
#elif defined(__x86_64__)
#define SWITCH_X86_64 1
#elif defined(__aarch64__)
#define SWITCH_AARCH64 1
#else
#define SWITCH_UCONTEXT 1
#endif
#ifdef SWITCH_UCONTEXT
#include <ucontext.h>
#endif

enum { STACK_NBYTES = 256 * 1024 };

struct fiber {
    struct fiber *next;
    void *sp;
    char *stack;
    struct worker *worker;
    struct thread *thread;
    void *fake; /* AddressSanitizer's, while it does not run */
#ifdef SWITCH_UCONTEXT
    ucontext_t context, scheduler;
#endif
};

/* ---- the switch ---- */

#if defined(SWITCH_X86_64)
void simt_switch(void **save, void *load);
__asm__(".text\n"
        ".globl simt_switch\n"
        ".hidden simt_switch\n"
        ".type simt_switch, @function\n"
        "simt_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size simt_switch, . - simt_switch\n");
enum { SAVED = 6 };
#elif defined(SWITCH_AARCH64)
void simt_switch(void **save, void *load);
__asm__(".text\n"
        ".globl simt_switch\n"
        ".hidden simt_switch\n"
        ".type simt_switch, %function\n"
        "simt_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n    stp x21, x22, [sp, #16]\n    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n    stp x27, x28, [sp, #64]\n    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n    stp d14, d15, [sp, #144]\n"
        "    mov x2, sp\n    str x2, [x0]\n    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n    ldp x21, x22, [sp, #16]\n    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n    ldp x27, x28, [sp, #64]\n    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size simt_switch, . - simt_switch\n");
#endif

static void to_fiber(struct worker *w, struct fiber *f) {
#ifdef WITH_ASAN
    void *fake;
    __sanitizer_start_switch_fiber(&fake, f->stack, STACK_NBYTES);
#endif
#ifdef SWITCH_UCONTEXT
    (void)w;
    swapcontext(&f->scheduler, &f->context);
#else
    simt_switch(&w->scheduler, f->sp);
#endif
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

static void to_scheduler(struct worker *w, struct fiber *f) {
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&f->fake, w->scheduler_stack, w->scheduler_stack_nbytes);
#endif
#ifdef SWITCH_UCONTEXT
    (void)w;
    swapcontext(&f->context, &f->scheduler);
#else
    simt_switch(&f->sp, w->scheduler);
#endif
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(f->fake, &f->worker->scheduler_stack, &f->worker->scheduler_stack_nbytes);
#endif
}

/* ---- a fiber's life ---- */

/* In a function of its own: between two threads a fiber may change OS threads, and with them the places of
 * thread-local variables. */
static __attribute__((noinline)) void run_thread(const struct fiber *f) {
    const struct simt_launch *launch = f->worker->launch;
    launch->body(launch->args);
}

static void fiber_main(struct fiber *f) {
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &f->worker->scheduler_stack, &f->worker->scheduler_stack_nbytes);
#endif
    for (;;) {
        run_thread(f);
        f->thread->state = THREAD_ENDED;
        to_scheduler(f->worker, f);
    }
}

#if defined(SWITCH_X86_64)
void simt_fiber_begin(void);
__asm__(".text\n"
        ".hidden simt_fiber_begin\n"
        ".type simt_fiber_begin, @function\n"
        "simt_fiber_begin:\n"
        "    movq %rbx, %rdi\n    callq *%r12\n    ud2\n"
        ".size simt_fiber_begin, . - simt_fiber_begin\n");
#elif defined(SWITCH_AARCH64)
void simt_fiber_begin(void);
__asm__(".text\n"
        ".hidden simt_fiber_begin\n"
        ".type simt_fiber_begin, %function\n"
        "simt_fiber_begin:\n"
        "    mov x0, x19\n    blr x20\n    brk #1\n"
        ".size simt_fiber_begin, . - simt_fiber_begin\n");
#else
/* makecontext hands over ints only */
static void begin_context(unsigned high, unsigned low) {
    fiber_main((struct fiber *)(uintptr_t)((uint64_t)high << 32 | low));
}
#endif

/* The registers simt_switch will take up. */
static void fiber_prepare(struct fiber *f) {
#if defined(SWITCH_X86_64)
    void **top = (void **)(void *)(f->stack + STACK_NBYTES);
    top -= SAVED + 3; /* r15 r14 r13 r12 rbx rbp, the return address, and two for the alignment */
    memset(top, 0, (SAVED + 3) * sizeof *top);
    void (*entry)(struct fiber *) = fiber_main;
    void (*begin)(void) = simt_fiber_begin;
    memcpy(&top[3], &entry, sizeof entry);
    top[4] = f;
    memcpy(&top[6], &begin, sizeof begin);
    f->sp = top;
#elif defined(SWITCH_AARCH64)
    void **top = (void **)(void *)(f->stack + STACK_NBYTES);
    top -= 20;
    memset(top, 0, 160);
    void (*entry)(struct fiber *) = fiber_main;
    void (*begin)(void) = simt_fiber_begin;
    top[0] = f;
    memcpy(&top[1], &entry, sizeof entry);
    memcpy(&top[11], &begin, sizeof begin);
    f->sp = top;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_NBYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, (void (*)(void))begin_context, 2, (unsigned)((uint64_t)(uintptr_t)f >> 32),
                (unsigned)(uintptr_t)f);
#endif
}

static struct fiber *fiber_new(struct worker *w) {
    struct fiber *f = calloc(1, sizeof *f);
    /* the lowest page stays closed: who runs over the end is stopped */
    char *stack = f ? mmap(NULL, STACK_NBYTES + 4096, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                    : MAP_FAILED;
    if (stack == MAP_FAILED || mprotect(stack, 4096, PROT_NONE)) {
        perror("simt: no memory for a fiber's stack");
        abort();
    }
    f->stack = stack + 4096;
    f->worker = w;
    fiber_prepare(f);
    return f;
}

void fiber_resume(struct worker *w, struct thread *thread) {
    struct fiber *f = thread->fiber;
    if (!f) {
        f = w->idle ? w->idle : fiber_new(w);
        w->idle = w->idle ? f->next : NULL;
        f->thread = thread;
        thread->fiber = f;
    }
    thread->state = THREAD_READY;
    simt_self = &thread->self;
    to_fiber(w, f);
    simt_self = NULL;
    if (thread->state == THREAD_ENDED) {
        thread->fiber = NULL;
        f->next = w->idle;
        w->idle = f;
    }
}

void fiber_yield(struct worker *w, struct thread *thread) {
    to_scheduler(w, thread->fiber);
}

void fiber_drop(struct worker *w, struct thread *thread) {
    struct fiber *f = thread->fiber;
    if (!f)
        return;
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(f->stack, STACK_NBYTES);
#endif
    fiber_prepare(f);
    thread->fiber = NULL;
    f->next = w->idle;
    w->idle = f;
}
