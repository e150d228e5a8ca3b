/* onednn_pack.c: weights as the primitives want them, packed once at load. All of them are packed together,
 * by as many threads as will compute later: Winograd's transform and the layouts for AMX take longer than
 * reading the file. What the weights were made of is let go as soon as they are packed. */
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "infer/cpu/onednn.h"
#include "support/mem.h"
#include "support/thread.h"

/* One tensor on its way. */
struct onednn_packing {
    struct onednn_packing *next;
    dnnl_primitive_t reorder;
    dnnl_memory_t from, to;
    const void *data;
    size_t nbytes;
    bool discard; /* nobody else reads the data, and it is no map of a file */
};

/* How many inputs of steps read any of the bytes. */
static unsigned readers(const struct plan *plan, const char *data, size_t nbytes) {
    unsigned count = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        for (size_t k = 0; k < plan->steps[i].in_count; k++) {
            const struct plan_value *v =
                plan->steps[i].in[k] == PLAN_NONE ? NULL : &plan->values[plan->steps[i].in[k]];
            const char *at = v ? v->tensor.data : NULL;
            count += v && v->place == PLAN_CONST && at < data + nbytes && data < at + v->nbytes;
        }
    return count;
}

/* Whether the memory of the data goes when it is packed; counts it. */
static bool may_discard(struct cpu_program *program, const void *data, size_t nbytes) {
    const struct plan *plan = program->plan;
    if (graph_drop_pages(plan->graph, data, 0) || !plan->loaded_once || readers(plan, data, nbytes) != 1)
        return false;
    program->released_nbytes += nbytes;
    return true;
}

static dnnl_status_t make_reorder(dnnl_engine_t engine, struct onednn_packing *k, desc_ref from,
                                  desc_ref to) {
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&k->reorder, pd);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return st;
}

dnnl_status_t onednn_pack(struct cpu_program *program, struct onednn_primitive *p, desc_ref from,
                          const void *data, desc_ref wanted) {
    dnnl_engine_t engine = program->onednn->engine;
    void *given = (void *)(uintptr_t)data;
    if (dnnl_memory_desc_equal(from, wanted))
        return dnnl_memory_create(&p->weights, wanted, engine, given);
    size_t nbytes = dnnl_memory_desc_get_size(from);
    bool discard = may_discard(program, data, nbytes);
    p->packed_nbytes = dnnl_memory_desc_get_size(wanted);
    program->packed_nbytes += p->packed_nbytes;
    program->mapped_nbytes += p->packed_nbytes;
    if (program->rehearsal)
        return dnnl_success;
    p->packed = onednn_share_find(program->share, from, data, wanted);
    if (p->packed)
        return dnnl_memory_create(&p->weights, wanted, engine, p->packed);
    struct onednn_packing *k = mem_alloc(1, sizeof *k);
    p->packed = mem_map(p->packed_nbytes);
    if (!k || !p->packed || !onednn_share_add(program->share, program->plan, from, data, wanted, p->packed)) {
        mem_free(k);
        return dnnl_out_of_memory;
    }
    *k = (struct onednn_packing){
        .next = program->onednn->packings, .data = data, .nbytes = nbytes, .discard = discard};
    program->onednn->packings = k;
    dnnl_status_t st = dnnl_memory_create(&k->from, from, engine, given);
    if (st == dnnl_success)
        st = dnnl_memory_create(&p->weights, wanted, engine, p->packed);
    if (st == dnnl_success)
        st = dnnl_memory_create(&k->to, wanted, engine, p->packed);
    return st == dnnl_success ? make_reorder(engine, k, from, wanted) : st;
}

/* ---- doing it ---- */

struct crew {
    struct cpu_program *program;
    struct onednn_packing **all;
    size_t count;
    _Atomic size_t next;
    _Atomic bool failed;
};

static void pack_one(const struct plan *plan, dnnl_stream_t stream, struct onednn_packing *k,
                     _Atomic bool *failed) {
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, k->from}, {DNNL_ARG_TO, k->to}};
    if (dnnl_primitive_execute(k->reorder, stream, 2, args) != dnnl_success ||
        dnnl_stream_wait(stream) != dnnl_success)
        *failed = true;
    graph_drop_pages(plan->graph, k->data, k->nbytes);
    if (k->discard)
        mem_discard(k->data, k->nbytes);
}

static void *pack_run(void *arg) {
    struct crew *crew = arg;
    dnnl_stream_t stream = NULL;
    omp_set_num_threads(1);
    if (dnnl_stream_create(&stream, crew->program->onednn->engine, dnnl_stream_default_flags) != dnnl_success)
        crew->failed = true;
    for (size_t i; stream && (i = atomic_fetch_add(&crew->next, 1)) < crew->count;)
        pack_one(crew->program->plan, stream, crew->all[i], &crew->failed);
    if (stream)
        dnnl_stream_destroy(stream);
    return NULL;
}

sl_status onednn_pack_all(struct cpu_program *program, sl_error *err) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    unsigned started = 0, wanted = program->threads < MOST ? program->threads : MOST;
    struct crew crew = {.program = program};
    for (struct onednn_packing *k = program->onednn->packings; k; k = k->next)
        crew.count++;
    crew.all = mem_alloc(crew.count + 1, sizeof *crew.all);
    if (!crew.all)
        return error_set(err, SL_E_MEMORY, "out of memory for packing weights");
    size_t at = 0;
    for (struct onednn_packing *k = program->onednn->packings; k; k = k->next)
        crew.all[at++] = k;
    /* this thread is one of them; without the others it does it all */
    while (started + 1 < wanted && started + 1 < crew.count &&
           thread_start(&threads[started], "pack", pack_run, &crew, NULL) == SL_OK)
        started++;
    pack_run(&crew);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    mem_free(crew.all);
    onednn_pack_clear(program);
    return crew.failed ? error_set(err, SL_E_INTERNAL, "oneDNN cannot pack the weights") : SL_OK;
}

void onednn_pack_clear(struct cpu_program *program) {
    for (struct onednn_packing *k = program->onednn->packings, *next; k; k = next) {
        next = k->next;
        if (k->reorder)
            dnnl_primitive_destroy(k->reorder);
        if (k->from)
            dnnl_memory_destroy(k->from);
        if (k->to)
            dnnl_memory_destroy(k->to);
        mem_free(k);
    }
    program->onednn->packings = NULL;
}
