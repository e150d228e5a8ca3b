/* onednn.c: oneDNN's engine, and what all primitives have in common: weights packed once, a memory object a
 * value and thread, running. */
#include "infer/cpu/onednn.h"

#include <stdio.h>
#include <string.h>

#include "support/mem.h"
#include "support/text.h"

const char *onednn_version(void) {
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

dnnl_data_type_t onednn_dtype(sl_dtype dtype) {
    switch ((int)dtype) {
    case SL_FLOAT:
        return dnnl_f32;
    case SL_BFLOAT16:
        return dnnl_bf16;
    case SL_INT8:
        return dnnl_s8;
    case SL_UINT8:
        return dnnl_u8;
    case SL_INT32:
        return dnnl_s32;
    default:
        return dnnl_data_type_undef;
    }
}

dnnl_format_tag_t onednn_image_tag(enum cpu_layout layout, int rank) {
    static const dnnl_format_tag_t tags[][3] = {
        [LAYOUT_PLAIN] = {dnnl_ncw, dnnl_nchw, dnnl_ncdhw},
        [LAYOUT_LAST] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc},
        [LAYOUT_BLOCKED] = {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c}};
    return tags[layout][rank - 3];
}

sl_status onednn_failed(dnnl_status_t status, const struct plan_step *step, sl_error *err) {
    return error_set(err, status == dnnl_out_of_memory ? SL_E_MEMORY : SL_E_INTERNAL,
                     "oneDNN cannot make '%s' (node '%s'): status %d", step->op->name, text_quote(step->name),
                     (int)status);
}

struct onednn_primitive *onednn_add(struct cpu_program *program) {
    struct onednn_primitive *p = mem_alloc(1, sizeof *p);
    if (p) {
        p->next = program->onednn->primitives;
        program->onednn->primitives = p;
    }
    return p;
}

/* ---- running ---- */

static void run_primitive(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct onednn_primitive *p = step->provider;
    const struct onednn_thread *t = &p->threads[frame->thread];
    dnnl_exec_arg_t args[ONEDNN_ARGS];
    int count = 0;
    for (unsigned i = 0; i < p->value_count; i++) {
        dnnl_memory_set_data_handle(t->values[i], frame->values[p->values[i].value].data);
        args[count++] = (dnnl_exec_arg_t){p->values[i].arg, t->values[i]};
    }
    dnnl_memory_set_data_handle(t->scratchpad, frame->scratch);
    args[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, t->scratchpad};
    if (p->weights)
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, p->weights};
    if (p->bias)
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, p->bias};
    for (unsigned i = 0; i < p->fixed_count; i++)
        args[count++] = (dnnl_exec_arg_t){p->fixed_args[i], p->fixed[i]};
    /* everything that could fail was checked when the primitive was made */
    dnnl_primitive_execute(p->primitive, t->stream, count, args);
}

static dnnl_status_t open_thread(struct onednn_thread *t, const struct onednn_primitive *p,
                                 dnnl_engine_t engine, desc_ref scratchpad) {
    dnnl_status_t st = dnnl_stream_create(&t->stream, engine, dnnl_stream_default_flags);
    for (unsigned i = 0; st == dnnl_success && i < p->value_count; i++)
        st = dnnl_memory_create(&t->values[i], p->values[i].desc, engine, DNNL_MEMORY_NONE);
    if (st == dnnl_success)
        st = dnnl_memory_create(&t->scratchpad, scratchpad, engine, DNNL_MEMORY_NONE);
    return st;
}

dnnl_status_t onednn_finish(struct cpu_program *program, size_t index, struct onednn_primitive *p,
                            dnnl_primitive_desc_t pd) {
    const char *impl = "";
    desc_ref scratchpad = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&impl);
    snprintf(p->what, sizeof p->what, "oneDNN %s", impl ? impl : "");
    unsigned threads = program->rehearsal ? 0 : program->threads;
    dnnl_status_t st = threads ? dnnl_primitive_create(&p->primitive, pd) : dnnl_success;
    p->threads = mem_alloc(threads + 1, sizeof *p->threads);
    if (!p->threads)
        return dnnl_out_of_memory;
    p->thread_count = threads;
    for (unsigned i = 0; st == dnnl_success && i < p->thread_count; i++)
        st = open_thread(&p->threads[i], p, program->onednn->engine, scratchpad);
    struct cpu_step *step = &program->steps[index];
    step->run = run_primitive;
    step->provider = p;
    step->scratch_nbytes = dnnl_memory_desc_get_size(scratchpad);
    step->what = p->what;
    step->formatted = true;
    return st;
}

/* ---- the engine ---- */

sl_status onednn_open(struct cpu_program *program, sl_error *err) {
    program->onednn = mem_alloc(1, sizeof *program->onednn);
    if (!program->onednn || dnnl_engine_create(&program->onednn->engine, dnnl_cpu, 0) != dnnl_success)
        return error_set(err, SL_E_MEMORY, "cannot open oneDNN");
    return SL_OK;
}

size_t onednn_count(const struct cpu_program *program) {
    size_t count = 0;
    for (const struct onednn_primitive *p = program->onednn ? program->onednn->primitives : NULL; p;
         p = p->next)
        count++;
    return count;
}

static void close_primitive(struct cpu_program *program, struct onednn_primitive *p) {
    for (unsigned i = 0; i < p->thread_count; i++) {
        struct onednn_thread *t = &p->threads[i];
        for (unsigned k = 0; k < p->value_count; k++)
            if (t->values[k])
                dnnl_memory_destroy(t->values[k]);
        if (t->scratchpad)
            dnnl_memory_destroy(t->scratchpad);
        if (t->stream)
            dnnl_stream_destroy(t->stream);
    }
    for (unsigned i = 0; i < p->fixed_count; i++)
        dnnl_memory_destroy(p->fixed[i]);
    if (p->bias)
        dnnl_memory_destroy(p->bias);
    if (p->weights)
        dnnl_memory_destroy(p->weights);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (!onednn_share_drop(program->share, p->packed))
        mem_unmap(p->packed, p->packed_nbytes);
    mem_free(p->threads);
    mem_free(p);
}

void onednn_clear(struct cpu_program *program) {
    if (!program->onednn)
        return;
    for (struct onednn_primitive *p = program->onednn->primitives, *next; p; p = next) {
        next = p->next;
        close_primitive(program, p);
    }
    onednn_pack_clear(program);
    onednn_share_forget(program->share, program->plan);
    if (program->onednn->engine)
        dnnl_engine_destroy(program->onednn->engine);
    mem_free(program->onednn);
    program->onednn = NULL;
}
