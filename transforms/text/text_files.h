/* text_files.h: the files a tokenizer may be in. */
#ifndef TEXT_FILES_H
#define TEXT_FILES_H

#include "transforms/text/text_tokenizer.h"

/* The tokenizer.json in the model directory, or the one that vocab.txt, or vocab.json with merges.txt, mean
 * with tokenizer_config.json and special_tokens_map.json beside them. */
sl_status text_files_read(struct text_json *json, const sl_host *host, const sl_params *params,
                          const char *file, sl_error *err);

#endif
