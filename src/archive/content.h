/* content.h: what bytes look like, to say well what cannot be read. Any thread. */
#ifndef ARCHIVE_CONTENT_H
#define ARCHIVE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

/* What a shard's first decompressed bytes are when no container reads them ("a zip archive: unpack it
 * first"), or NULL when nothing speaks against text or tar. Static text. */
const char *content_refused(const unsigned char *head, size_t nbytes);

/* The same for images: "a GIF image". NULL when it is none that is known. */
const char *content_image(const unsigned char *head, size_t nbytes);

/* No control bytes but those of text. */
bool content_is_text(const unsigned char *head, size_t nbytes);

#endif
