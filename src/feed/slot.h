/* slot.h: TENSORS INTO BATCHES. A slot is the host memory of one batch with everything that belongs to its
 * rows. Feed's public header.
 *
 * Who may touch what: `set once` fields never change after ring_open. While a slot fills, row r, reject r and
 * row r of the inputs belong to the worker that was given row r; spans are under the ring's mutex until the
 * slot is sealed. After that the whole slot belongs to whoever holds it: the executor, then format workers
 * (row by row), then the writer. */
#ifndef FEED_SLOT_H
#define FEED_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/tensor.h"

enum row_state {
    ROW_EMPTY = 0, /* padding */
    ROW_GOOD,      /* decoded; scored once the batch came back */
    ROW_REJECTED   /* see rejects[r]; its inputs are zeros */
};

struct row {
    uint64_t offset, length; /* of the record, in the decompressed shard */
    uint32_t text_nbytes;    /* of text[r * text_row_nbytes]: the formatted output line with its '\n'; before
                              * that the input, where results are joined with it */
    uint8_t state;           /* enum row_state */
    uint8_t bucket;          /* which of the job's lengths it has; 0 where there is one */
};

/* Why row r was rejected; valid when rows[r].state is ROW_REJECTED. Texts are escaped. */
struct row_reject {
    const char *stage; /* static: "archive", "decode", "transform" */
    char code[32];
    char reason[200];
    char key[120];
};

enum span_kind {
    SPAN_ROWS,  /* `count` rows from `row` are records first_record, first_record + 1, ... of the shard */
    SPAN_END,   /* the shard is complete: it had first_record records */
    SPAN_FAILED /* the shard cannot be read on: `error` says why; no more of it will come */
};

/* What rows of a slot belong to, in the order of the rows. */
struct span {
    uint32_t shard; /* index in the shard list */
    uint32_t row, count;
    enum span_kind kind;
    uint64_t first_record;
    const char *error; /* SPAN_FAILED; lives as long as the job */
};

struct slot {
    /* set once */
    void *input, *output;       /* device memory of slot_alloc: plan->input_nbytes, plan->output_nbytes */
    struct row *rows;           /* [row_cap] */
    struct row_reject *rejects; /* [row_cap]; touched only for rejects */
    char *text;                 /* [row_cap * text_row_nbytes] */
    size_t text_row_nbytes;
    char *strings; /* [row_cap * string_row_nbytes]: bytes of the texts in string inputs, in any order */
    size_t string_row_nbytes;
    struct span *spans; /* [span_cap] */
    uint32_t row_cap, span_cap;
    /* while it fills: under the ring's mutex */
    uint32_t row_count, span_count;
    uint64_t sequence; /* 0, 1, 2, ...: the order in which slots are computed and written */
    bool sealed;
    /* rows reserved and not yet decoded, plus one while the slot is open */
    _Atomic uint32_t undecoded;
    /* rows whose outputs are not there yet, where batches are made of rows: the executor's */
    _Atomic uint32_t uncomputed;
    /* rows not yet formatted */
    _Atomic uint32_t unformatted;
    /* bytes of `strings` that are taken; any worker that decodes */
    _Atomic size_t strings_used;
    int state; /* the ring's: under its mutex */
};

/* Copies the texts of a row's string input into the slot, where they stay as long as the row does.
 * *row_nbytes counts the row's texts so far, and with these must stay within string_row_nbytes: else false,
 * and nothing was copied. So no row depends on what its neighbours bring. Any thread that decodes. */
bool slot_keep_texts(struct slot *slot, sl_string *texts, size_t count, size_t *row_nbytes);

#endif
