/* sluice/status.h: how every call says what went wrong.
 *
 * A status is also the exit status of the program (sysexits numbers where they fit), so a
 * scheduler can decide on it. Texts follow one grammar: lower case, what failed first, the
 * subject in quotes, the place, no full stop. */
#ifndef SLUICE_STATUS_H
#define SLUICE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sl_status {
    SL_OK = 0,             /* every record scored */
    SL_REJECTS = 3,        /* finished, some records rejected */
    SL_E_USAGE = 64,       /* the command line or an argument is wrong */
    SL_E_DATA = 65,        /* input unusable, or more rejects than allowed */
    SL_E_NOINPUT = 66,     /* no input */
    SL_E_DEVICE = 69,      /* no usable device */
    SL_E_INTERNAL = 70,    /* a fault of ours */
    SL_E_MEMORY = 71,      /* out of memory, threads or descriptors */
    SL_E_OUTPUT = 73,      /* output not writable */
    SL_E_IO = 74,          /* I/O error */
    SL_E_INTERRUPTED = 75, /* interrupted or locked: run again and it resumes */
    SL_E_PERMISSION = 77,  /* permission */
    SL_E_MODEL = 78,       /* bad model, transform.json or job file, or changed since the journal began */
    SL_E_GPU = 80,         /* GPU fault */
    SL_E_STALL = 81        /* nothing moved for too long */
} sl_status;

#define SL_ERROR_NBYTES 2048

/* The first failure of a call. Owned by the caller; a function that returns SL_OK leaves it alone. */
typedef struct sl_error {
    sl_status status;
    char text[SL_ERROR_NBYTES]; /* UTF-8, one or more lines, no newline at the end */
} sl_error;

/* "SL_E_DATA" and so on; "unknown" for a number that is no status. Any thread. */
const char *sl_status_name(sl_status status);

/* One line of plain words for the status, as in the manual's table. Any thread. */
const char *sl_status_meaning(sl_status status);

#ifdef __cplusplus
}
#endif
#endif
