/* table.c: the transforms that come with the program. A new one is a file here and a line below. */
#include "sluice/transform.h"

extern const sl_transform transform_boxes_nms;
extern const sl_transform transform_columns;
extern const sl_transform transform_features;
extern const sl_transform transform_field;
extern const sl_transform transform_image_center_crop;
extern const sl_transform transform_image_crop;
extern const sl_transform transform_image_decode;
extern const sl_transform transform_image_pad;
extern const sl_transform transform_image_resize;
extern const sl_transform transform_tensor_argmax;
extern const sl_transform transform_tensor_decode;
extern const sl_transform transform_tensor_mean_pool;
extern const sl_transform transform_tensor_normalize;
extern const sl_transform transform_tensor_normalize_l2;
extern const sl_transform transform_tensor_part;
extern const sl_transform transform_tensor_pool;
extern const sl_transform transform_tensor_round;
extern const sl_transform transform_tensor_sigmoid;
extern const sl_transform transform_tensor_softmax;
extern const sl_transform transform_tensor_threshold;
extern const sl_transform transform_tensor_top_k;
extern const sl_transform transform_text_bpe;
extern const sl_transform transform_text_decode;
extern const sl_transform transform_text_tokenize;
extern const sl_transform transform_text_wordpiece;

/* make USER_TRANSFORMS="path/NAME.c ...": each file has a transform_NAME */
#ifndef SLUICE_USER_TRANSFORMS
#define SLUICE_USER_TRANSFORMS(X)
#endif
#define DECLARE(name) extern const sl_transform transform_##name;
#define ENTRY(name) &transform_##name,
SLUICE_USER_TRANSFORMS(DECLARE)

const sl_transform *const sl_transforms[] = {
    &transform_boxes_nms,         &transform_columns,
    &transform_features,          &transform_field,
    &transform_image_center_crop, &transform_image_crop,
    &transform_image_decode,      &transform_image_pad,
    &transform_image_resize,      &transform_tensor_argmax,
    &transform_tensor_decode,     &transform_tensor_mean_pool,
    &transform_tensor_normalize,  &transform_tensor_normalize_l2,
    &transform_tensor_part,       &transform_tensor_pool,
    &transform_tensor_round,      &transform_tensor_sigmoid,
    &transform_tensor_softmax,    &transform_tensor_threshold,
    &transform_tensor_top_k,      &transform_text_bpe,
    &transform_text_decode,       &transform_text_tokenize,
    &transform_text_wordpiece,    SLUICE_USER_TRANSFORMS(ENTRY) NULL,
};
