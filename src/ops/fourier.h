/* fourier.h: what DFT and STFT are asked for. */
#ifndef OPS_FOURIER_H
#define OPS_FOURIER_H

#include "ops/op.h"

struct complex {
    double re, im;
};

/* Lines of one transform: what to read, what to write. */
struct fourier {
    int axis;       /* DFT: the axis; STFT: 1 */
    int64_t length; /* of the transform */
    int64_t out;    /* values kept of it */
    bool inverse, one_sided;
    const struct complex *circle; /* [length]: exp(-2 pi i k / length), conjugated for the inverse */
};

/* STFT: frames of a signal, `count` of them every `step`, each by the window, transformed. */
struct frames {
    struct fourier f;
    int64_t step, count;
};

/* `circle` is not set. */
sl_status fourier_read_dft(const struct op_call *call, struct fourier *f, sl_error *err);
sl_status fourier_read_frames(const struct op_call *call, struct frames *s, sl_error *err);

#endif
