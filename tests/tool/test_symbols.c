/* SPDX-License-Identifier: MIT */
/*
 * Symbols of programs that are built here: each prints some of its return addresses and
 * where it lies in memory, so that the names and lines that belong to them are known.
 */
#include "src/tool/report.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/numatally-test-symbols-XXXXXX";

static char *in_folder(const char *name)
{
    static char path[2][300];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[2000];
    va_list ap;
    int n = snprintf(command, sizeof command, "cd %s && ", folder);
    va_start(ap, format);
    vsnprintf(command + n, sizeof command - (size_t)n, format, ap);
    va_end(ap);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* ---- Programs -------------------------------------------------------------------------- */

#define HEAD                                                                           \
    "#undef _GNU_SOURCE\n#define _GNU_SOURCE\n#include <dlfcn.h>\n#include "           \
    "<stdio.h>\n"                                                                      \
    "#define KEEP __attribute__((noinline, noclone))\n"                                \
    "#define IN static inline __attribute__((always_inline))\n"                        \
    "#define AFTER __asm__ volatile(\"\" ::: \"memory\")\n"                            \
    "KEEP static void *here(void) { return __builtin_return_address(0); }\n"           \
    "static void base(void) { Dl_info i; dladdr((void *)base, &i);"                    \
    " printf(\"%p\", i.dli_fbase); }\n"

/* Lines are counted from 100 on. */
static const char known_c[] = HEAD "#line 100 \"known.c\"\n"
                                   "IN void *inner(void)\n"
                                   "{\n"
                                   "    void *pc = here();\n" /* 102 */
                                   "    AFTER;\n"
                                   "    return pc;\n"
                                   "}\n"
                                   "IN void *middle(void)\n"
                                   "{\n"
                                   "    return inner();\n" /* 108 */
                                   "}\n"
                                   "KEEP static void *hidden(void)\n"
                                   "{\n"
                                   "    void *pc = middle();\n" /* 112 */
                                   "    AFTER;\n"
                                   "    return pc;\n"
                                   "}\n"
                                   "KEEP void *seen(void)\n"
                                   "{\n"
                                   "    void *pc = here();\n" /* 118 */
                                   "    AFTER;\n"
                                   "    return pc;\n"
                                   "}\n"
                                   "int main(void)\n"
                                   "{\n"
                                   "    base();\n"
                                   "    printf(\" %p %p\\n\", hidden(), seen());\n"
                                   "    return 0;\n"
                                   "}\n";

/* A module as it was in memory, and return addresses in it. */
struct ran {
    struct nt_module module;
    struct nt_profile profile;
    uint64_t pc[8];
};

static struct nt_module describe(const char *path, uint64_t start)
{
    struct nt_module m = {.start = UINT64_MAX, .to = UINT32_MAX};
    int fd = open(path, O_RDONLY);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    const void *id;
    size_t n = 0;
    ssize_t bytes = dwelf_elf_gnu_build_id(elf, &id);
    assert_int_equal(elf_getphdrnum(elf, &n), 0);
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        assert_non_null(gelf_getphdr(elf, (int)i, &p));
        if (p.p_type != PT_LOAD)
            continue;
        m.start = p.p_vaddr < m.start ? p.p_vaddr : m.start;
        m.end = p.p_vaddr + p.p_memsz > m.end ? p.p_vaddr + p.p_memsz : m.end;
    }
    m.bias = start - (m.start & ~(uint64_t)4095);
    m.start += m.bias;
    m.end += m.bias;
    snprintf(m.path, sizeof m.path, "%s", path);
    if (bytes > 0)
        memcpy(m.build_id, id, m.build_id_bytes = (uint32_t)bytes);
    elf_end(elf);
    close(fd);
    return m;
}

/* Run `command`, which prints where `file` begins in memory, and addresses in it. */
static void run(struct ran *r, const char *command, const char *file)
{
    char line[2000];
    unsigned long long start, pc;
    int at = 0, n = 0;
    FILE *f;
    memset(r, 0, sizeof *r);
    snprintf(line, sizeof line, "cd %s && %s", folder, command);
    f = popen(line, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(pclose(f), 0);
    assert_int_equal(sscanf(line, "%llx%n", &start, &at), 1);
    for (int next; n < 8 && sscanf(line + at, "%llx%n", &pc, &next) == 1; at += next)
        r->pc[n++] = pc;
    r->module = describe(in_folder(file), start);
}

static struct nt_symbols *open_symbols(struct ran *r)
{
    r->profile = (struct nt_profile){.modules = &r->module, .nmodules = 1};
    return nt__symbols_open(&r->profile);
}

/* The frame is that one; file NULL: no line is known. */
static void expect(const struct nt_frame *f, const char *function, const char *file,
                   unsigned line)
{
    assert_string_equal(f->function, function);
    assert_int_equal(f->line, line);
    if (file == NULL) {
        assert_null(f->file);
        return;
    }
    const char *slash = strrchr(f->file, '/');
    assert_string_equal(slash != NULL ? slash + 1 : f->file, file);
}

/* Both addresses of known.c, with everything. */
static void expect_lines(struct ran *r)
{
    struct nt_symbols *s = open_symbols(r);
    const struct nt_frame *f;
    for (int i = 0; i < 2; i++) { /* the second time from what is kept */
        assert_int_equal(nt__symbols_find(s, 0, r->pc[0], &f), 3);
        expect(&f[0], "inner", "known.c", 102);
        expect(&f[1], "middle", "known.c", 108);
        expect(&f[2], "hidden", "known.c", 112);
        assert_string_equal(f[0].module, r->module.path);
        assert_int_equal(nt__symbols_find(s, 0, r->pc[1], &f), 1);
        expect(&f[0], "seen", "known.c", 118);
    }
    nt__symbols_close(s);
}

/* Neither lines nor what was inlined; `hidden` NULL: that one has no name. */
static void expect_names(struct ran *r, const char *hidden, const char *seen)
{
    struct nt_symbols *s = open_symbols(r);
    const struct nt_frame *f;
    const char *names[] = {hidden, seen};
    char offset[400];
    for (int i = 0; i < 2; i++) {
        snprintf(offset, sizeof offset, "%s+0x%llx", strrchr(r->module.path, '/') + 1,
                 (unsigned long long)(r->pc[i] - r->module.bias));
        assert_int_equal(nt__symbols_find(s, 0, r->pc[i], &f), 1);
        expect(&f[0], names[i] != NULL ? names[i] : offset, NULL, 0);
    }
    nt__symbols_close(s);
}

/* What is said on stderr in the meantime. */
static int saved_stderr = -1;

static void listen_begin(void)
{
    int fd = open(in_folder("said"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static const char *listen_end(void)
{
    static char text[2000];
    int fd = open(in_folder("said"), O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* ---- Debug info ------------------------------------------------------------------------ */

static void test_lines(void **state)
{
    (void)state;
    static const char *const options[] = {
        "-O2 -g",
        "-O1 -g -gdwarf-4",
        "-O2 -g -no-pie",
        "-O2 -g -gsplit-dwarf",
        "-O2 -g -Wl,--build-id=none",
        "-O2 -g -Wl,-Ttext-segment=0x10000000", /* as if prelinked */
        "-O2 -g -gz -ffunction-sections"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct ran r;
        char name[40], command[60];
        snprintf(name, sizeof name, "lines%zu", i);
        shell("gcc %s -rdynamic -o %s known.c", options[i], name);
        snprintf(command, sizeof command, "./%s", name);
        run(&r, command, name);
        listen_begin();
        expect_lines(&r);
        assert_string_equal(listen_end(), "");
    }
    /* clang leaves no table of units in the file. */
    if (system("command -v clang >/dev/null") == 0) {
        struct ran r;
        shell("clang -O2 -g -Wl,--build-id -rdynamic -Wno-everything -o clang known.c");
        run(&r, "./clang", "clang");
        expect_lines(&r);
    }
}

/* In a file of its own: beside the program, and by build-id (that of libc6-dbg). */
static void test_separate(void **state)
{
    (void)state;
    struct ran r;
    shell("gcc -O2 -g -rdynamic -o linked known.c && objcopy --only-keep-debug linked "
          "linked.debug && strip linked && objcopy --add-gnu-debuglink=linked.debug "
          "linked");
    run(&r, "./linked", "linked");
    expect_lines(&r);

    put("caller.c", "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\nint "
                    "main(void)\n{\n"
                    "    Dl_info i;\n    dladdr((void *)&puts, &i);\n"
                    "    printf(\"%p %p\\n%s\\n\", i.dli_fbase,"
                    " __builtin_return_address(0), i.dli_fname);\n    return 0;\n}\n");
    shell("gcc -O0 -fPIE -o caller caller.c && ln -s \"$(./caller | tail -n 1)\" libc");
    run(&r, "./caller | head -n 1", "libc");
    struct nt_symbols *s = open_symbols(&r);
    const struct nt_frame *f;
    assert_true(nt__symbols_find(s, 0, r.pc[0], &f) >= 1);
    assert_string_equal(f[0].function, "__libc_start_call_main");
    assert_non_null(f[0].file);
    assert_true(f[0].line > 0);
    nt__symbols_close(s);
}

static void test_symbol_tables(void **state)
{
    (void)state;
    struct ran r;
    shell("gcc -O2 -rdynamic -o plain known.c && cp plain bare && strip bare");
    run(&r, "./plain", "plain");
    expect_names(&r, "hidden", "seen");
    run(&r, "./bare", "bare");
    expect_names(&r, NULL, "seen");
}

/* ---- Names ----------------------------------------------------------------------------- */

static const char known_cpp[] = HEAD
    "namespace ns {\n"
    "struct K {\n"
    "    template <class T> KEEP static void *at(T)\n"
    "    { void *pc = here(); AFTER; return pc; }\n"
    "    KEEP void *operator()(int, const char *) const\n"
    "    { void *pc = here(); AFTER; return pc; }\n"
    "};\n"
    "}\n"
    "extern \"C\" void show(void)\n"
    "{\n"
    "    struct L { KEEP static void *in() { void *pc = here(); AFTER; return pc; } "
    "};\n"
    "    auto l = []() KEEP { void *pc = here(); AFTER; return pc; };\n"
    "    base();\n"
    "    printf(\" %p %p %p %p\\n\", ns::K::at(1.5), ns::K()(1, \"\"), L::in(), l());\n"
    "}\n";

static void test_cpp(void **state)
{
    (void)state;
    static const char *const options[] = {"-O2 -g", "-O2"};
    static const char *const names[] = {
        "void* ns::K::at<double>(double)", "ns::K::operator()(int, char const*) const",
        "show::L::in()", "show::{lambda()#1}::operator()() const"};
    shell("gcc -o loader loader.c");
    for (size_t i = 0; i < 2; i++) {
        struct ran r;
        char name[40], command[60];
        snprintf(name, sizeof name, "lib%zu.so", i);
        shell("g++ %s -shared -fPIC -o %s known.cpp", options[i], name);
        snprintf(command, sizeof command, "./loader ./%s", name);
        run(&r, command, name);
        struct nt_symbols *s = open_symbols(&r);
        for (size_t k = 0; k < 4; k++) {
            const struct nt_frame *f;
            assert_int_equal(nt__symbols_find(s, 0, r.pc[k], &f), 1);
            assert_string_equal(f[0].function, names[k]);
            assert_int_equal(f[0].line != 0, i == 0);
        }
        nt__symbols_close(s);
    }
}

static void test_fortran(void **state)
{
    (void)state;
    struct ran r;
    put("known.f90",
        "module m\ncontains\nsubroutine sub()\ncall show()\nend subroutine\n"
        "end module\nprogram p\nuse m\ncall sub()\nend program\n");
    put("show.c", HEAD "void show_(void) { base();"
                       " printf(\" %p\\n\", __builtin_return_address(0)); }\n");
    shell("gcc -c show.c && gfortran -O0 -g -o fortran known.f90 show.o");
    run(&r, "./fortran", "fortran");
    struct nt_symbols *s = open_symbols(&r);
    const struct nt_frame *f;
    assert_int_equal(nt__symbols_find(s, 0, r.pc[0], &f), 1);
    expect(&f[0], "sub", "known.f90", 4);
    nt__symbols_close(s);
}

/* A function of that name in the program's symbol table, by its name in the report. */
static void expect_name(const char *symbol, const char *name, size_t bytes)
{
    static unsigned number;
    struct ran r;
    char file[40], command[60];
    FILE *f = fopen(in_folder("named.c"), "w");
    assert_non_null(f);
    fprintf(f,
            "%s void *named(void) __asm__(\"%s\");\n"
            "KEEP void *named(void) { void *pc = here(); AFTER; return pc; }\n"
            "int main(void) { base(); printf(\" %%p\\n\", named()); }\n",
            HEAD, symbol);
    assert_int_equal(fclose(f), 0);
    snprintf(file, sizeof file, "named%u", number++);
    snprintf(command, sizeof command, "./%s", file);
    shell("gcc -O1 -o %s named.c", file);
    run(&r, command, file);
    struct nt_symbols *s = open_symbols(&r);
    const struct nt_frame *frame;
    assert_int_equal(nt__symbols_find(s, 0, r.pc[0], &frame), 1);
    if (strncmp(frame[0].function, name, strlen(name)) != 0)
        fail_msg("%.100s is %.100s", symbol, frame[0].function);
    assert_int_equal(strlen(frame[0].function), bytes != 0 ? bytes : strlen(name));
    nt__symbols_close(s);
}

static void test_names(void **state)
{
    (void)state;
    char text[6000], *at = text;
    expect_name("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
                "core::fmt::Write::write_fmt", 0);
    expect_name("_RNvC6_123foo3bar", "123foo::bar", 0);
    expect_name("_ZN2ns4bothEi.constprop.0", "ns::both(int)", 0);
    expect_name("_Zrubbish", "_Zrubbish", 0);
    expect_name("caf\xc3\xa9", "caf\xc3\xa9", 0);
    expect_name("\\\"a\xff\x7f"
                "b\\\"",
                "a??b", 0);
    /* It doubles 40 times: nobody has room for that. */
    at += sprintf(at, "_Z1f1AIiiE");
    for (int i = 1; i <= 40; i++) {
        static const char digit[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        char id[8];
        if (i <= 36)
            snprintf(id, sizeof id, "S%c_", digit[i - 1]);
        else
            snprintf(id, sizeof id, "S1%c_", digit[i - 37]);
        at += sprintf(at, "S_I%s%sE", id, id);
    }
    expect_name(text, "f(A<int, int>, A<A<int, int>, A<int, int> >, ", 4095);
    /* Longer than libiberty takes by default. */
    at = text + sprintf(text, "_Z1100");
    memset(at, 'a', 1100);
    strcpy(at + 1100, "v");
    expect_name(text, "aaaa", 1102);
    /* Deeper than it goes: pointers to pointers. And one that is too long for anything. */
    at = text + sprintf(text, "_Z1f");
    memset(at, 'P', 4000);
    strcpy(at + 4000, "i");
    expect_name(text, "_Z1fPPP", 4005);
    memset(at, 'P', 5000);
    strcpy(at + 5000, "i");
    expect_name(text, "_Z1fPPP", 4095);
}

/* ---- What is not as it should be ------------------------------------------------------- */

static void test_unknown(void **state)
{
    (void)state;
    struct nt_module modules[] = {
        {.start = 0x1000,
         .end = 0x2000,
         .bias = 0x1000,
         .to = 2,
         .path = "linux-vdso.so.1"},
        {.start = 0x1000, .end = 0x2000, .bias = 0, .from = 2, .to = 3, .path = ""}};
    struct nt_profile profile = {.modules = modules, .nmodules = 2};
    const struct nt_frame *f;
    listen_begin();
    struct nt_symbols *s = nt__symbols_open(&profile);
    assert_int_equal(nt__symbols_find(s, 1, 0x1234, &f), 1);
    expect(&f[0], "linux-vdso.so.1+0x234", NULL, 0);
    assert_int_equal(nt__symbols_find(s, 2, 0x1234, &f), 1);
    expect(&f[0], "0x1234", NULL, 0);
    assert_int_equal(nt__symbols_find(s, 3, 0x1234, &f), 1);
    expect(&f[0], "0x1234", NULL, 0);
    assert_null(f[0].module);
    assert_int_equal(nt__symbols_find(s, 3, 0, &f), 1);
    expect(&f[0], "0x0", NULL, 0);
    nt__symbols_close(s);
    assert_string_equal(listen_end(), "");
}

/* `command` makes the file "gone" into something else; that is said once. */
static void expect_complaint(struct ran *r, const char *command, const char *why)
{
    const char *said, *end;
    shell("rm -rf %s && %s", r->module.path, command);
    listen_begin();
    for (int i = 0; i < 2; i++)
        expect_names(r, NULL, NULL);
    said = listen_end();
    assert_non_null(strstr(said, r->module.path));
    if (strstr(said, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", said, why);
    end = strchr(said, '\n');
    assert_non_null(end);
    assert_int_equal(end[1], '\0');
}

static void test_changed(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"true", "No such file"},
        {"gcc -O1 -g -rdynamic -o $gone known.c", "another file by now"},
        {"gcc -O1 -g -Wl,--build-id=none -o $gone known.c", "another file by now"},
        {"gcc -O1 -c -o $gone show.c", "another file by now"},
        {"mkdir $gone", "no program or library"},
        {"mkfifo $gone", "no program or library"},
        {"ln -s /dev/zero $gone", "no program or library"},
        {"ln -s $gone $gone", "Too many levels"},
        {": >$gone", "no program or library"},
        {"head -c 100000 /dev/urandom >$gone", "no program or library"},
        {"gzip -c known >$gone", "no program or library"},
        {"head -c 40 known >$gone", "another file by now"},
        {"head -c 300 known >$gone", "another file by now"},
        {"{ printf '\\177ELF'; head -c 100000 /dev/zero; } >$gone",
         "another file by now"},
        {"head -c 4000 known >$gone && truncate -s 1T $gone", "another file by now"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ran r;
        char name[40], command[300];
        shell("gcc -O2 -g -rdynamic -o known known.c");
        snprintf(name, sizeof name, "gone%zu", i);
        shell("cp known %s", name);
        snprintf(command, sizeof command, "./%s", name);
        run(&r, command, name);
        snprintf(command, sizeof command, "gone=%s; %s", name, cases[i][0]);
        expect_complaint(&r, command, cases[i][1]);
    }
    /* Without build-ids another program is told by what it spans. */
    struct ran r;
    shell("gcc -O2 -g -Wl,--build-id=none -rdynamic -o anonymous known.c");
    run(&r, "./anonymous", "anonymous");
    expect_complaint(&r, "gcc -O0 -static -Wl,--build-id=none -o anonymous known.c",
                     "another file by now");
}

/* A random number, the same ones each time. */
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever is in a file, there is an answer for each of its addresses. */
static void test_damaged(void **state)
{
    (void)state;
    static char whole[1 << 16], bytes[1 << 16];
    uint64_t seed = 88172645463325252u;
    unsigned answers = 0;
    struct ran r;
    shell("gcc -O2 -g -rdynamic -o whole known.c");
    run(&r, "./whole", "whole");
    FILE *f = fopen(in_folder("whole"), "r");
    size_t n = fread(whole, 1, sizeof whole, f);
    fclose(f);
    assert_true(n > 10000 && n < sizeof whole);
    listen_begin();
    for (int i = 0; i < 300; i++) {
        char name[40];
        memcpy(bytes, whole, n);
        for (uint64_t k = 1u << draw(&seed) % 8; k > 0; k--)
            bytes[draw(&seed) % n] = (char)draw(&seed);
        snprintf(name, sizeof name, "damaged%d", i);
        f = fopen(in_folder(name), "w");
        assert_int_equal(fwrite(bytes, 1, i % 8 == 0 ? draw(&seed) % n : n, f) > 0, 1);
        assert_int_equal(fclose(f), 0);
        snprintf(r.module.path, sizeof r.module.path, "%s", in_folder(name));
        struct nt_symbols *s = open_symbols(&r);
        for (uint64_t pc = r.module.start + 1; pc <= r.module.end; pc += 13) {
            const struct nt_frame *frame;
            size_t frames = nt__symbols_find(s, 0, pc, &frame);
            assert_true(frames >= 1);
            for (size_t k = 0; k < frames; k++)
                answers += strlen(frame[k].function) > 0;
        }
        nt__symbols_close(s);
    }
    listen_end();
    assert_true(answers > 100000);
}

/* ---- */

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    elf_version(EV_CURRENT);
    unsetenv("DEBUGINFOD_URLS");
    put("known.c", known_c);
    put("known.cpp", known_cpp);
    put("loader.c", "#include <dlfcn.h>\nint main(int argc, char **argv)\n{\n"
                    "    ((void (*)(void))dlsym(dlopen(argv[argc - 1], RTLD_NOW),"
                    " \"show\"))();\n    return 0;\n}\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    shell("rm -rf %s", folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),         cmocka_unit_test(test_separate),
        cmocka_unit_test(test_symbol_tables), cmocka_unit_test(test_cpp),
        cmocka_unit_test(test_fortran),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_unknown),       cmocka_unit_test(test_changed),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
