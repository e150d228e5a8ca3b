/* block.c: mapped once, filled again and again. */
#include "archive/block.h"

#include "support/mem.h"

sl_status block_open(struct block *block, size_t target, size_t cap, uint32_t max_cuts, uint32_t max_fields,
                     sl_error *err) {
    *block = (struct block){.cap = cap, .target = target, .max_cuts = max_cuts, .max_fields = max_fields};
    if (cap >= UINT32_MAX)
        return error_set(err, SL_E_INTERNAL, "a block of %zu bytes is too large", cap);
    block->data = mem_map(cap);
    block->cuts = mem_map(max_cuts * sizeof *block->cuts);
    block->fields = mem_map(max_fields * sizeof *block->fields);
    if (block->data && block->cuts && block->fields)
        return SL_OK;
    block_close(block);
    return error_set(err, SL_E_MEMORY, "out of memory for a block of %zu bytes", cap);
}

void block_close(struct block *block) {
    mem_unmap(block->data, block->cap);
    mem_unmap(block->cuts, block->max_cuts * sizeof *block->cuts);
    mem_unmap(block->fields, block->max_fields * sizeof *block->fields);
    *block = (struct block){0};
}

void block_reset(struct block *block) {
    if (block->size > block->target)
        mem_trim(block->data, block->target, block->size);
    block->size = 0;
    block->cut_count = block->field_count = 0;
}

void block_record(const struct block *block, uint32_t i, sl_field fields[BLOCK_MAX_SAMPLE_FIELDS],
                  sl_record *record) {
    const struct cut *cut = &block->cuts[i];
    for (uint32_t k = 0; k < cut->field_count; k++) {
        const struct block_field *f = &block->fields[cut->first_field + k];
        fields[k] = (sl_field){{block->data + f->name_start, f->name_nbytes},
                               {block->data + f->data_start, f->data_nbytes}};
    }
    *record = (sl_record){.kind = block->kind,
                          .bytes = {block->data + cut->start, cut->nbytes},
                          .fields = fields,
                          .field_count = cut->field_count,
                          .key = {block->data + cut->key_start, cut->key_nbytes},
                          .index = block->first_record + i,
                          .offset = cut->offset,
                          .length = cut->length};
}
