/* transform_find.c: a transform by its name, or out of a user's shared object. A shared object stays loaded
 * until the program ends: its code may be in use by any chain. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "support/mem.h"
#include "support/text.h"

static bool is_object(const char *name) {
    return text_ends_with(name, ".so");
}

static const char *dl_reason(void) {
    const char *text = dlerror();
    return text ? text_quote(text) : "no reason given";
}

static sl_status load_object(const sl_transform **transform, const char *path, const char *shown,
                             sl_error *err) {
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!object)
        return error_set(err, SL_E_MODEL, "cannot load transform '%s': %s", shown, dl_reason());
    sl_transform_entry entry = NULL;
    void *symbol = dlsym(object, "sluice_transform");
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function pointers */
    const sl_transform *found = entry ? entry() : NULL;
    sl_status status = SL_OK;
    if (!entry)
        status =
            error_set(err, SL_E_MODEL, "cannot load transform '%s': it exports no 'sluice_transform'", shown);
    else if (!found || !found->name || !found->open || !found->apply)
        status =
            error_set(err, SL_E_MODEL, "cannot load transform '%s': it gives no name, open or apply", shown);
    else if (found->abi != SL_TRANSFORM_ABI || found->nbytes != sizeof *found)
        status =
            error_set(err, SL_E_MODEL,
                      "cannot load transform '%s': it was built for transform ABI %u (%u bytes), this "
                      "program has %u (%zu bytes): build it again with this version's headers",
                      shown, (unsigned)found->abi, (unsigned)found->nbytes, SL_TRANSFORM_ABI, sizeof *found);
    dlclose(object); /* RTLD_NODELETE: its code stays */
    if (status == SL_OK)
        *transform = found;
    return status;
}

static const sl_transform *find_builtin(const char *name) {
    for (const sl_transform *const *t = sl_transforms; *t; t++)
        if (strcmp((*t)->name, name) == 0)
            return *t;
    return NULL;
}

const sl_transform *transform_find(const char *name) {
    const sl_transform *found = NULL;
    if (!is_object(name))
        return find_builtin(name);
    return load_object(&found, name, text_quote(name), NULL) == SL_OK ? found : NULL;
}

static sl_status unknown(const char *name, sl_error *err) {
    const char *names[65];
    size_t n = 0;
    for (const sl_transform *const *t = sl_transforms; *t && n + 1 < sizeof names / sizeof *names; t++)
        names[n++] = (*t)->name;
    names[n] = NULL;
    const char *nearest = text_nearest(name, names);
    return error_set(err, SL_E_MODEL, "cannot use transform '%s': there is no such transform%s%s%s",
                     text_quote(name), nearest ? ", did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

sl_status transform_load(const sl_transform **transform, const char *name, const char *model_dir,
                         sl_error *err) {
    char path[4096];
    if (!is_object(name)) {
        *transform = find_builtin(name);
        return *transform ? SL_OK : unknown(name, err);
    }
    const char *shown = text_quote(name);
    if (!path_is_below(name))
        return error_set(err, SL_E_MODEL, "cannot load transform '%s': it is not inside the model directory",
                         shown);
    int nbytes = snprintf(path, sizeof path, "%s/%s", model_dir ? model_dir : ".", name);
    if (nbytes < 0 || (size_t)nbytes >= sizeof path)
        return error_set(err, SL_E_MODEL, "cannot load transform '%s': its path is too long", shown);
    return load_object(transform, path, shown, err);
}
