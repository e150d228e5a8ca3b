/* mock_memory.c: memory of the devices, which is the SIMT model's (its bounds, and what nobody wrote, are
 * checked there), and pinned memory of the host. */
#include <stdlib.h>
#include <string.h>

#include "tests/device/mock/mock_inner.h"

enum { MOST_PIECES = 4096 };

/* under mock_mutex */
static struct piece {
    void *p;
    size_t nbytes;
    int device; /* -1: pinned memory of the host */
} pieces[MOST_PIECES];
static size_t used[MOCK_DEVICES], pinned_used;

void mock_memory_end(void) {
    for (size_t i = 0; i < MOST_PIECES; i++) {
        if (pieces[i].p && pieces[i].device >= 0)
            simt_free(pieces[i].p);
        else
            free(pieces[i].p);
        pieces[i] = (struct piece){0};
    }
    memset(used, 0, sizeof used);
    pinned_used = 0;
}

static struct piece *find_piece(const void *p) {
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (pieces[i].p == p && p)
            return &pieces[i];
    return NULL;
}

static bool add_piece(void *p, size_t nbytes, int device) {
    for (size_t i = 0; i < MOST_PIECES; i++) {
        if (pieces[i].p)
            continue;
        pieces[i] = (struct piece){p, nbytes, device};
        mock_objects++;
        return true;
    }
    return false;
}

bool mock_is_pinned(const void *p, size_t nbytes) {
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (pieces[i].p && pieces[i].device < 0 && (const char *)p >= (const char *)pieces[i].p &&
            (const char *)p + nbytes <= (const char *)pieces[i].p + pieces[i].nbytes)
            return true;
    return false;
}

cudaError_t cudaMemGetInfo(size_t *free_nbytes, size_t *total) {
    cudaError_t error = mock_enter("cudaMemGetInfo");
    if (error != cudaSuccess)
        return error;
    *total = mock_now.memory_nbytes;
    *free_nbytes = mock_now.memory_nbytes - used[mock_current];
    return mock_leave(cudaSuccess);
}

cudaError_t cudaMalloc(void **p, size_t nbytes) {
    cudaError_t error = mock_enter_free("cudaMalloc");
    if (error != cudaSuccess)
        return error;
    *p = NULL;
    if (nbytes > mock_now.memory_nbytes - used[mock_current])
        return mock_leave(cudaErrorMemoryAllocation);
    *p = simt_alloc(nbytes);
    if (!*p || !add_piece(*p, nbytes, mock_current))
        return mock_leave(cudaErrorMemoryAllocation);
    used[mock_current] += nbytes;
    return mock_leave(cudaSuccess);
}

/* Given back even by a device that is lost: the process wants to see its own leaks. */
static cudaError_t give_back(void *p, bool pinned, const char *name) {
    cudaError_t error = p ? mock_enter_free(name) : cudaSuccess;
    if (!p)
        return cudaSuccess;
    if (error != cudaSuccess)
        pthread_mutex_lock(&mock_mutex);
    struct piece *piece = find_piece(p);
    if (!piece || (piece->device < 0) != pinned) {
        mock_blame("%s of memory that is none", name);
        return mock_leave(cudaErrorInvalidValue);
    }
    if (pinned) {
        pinned_used -= piece->nbytes;
        free(p);
    } else {
        used[piece->device] -= piece->nbytes;
        simt_free(p);
    }
    *piece = (struct piece){0};
    mock_objects--;
    return mock_leave(error);
}

cudaError_t cudaFree(void *p) {
    return give_back(p, false, "cudaFree");
}

cudaError_t cudaFreeHost(void *p) {
    return give_back(p, true, "cudaFreeHost");
}

cudaError_t cudaHostAlloc(void **p, size_t nbytes, unsigned flags) {
    cudaError_t error = mock_enter_free("cudaHostAlloc");
    (void)flags;
    if (error != cudaSuccess)
        return error;
    *p = NULL;
    if (nbytes > mock_now.pinned_nbytes - pinned_used)
        return mock_leave(cudaErrorMemoryAllocation);
    if (posix_memalign(p, 4096, nbytes ? nbytes : 1) != 0 || !add_piece(*p, nbytes, -1))
        return mock_leave(cudaErrorMemoryAllocation);
    memset(*p, 0xa5, nbytes);
    pinned_used += nbytes;
    return mock_leave(cudaSuccess);
}

/* The piece of a device's memory that p points into. */
static const struct piece *piece_around(const void *p) {
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (pieces[i].p && pieces[i].device >= 0 && (const char *)p >= (const char *)pieces[i].p &&
            (const char *)p < (const char *)pieces[i].p + pieces[i].nbytes)
            return &pieces[i];
    return NULL;
}

void mock_look_at(int device, const char *kernel, const void *args, size_t nbytes) {
    for (size_t at = 0; mock_now.devices > 1 && at + sizeof(void *) <= nbytes; at += sizeof(void *)) {
        const void *p;
        memcpy(&p, (const char *)args + at, sizeof p);
        const struct piece *piece = piece_around(p);
        if (piece && piece->device != device)
            mock_blame("%s on device %d has memory of device %d", kernel, device, piece->device);
    }
}

cudaError_t mock_copy(int device, void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind) {
    const void *there = kind == cudaMemcpyHostToDevice ? to : from;
    const struct piece *piece = piece_around(there);
    if (!nbytes)
        return cudaSuccess;
    if (!simt_inside(there, nbytes) || (kind == cudaMemcpyDeviceToDevice && !simt_inside(to, nbytes))) {
        mock_blame("a copy of %zu bytes beyond memory of the device", nbytes);
        return cudaErrorInvalidValue;
    }
    if (piece && piece->device != device)
        mock_blame("a copy on device %d of memory of device %d", device, piece->device);
    if (nbytes == sizeof(uint32_t)) /* a word lands whole, and may be looked at meanwhile */
        __atomic_store_n((uint32_t *)to, *(const uint32_t *)from, __ATOMIC_RELEASE);
    else
        memcpy(to, from, nbytes);
    if (kind != cudaMemcpyDeviceToHost)
        simt_written(to, nbytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, enum cudaMemcpyKind kind) {
    cudaError_t error = mock_enter_free("cudaMemcpy");
    return error == cudaSuccess ? mock_leave(mock_copy(mock_current, to, from, nbytes, kind)) : error;
}
