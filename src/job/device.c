/* device.c: which device runs the plan. auto takes a GPU where one works, else the CPU, and says which and
 * why; an explicit cuda never falls back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/job.h"
#include "support/text.h"

static sl_status read_precision(const char *name, enum precision *precision, sl_error *err) {
    static const char *const names[] = {"fp32", "tf32", "fp16", "bf16", "int8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) {
            *precision = (enum precision)i;
            return SL_OK;
        }
    return error_set(err, SL_E_USAGE, "unknown precision '%s': known are fp32, tf32, fp16, bf16, int8",
                     text_quote(name));
}

static sl_status open_one(struct job *job, const struct device_ops *ops, int index, sl_error *err) {
    struct device_options options = {.threads = job->widths.device_threads};
    if (read_precision(job->options->precision, &options.precision, err) != SL_OK)
        return err->status;
    sl_status st = ops->open(&job->devices[job->device_count], index, &options, err);
    if (st == SL_OK) {
        job->device_ops = ops;
        job->device_count++;
    }
    return st;
}

/* "cuda" or "cuda:0,2". */
static sl_status open_cuda(struct job *job, const char *list, sl_error *err) {
    char why[200] = "";
    int count = device_cuda.count(why, sizeof why);
    if (!count)
        return error_set(err, SL_E_DEVICE, "cannot use device 'cuda': %s", why);
    if (!*list)
        return open_one(job, &device_cuda, 0, err);
    while (*list) {
        char *end;
        long index = strtol(list, &end, 10);
        if (end == list || (*end && *end != ',') || index < 0 || index >= count ||
            job->device_count == JOB_MAX_DEVICES)
            return error_set(err, SL_E_USAGE, "bad device list 'cuda:%s': there are %d, from 0",
                             text_quote(list), count);
        sl_status st = open_one(job, &device_cuda, (int)index, err);
        if (st != SL_OK)
            return st;
        list = *end ? end + 1 : end;
    }
    return SL_OK;
}

sl_status job_devices_open(struct job *job, sl_error *err) {
    const char *want = job->options->device ? job->options->device : "auto";
    char why[160] = "", name[80];
    sl_status st;
    if (!strcmp(want, "auto")) {
        if (device_cuda.count(why, sizeof why) > 0)
            st = open_one(job, &device_cuda, 0, err);
        else
            st = open_one(job, &device_cpu, 0, err);
    } else if (!strcmp(want, "cpu")) {
        st = open_one(job, &device_cpu, 0, err);
        snprintf(why, sizeof why, "asked for");
    } else if (!strncmp(want, "cuda", 4) && (!want[4] || want[4] == ':')) {
        st = open_cuda(job, want[4] ? want + 5 : "", err);
        snprintf(why, sizeof why, "asked for");
    } else {
        return error_set(err, SL_E_USAGE, "unknown device '%s': known are auto, cpu, cuda, cuda:N,...",
                         text_quote(want));
    }
    if (st != SL_OK)
        return st;
    job->device_ops->describe(job->devices[0], name, sizeof name);
    bool plain = !strcmp(job->options->precision, "fp32");
    snprintf(job->device_line, sizeof job->device_line, "%s%s%s (%s)", name, plain ? "" : ", ",
             plain ? "" : job->options->precision, why);
    return SL_OK;
}

void job_devices_close(struct job *job) {
    while (job->device_count)
        job->device_ops->close(job->devices[--job->device_count]);
}
