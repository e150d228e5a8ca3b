/* onnx_case.h: one ONNX test case, {model.onnx, test_data_set_N/{input,output}_M.pb}: loaded, planned, run
 * with the references or on the cpu device, compared. Shared by run_cases and the unit test. */
#ifndef TESTS_UNIT_ONNX_CASE_H
#define TESTS_UNIT_ONNX_CASE_H

#include <stdbool.h>
#include <stddef.h>

enum case_result { CASE_PASSED, CASE_FAILED, CASE_REFUSED };

/* Set: models are planned as they are written, without passes, and loops are not unrolled. */
extern bool case_no_passes;

/* On the cpu device as jobs use it, or with the references alone. `why` gets the reason unless it passed. */
enum case_result case_run(const char *dir, bool device, char *why, size_t why_nbytes);

#endif
