/* The conformance suite on device 'cuda', on the mock runtime and the model of a GPU: launches captured in a
 * graph for each slot. */
#include "cuda_subject.h"

int main(void) {
    return cuda_subject_run("1");
}
