/* test_cudnn.c: convolutions by cuDNN beside their references: by the mock of it (cudnn/mock_cudnn.c), or by
 * the real one where the tests run on a GPU (gpu/), as a second opinion. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "infer/cuda/cuda_cudnn.h"
#include "step_rig.h"

static void both(const char *attrs, const char *inputs) {
    char last[300];
    snprintf(last, sizeof last, "#last %s", attrs);
    step_text("sluice:Conv", attrs, inputs);
    step_text("sluice:Conv", last, inputs);
}

START_TEST(convolutions) {
    both("pads=[1,1,1,1] activation='Relu'", "f:2,8,5,6 cf:16,8,3,3 cf:16");
    both("strides=[2,1] dilations=[1,2] pads=[2,0,2,0]", "f:1,16,7,9 cf:8,16,3,2");
    both("group=2", "f:2,16,5,4 cf:24,8,1,1 cf:24");
    both("activation='Relu' pads=[1,1,1,1]", "f:2,8,4,4 cf:8,8,3,3 cf:8 f:2,8,4,4");
}
END_TEST

START_TEST(refused) {
    step_text_refused("sluice:Conv", "activation='Silu'", "f:1,8,4,4 cf:8,8,1,1",
                      "another activation than ReLU");
    step_text_refused("sluice:Conv", "pads=[0,0,1,1]", "f:1,8,4,4 cf:8,8,2,2", "other padding at the end");
    step_text_refused("Conv", "", "f:1,8,4 cf:8,8,1", "images of other than two dims");
    step_text_refused("MatMul", "", "f:4,4 f:4,4", "there is no kernel for it");
}
END_TEST

/* Everything is given back; what is not there is said. */
START_TEST(opening) {
    char why[200], text[40];
    struct cudnn *none;
    cudnn_describe(step_cudnn, text, sizeof text);
    ck_assert_msg(!strncmp(text, "cuDNN ", 6) && text[6] >= '8', "%s", text);
    setenv("SLUICE_CUDNN", "/nowhere/libcudnn.so", 1);
    ck_assert(!cudnn_open(&none, why, sizeof why));
    ck_assert_ptr_null(none);
    ck_assert(strstr(why, "there is no cuDNN") != NULL);
    setenv("SLUICE_CUDNN", "libm.so.6", 1);
    ck_assert(!cudnn_open(&none, why, sizeof why));
    ck_assert_msg(strstr(why, "has no 'cudnnCreate'") != NULL, "%s", why);
}
END_TEST

static void use_mock(void) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 30);
    if (n <= 0)
        return;
    path[n] = 0;
    snprintf(strrchr(path, '/'), 30, "/libmock_cudnn.so");
    if (access(path, R_OK) == 0)
        setenv("SLUICE_CUDNN", path, 1);
}

int main(void) {
    char why[200];
    Suite *suite = suite_create("cudnn");
    TCase *t = tcase_create("cudnn");
    use_mock();
    if (!cudnn_open(&step_cudnn, why, sizeof why)) {
        printf("%s\n0 passed, 0 failed, 1 skipped\n", why);
        return 0;
    }
    tcase_set_timeout(t, 120);
    tcase_add_test(t, convolutions);
    tcase_add_test(t, refused);
    tcase_add_test(t, opening);
    suite_add_tcase(suite, t);
    int failed = harness_run(suite);
    cudnn_close(step_cudnn);
    return failed;
}
