/* onednn_share.c: packed weights of all programs of one device. Plans of one model for several batch sizes or
 * lengths pack the same numbers into the same layout, so that is done once: by where the numbers lie, or by
 * what they are where a plan folded them into memory of its own. */
#include <string.h>

#include "infer/cpu/onednn.h"
#include "support/mem.h"

struct onednn_share {
    struct onednn_share *next;
    const struct plan *plan; /* of the program that packed it; NULL: it is gone, and `data` with it */
    const void *data;
    size_t nbytes, packed_nbytes;
    desc_t from, wanted;
    void *packed;
    unsigned users;
};

static bool copy_desc(desc_t *to, desc_ref from) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_clone(to, from) == dnnl_success;
#else
    *to = *from;
    return true;
#endif
}

static bool is_same(const struct onednn_share *item, desc_ref from, const void *data, desc_ref wanted) {
    return item->plan && dnnl_memory_desc_equal(REF(item->from), from) &&
           dnnl_memory_desc_equal(REF(item->wanted), wanted) &&
           (item->data == data || !memcmp(item->data, data, item->nbytes));
}

void *onednn_share_find(struct onednn_share **share, desc_ref from, const void *data, desc_ref wanted) {
    for (struct onednn_share *item = share ? *share : NULL; item; item = item->next)
        if (is_same(item, from, data, wanted)) {
            item->users++;
            return item->packed;
        }
    return NULL;
}

bool onednn_share_add(struct onednn_share **share, const struct plan *plan, desc_ref from, const void *data,
                      desc_ref wanted, void *packed) {
    struct onednn_share *item = share ? mem_alloc(1, sizeof *item) : NULL;
    if (!item)
        return !share;
    *item = (struct onednn_share){.next = *share,
                                  .plan = plan,
                                  .data = data,
                                  .nbytes = dnnl_memory_desc_get_size(from),
                                  .packed_nbytes = dnnl_memory_desc_get_size(wanted),
                                  .packed = packed,
                                  .users = 1};
    if (!copy_desc(&item->from, from) || !copy_desc(&item->wanted, wanted)) {
        desc_clear(&item->from);
        mem_free(item);
        return false;
    }
    *share = item;
    return true;
}

bool onednn_share_drop(struct onednn_share **share, void *packed) {
    for (struct onednn_share **at = share; share && *at; at = &(*at)->next) {
        struct onednn_share *item = *at;
        if (item->packed != packed)
            continue;
        if (!--item->users) {
            *at = item->next;
            mem_unmap(item->packed, item->packed_nbytes);
            desc_clear(&item->from);
            desc_clear(&item->wanted);
            mem_free(item);
        }
        return true;
    }
    return false;
}

void onednn_share_forget(struct onednn_share **share, const struct plan *plan) {
    for (struct onednn_share *item = share ? *share : NULL; item; item = item->next)
        if (item->plan == plan)
            item->plan = NULL;
}
