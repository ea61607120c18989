/* SPDX-License-Identifier: MIT */
/* The table of modules, beside what dl_iterate_phdr and dladdr say. */
#include "src/base/modules.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GUEST "libBrokenLocale.so.1" /* glibc's own, which nobody links */

static const struct nt_module *find(uint32_t generation, const void *at)
{
    const struct nt_module *found = NULL;
    for (unsigned i = 0; i < nt__modules_count(); i++) {
        const struct nt_module *m = nt__modules_get(i);
        if ((uintptr_t)at - m->start < m->end - m->start && m->from <= generation &&
            generation < m->to) {
            assert_null(found); /* one place */
            found = m;
        }
    }
    return found;
}

static void test_present(void **state)
{
    (void)state;
    uint32_t generation = nt__modules_refresh();
    const void *places[] = {(void *)&test_present, (void *)&printf};
    for (int i = 0; i < 2; i++) {
        Dl_info info;
        assert_true(dladdr(places[i], &info) != 0);
        const struct nt_module *m = find(generation, places[i]);
        assert_non_null(m);
        assert_ptr_equal((void *)m->bias, info.dli_fbase);
        char *real = realpath(info.dli_fname, NULL), *ours = realpath(m->path, NULL);
        assert_string_equal(ours, real);
        free(real);
        free(ours);
    }
    unsigned n = nt__modules_count();
    assert_int_equal(nt__modules_refresh(), generation);
    assert_int_equal(nt__modules_count(), n);
    assert_null(find(generation, NULL));
}

/* readelf's word for it. */
static void test_build_id(void **state)
{
    (void)state;
    const struct nt_module *m = find(nt__modules_refresh(), (void *)&printf);
    char command[600], line[256], id[2 * NT_BUILD_ID_MAX + 1] = "";
    bool same = false;
    snprintf(command, sizeof command, "readelf -n '%s' 2>/dev/null", m->path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (uint32_t i = 0; i < m->build_id_bytes; i++)
        sprintf(id + 2 * i, "%02x", m->build_id[i]);
    bool any = false;
    while (fgets(line, sizeof line, f)) {
        any |= strstr(line, "Build ID") != NULL;
        same |= id[0] != '\0' && strstr(line, id) != NULL;
    }
    pclose(f);
    if (!any)
        skip(); /* no readelf here, or no build-id */
    assert_true(same);
}

static void test_unload(void **state)
{
    (void)state;
    uint32_t first = nt__modules_refresh(), loaded, gone, again;
    void *guest = dlopen(GUEST, RTLD_NOW | RTLD_LOCAL);
    if (!guest)
        skip();
    void *at = dlsym(guest, "__ctype_get_mb_cur_max");
    assert_non_null(at);
    loaded = nt__modules_refresh();
    assert_int_equal(loaded, first);
    const struct nt_module *m = find(loaded, at);
    assert_non_null(m);
    assert_non_null(strstr(m->path, GUEST));
    dlclose(guest);
    gone = nt__modules_refresh();
    assert_int_equal(gone, first + 1);
    assert_null(find(gone, at));
    assert_ptr_equal(find(loaded, at), m); /* the past stays */
    assert_non_null(find(gone, (void *)&printf));
    guest = dlopen(GUEST, RTLD_NOW | RTLD_LOCAL);
    again = nt__modules_refresh();
    at = dlsym(guest, "__ctype_get_mb_cur_max");
    assert_int_equal(again, gone);
    assert_non_null(find(again, at));
    assert_true(find(again, at) != m);
    dlclose(guest);
}

static bool stop;

static void *refresh(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        nt__modules_refresh();
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    pthread_t thread[2];
    uint32_t before = nt__modules_refresh();
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, refresh, NULL), 0);
    for (int i = 0; i < 300; i++) {
        void *guest = dlopen(GUEST, RTLD_NOW | RTLD_LOCAL);
        if (guest)
            dlclose(guest);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    uint32_t after = nt__modules_refresh();
    assert_in_range(after, before, before + 300);
    assert_non_null(find(after, (void *)&printf));
    assert_non_null(find(after, (void *)&test_stress));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_present),
        cmocka_unit_test(test_build_id),
        cmocka_unit_test(test_unload),
        cmocka_unit_test(test_stress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
