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

static sl_status read_kernels(const char *name, enum kernels *kernels, sl_error *err) {
    static const char *const names[] = {"ours", "cudnn", "auto"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!name || !strcmp(name, names[i])) {
            *kernels = (enum kernels)i;
            return SL_OK;
        }
    return error_set(err, SL_E_USAGE, "unknown kernels '%s': known are ours, cudnn, auto", text_quote(name));
}

static sl_status open_one(struct job *job, const struct device_ops *ops, int index, sl_error *err) {
    struct device_options options = {.threads = job->widths.device_threads};
    if (read_precision(job->options->precision, &options.precision, err) != SL_OK)
        return err->status;
    if (read_kernels(job->options->kernels, &options.kernels, err) != SL_OK)
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
    char why[400] = "";
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

static bool is_auto(const struct job *job) {
    return !job->options->device || !strcmp(job->options->device, "auto");
}

/* A GPU where one works. */
static sl_status open_auto(struct job *job, char *why, size_t why_nbytes, sl_error *err) {
    sl_error no = {0};
    if (device_cuda.count(why, why_nbytes) > 0) {
        sl_status st = open_one(job, &device_cuda, 0, &no);
        if (st != SL_E_DEVICE) {
            if (st != SL_OK)
                *err = no;
            return st;
        }
        snprintf(why, why_nbytes, "%.300s", no.text);
    }
    return open_one(job, &device_cpu, 0, err);
}

/* "cuda:0: NVIDIA L4, ...; 2 devices, fp16 (asked for)" */
static void say_device(struct job *job, const char *why) {
    char name[160], more[32] = "";
    job->device_ops->describe(job->devices[0], name, sizeof name);
    bool plain = !strcmp(job->options->precision, "fp32");
    if (job->device_count > 1)
        snprintf(more, sizeof more, "; %u devices", job->device_count);
    snprintf(job->device_line, sizeof job->device_line, "%s%s%s%s (%.300s)", name, more, plain ? "" : ", ",
             plain ? "" : job->options->precision, why);
}

sl_status job_devices_open(struct job *job, sl_error *err) {
    const char *want = job->options->device ? job->options->device : "auto";
    char why[400] = "asked for";
    sl_status st;
    if (is_auto(job))
        st = open_auto(job, why, sizeof why, err);
    else if (!strcmp(want, "cpu"))
        st = open_one(job, &device_cpu, 0, err);
    else if (!strncmp(want, "cuda", 4) && (!want[4] || want[4] == ':'))
        st = open_cuda(job, want[4] ? want + 5 : "", err);
    else
        return error_set(err, SL_E_USAGE, "unknown device '%s': known are auto, cpu, cuda, cuda:N,...",
                         text_quote(want));
    if (st == SL_OK)
        say_device(job, why);
    return st;
}

/* The first line of the text, up to what fits a line of ours. */
sl_status job_devices_leave(struct job *job, const sl_error *why, sl_error *err) {
    char line[200];
    const char *text = strchr(why->text, '\n');
    if (!is_auto(job) || job->device_ops == &device_cpu) {
        *err = *why;
        return why->status;
    }
    text = text ? text + 1 + strspn(text + 1, " ") : why->text;
    snprintf(line, sizeof line, "the GPU has no kernels for all of the model: %.*s", (int)strcspn(text, "\n"),
             text);
    job_devices_close(job);
    job_choose_widths(job);
    sl_status st = open_one(job, &device_cpu, 0, err);
    if (st == SL_OK)
        say_device(job, line);
    return st;
}

void job_devices_close(struct job *job) {
    while (job->device_count)
        job->device_ops->close(job->devices[--job->device_count]);
}
