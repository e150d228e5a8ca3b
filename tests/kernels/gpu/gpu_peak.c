/* gpu_peak.c: what the card can do at best: a large copy for its memory, large products through cuBLAS for
 * its arithmetic. cuBLAS is opened at run time, under whatever name is there (PyTorch brings one). */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "gpu_time.h"

#define COPY_NBYTES ((size_t)1 << 30)
#define PEAK_SIZE 8192

/* ---- copies ---- */

struct copy {
    void *to, *from;
    size_t nbytes;
    enum cudaMemcpyKind kind;
};

static int copy_once(void *ctx, unsigned round, cudaStream_t stream) {
    const struct copy *c = ctx;
    (void)round;
    return (int)cudaMemcpyAsync(c->to, c->from, c->nbytes, c->kind, stream);
}

static double copy_rate(void *to, void *from, size_t nbytes, enum cudaMemcpyKind kind) {
    struct copy c = {to, from, nbytes, kind};
    struct time_result t = time_rounds(copy_once, &c, 1);
    return t.err == cudaSuccess && t.median_us > 0 ? (double)nbytes / t.median_us * 1e6 : 0;
}

static void measure_copies(struct peak *peak) {
    void *one = NULL, *other = NULL, *host = NULL;
    if (cudaMalloc(&one, COPY_NBYTES) == cudaSuccess && cudaMalloc(&other, COPY_NBYTES) == cudaSuccess) {
        cudaMemset(one, 0x3c, COPY_NBYTES);
        peak->copy_bytes_per_s = 2 * copy_rate(other, one, COPY_NBYTES, cudaMemcpyDeviceToDevice);
        if (cudaHostAlloc(&host, COPY_NBYTES / 4, cudaHostAllocDefault) == cudaSuccess) {
            peak->h2d_bytes_per_s = copy_rate(one, host, COPY_NBYTES / 4, cudaMemcpyHostToDevice);
            peak->d2h_bytes_per_s = copy_rate(host, one, COPY_NBYTES / 4, cudaMemcpyDeviceToHost);
        }
    }
    cudaFreeHost(host);
    cudaFree(one);
    cudaFree(other);
}

/* ---- cuBLAS: the few names of its interface that are needed, as cublas_api.h has them ---- */

enum { OP_N = 0, OP_T = 1, REAL_32 = 0, REAL_16 = 2, REAL_BF16 = 14, COMPUTE_32F = 68, COMPUTE_TF32 = 77 };

static struct {
    void *library, *handle;
    int (*create)(void **handle);
    int (*set_stream)(void *handle, cudaStream_t stream);
    int (*set_workspace)(void *handle, void *workspace, size_t nbytes);
    int (*gemm)(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                int a_type, int lda, const void *b, int b_type, int ldb, const void *beta, void *c,
                int c_type, int ldc, int compute, int algorithm);
} blas;

static void *find(const char *name) {
    void *symbol = dlsym(blas.library, name);
    if (!symbol)
        fprintf(stderr, "gpu_bench: cuBLAS has no '%s'\n", name);
    return symbol;
}

static int open_cublas(void) {
    static const char *const names[] = {"libcublas.so", "libcublas.so.13", "libcublas.so.12",
                                        "libcublas.so.11"};
    static int opened;
    const size_t workspace_nbytes = (size_t)64 << 20;
    void *workspace = NULL;
    if (opened++)
        return blas.handle != NULL;
    for (size_t i = 0; !blas.library && i < sizeof names / sizeof *names; i++)
        blas.library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
    if (!blas.library)
        return 0;
    *(void **)&blas.create = find("cublasCreate_v2");
    *(void **)&blas.set_stream = find("cublasSetStream_v2");
    *(void **)&blas.set_workspace = find("cublasSetWorkspace_v2");
    *(void **)&blas.gemm = find("cublasGemmEx");
    if (!blas.create || !blas.set_stream || !blas.set_workspace || !blas.gemm ||
        blas.create(&blas.handle) != 0)
        blas.handle = NULL;
    if (blas.handle && cudaMalloc(&workspace, workspace_nbytes) == cudaSuccess)
        blas.set_workspace(blas.handle, workspace, workspace_nbytes);
    return blas.handle != NULL;
}

struct product {
    char type;
    int m, n, k;
    void *a, *b, *c;
};

/* C [m][n] = A [m][k] * B [n][k] transposed, row-major: what a layer with packed weights is. In cuBLAS's
 * columns it is C' = B * A'. */
static int multiply(void *ctx, unsigned round, cudaStream_t stream) {
    const struct product *p = ctx;
    const float one = 1, zero = 0;
    int type = p->type == 'h' ? REAL_16 : p->type == 'b' ? REAL_BF16 : REAL_32;
    (void)round;
    blas.set_stream(blas.handle, stream);
    return blas.gemm(blas.handle, OP_T, OP_N, p->n, p->m, p->k, &one, p->b, type, p->k, p->a, type, p->k,
                     &zero, p->c, type, p->n, p->type == 't' ? COMPUTE_TF32 : COMPUTE_32F, -1) == 0
               ? 0
               : (int)cudaErrorUnknown;
}

/* Random normal-like numbers, never zeros: a card draws less power on those and runs faster. */
static void *random_matrix(char type, size_t count) {
    size_t each = type == 'h' || type == 'b' ? 2 : 4;
    unsigned char *host = malloc(count * each);
    void *device = NULL;
    uint32_t state = 7;
    for (size_t i = 0; host && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        uint32_t mantissa = state >> 9, sign = state & 0x100 ? 1u : 0;
        uint32_t f = sign << 31 | (124u + (state >> 6 & 3)) << 23 | mantissa; /* 1/8 ... 2 */
        uint16_t h = (uint16_t)(sign << 15 | (12u + (state >> 6 & 3)) << 10 | mantissa >> 13),
                 b = (uint16_t)(f >> 16);
        if (each == 4)
            ((uint32_t *)(void *)host)[i] = f;
        else
            ((uint16_t *)(void *)host)[i] = type == 'h' ? h : b;
    }
    if (host && (cudaMalloc(&device, count * each) != cudaSuccess ||
                 cudaMemcpy(device, host, count * each, cudaMemcpyHostToDevice) != cudaSuccess)) {
        cudaFree(device);
        device = NULL;
    }
    free(host);
    return device;
}

double cublas_us(char type, int m, int n, int k) {
    if (!open_cublas())
        return 0;
    struct product p = {.type = type, .m = m, .n = n, .k = k};
    struct time_result t = {.err = cudaErrorMemoryAllocation};
    p.a = random_matrix(type, (size_t)m * (size_t)k);
    p.b = random_matrix(type, (size_t)n * (size_t)k);
    if (p.a && p.b && cudaMalloc(&p.c, (size_t)m * (size_t)n * 4) == cudaSuccess)
        t = time_rounds(multiply, &p, 4);
    if (t.err != cudaSuccess)
        fprintf(stderr, "gpu_bench: cuBLAS product: %s\n", cudaGetErrorString(t.err));
    cudaFree(p.a);
    cudaFree(p.b);
    cudaFree(p.c);
    return t.err == cudaSuccess ? t.median_us : 0;
}

static double product_rate(char type) {
    double us = cublas_us(type, PEAK_SIZE, PEAK_SIZE, PEAK_SIZE);
    return us > 0 ? 2.0 * PEAK_SIZE * PEAK_SIZE * PEAK_SIZE / us * 1e6 : 0;
}

struct peak peak_measure(void) {
    struct peak peak = {0};
    measure_copies(&peak);
    peak.f16 = product_rate('h');
    peak.bf16 = product_rate('b');
    peak.tf32 = product_rate('t');
    peak.f32 = product_rate('f');
    return peak;
}
