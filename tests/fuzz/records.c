/* SPDX-License-Identifier: MIT */
/*
 * Files of records, as somebody hands them to numatally report and tune.
 *
 * An input is such a file. What can be read of it goes into every format, every comparison,
 * the merging of a job, the findings and the proposal of size classes; nothing may be read
 * or written where it must not be. Besides:
 *
 *   record     written as JSON and read again it is written as the same JSON
 *   JSON       what the formats write is some
 *   proposal   its file is understood by the library, all of it
 *
 * Bytes that are changed at random are hardly ever JSON, so most changes are made here, to
 * values: numbers, lengths of arrays, missing and misplaced members.
 */
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/tool/findings.h"
#include "src/tool/merge.h"
#include "src/tool/tune.h"
#include "tests/fuzz/warn.h"

#define RECORDS_MAX 4

struct records {
    struct nt_record *record[RECORDS_MAX];
    size_t n;
};

static void forget(struct nt_record *r)
{
    nt__record_free(r);
    free(r);
}

static void keep(struct nt_record *record, void *context)
{
    struct records *all = context;

    if (all->n < RECORDS_MAX)
        all->record[all->n++] = record;
    else
        forget(record);
}

/* ---- what is written ---------------------------------------------------------------- */

static char *written(nt_write *write, struct nt_record *const *records, size_t n,
                     size_t *bytes)
{
    FILE *f = fuzz_stream();

    unsigned complaints = fuzz_complaints;
    int err = write(f, records, n, 0);

    FUZZ_CHECK(err == 0 || (err == NT_REFUSED && fuzz_complaints > complaints));
    return fuzz_written(f, bytes);
}

static void check_json(const char *text, size_t bytes)
{
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);

    FUZZ_CHECK(root != NULL);
    json_decref(root);
}

static void check_again(struct nt_record *record)
{
    struct records again = {.n = 0};
    size_t bytes, bytes_again;
    char path[32], *text = written(nt__out_json, &record, 1, &bytes), *twice;
    int fd = fuzz_file(text, bytes, path);

    check_json(text, bytes);
    FUZZ_CHECK(nt__records_each(path, keep, &again) == 0 && again.n == 1);
    twice = written(nt__out_json, again.record, 1, &bytes_again);
    FUZZ_CHECK(bytes == bytes_again && memcmp(text, twice, bytes) == 0);
    forget(again.record[0]);
    close(fd);
    free(text);
    free(twice);
}

static void write_formats(struct records *all)
{
    static nt_write *const writes[] = {
        nt__out_text,  nt__out_csv,  nt__out_prometheus, nt__out_collapsed,
        nt__out_pprof, nt__out_html, nt__out_ranks_csv,  nt__out_findings_text};
    size_t bytes;
    char *text;

    for (size_t i = 0; i < NT_ARRAY_LEN(writes); i++)
        free(written(writes[i], all->record, all->n, &bytes));
    text = written(nt__out_findings_json, all->record, 1, &bytes);
    check_json(text, bytes);
    free(text);
}

static void write_diffs(struct records *all)
{
    static nt_diff_write *const diffs[] = {nt__diff_text, nt__diff_csv, nt__diff_json};
    static const char *const paths[2] = {"before", "after"};
    struct nt_record *const both[2] = {all->record[0], all->record[all->n - 1]};

    for (size_t i = 0; i < NT_ARRAY_LEN(diffs); i++) {
        FILE *f = fuzz_stream();
        size_t bytes;
        char *text;

        FUZZ_CHECK(nt__diff_write(f, diffs[i], paths, both) == 0);
        text = fuzz_written(f, &bytes);
        if (diffs[i] == nt__diff_json)
            check_json(text, bytes);
        free(text);
    }
}

static void merge(struct records *all)
{
    struct nt_merge *m = nt__merge_begin(2);
    struct nt_record *job;
    size_t skipped, bytes;

    for (size_t i = 0; i < all->n; i++)
        nt__merge_add(m, all->record[i], "file");
    job = nt__merge_end(m, &skipped);
    FUZZ_CHECK(skipped <= all->n && (job != NULL || skipped == all->n));
    if (job == NULL)
        return;
    check_again(job);
    free(written(nt__out_text, &job, 1, &bytes));
    free(written(nt__out_html, &job, 1, &bytes));
    free(written(nt__out_ranks_csv, &job, 1, &bytes));
    free(written(nt__out_findings_text, &job, 1, &bytes));
    forget(job);
}

/* Each line of the file but comments is a setting with a value that will do. */
static void check_conf(char *text)
{
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        char *value = strchr(line, ':');

        line[strcspn(line, "#")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            continue;
        FUZZ_CHECK(value != NULL);
        *value++ = '\0';
        value[strcspn(value, " \t")] = '\0';
        FUZZ_CHECK(nt__conf_check(line, value) == NULL);
    }
}

static void tune(struct records *all)
{
    static struct nt_evidence e;
    static struct nt_proposal p;
    FILE *f;
    json_t *json;
    size_t bytes;
    char *text;

    memset(&e, 0, sizeof e);
    memset(&p, 0, sizeof p);
    for (size_t i = 0; i < all->n; i++)
        if (nt__evidence_add(&e, all->record[i]) != NULL)
            return;
    if (e.records == 0 || nt__tune_propose(&e, 24, &p) != NULL)
        return;
    f = fuzz_stream();
    nt__tune_conf(f, &p);
    text = fuzz_written(f, &bytes);
    check_conf(text);
    free(text);
    json = nt__tune_json(&p);
    text = json_dumps(json, 0);
    FUZZ_CHECK(text != NULL);
    free(text);
    json_decref(json);
    nt__tune_say(fuzz_nowhere(), &p);
    nt__tune_svg(fuzz_nowhere(), &p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct records all = {.n = 0};
    char path[32];
    int fd = fuzz_file(data, size, path);

    fuzz_complaints = 0;
    if (nt__records_each(path, keep, &all) != 0)
        FUZZ_CHECK(fuzz_complaints > 0);
    close(fd);
    if (all.n > 0) {
        for (size_t i = 0; i < all.n; i++)
            check_again(all.record[i]);
        write_formats(&all);
        write_diffs(&all);
        merge(&all);
        tune(&all);
    }
    for (size_t i = 0; i < all.n; i++)
        forget(all.record[i]);
    return 0;
}

/* ---- changes --------------------------------------------------------------------------- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

static unsigned drawn;

static unsigned draw(unsigned n)
{
    drawn = drawn * 1103515245 + 12345;
    return (drawn >> 8) % n;
}

static json_t *other_value(const json_t *old)
{
    static const json_int_t numbers[] = {0,
                                         1,
                                         -1,
                                         2,
                                         63,
                                         64,
                                         65,
                                         255,
                                         1 << 16,
                                         INT32_MAX,
                                         INT32_MIN,
                                         (json_int_t)1 << 32,
                                         (json_int_t)1 << 53,
                                         INT64_MAX,
                                         INT64_MIN};

    switch (json_is_integer(old) ? draw(8) : 2 + draw(10)) {
    case 0:
        return json_integer(
            (json_int_t)((uint64_t)json_integer_value(old) + draw(3) - 1));
    case 1:
        return json_integer((json_int_t)((uint64_t)json_integer_value(old) * draw(64)));
    case 8:
        return json_null();
    case 9:
        return draw(2) ? json_string("\xef\xbf\xbd\"<b>\n\t,;") : json_string("");
    case 10:
        return draw(2) ? json_real(1e300) : json_boolean((int)draw(2));
    case 11:
        return draw(2) ? json_array() : json_object();
    default:
        return json_integer(numbers[draw(NT_ARRAY_LEN(numbers))]);
    }
}

static json_t *some_member(json_t *object, const char **key)
{
    void *at = json_object_iter(object);

    for (unsigned n = draw((unsigned)json_object_size(object)); n > 0; n--)
        at = json_object_iter_next(object, at);
    *key = json_object_iter_key(at);
    return json_object_iter_value(at);
}

/* Somewhere in the tree, mostly deep. */
static void change(json_t *tree)
{
    size_t n = json_is_array(tree) ? json_array_size(tree) : json_object_size(tree);
    const char *key = NULL;
    size_t i = n > 0 ? draw((unsigned)n) : 0;
    json_t *child;

    if (n == 0)
        return;
    child = json_is_array(tree) ? json_array_get(tree, i) : some_member(tree, &key);
    if ((json_is_array(child) || json_is_object(child)) && draw(12) != 0) {
        change(child);
    } else if (key != NULL) {
        if (draw(8) == 0)
            json_object_del(tree, key);
        else
            json_object_set_new(tree, key, other_value(child));
    } else if (draw(3) != 0) {
        json_array_set_new(tree, i, other_value(child));
    } else if (draw(2) == 0) {
        json_array_remove(tree, i);
    } else {
        json_array_insert_new(tree, draw((unsigned)n + 1), json_deep_copy(child));
    }
}

/* One of the lines is changed as a record, if it is one. */
static size_t change_values(uint8_t *data, size_t size, size_t max)
{
    uint8_t *line = data, *end;
    json_t *root;
    char *text;
    size_t length, behind;

    for (unsigned n = draw(3); n > 0; n--) {
        uint8_t *next = memchr(line, '\n', size - (size_t)(line - data));

        if (next != NULL && next + 1 < data + size)
            line = next + 1;
    }
    end = memchr(line, '\n', size - (size_t)(line - data));
    end = end != NULL ? end : data + size;
    root = json_loadb((char *)line, (size_t)(end - line), 0, NULL);
    if (root == NULL)
        return 0;
    for (unsigned n = 1 + draw(3); n > 0; n--)
        change(root);
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    length = text != NULL ? strlen(text) : 0;
    behind = (size_t)(data + size - end);
    if (length == 0 || (size_t)(line - data) + length + behind > max) {
        free(text);
        return 0;
    }
    memmove(line + length, end, behind);
    memcpy(line, text, length);
    free(text);
    return (size_t)(line - data) + length + behind;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t changed = 0;

    drawn = seed;
    if (draw(8) != 0)
        changed = change_values(data, size, max);
    return changed != 0 ? changed : LLVMFuzzerMutate(data, size, max);
}
