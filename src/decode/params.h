/* params.h: the parameters of one step, as transform.json has them. The functions are the host's param_*. */
#ifndef DECODE_PARAMS_H
#define DECODE_PARAMS_H

#include <jansson.h>

#include "sluice/transform.h"

struct chain;

struct sl_params {
    struct chain *chain;
    const char *name;    /* of the transform */
    const json_t *value; /* NULL: the step is a bare name */
};

bool params_has(const sl_params *params, const char *key);
sl_status params_int(const sl_params *params, const char *key, int64_t *value, sl_error *err);
sl_status params_number(const sl_params *params, const char *key, double *value, sl_error *err);
sl_status params_text(const sl_params *params, const char *key, const char **value, sl_error *err);
sl_status params_numbers(const sl_params *params, const char *key, const double **values, size_t *count,
                         sl_error *err);
size_t params_count(const sl_params *params, const char *key);
sl_status params_item(const sl_params *params, const char *key, size_t i, const char **text, int64_t *number,
                      sl_error *err);
sl_status params_child(const sl_params *params, const char *key, size_t i, const sl_params **child,
                       sl_error *err);
sl_status params_only(const sl_params *params, const char *const *keys, sl_error *err);

#endif
