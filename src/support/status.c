/* status.c: names and meanings of the statuses; the manual's table comes from here too. */
#include "sluice/status.h"

static const struct {
    sl_status status;
    const char *name, *meaning;
} table[] = {
    {SL_OK, "SL_OK", "every record scored"},
    {SL_REJECTS, "SL_REJECTS", "finished, some records rejected (0 with --rejects-ok)"},
    {SL_E_USAGE, "SL_E_USAGE", "the command line is wrong"},
    {SL_E_DATA, "SL_E_DATA", "input unusable, or more rejects than allowed"},
    {SL_E_NOINPUT, "SL_E_NOINPUT", "no input"},
    {SL_E_DEVICE, "SL_E_DEVICE", "no usable device"},
    {SL_E_INTERNAL, "SL_E_INTERNAL", "a fault of sluice"},
    {SL_E_MEMORY, "SL_E_MEMORY", "out of memory, threads or descriptors"},
    {SL_E_OUTPUT, "SL_E_OUTPUT", "output not writable"},
    {SL_E_IO, "SL_E_IO", "I/O error; worth a retry"},
    {SL_E_INTERRUPTED, "SL_E_INTERRUPTED", "interrupted or locked: run again and it resumes"},
    {SL_E_PERMISSION, "SL_E_PERMISSION", "permission denied"},
    {SL_E_MODEL, "SL_E_MODEL",
     "bad model, transform.json or job file, or they changed since the journal began"},
    {SL_E_GPU, "SL_E_GPU", "GPU fault; worth a retry"},
    {SL_E_STALL, "SL_E_STALL", "nothing moved for too long; worth a retry"},
};

const char *sl_status_name(sl_status status) {
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].name;
    return "unknown";
}

const char *sl_status_meaning(sl_status status) {
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].meaning;
    return "unknown";
}
