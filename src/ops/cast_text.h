/* cast_text.h: Cast between numbers and texts. */
#ifndef OPS_CAST_TEXT_H
#define OPS_CAST_TEXT_H

#include "ops/op.h"

/* Bytes that no number's text exceeds. */
#define CAST_TEXT_MOST 32

/* Output 0's numbers from input 0's texts: decimal numbers, with blanks around them, INF and NaN in any case;
 * fractions are cut off for integers. A text that is no number is NaN, 0 as an integer. */
void cast_from_text(const struct op_call *call);
/* Output 0's texts into call->text, as ONNX Runtime 1.32 writes them: integers as they are, bool as 1 and 0,
 * all real numbers with eight digits (%.8g), NaN, INF, -INF. */
void cast_to_text(const struct op_call *call);

#endif
