/* SPDX-License-Identifier: MIT */
/*
 * numatally tune: settings from records, and --verify, which runs the program with and
 * without them.
 */
#include "src/tool/tune.h"
#include "src/base/base.h"
#include "src/base/conf.h"
#include "src/base/fmt.h"
#include "src/tool/tune_verify.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_JSON = 256, KEY_SVG, KEY_VERIFY, KEY_TIMEOUT, KEY_WITH, KEY_SEARCH };

struct tune {
    char **records;
    size_t nrecords;
    const char *output, *svg;
    bool json, verify;
    struct nt_verify how;
    unsigned most;
    int status;
    struct nt_evidence evidence;
    struct nt_proposal proposal;
};

/* ---- the command line --------------------------------------------------------------------- */

static unsigned number(const struct argp_state *state, const char *option,
                       const char *text, unsigned least, unsigned most)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || v < least || v > most)
        argp_error(state, "%s is \"%.64s\"; it may be a number from %u to %u", option,
                   text, least, most);
    return (unsigned)v;
}

static void check(const struct tune *t, const struct argp_state *state)
{
    if (t->verify && t->how.program == NULL)
        argp_error(state, "--verify needs a program: numatally tune --verify "
                          "[RECORD...] -- PROGRAM [ARG...]");
    if (!t->verify && t->how.program != NULL)
        argp_error(state,
                   "\"%.64s\" stands behind --, but a program is run only by "
                   "--verify",
                   t->how.program[0]);
    if (!t->verify && t->how.runs != 0)
        argp_error(state, "-n, --runs is for --verify; --classes=N names fewer sizes");
    if (!t->verify && (t->how.with != NULL || t->how.search_s != 0 ||
                       t->how.timeout_s != 0 || t->how.sample != NULL))
        argp_error(state, "--with, --search, --timeout and --sample are for --verify: "
                          "it runs a program");
    if (!t->verify && t->nrecords == 0)
        argp_error(state, "no record was given: numatally tune RECORD...");
}

static void take_with(struct tune *t, const char *arg, const struct argp_state *state)
{
    char key[32];
    const char *colon = strchr(arg, ':'), *wrong;

    if (colon == NULL || (size_t)(colon - arg) >= sizeof key ||
        strchr(arg, ',') != NULL)
        argp_error(state,
                   "--with is \"%.64s\"; it must be one setting, such as "
                   "hugepages:thp",
                   arg);
    snprintf(key, sizeof key, "%.*s", (int)(colon - arg), arg);
    wrong = nt__conf_check(key, colon + 1);
    if (wrong != NULL)
        argp_error(state,
                   "--with=%.64s: its value %s (numatally --help lists the settings)",
                   arg, wrong);
    t->how.with = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct tune *t = state->input;

    switch (key) {
    case 'o':
        t->output = arg;
        return 0;
    case 'n':
        t->how.runs = number(state, "-n, --runs", arg, 3, 1000);
        return 0;
    case 'c':
        t->most = number(state, "-c, --classes", arg, 1, NT_TUNE_CLASSES_MAX);
        return 0;
    case KEY_JSON:
        t->json = true;
        return 0;
    case KEY_SVG:
        t->svg = arg;
        return 0;
    case KEY_VERIFY:
        t->verify = true;
        return 0;
    case KEY_TIMEOUT:
        t->how.timeout_s = number(state, "--timeout", arg, 1, 1000000);
        return 0;
    case KEY_SEARCH:
        t->how.search_s =
            number(state, "--search", arg != NULL ? arg : "300", 1, 1000000);
        return 0;
    case KEY_WITH:
        take_with(t, arg, state);
        return 0;
    case 's':
        t->how.sample = arg;
        if (nt__conf_check("sample", arg) != NULL || strcmp(arg, "off") == 0)
            argp_error(state,
                       "--sample is \"%.64s\"; it may be a number of bytes from 1 to "
                       "1T such as 16K",
                       arg);
        return 0;
    case ARGP_KEY_ARG:
        if (state->quoted != 0 && state->next > state->quoted) {
            t->how.program = state->argv + state->next - 1;
            state->next = state->argc;
            return 0;
        }
        t->records[t->nrecords++] = arg;
        return 0;
    case ARGP_KEY_END:
        check(t, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- records -------------------------------------------------------------------------------- */

static void take(struct nt_record *record, void *context)
{
    struct tune *t = context;
    const char *wrong = nt__evidence_add(&t->evidence, record);

    if (wrong != NULL) {
        nt__warn("the record of %.64s (pid %lld) is left out: %s",
                 record->snapshot.program, (long long)record->snapshot.pid, wrong);
        t->status = NT_EXIT_BAD_INPUT;
    }
    nt__record_free(record);
    free(record);
}

static int read_records(struct tune *t, char *const *paths, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int status = nt__records_each(paths[i], take, t);

        if (status != 0)
            t->status = status;
    }
    if (t->evidence.records == 0) {
        nt__warn("there is no record to tune by");
        return NT_EXIT_BAD_INPUT;
    }
    return t->status;
}

/* 0, or the exit status after a complaint. */
static int propose(struct tune *t)
{
    const char *none = nt__tune_propose(&t->evidence, t->most, &t->proposal);

    if (none != NULL) {
        nt__warn("nothing can be proposed: %s",
                 t->evidence.sampled == 0 && t->nrecords == 0
                     ? "the program asked for too little to be sampled; --sample=1 "
                       "samples every block"
                     : none);
        return NT_EXIT_BAD_INPUT;
    }
    if (t->evidence.sampled < t->evidence.records)
        nt__warn(
            "%zu of %zu records have no samples of sizes and say nothing about classes",
            t->evidence.records - t->evidence.sampled, t->evidence.records);
    if (t->proposal.guard > 25)
        nt__warn(
            "with so few classes a size that was not seen may waste %u %% of its block",
            t->proposal.guard);
    if (t->proposal.samples < 100)
        nt__warn("there were but %u samples at the peak: a smaller --sample says more",
                 (unsigned)t->proposal.samples);
    return 0;
}

/* ---- output ---------------------------------------------------------------------------------- */

static int complain_stdout(void)
{
    nt__warn("standard output cannot be written: %s", nt__errno_text(errno));
    return NT_EXIT_BAD_INPUT;
}

/* Write to a file what `put` prints. */
static int write_file(const char *path, void (*put)(FILE *, const struct nt_proposal *),
                      const struct nt_proposal *p)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = nt__tool_memory(open_memstream(&text, &bytes));
    int err;

    put(memory, p);
    if (fclose(memory) != 0)
        nt__tool_memory(NULL);
    err = nt__tool_write(path, text, bytes);
    free(text);
    if (err != 0)
        nt__warn("\"%.512s\" cannot be written: %s", path, nt__errno_text(err));
    return err != 0 ? NT_EXIT_BAD_INPUT : 0;
}

static int put_json(json_t *root)
{
    int bad = json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));

    json_decref(root);
    putchar('\n');
    return bad != 0 ? NT_EXIT_BAD_INPUT : 0;
}

static int put(struct tune *t)
{
    int status = 0;

    if (t->svg != NULL)
        status = write_file(t->svg, nt__tune_svg, &t->proposal);
    if (t->output != NULL && status == 0)
        status = write_file(t->output, nt__tune_conf, &t->proposal);
    if (t->json && status == 0)
        status = put_json(nt__tune_json(&t->proposal));
    else if (t->output == NULL && status == 0)
        nt__tune_conf(stdout, &t->proposal);
    if (status == 0 && (t->output != NULL || t->json))
        nt__tune_say(stderr, &t->proposal);
    if (fflush(stdout) != 0 || ferror(stdout))
        status = complain_stdout();
    return status;
}

/* ---- verify ----------------------------------------------------------------------------------- */

/* What the records in a file say of waste; if there are no others they are the evidence. */
static int take_run(void *context, const char *path, struct nt_waste *out)
{
    struct tune *t = context;
    char *paths[] = {(char *)path};
    struct nt_evidence *was = nt__tool_memory(malloc(sizeof *was));
    int status;

    *was = t->evidence;
    memset(&t->evidence, 0, sizeof t->evidence);
    status = read_records(t, paths, 1);
    nt__evidence_waste(&t->evidence, out);
    if (was->records > 0)
        t->evidence = *was;
    free(was);
    return status;
}

static int make_conf(void *context, const char *path, struct nt_proposed *out)
{
    struct tune *t = context;
    const struct nt_proposal *p = &t->proposal;
    int status = propose(t);
    const struct nt_tune_table *table = p->classes ? &p->best : &p->builtin;

    if (status != 0)
        return status;
    *out = (struct nt_proposed){
        .is_one = p->classes || p->return_ms != 0 || p->reserves,
        .reserves = p->reserves,
        .predicted = {.waste = table->waste, .error = table->waste_error}};
    if (t->svg != NULL)
        status = write_file(t->svg, nt__tune_svg, p);
    return status != 0 ? status : write_file(path, nt__tune_conf, p);
}

static int verify(struct tune *t)
{
    static struct nt_verified out;
    const struct nt_verify_calls calls = {take_run, make_conf, t};
    int status = nt__verify(&t->how, &calls, &out);

    if (status == NT_EXIT_NOT_KEPT && t->json)
        put_json(nt__verified_json(&out));
    if (status != 0)
        return status;
    t->proposal.more = out.more;
    if (t->json)
        status = put_json(nt__verified_json(&out));
    else
        nt__verified_text(stdout, &out);
    if (out.kept && t->output != NULL && status == 0)
        status = write_file(t->output, nt__tune_conf, &t->proposal);
    if (!out.kept && t->output != NULL)
        nt__warn("%.512s is not written: %s", t->output, out.why);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0)
        status = complain_stdout();
    return status != 0 ? status : out.kept ? 0 : NT_EXIT_NOT_KEPT;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

int nt__tool_tune(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0,
         "write the settings to FILE instead of standard output", 0},
        {"classes", 'c', "N", 0,
         "name at most N sizes (127, with the built-in ones above them)", 0},
        {"json", KEY_JSON, NULL, 0, "print JSON", 0},
        {"svg", KEY_SVG, "FILE", 0,
         "draw the waste against the number of classes into FILE", 0},
        {0, 0, 0, 0, "With a program", 1},
        {"verify", KEY_VERIFY, NULL, 0,
         "run PROGRAM with and without the settings; keep them only if they are better",
         0},
        {"runs", 'n', "N", 0, "so many pairs of runs (10)", 0},
        {"timeout", KEY_TIMEOUT, "SECONDS", 0, "end a run that takes longer (600)", 0},
        {"sample", 's', "BYTES", 0,
         "for what is proposed, sample one block for each so many bytes (512)", 0},
        {"with", KEY_WITH, "KEY:VALUE", 0,
         "try this setting, too, such as hugepages:thp or return:10000", 0},
        {"search", KEY_SEARCH, "SECONDS", OPTION_ARG_OPTIONAL,
         "first try other settings for so long (300): hugepages, return, slab, "
         "prefault",
         0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "RECORD...\n--verify [RECORD...] -- PROGRAM [ARG...]",
        .doc = "Make settings from what was recorded."
               "\vExamples:\n"
               "  numatally run --sample=16K --report=r.json -- PROGRAM\n"
               "  numatally tune -o numatally.conf r.json\n"
               "  NUMATALLY_CONF_FILE=$PWD/numatally.conf numatally run -- PROGRAM\n\n"
               "The exit status is 0; 1: a record or file is bad, or nothing can be "
               "proposed; 2: bad usage; 3: --verify found the settings no better; 125, "
               "126, 127: PROGRAM could not be run, as of numatally run.",
    };
    static struct tune t = {.most = NT_TUNE_CLASSES_MAX};
    int status;

    argp_err_exit_status = NT_EXIT_USAGE;
    t.records = nt__tool_memory(calloc((size_t)argc + 1, sizeof *t.records));
    nt__tool_parse(&argp, "numatally tune", argc, argv, ARGP_IN_ORDER, &t);
    t.how.runs = t.how.runs != 0 ? t.how.runs : 10;
    t.how.timeout_s = t.how.timeout_s != 0 ? t.how.timeout_s : 600;
    t.how.sample = t.how.sample != NULL ? t.how.sample : "512";
    status = t.nrecords > 0 ? read_records(&t, t.records, t.nrecords) : 0;
    if (t.evidence.records == 0 && t.nrecords > 0)
        return status;
    if (t.verify)
        return verify(&t);
    status = propose(&t);
    if (status == 0)
        status = put(&t);
    return status != 0 ? status : t.status;
}
