/* tar_sample.c: keys, fields, and the checks on names. In the block a sample is its key, then name and bytes
 * of each member, so one region holds it all. */
#include "archive/tar_sample.h"

#include <string.h>

#include "support/text.h"

static bool is_separator(char c) {
    return c == '/' || c == '\\';
}

static bool climbs(const char *name) {
    for (const char *p = name; *p; p++)
        if ((p == name || is_separator(p[-1])) && p[0] == '.' && p[1] == '.' && (!p[2] || is_separator(p[2])))
            return true;
    return false;
}

static const char *hostile(const char *name, size_t nbytes) {
    if (!nbytes)
        return "a member has no name";
    if (is_separator(name[0]))
        return "a member's name is an absolute path";
    for (size_t i = 0; i < nbytes; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return "a member's name has control characters";
    if (climbs(name))
        return "a member's name climbs out with '..'";
    if (!text_is_utf8(name, nbytes))
        return "a member's name is not UTF-8";
    return nbytes > TAR_MAX_NAME ? "a member's name is longer than 1024 bytes" : NULL;
}

void tar_member_init(struct tar_member *m, const char *name) {
    *m = (struct tar_member){.name = name ? name : ""};
    while (m->name[0] == '.' && m->name[1] == '/')
        m->name += 2;
    size_t nbytes = strlen(m->name);
    m->hostile = name ? hostile(m->name, nbytes) : "a member's name is not UTF-8";
    const char *slash = strrchr(m->name, '/'), *part = slash ? slash + 1 : m->name;
    const char *dot = strchr(part, '.');
    m->hidden = dot == part && !m->hostile;
    m->key_nbytes = dot ? (size_t)(dot - m->name) : nbytes;
    m->field = dot ? dot + 1 : m->name + nbytes;
    if (m->key_nbytes > TAR_MAX_NAME)
        m->key_nbytes = TAR_MAX_NAME;
}

void tar_sample_init(struct tar_sample *s, struct block *block, size_t max_record) {
    *s = (struct tar_sample){.block = block, .max_record = max_record};
}

static uint32_t max_fields(const struct block *block) {
    return block->max_fields < BLOCK_MAX_SAMPLE_FIELDS ? block->max_fields : BLOCK_MAX_SAMPLE_FIELDS;
}

bool tar_sample_has_room(const struct tar_sample *s) {
    const struct block *b = s->block;
    if (!b->cut_count)
        return true;
    return s->used < b->target && b->cut_count < b->max_cuts &&
           b->field_count + max_fields(b) <= b->max_fields && b->cap - s->used > TAR_MAX_NAME;
}

static void append(struct tar_sample *s, const char *data, size_t nbytes) {
    memcpy(s->block->data + s->used, data, nbytes);
    s->used += nbytes;
    if (s->used > s->block->size)
        s->block->size = s->used;
}

void tar_sample_begin(struct tar_sample *s, const struct tar_member *member, bool keep) {
    s->start = s->used;
    s->keep = keep;
    s->cut = (struct cut){.offset = member->offset,
                          .key_start = (uint32_t)s->used,
                          .key_nbytes = (uint16_t)member->key_nbytes,
                          .first_field = s->block->field_count};
    append(s, member->name, member->key_nbytes);
    s->cut.start = (uint32_t)s->used;
}

bool tar_sample_matches(const struct tar_sample *s, const struct tar_member *member) {
    return member->key_nbytes == s->cut.key_nbytes &&
           !memcmp(s->block->data + s->cut.key_start, member->name, member->key_nbytes);
}

void tar_sample_reject(struct tar_sample *s, const char *code, const char *reason) {
    if (s->cut.reject_code)
        return;
    s->cut.reject_code = code;
    s->cut.reject_reason = reason;
}

static bool has_field(const struct tar_sample *s, const char *name, size_t nbytes) {
    const struct block *b = s->block;
    for (uint32_t i = s->cut.first_field; i < b->field_count; i++)
        if (b->fields[i].name_nbytes == nbytes && !memcmp(b->data + b->fields[i].name_start, name, nbytes))
            return true;
    return false;
}

static size_t lower(char *out, const char *name) {
    size_t n = 0;
    for (; n < TAR_MAX_NAME && name[n]; n++)
        out[n] = name[n] >= 'A' && name[n] <= 'Z' ? (char)(name[n] - 'A' + 'a') : name[n];
    return n;
}

char *tar_sample_add(struct tar_sample *s, const struct tar_member *member) {
    struct block *b = s->block;
    char name[TAR_MAX_NAME];
    size_t n = lower(name, member->field), held = s->used - s->start + n;
    size_t room = b->cap - s->used < s->max_record ? b->cap - s->used : s->max_record;
    s->cut.length = member->end - s->cut.offset;
    if (member->hostile)
        tar_sample_reject(s, "hostile-name", member->hostile);
    else if (member->sparse)
        tar_sample_reject(s, "sparse-member", "a member is stored with holes");
    else if (held > s->max_record || member->nbytes > s->max_record - held || n > room ||
             member->nbytes > room - n)
        tar_sample_reject(s, "too-long", "sample is longer than is allowed (--max-record-size)");
    else if (s->cut.field_count >= max_fields(b))
        tar_sample_reject(s, "too-many-members", "the sample has more than 64 members");
    else if (has_field(s, name, n))
        tar_sample_reject(s, "duplicate-member", "the sample has two members of the same name");
    if (s->cut.reject_code || !s->keep)
        return NULL;
    struct block_field *f = &b->fields[b->field_count++];
    *f = (struct block_field){.name_start = (uint32_t)s->used,
                              .name_nbytes = (uint16_t)n,
                              .data_start = (uint32_t)(s->used + n),
                              .data_nbytes = (uint32_t)member->nbytes};
    append(s, name, n);
    char *data = b->data + s->used;
    s->used += (size_t)member->nbytes;
    b->size = s->used > b->size ? s->used : b->size;
    s->cut.field_count++;
    return data;
}

void tar_sample_abandon(struct tar_sample *s) {
    s->block->field_count = s->cut.first_field;
    s->used = s->start;
}

void tar_sample_end(struct tar_sample *s) {
    if (!s->keep) {
        tar_sample_abandon(s);
        return;
    }
    if (s->cut.reject_code) {
        s->block->field_count = s->cut.first_field;
        s->cut.field_count = 0;
        s->used = s->cut.start;
    }
    s->cut.nbytes = (uint32_t)(s->used - s->cut.start);
    s->block->cuts[s->block->cut_count++] = s->cut;
}
