/* places.c: where input, output and model are: paths, or s3:// URIs that --s3-root leads to directories. What
 * is behind such a URI is a prefix and not a folder, as it is for S3. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "job/job.h"
#include "support/text.h"

static bool is_uri(const char *place) {
    return !strncmp(place, "s3://", 5);
}

/* Nothing climbs out of a root. */
static bool climbs(const char *rest) {
    for (const char *p = rest; *p; p += strspn(p, "/")) {
        size_t n = strcspn(p, "/");
        if (n && n <= 2 && !strncmp(p, "..", n))
            return true;
        p += n;
    }
    return false;
}

/* The root that says most of a URI wins: s3://bucket/a/b over s3://bucket/a. */
static sl_status map_uri(const sl_job_options *o, const char *uri, char path[PATH_MAX], sl_error *err) {
    size_t best = 0;
    const char *dir = NULL;
    for (size_t i = 0; i < o->s3_root_count; i++) {
        const char *equals = strrchr(o->s3_roots[i], '=');
        size_t n = equals ? (size_t)(equals - o->s3_roots[i]) : 0;
        while (n > 5 && o->s3_roots[i][n - 1] == '/')
            n--;
        if (n > best && !strncmp(o->s3_roots[i], uri, n) && (!uri[n] || uri[n] == '/')) {
            best = n;
            dir = equals + 1;
        }
    }
    if (!dir)
        return error_set(err, SL_E_USAGE,
                         "'%s' is in S3: say where it lies here with --s3-root s3://bucket/prefix=DIR",
                         text_quote(uri));
    const char *rest = uri + best + strspn(uri + best, "/"), *slash = uri[best] ? "/" : "";
    if (climbs(rest))
        return error_set(err, SL_E_USAGE, "'%s' climbs out of its prefix", text_quote(uri));
    if (snprintf(path, PATH_MAX, "%s%s%s", dir, slash, rest) >= PATH_MAX)
        return error_set(err, SL_E_USAGE, "the path of '%s' is too long", text_quote(uri));
    return SL_OK;
}

sl_status job_place(const sl_job_options *o, const char *place, char path[PATH_MAX], sl_error *err) {
    if (place && is_uri(place))
        return map_uri(o, place, path, err);
    snprintf(path, PATH_MAX, "%s", place ? place : "");
    return SL_OK;
}

/* "dir/part-" as its directory, ending there, and what names in it begin with. */
static char *split_prefix(char path[PATH_MAX]) {
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = 0;
    return slash + 1;
}

static sl_status open_prefix(struct job *job, char path[PATH_MAX], sl_error *err) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return shard_list_open(&job->shards, path, err);
    const char *name = split_prefix(path);
    return shard_list_open_prefix(&job->shards, name ? path : ".", name ? name : path, err);
}

/* Beside the manifest where its prefix is no URI and no path from the root. */
static sl_status place_manifest(const struct job *job, const struct manifest *m, const char *at,
                                char path[PATH_MAX], sl_error *err) {
    const char *slash = strrchr(at, '/');
    if (is_uri(m->prefix))
        return map_uri(job->options, m->prefix, path, err);
    if (climbs(m->prefix))
        return error_set(err, SL_E_USAGE, "'%s' climbs out of its prefix", text_quote(m->prefix));
    int n = *m->prefix == '/' || !slash
                ? snprintf(path, PATH_MAX, "%s", m->prefix)
                : snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - at), at, m->prefix);
    return n < PATH_MAX ? SL_OK : error_set(err, SL_E_USAGE, "the path of the manifest's prefix is too long");
}

static sl_status open_manifest(struct job *job, const char *at, sl_error *err) {
    struct manifest m;
    char path[PATH_MAX];
    sl_status st = manifest_open(&m, at, err);
    if (st != SL_OK)
        return st;
    st = place_manifest(job, &m, at, path, err);
    if (st == SL_OK) {
        const char *lead = split_prefix(path); /* S3 joins prefix and key as they stand */
        const char *dir = !lead ? "." : *path ? path : "/";
        st = shard_list_open_manifest(&job->shards, dir, lead ? lead : path, &m, err);
    }
    manifest_close(&m);
    return st;
}

sl_status job_open_shards(struct job *job, sl_error *err) {
    const sl_job_options *o = job->options;
    char path[PATH_MAX];
    sl_status st = job_place(o, o->input, path, err);
    bool named = o->s3_data_type && !strcasecmp(o->s3_data_type, "ManifestFile");
    if (st != SL_OK)
        return st;
    if (named || (!o->s3_data_type && manifest_is(path)))
        return open_manifest(job, path, err);
    return is_uri(o->input) ? open_prefix(job, path, err) : shard_list_open(&job->shards, path, err);
}
