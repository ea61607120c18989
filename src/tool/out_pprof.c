/* SPDX-License-Identifier: MIT */
/*
 * The profiles of records as one of pprof's, in gzip's format, as its readers want it.
 *
 * A site is a sample with six values: blocks and bytes asked for, in use, and in use at the
 * peak. Where there are several records, a sample says by labels which process it is of; the
 * places in a file that they share are there once, at the addresses they had in the first.
 * So the sums over all samples are those of the records.
 *
 * What is named by a number is kept in one tree, by what it is made of. The message is
 * packed straight into the compressor: only its parts are ever in memory as a whole. The
 * same records give the same bytes.
 */
#include "src/base/base.h"
#include "src/base/fmt.h"
#include "src/tool/report.h"
#include "src/track/profile_out.h"

#include <errno.h>
#include <inttypes.h>
#include <pprof.pb-c.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const struct {
    const char *type, *unit;
    size_t offset; /* in struct nt_site_figures */
} values[] = {
    {"alloc_objects", "count", offsetof(struct nt_site_figures, allocations_total)},
    {"alloc_space", "bytes", offsetof(struct nt_site_figures, requested_bytes_total)},
    {"inuse_objects", "count", offsetof(struct nt_site_figures, live_blocks_now)},
    {"inuse_space", "bytes",
     offsetof(struct nt_site_figures, live_requested_bytes_now)},
    {"peak_objects", "count", offsetof(struct nt_site_figures, at_peak_blocks)},
    {"peak_space", "bytes", offsetof(struct nt_site_figures, at_peak_requested_bytes)},
};

enum kind { TEXT, MAPPING, FUNCTION, LOCATION };

/* Something that has a number. */
struct numbered {
    enum kind kind;
    uint64_t a, b; /* what it is made of */
    const char *text;
    uint64_t id; /* 0: not given yet */
};

struct building {
    Pprof__Profile *profile;
    void *entries; /* tsearch */
    /* of the record that is at hand */
    struct nt_symbols *symbols;
    const struct nt_profile *of;
    int64_t labels[2][2]; /* texts of keys and values; key 0: none */
};

/* ---- numbers -------------------------------------------------------------------------- */

static int by_parts(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->kind == TEXT)
        return strcmp(x->text, y->text);
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

static struct numbered *find(struct building *b, struct numbered key)
{
    struct numbered *e = nt__tool_memory(malloc(sizeof *e));
    struct numbered *found;

    *e = key;
    found = *(struct numbered **)nt__tool_memory(tsearch(e, &b->entries, by_parts));
    if (found != e)
        free(e);
    return found;
}

/* Room for one more behind `n`, which is counted; arrays grow at powers of two. */
static void *grow(void *array, size_t *n, size_t size)
{
    size_t had = (*n)++;

    if ((had & (had - 1)) != 0)
        return array;
    return nt__tool_memory(reallocarray(array, had > 0 ? 2 * had : 1, size));
}

#define PUSH(array, n, item)                                                           \
    ((array) = grow(array, &(n), sizeof(__typeof__(*(array)))), (array)[(n)-1] = (item))

#define NEW(type) nt__tool_memory(calloc(1, sizeof(type)))

static int64_t text_id(struct building *b, const char *text)
{
    struct numbered *e = find(b, (struct numbered){.kind = TEXT, .text = text});
    Pprof__Profile *p = b->profile;

    if (e->id == 0) {
        char *copy = nt__tool_memory(strdup(text));

        PUSH(p->string_table, p->n_string_table, copy);
        e->text = copy;
        e->id = p->n_string_table;
    }
    return (int64_t)e->id - 1;
}

static uint64_t mapping_id(struct building *b, const struct nt_module *m,
                           const char *path)
{
    char build_id[2 * NT_BUILD_ID_MAX + 1] = "";
    Pprof__Profile *p = b->profile;
    Pprof__Mapping *mapping;
    struct numbered *e;

    for (uint32_t i = 0; i < m->build_id_bytes; i++)
        nt__fmt_into(build_id + 2 * i, 3, "%02x", m->build_id[i]);
    e = find(b, (struct numbered){.kind = MAPPING,
                                  .a = (uint64_t)text_id(b, path),
                                  .b = (uint64_t)text_id(b, build_id)});
    if (e->id != 0)
        return e->id;
    mapping = NEW(Pprof__Mapping);
    pprof__mapping__init(mapping);
    PUSH(p->mapping, p->n_mapping, mapping);
    mapping->id = e->id = p->n_mapping;
    mapping->memory_start = m->start;
    mapping->memory_limit = m->end;
    mapping->filename = (int64_t)e->a;
    mapping->build_id = (int64_t)e->b;
    mapping->has_functions = mapping->has_filenames = true;
    mapping->has_line_numbers = mapping->has_inline_frames = true;
    return e->id;
}

static uint64_t function_id(struct building *b, const struct nt_frame *f)
{
    int64_t file = text_id(b, f->file != NULL ? f->file : "");
    int64_t name = text_id(b, f->function);
    struct numbered *e = find(
        b,
        (struct numbered){.kind = FUNCTION, .a = (uint64_t)name, .b = (uint64_t)file});
    Pprof__Profile *p = b->profile;
    Pprof__Function *function;

    if (e->id != 0)
        return e->id;
    function = NEW(Pprof__Function);
    pprof__function__init(function);
    PUSH(p->function, p->n_function, function);
    function->id = e->id = p->n_function;
    function->name = function->system_name = name;
    function->filename = file;
    return e->id;
}

static uint64_t location_id(struct building *b, uint32_t generation, uint64_t pc)
{
    const struct nt_module *m = nt__profile_module(b->of, generation, pc);
    const struct nt_frame *frame;
    size_t n = nt__symbols_find(b->symbols, generation, pc, &frame);
    Pprof__Profile *p = b->profile;
    struct numbered key = {.kind = LOCATION, .b = pc - 1};
    Pprof__Location *location;
    struct numbered *e;

    if (m != NULL) {
        key.a = mapping_id(b, m, frame->module);
        key.b = p->mapping[key.a - 1]->memory_start + (pc - 1 - m->start);
    }
    e = find(b, key);
    if (e->id != 0)
        return e->id;
    location = NEW(Pprof__Location);
    pprof__location__init(location);
    PUSH(p->location, p->n_location, location);
    location->id = e->id = p->n_location;
    location->mapping_id = e->a;
    location->address = e->b;
    for (size_t i = 0; i < n; i++) {
        Pprof__Line *line = NEW(Pprof__Line);

        pprof__line__init(line);
        line->function_id = function_id(b, &frame[i]);
        line->line = frame[i].line;
        PUSH(location->line, location->n_line, line);
    }
    return e->id;
}

/* ---- records -------------------------------------------------------------------------- */

static void add_sample(struct building *b, const struct nt_site_figures *site)
{
    Pprof__Profile *p = b->profile;
    Pprof__Sample *sample = NEW(Pprof__Sample);

    pprof__sample__init(sample);
    for (uint32_t i = 0; i < site->depth; i++)
        PUSH(sample->location_id, sample->n_location_id,
             location_id(b, site->generation, site->stack[i]));
    for (size_t i = 0; i < NT_ARRAY_LEN(values); i++) {
        uint64_t v;

        memcpy(&v, (const char *)site + values[i].offset, sizeof v);
        PUSH(sample->value, sample->n_value, (int64_t)nt__min(v, INT64_MAX));
    }
    for (size_t i = 0; i < NT_ARRAY_LEN(b->labels); i++) {
        Pprof__Label *label;

        if (b->labels[i][0] == 0)
            continue;
        label = NEW(Pprof__Label);
        pprof__label__init(label);
        label->key = b->labels[i][0];
        label->str = b->labels[i][1];
        PUSH(sample->label, sample->n_label, label);
    }
    PUSH(p->sample, p->n_sample, sample);
}

/* Which process the samples that follow are of. */
static void set_labels(struct building *b, const struct nt_snapshot *s)
{
    char text[512];
    struct nt_fmt f;

    nt__fmt_init(&f, text, sizeof text, -1);
    nt__fmt_name(&f, 0, s->host);
    nt__fmt_print(&f, ":%lld", (long long)s->pid);
    b->labels[0][0] = text_id(b, "process");
    b->labels[0][1] = text_id(b, text);
    b->labels[1][0] = s->rank < 0 ? 0 : text_id(b, "rank");
    nt__fmt_into(text, sizeof text, "%lld", (long long)s->rank);
    b->labels[1][1] = s->rank < 0 ? 0 : text_id(b, text);
}

static void add_comment(struct building *b, const struct nt_snapshot *s)
{
    Pprof__Profile *p = b->profile;
    char text[1024];
    struct nt_fmt f;

    nt__fmt_init(&f, text, sizeof text, -1);
    nt__fmt_name(&f, 0, s->program);
    nt__fmt_print(&f, ", pid %lld", (long long)s->pid);
    if (s->rank >= 0)
        nt__fmt_print(&f, ", rank %lld", (long long)s->rank);
    nt__fmt_str(&f, ", host ");
    nt__fmt_name(&f, 0, s->host);
    PUSH(p->comment, p->n_comment, text_id(b, text));
}

static void add_record(struct building *b, const struct nt_record *r)
{
    const struct nt_profile *of = &r->profile;
    const struct nt_frame *frame;

    b->of = of;
    b->symbols = nt__symbols_open(of);
    if (of->nmodules > 0) { /* the program's own comes first, used or not */
        const struct nt_module *m = &of->modules[0];

        nt__symbols_find(b->symbols, m->from, m->start + 1, &frame);
        if (frame->module != NULL)
            mapping_id(b, m, frame->module);
    }
    for (size_t i = 0; i < of->nsites; i++)
        if (of->sites[i].samples_total != 0)
            add_sample(b, &of->sites[i]);
    add_comment(b, &r->snapshot);
    nt__symbols_close(b->symbols);
}

static Pprof__ValueType *value_type(struct building *b, const char *type,
                                    const char *unit)
{
    Pprof__ValueType *v = NEW(Pprof__ValueType);

    pprof__value_type__init(v);
    v->type = text_id(b, type);
    v->unit = text_id(b, unit);
    return v;
}

/* From the first start to the last reading; the largest interval. */
static void set_head(struct building *b, struct nt_record *const *records, size_t n)
{
    Pprof__Profile *p = b->profile;
    uint64_t from = UINT64_MAX, to = 0, period = 0;

    for (size_t i = 0; i < n; i++) {
        from = nt__min(from, records[i]->snapshot.start_unix_ns);
        to = nt__max(to, records[i]->snapshot.now_unix_ns);
        period = nt__max(period, records[i]->profile.interval_bytes);
    }
    for (size_t i = 0; i < NT_ARRAY_LEN(values); i++)
        PUSH(p->sample_type, p->n_sample_type,
             value_type(b, values[i].type, values[i].unit));
    p->default_sample_type = text_id(b, "peak_space");
    p->period_type = value_type(b, "space", "bytes");
    p->period = (int64_t)period;
    p->time_nanos = (int64_t)from;
    p->duration_nanos = to > from ? (int64_t)(to - from) : 0;
}

/* ---- the file ------------------------------------------------------------------------- */

/* Packed bytes on their way through the compressor. */
struct sink {
    ProtobufCBuffer base;
    z_stream z;
    FILE *out; /* whoever reads its errors does so at the end */
};

static void compress_some(struct sink *s, const uint8_t *data, size_t bytes, int flush)
{
    unsigned char out[16384];

    s->z.next_in = (z_const Bytef *)data;
    do {
        size_t part = nt__min(bytes, UINT_MAX);

        s->z.avail_in = (uInt)part;
        bytes -= part;
        do {
            s->z.next_out = out;
            s->z.avail_out = sizeof out;
            deflate(&s->z, bytes > 0 ? Z_NO_FLUSH : flush);
            fwrite(out, 1, sizeof out - s->z.avail_out, s->out);
        } while (s->z.avail_out == 0);
    } while (bytes > 0);
}

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
    if (bytes > 0)
        compress_some((struct sink *)buffer, data, bytes, Z_NO_FLUSH);
}

static int write_profile(FILE *out, const Pprof__Profile *p)
{
    struct sink s = {.base = {append}, .out = out};

    if (deflateInit2(&s.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16,
                     MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    protobuf_c_message_pack_to_buffer(&p->base, &s.base);
    compress_some(&s, NULL, 0, Z_FINISH);
    deflateEnd(&s.z);
    return 0;
}

static size_t count_profiles(struct nt_record *const *records, size_t n)
{
    size_t profiles = 0;

    for (size_t i = 0; i < n; i++)
        profiles += records[i]->profile.sites != NULL;
    return profiles;
}

int nt__out_pprof(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    size_t profiles = count_profiles(records, n);
    struct building b = {0};
    int err;

    (void)written;
    if (isatty(fileno(out))) {
        nt__warn("pprof's format is not for terminals: name a file with --output");
        return NT_REFUSED;
    }
    if (profiles == 0) {
        nt__warn("nothing was sampled in these records: a profile needs numatally run "
                 "--sample");
        return NT_REFUSED;
    }
    b.profile = NEW(Pprof__Profile);
    pprof__profile__init(b.profile);
    text_id(&b, "");
    set_head(&b, records, n);
    for (size_t i = 0; i < n; i++) {
        if (records[i]->profile.sites == NULL)
            continue;
        if (profiles > 1)
            set_labels(&b, &records[i]->snapshot);
        add_record(&b, records[i]);
    }
    err = write_profile(out, b.profile);
    tdestroy(b.entries, free);
    pprof__profile__free_unpacked(b.profile, NULL);
    return err;
}
