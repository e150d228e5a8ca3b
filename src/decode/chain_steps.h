/* chain_steps.h: the inside of a chain, for the files that open it, run it and reserve room for it. */
#ifndef DECODE_CHAIN_STEPS_H
#define DECODE_CHAIN_STEPS_H

#include "decode/chain.h"
#include "decode/params.h"
#include "support/arena.h"

struct chain_step {
    const sl_transform *transform;
    void *state;
    size_t scratch_nbytes;
    sl_spec out;
    struct sl_params params;
};

struct chain {
    struct arena memory; /* lists and labels that transforms keep pointers to */
    json_t *json;        /* our copy of the steps: their texts live as long as the chain */
    struct chain_options options;
    sl_spec source;
    struct chain_step *steps; /* all that were opened; room for two more than were asked for */
    size_t step_count;
    size_t given_count;  /* elements of the list as it was given */
    size_t apply_count;  /* the first of them run here; one more is left to the device when `lowered` */
    size_t shared_count; /* the first of them belong to `shared`, which has run them already */
    const struct chain *shared;
    bool has_target;
    sl_spec target;
    bool lowered;
    bool implicit; /* the source step was put in front by us */
    sl_affine affine;
};

/* The table that every transform is handed. */
extern const sl_host chain_host;

/* Turns the float numbers at the end of a chain into the dtype a model insists on. */
extern const sl_transform cast_transform;
bool cast_can(sl_dtype from, sl_dtype to);
/* IEEE 754 binary16, nearest, ties to even; false when it does not fit. */
bool cast_to_half(float x, uint16_t *half);

/* "float [30]", "uint8 [?,?,3]", "a csv row", for messages. Returns `text`. */
char *spec_text(char *text, size_t cap, const sl_spec *spec);

/* The transform by name, or by a path below the model directory when the name ends in ".so". */
sl_status transform_load(const sl_transform **transform, const char *name, const char *model_dir,
                         sl_error *err);

/* Lowers the trailing step, casts, and compares with what the model wants. */
sl_status chain_fit(struct chain *chain, const sl_spec *target, const char *target_name, sl_error *err);

/* Opens a step at the end. `name` and `value` (may be NULL) must live as long as the chain. */
sl_status chain_add(struct chain *chain, const sl_transform *transform, const char *name, const json_t *value,
                    sl_error *err);

/* What comes out of the last step so far. */
const sl_spec *chain_last(const struct chain *chain);

/* Whether a path stays below the directory it is joined to. */
bool path_is_below(const char *path);

#endif
