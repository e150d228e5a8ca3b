/* The conformance suite on device 'cuda' as in test_cuda_device.c, with launches one by one. */
#include "cuda_subject.h"

int main(void) {
    return cuda_subject_run("0");
}
