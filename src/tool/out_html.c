/* SPDX-License-Identifier: MIT */
/*
 * The page: one HTML file that shows records in pictures, and needs nothing but a browser.
 *
 * The page is the files of src/tool/page, which stand in the tool as they are: page.html
 * with its @PLACES@ filled in by the style, the scripts, the text report for browsers
 * without scripts, and the data. Data is one block for each record: the JSON record less
 * its profile, and the profile with names in place of addresses. The scripts draw from it.
 *
 * Whatever the record says is data. In JSON no byte < or > or & is left, so nothing in it
 * ends the block it stands in; the text is escaped as HTML is.
 */
#include "src/base/base.h"
#include "src/tool/findings.h"
#include "src/tool/page.h"
#include "src/tool/report.h"
#include "src/tool/tune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The assembler looks for files in src/tool/page; each text ends with a 0. */
__asm__(".pushsection .rodata\n"
        "nt__page_html:\n"
        ".incbin \"page.html\"\n"
        ".byte 0\n"
        "nt__page_style:\n"
        ".incbin \"page.css\"\n"
        ".incbin \"panels.css\"\n"
        ".incbin \"stacks.css\"\n"
        ".incbin \"screens.css\"\n"
        ".byte 0\n"
        "nt__page_script:\n"
        ".incbin \"dom.js\"\n"
        ".incbin \"charts.js\"\n"
        ".incbin \"sizes.js\"\n"
        ".incbin \"tuning.js\"\n"
        ".incbin \"nodes.js\"\n"
        ".incbin \"tables.js\"\n"
        ".incbin \"job.js\"\n"
        ".incbin \"stacks.js\"\n"
        ".incbin \"flame.js\"\n"
        ".incbin \"page.js\"\n"
        ".byte 0\n"
        ".popsection");

/* Hidden: else they are found by the table of offsets, which aarch64's linker (2.40) fills in
 * wrong for names that are not global. */
extern NT_HIDDEN const char nt__page_html[], nt__page_style[], nt__page_script[];

struct page {
    FILE *out;
    struct nt_record *const *records;
    size_t n;
    int error;
};

/* ---- escapes ------------------------------------------------------------------------- */

static void put_json(FILE *out, int c)
{
    if (c == '<' || c == '>' || c == '&')
        fprintf(out, "\\u%04x", (unsigned)c);
    else
        putc(c, out);
}

static void put_html(FILE *out, int c)
{
    if (c == '<' || c == '>' || c == '&')
        fprintf(out, "&#%d;", c);
    else
        putc(c, out);
}

/* ---- parts that others write ---------------------------------------------------------- */

/* To `page`, by `put`, what `write` makes of a record. `write` needs a file of its own, and
 * that is one without a name, in memory. */
static void put_written(struct page *page, void (*put)(FILE *, int),
                        int (*write)(FILE *, const struct nt_record *),
                        const struct nt_record *record)
{
    int c, fd = memfd_create("page", MFD_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;

    if (file == NULL) {
        page->error = -errno;
        if (fd >= 0)
            close(fd);
        return;
    }
    page->error = write(file, record);
    if (page->error == 0 && (fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0))
        page->error = -errno;
    while (page->error == 0 && (c = getc(file)) != EOF)
        put(page->out, c);
    fclose(file);
}

static int write_text(FILE *file, const struct nt_record *record)
{
    struct nt_record copy = *record, *const records[] = {&copy};

    return nt__out_text(file, records, 1, 0);
}

static int write_record(FILE *file, const struct nt_record *record)
{
    struct nt_record copy = *record, *const records[] = {&copy};

    copy.profile.sites = NULL; /* nt__page_profile writes it */
    return nt__out_json(file, records, 1, 0);
}

static int write_profile(FILE *file, const struct nt_record *record)
{
    return nt__page_profile(fileno(file), &record->profile);
}

static int write_findings(FILE *file, const struct nt_record *record)
{
    struct nt_record copy = *record, *const records[] = {&copy};

    return nt__out_findings_json(file, records, 1, 0);
}

/* ---- the page's places ---------------------------------------------------------------- */

static void put_style(struct page *page)
{
    fputs(nt__page_style, page->out);
}

static void put_script(struct page *page)
{
    fputs(nt__page_script, page->out);
}

static void put_text(struct page *page)
{
    for (size_t i = 0; i < page->n && page->error == 0; i++)
        put_written(page, put_html, write_text, page->records[i]);
}

static void put_data(struct page *page)
{
    for (size_t i = 0; i < page->n && page->error == 0; i++) {
        const struct nt_record *r = page->records[i];

        fputs("<script type=\"application/json\" class=\"data\">\n{\"record\":",
              page->out);
        put_written(page, put_json, write_record, r);
        if (r->profile.sites != NULL && page->error == 0) {
            fputs(",\"profile\":", page->out);
            put_written(page, put_json, write_profile, r);
        }
        if (page->error == 0) {
            fputs(",\"findings\":", page->out);
            put_written(page, put_json, write_findings, r);
        }
        if (r->profile.nsizes > 0 && page->error == 0) {
            fputs(",\"tuning\":", page->out);
            put_written(page, put_json, nt__out_tuning, r);
        }
        fputs("}</script>\n", page->out);
    }
}

static const struct {
    const char *name; /* as in page.html */
    void (*put)(struct page *);
} places[] = {
    {"@STYLE@", put_style},
    {"@SCRIPT@", put_script},
    {"@TEXT@", put_text},
    {"@DATA@", put_data},
};

int nt__out_html(FILE *out, struct nt_record *const *records, size_t n, size_t written)
{
    struct page page = {.out = out, .records = records, .n = n};
    const char *at = nt__page_html;

    (void)written;
    while (*at != '\0' && page.error == 0) {
        size_t i = 0, len = strcspn(at + 1, "@") + 1;

        while (i < NT_ARRAY_LEN(places) &&
               strncmp(at, places[i].name, strlen(places[i].name)) != 0)
            i++;
        if (i < NT_ARRAY_LEN(places)) {
            places[i].put(&page);
            len = strlen(places[i].name);
        } else {
            fwrite(at, 1, len, out);
        }
        at += len;
    }
    return page.error;
}
