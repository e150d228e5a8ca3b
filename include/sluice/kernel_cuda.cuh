/* sluice/kernel_cuda.cuh: kernel.cuh's names as nvcc (or clang -x cuda) compiles them. Only kernel.cuh
 * includes it. The model's side, name for name, is tests/kernels/simt/simt_kernel.h; what each is to do
 * stands there. */
#ifndef SLUICE_KERNEL_CUDA_CUH
#define SLUICE_KERNEL_CUDA_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#if defined(__CUDACC_VER_MAJOR__) &&                                                                         \
    (__CUDACC_VER_MAJOR__ < 11 || (__CUDACC_VER_MAJOR__ == 11 && __CUDACC_VER_MINOR__ < 8))
#error "CUDA 11.8 or later is needed: earlier ones know no sm_89 and sm_90"
#endif
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 750
#error "sm_75 is the oldest target: mma.sync m16n8k8 and ldmatrix begin there"
#endif

/* 100 x the major and 10 x the minor number of the GPU compiled for; 0 in the host's part of the file. */
#ifdef __CUDA_ARCH__
#define SL_ARCH __CUDA_ARCH__
#else
#define SL_ARCH 0
#endif

#define SL_KERNEL static __global__
#define SL_KERNEL_BOUNDS(threads, blocks) static __global__ __launch_bounds__(threads, blocks)
#define SL_DEVICE __device__ inline
#define SL_SHARED(type, name, count) __shared__ type name[count]
#define SL_SHARED_DYNAMIC(type, name)                                                                        \
    extern __shared__ __align__(128) unsigned char sl_shared_bytes[];                                        \
    type *name = (type *)sl_shared_bytes
#define SL_LAUNCH(kernel, grid, block, shared_nbytes, stream, ...)                                           \
    sl_launch(kernel, grid, block, shared_nbytes, stream, __VA_ARGS__)

template <typename T> struct sl_same { typedef T type; };

/* Above 48 KiB of shared memory a kernel has to be told once; telling it again costs a look into a table. */
template <typename... P>
static inline int sl_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_nbytes,
                            cudaStream_t stream, typename sl_same<P>::type... args) {
    void *list[] = {(void *)&args...};
    if (shared_nbytes > 48 * 1024) {
        cudaError_t err = cudaFuncSetAttribute(
            (const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_nbytes);
        if (err != cudaSuccess)
            return (int)err;
    }
    return (int)cudaLaunchKernel((const void *)kernel, grid, block, list, shared_nbytes, stream);
}

/* ---- numbers ---- */

typedef __half sl_half;
typedef __nv_bfloat16 sl_bfloat16;

SL_DEVICE float sl_to_float(sl_half x) {
    return __half2float(x);
}
SL_DEVICE float sl_to_float(sl_bfloat16 x) {
    return __bfloat162float(x);
}
SL_DEVICE sl_half sl_float_to_half(float x) {
    return __float2half_rn(x);
}
SL_DEVICE sl_bfloat16 sl_float_to_bfloat16(float x) {
    return __float2bfloat16_rn(x);
}
SL_DEVICE uint16_t sl_bits(sl_half x) {
    return __half_as_ushort(x);
}
SL_DEVICE uint16_t sl_bits(sl_bfloat16 x) {
    const __nv_bfloat16_raw raw = x; /* CUDA 11.8 has __bfloat16_as_ushort only from sm_80 on */
    return raw.x;
}
template <typename T> SL_DEVICE T sl_from_bits(uint16_t bits);
template <> SL_DEVICE sl_half sl_from_bits<sl_half>(uint16_t bits) {
    return __ushort_as_half(bits);
}
template <> SL_DEVICE sl_bfloat16 sl_from_bits<sl_bfloat16>(uint16_t bits) {
    __nv_bfloat16_raw raw;
    raw.x = bits;
    return raw;
}
SL_DEVICE uint32_t sl_float_bits(float x) {
    return __float_as_uint(x);
}
SL_DEVICE float sl_float_from_bits(uint32_t bits) {
    return __uint_as_float(bits);
}
SL_DEVICE uint32_t sl_to_tf32(float x) {
#if SL_ARCH >= 800
    uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
#else
    uint32_t bits = __float_as_uint(x);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu;
#endif
}
SL_DEVICE float sl_ex2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
SL_DEVICE float sl_rsqrt(float x) {
    float y;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
SL_DEVICE float sl_mul_rn(float x, float y) {
    return __fmul_rn(x, y);
}
SL_DEVICE float sl_add_rn(float x, float y) {
    return __fadd_rn(x, y);
}
SL_DEVICE float sl_fma(float x, float y, float z) {
    return __fmaf_rn(x, y, z);
}

/* ---- waiting for each other ---- */

SL_DEVICE void sl_sync() {
    __syncthreads();
}
SL_DEVICE void sl_bar_sync(int id, int threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
SL_DEVICE void sl_warp_sync() {
    __syncwarp();
}

/* ---- a warp's registers ---- */

template <typename T> SL_DEVICE T sl_shfl_xor(T v, int mask) {
    return __shfl_xor_sync(0xffffffffu, v, mask);
}
template <typename T> SL_DEVICE T sl_shfl_down(T v, int by) {
    return __shfl_down_sync(0xffffffffu, v, (unsigned)by);
}
template <typename T> SL_DEVICE T sl_shfl_idx(T v, int lane) {
    return __shfl_sync(0xffffffffu, v, lane);
}
SL_DEVICE uint32_t sl_ballot(bool p) {
    return __ballot_sync(0xffffffffu, p);
}

/* ---- memory ---- */

SL_DEVICE uint4 sl_ld_nc16(const void *p) {
    return __ldg((const uint4 *)p);
}
SL_DEVICE void sl_st16(void *p, uint4 v) {
    *(uint4 *)p = v;
}
SL_DEVICE uint4 sl_ld16(const void *p) {
    return *(const uint4 *)p;
}

SL_DEVICE uint32_t sl_shared_address(const void *p) {
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* sm_75 has no cp.async: there the thread itself carries the bytes, at once. */
SL_DEVICE void sl_cp_async16(void *shared, const void *global, int src_nbytes) {
#if SL_ARCH >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sl_shared_address(shared)),
                 "l"(global), "r"(src_nbytes)
                 : "memory");
#else
    uint4 v = make_uint4(0, 0, 0, 0);
    if (src_nbytes == 16) {
        v = __ldg((const uint4 *)global);
    } else {
        unsigned char *bytes = (unsigned char *)&v;
#pragma unroll
        for (int i = 0; i < 16; i++)
            if (i < src_nbytes)
                bytes[i] = ((const unsigned char *)global)[i];
    }
    *(uint4 *)shared = v;
#endif
}
SL_DEVICE void sl_cp_commit() {
#if SL_ARCH >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int N> SL_DEVICE void sl_cp_wait() {
#if SL_ARCH >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

SL_DEVICE int32_t sl_atomic_add(int32_t *p, int32_t v) {
    return atomicAdd(p, v);
}
SL_DEVICE uint32_t sl_atomic_add(uint32_t *p, uint32_t v) {
    return atomicAdd(p, v);
}
SL_DEVICE int32_t sl_atomic_max(int32_t *p, int32_t v) {
    return atomicMax(p, v);
}
SL_DEVICE uint32_t sl_atomic_max(uint32_t *p, uint32_t v) {
    return atomicMax(p, v);
}

/* ---- tensor cores ---- */

SL_DEVICE void sl_ldsm_x1(uint32_t *r, const void *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(sl_shared_address(p))
                 : "memory");
}
SL_DEVICE void sl_ldsm_x2(uint32_t *r, const void *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(sl_shared_address(p))
                 : "memory");
}
SL_DEVICE void sl_ldsm_x4(uint32_t *r, const void *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sl_shared_address(p))
                 : "memory");
}
SL_DEVICE void sl_ldsm_x1_trans(uint32_t *r, const void *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(sl_shared_address(p))
                 : "memory");
}
SL_DEVICE void sl_ldsm_x2_trans(uint32_t *r, const void *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(sl_shared_address(p))
                 : "memory");
}
SL_DEVICE void sl_ldsm_x4_trans(uint32_t *r, const void *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sl_shared_address(p))
                 : "memory");
}

SL_DEVICE void sl_mma_1688_f16(float *d, const uint32_t *a, const uint32_t *b) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}
/* sm_75 multiplies half as deep: the first half of the fragments is k 0-7, the second k 8-15. */
SL_DEVICE void sl_mma_16816_f16(float *d, const uint32_t *a, const uint32_t *b) {
#if SL_ARCH >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    sl_mma_1688_f16(d, a, b);
    sl_mma_1688_f16(d, a + 2, b + 1);
#endif
}
/* Not on sm_75 (stops the kernel): the device refuses bf16 there at load. */
SL_DEVICE void sl_mma_16816_bf16(float *d, const uint32_t *a, const uint32_t *b) {
#if SL_ARCH >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    (void)d, (void)a, (void)b;
    __trap();
#endif
}
/* Not on sm_75 (stops the kernel): the device refuses tf32 there at load. */
SL_DEVICE void sl_mma_1688_tf32(float *d, const uint32_t *a, const uint32_t *b) {
#if SL_ARCH >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    (void)d, (void)a, (void)b;
    __trap();
#endif
}
/* sm_75 has m8n8k16 alone: four of them, for the upper and lower rows and the two halves of k. */
#define SL_MMA_8816(types, d0, d1, a0, b0)                                                                   \
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32." types ".s32 {%0,%1}, {%2}, {%3}, {%0,%1};"          \
                 : "+r"(d0), "+r"(d1)                                                                        \
                 : "r"(a0), "r"(b0))
#define SL_MMA_16832(types)                                                                                  \
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." types ".s32 "                                      \
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                                     \
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                            \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
SL_DEVICE void sl_mma_16832_s8(int32_t *d, const uint32_t *a, const uint32_t *b) {
#if SL_ARCH >= 800
    SL_MMA_16832("s8.s8");
#else
    SL_MMA_8816("s8.s8", d[0], d[1], a[0], b[0]);
    SL_MMA_8816("s8.s8", d[2], d[3], a[1], b[0]);
    SL_MMA_8816("s8.s8", d[0], d[1], a[2], b[1]);
    SL_MMA_8816("s8.s8", d[2], d[3], a[3], b[1]);
#endif
}
SL_DEVICE void sl_mma_16832_u8s8(int32_t *d, const uint32_t *a, const uint32_t *b) {
#if SL_ARCH >= 800
    SL_MMA_16832("u8.s8");
#else
    SL_MMA_8816("u8.s8", d[0], d[1], a[0], b[0]);
    SL_MMA_8816("u8.s8", d[2], d[3], a[1], b[0]);
    SL_MMA_8816("u8.s8", d[0], d[1], a[2], b[1]);
    SL_MMA_8816("u8.s8", d[2], d[3], a[3], b[1]);
#endif
}

#endif
