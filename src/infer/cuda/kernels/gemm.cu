/* gemm.cu: products of matrices: Y = act(scale * A B + bias + residual), A [m, k], B [k, n], Y [m, n].
 *
 * In f16, bf16 and, when asked for, tf32 on tensor cores (sums in f32), in plain f32 without. Read
 * k_mainloop.cuh first: it has the loop, with pictures. This file says what is its own: where a tile's
 * numbers come from, which block has which tile, and how large tiles are.
 *
 * FLOPs: 2 m n k. Bytes: (m k + k n + m n) elements, each once, as far as the caches hold what several blocks
 * read. A block's tile of R x C sums reads R + C lines of k for R C multiplications each: large tiles for
 * large products. But a GPU has some hundred multiprocessors and every tile keeps one busy, so where large
 * tiles are too few, small ones are taken:
 *
 *   large   128 x 128 sums, 4 warps of 64 x 64    f16, bf16
 *            64 x 128 sums, 4 warps of 32 x 64    f32, tf32
 *   small    64 x 64 sums, 4 warps of 32 x 32
 *
 * Blocks are numbered so that eight tiles of rows times all columns follow each other (k_tile_of): those that
 * run at the same time read the same lines of A and B, and the second reader finds them in the cache.
 *
 * Lines of A and B whose k lies side by side, begins at multiples of 16 bytes and is a multiple of 16 bytes
 * long go by cp.async (`k_packed_lines`); any others, transposed ones too, number by number
 * (`k_loose_lines`). Weights are packed when the model is loaded, so it is activations of odd sizes that take
 * the slow way. */
#include "infer/cuda/kernels/k_epilogue.cuh"
#include "infer/cuda/kernels/k_lines.cuh"

/* ---- the kernel ---- */

/* Along a padded column of B the zeros are taken, too. */
template <typename T> SL_DEVICE int32_t k_of_b(const struct k_gemm &g) {
    const int32_t each = 16 / (int32_t)sizeof(T);
    return g.b_padded ? (g.k + each - 1) / each * each : g.k;
}

template <class S, bool PACKED_A, bool PACKED_B>
SL_KERNEL_BOUNDS(S::THREADS, 1)
void gemm(struct k_gemm g, k_tiling t, k_divide per_batch, bool packed_out) {
    typedef typename S::Math::element T;
    SL_SHARED_DYNAMIC(unsigned char, shared);
    const uint32_t batch = k_quotient(blockIdx.x, per_batch);
    int32_t down, across, at[3] = {0, 0, 0};
    k_tile_of(t, blockIdx.x - batch * per_batch.by, &down, &across);
    if (g.batches > 1)
        k_walk_to<3>(g.batch, batch, at);
    const int32_t row0 = down * S::ROWS, column0 = across * S::COLUMNS;
    const typename k_lines_of<T, PACKED_A>::lines a =
        k_lines_of<T, PACKED_A>::make((const T *)g.a + at[1], g.a_row, g.a_k, row0, g.m, g.k);
    const typename k_lines_of<T, PACKED_B>::lines b =
        k_lines_of<T, PACKED_B>::make((const T *)g.b + at[2], g.b_column, g.b_k, column0, g.n, k_of_b<T>(g));
    float sums[S::SUMS];
    const int32_t line_elements = K_LINE_NBYTES / (int32_t)sizeof(T);
    k_mainloop<S>(shared, (g.k + line_elements - 1) / line_elements, a, b, sums);
    k_way_out<S>(shared, sums, k_put_of<T>(g.out, at[0], row0, column0, g.m, g.n, packed_out));
}

/* ---- launchers ---- */

template <class S, bool PACKED_A, bool PACKED_B> static int launch(const struct k_gemm *g, k_stream stream) {
    typedef typename S::Math::element T;
    const int64_t nbytes = sizeof(T);
    const uint32_t down = (uint32_t)((g->m + S::ROWS - 1) / S::ROWS),
                   across = (uint32_t)((g->n + S::COLUMNS - 1) / S::COLUMNS);
    k_tiling t = k_tiles(down, across);
    bool packed_out = (uintptr_t)g->out.y % 16 == 0 && (uintptr_t)g->out.residual % 16 == 0 &&
                      g->out.ld * nbytes % 16 == 0 && k_keeps(g->batches, &g->batch, 0, nbytes);
    return SL_LAUNCH((gemm<S, PACKED_A, PACKED_B>), down * across * g->batches, S::THREADS, S::SHARED_NBYTES,
                     stream, *g, t, k_divide_by(down * across), packed_out);
}

template <class S> static int launch_lines(const struct k_gemm *g, bool a, bool b, k_stream stream) {
    if (a && b)
        return launch<S, true, true>(g, stream);
    if (b)
        return launch<S, false, true>(g, stream);
    return a ? launch<S, true, false>(g, stream) : launch<S, false, false>(g, stream);
}

/* Large tiles where both factors are packed and there are enough of them. */
template <class Large, class Small> static int launch_shape(const struct k_gemm *g, k_stream stream) {
    typedef typename Large::Math::element T;
    const int64_t nbytes = sizeof(T), down = (g->m + Large::ROWS - 1) / Large::ROWS,
                  across = (g->n + Large::COLUMNS - 1) / Large::COLUMNS;
    bool a = k_is_packed(g->a, g->a_k, g->a_row, g->k, nbytes) && k_keeps(g->batches, &g->batch, 1, nbytes),
         b = k_is_packed(g->b, g->b_k, g->b_column, g->b_padded ? 16 : g->k, nbytes) &&
             k_keeps(g->batches, &g->batch, 2, nbytes);
    return a && b && down * across * g->batches >= K_ENOUGH_TILES ? launch<Large, true, true>(g, stream)
                                                                  : launch_lines<Small>(g, a, b, stream);
}

template <class Math> static int launch_halves(const struct k_gemm *g, k_stream stream) {
    return launch_shape<k_shape<Math, 128, 128, 64, 64, 3>, k_shape<Math, 64, 64, 32, 32, 3>>(g, stream);
}

template <class Math> static int launch_floats(const struct k_gemm *g, k_stream stream) {
    return launch_shape<k_shape<Math, 64, 128, 32, 64, 3>, k_shape<Math, 64, 64, 32, 32, 3>>(g, stream);
}

extern "C" int k_gemm_launch(const struct k_gemm *g, k_stream stream) {
    return g->type == K_F16    ? launch_halves<k_mma_f16>(g, stream)
           : g->type == K_BF16 ? launch_halves<k_mma_bf16>(g, stream)
           : g->tf32           ? launch_floats<k_mma_tf32>(g, stream)
                               : launch_floats<k_fma_f32>(g, stream);
}
