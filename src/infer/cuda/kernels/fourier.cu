/* fourier.cu: DFT and STFT by their definition: y[k] = sum of x[n] exp(-2 pi i k n / length).
 *
 * A block has one line and 128 of its outputs, a thread each; it brings 128 numbers of the line, by the
 * window, to shared memory, and every thread goes through them. The unit circle is a table; a thread steps
 * through it k places at a time, around its end. Sums are made for 128 numbers, then over those: in the same
 * order for every line, with an error that grows with length / 128.
 *
 * FLOPs: 8 length an output (4 where x is real): n^2 for a line of n. Frames of sound have 400 to 512
 * numbers, for which this is some 1 GFLOP for ten seconds of sound; a fast transform would only pay for lines
 * of many thousands. Bytes: x is read out / 128 times, from the cache. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_fourier.h"

enum { THREADS = 128 };

/* Number n of the line that begins at `first`. */
template <typename T> SL_DEVICE float2 number(const k_fourier &f, int64_t first, int32_t n) {
    const bool back = f.mirrored && n > f.length / 2;
    const int32_t m = back ? f.length - n : n;
    float2 v = {0, 0};
    if (n >= f.length || m >= f.size)
        return v;
    const T *p = (const T *)f.x + (first + (int64_t)m * f.inner) * f.parts;
    const float weight = f.window ? sl_to_float(((const T *)f.window)[n]) : 1;
    v.x = sl_to_float(p[0]) * weight;
    if (f.parts == 2)
        v.y = (back ? -sl_to_float(p[1]) : sl_to_float(p[1])) * weight;
    return v;
}

template <typename T> SL_KERNEL void fourier(const k_fourier f, int32_t blocks) {
    SL_SHARED(float2, room, THREADS);
    const int32_t thread = (int32_t)threadIdx.x, line = (int32_t)(blockIdx.x / (uint32_t)blocks),
                  k = (int32_t)(blockIdx.x % (uint32_t)blocks) * THREADS + thread, i = line % f.inner,
                  frame = line / f.inner % f.frames, signal = line / f.inner / f.frames;
    const int64_t first = signal * f.x_signal + frame * f.x_frame + i;
    float re = 0, im = 0;
    int32_t at = 0; /* k n mod length */
    for (int32_t from = 0; from < f.length; from += THREADS) {
        room[thread] = number<T>(f, first, from + thread);
        sl_sync();
        const int32_t count = sl_min(THREADS, f.length - from);
        float part_re = 0, part_im = 0;
        for (int32_t n = 0; k < f.out && n < count; n++) {
            const float2 x = room[n];
            const float c = f.circle[2 * at], s = f.circle[2 * at + 1];
            part_re += x.x * c - x.y * s;
            part_im += x.x * s + x.y * c;
            at += k;
            at -= at >= f.length ? f.length : 0;
        }
        re += part_re;
        im += part_im;
        sl_sync(); /* the next numbers go there */
    }
    if (k >= f.out)
        return;
    T *y = (T *)f.y + ((((int64_t)signal * f.frames + frame) * f.out + k) * f.inner + i) * f.out_parts;
    y[0] = sl_from_float<T>(re * f.scale);
    if (f.out_parts == 2)
        y[1] = sl_from_float<T>(im * f.scale);
}

template <typename T> static int launch(const struct k_fourier *f, k_stream stream) {
    const int32_t blocks = (f->out + THREADS - 1) / THREADS;
    return SL_LAUNCH((fourier<T>), (unsigned)f->lines * (unsigned)blocks, THREADS, 0, stream, *f, blocks);
}

extern "C" int k_fourier_launch(const struct k_fourier *f, k_stream stream) {
    return f->type == K_F16    ? launch<sl_half>(f, stream)
           : f->type == K_BF16 ? launch<sl_bfloat16>(f, stream)
                               : launch<float>(f, stream);
}
