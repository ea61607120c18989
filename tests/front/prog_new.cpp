// SPDX-License-Identifier: MIT
//
// C++ operator new and delete, all forms, as the standard has them: alignment, throwing,
// the new-handler, nothrow. Plain program; whichever malloc is preloaded serves it.
// Prints each failure and "N passed, N failed". Built with REPLACE_NEW the program has
// plain operators of its own, and every derived form must call them.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

static int passed, failed;

#define CHECK(what, condition)                                                         \
    do {                                                                               \
        if (condition)                                                                 \
            passed++;                                                                  \
        else {                                                                         \
            failed++;                                                                  \
            printf("FAIL line %d: %s\n", __LINE__, what);                              \
        }                                                                              \
    } while (0)

// Opaque, so that the compiler keeps every call.
static int done()
{
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

// The checks so far count where one of them kills the program.
static void done_by_signal(int sig)
{
    done();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void *volatile sink;
static size_t opaque(size_t n)
{
    static volatile size_t v;
    v = n;
    return v;
}

static const size_t huge = SIZE_MAX / 2 + 1;        // past PTRDIFF_MAX
static const size_t no_room = SIZE_MAX / 2 - 65536; // below it, yet never to be had

static bool aligned(void *p, size_t alignment)
{
    return p != nullptr && reinterpret_cast<uintptr_t>(p) % alignment == 0;
}

static void plain_forms()
{
    for (size_t n : {0u, 1u, 16u, 100u, 5000u, 100000u, 8000000u}) {
        void *p = operator new(opaque(n));
        CHECK("new is aligned", aligned(p, 16));
        memset(p, 1, n);
        operator delete(p);
        p = operator new[](opaque(n));
        CHECK("new[] is aligned", aligned(p, 16));
        memset(p, 1, n);
        operator delete[](p);
        p = operator new(opaque(n), std::nothrow);
        CHECK("nothrow new is aligned", aligned(p, 16));
        operator delete(p, std::nothrow);
        p = operator new[](opaque(n), std::nothrow);
        CHECK("nothrow new[] is aligned", aligned(p, 16));
        operator delete[](p, std::nothrow);
        p = operator new(opaque(n));
        operator delete(p, n);
        p = operator new[](opaque(n));
        operator delete[](p, n);
    }
    void *a = operator new(opaque(0)), *b = operator new(opaque(0));
    CHECK("new of 0 bytes gives distinct blocks", a != b && a && b);
    operator delete(a);
    operator delete(b);
    operator delete(nullptr);
    operator delete[](nullptr);
    operator delete(nullptr, std::align_val_t(64));
    operator delete(nullptr, 5);
    CHECK("delete of nullptr does nothing", true);
}

static void aligned_forms()
{
    for (size_t al = 1; al <= (1 << 21); al *= 2)
        for (size_t n : {1u, 100u, 70000u}) {
            auto v = std::align_val_t(al);
            void *p = operator new(opaque(n), v);
            CHECK("aligned new", aligned(p, al));
            memset(p, 1, n);
            operator delete(p, v);
            p = operator new[](opaque(n), v);
            CHECK("aligned new[]", aligned(p, al));
            operator delete[](p, v);
            p = operator new(opaque(n), v, std::nothrow);
            CHECK("aligned nothrow new", aligned(p, al));
            operator delete(p, v, std::nothrow);
            p = operator new[](opaque(n), v, std::nothrow);
            CHECK("aligned nothrow new[]", aligned(p, al));
            operator delete[](p, v, std::nothrow);
            p = operator new(opaque(n), v);
            operator delete(p, n, v);
            p = operator new[](opaque(n), v);
            operator delete[](p, n, v);
        }
    struct alignas(256) wide {
        char c[256];
    };
    std::vector<wide> vector(100);
    CHECK("vector of over-aligned elements", aligned(vector.data(), 256));
}

template <class F> static bool throws_bad_alloc(F f)
{
    try {
        sink = f();
    } catch (const std::bad_alloc &) {
        return true;
    } catch (...) {
    }
    return false;
}

static void throwing()
{
    for (size_t n : {huge, no_room, SIZE_MAX}) {
        CHECK("new throws", throws_bad_alloc([=] { return operator new(opaque(n)); }));
        CHECK("new[] throws",
              throws_bad_alloc([=] { return operator new[](opaque(n)); }));
        CHECK("aligned new throws", throws_bad_alloc([=] {
                  return operator new(opaque(n), std::align_val_t(64));
              }));
        CHECK("aligned new[] throws", throws_bad_alloc([=] {
                  return operator new[](opaque(n), std::align_val_t(64));
              }));
        CHECK("nothrow new gives null", !operator new(opaque(n), std::nothrow));
        CHECK("nothrow new[] gives null", !operator new[](opaque(n), std::nothrow));
        CHECK("aligned nothrow new gives null",
              !operator new(opaque(n), std::align_val_t(64), std::nothrow));
        CHECK("aligned nothrow new[] gives null",
              !operator new[](opaque(n), std::align_val_t(64), std::nothrow));
    }
    CHECK("string of no_room throws", throws_bad_alloc([] {
              std::vector<char> v(opaque(no_room));
              return sink;
          }));
    CHECK("array size overflow throws",
          throws_bad_alloc([] { return new std::uint64_t[opaque(SIZE_MAX / 4)]; }));
    bool unwound = false;
    struct guard {
        bool &flag;
        ~guard()
        {
            flag = true;
        }
    };
    try {
        guard g{unwound};
        sink = operator new(opaque(huge));
    } catch (const std::bad_alloc &) {
    }
    CHECK("destructors run while bad_alloc passes", unwound);
}

#ifndef REPLACE_NEW
static int handler_calls;
static void *reserve;

static void handler_gives_up_after_3()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

static void handler_throws()
{
    handler_calls++;
    throw std::bad_alloc();
}

struct other_error {
};
static void handler_throws_other()
{
    handler_calls++;
    throw other_error();
}

// The handler that frees a reserve, so that the next try succeeds.
static void handler_frees_reserve()
{
    handler_calls++;
    if (handler_calls > 100)
        throw std::bad_alloc();
    free(reserve);
    reserve = nullptr;
}

static void handlers()
{
    std::set_new_handler(handler_gives_up_after_3);
    handler_calls = 0;
    CHECK("bad_alloc once the handler is gone",
          throws_bad_alloc([] { return operator new(opaque(huge)); }));
    CHECK("handler is called until it is gone", handler_calls == 3);

    std::set_new_handler(handler_throws);
    handler_calls = 0;
    CHECK("handler's bad_alloc comes through",
          throws_bad_alloc([] { return operator new(opaque(huge)); }));
    CHECK("handler called once by new", handler_calls == 1);
    CHECK("nothrow new catches it", !operator new(opaque(huge), std::nothrow));
    CHECK("handler called once by nothrow new", handler_calls == 2);
    CHECK("nothrow new[] catches it", !operator new[](opaque(huge), std::nothrow));
    CHECK("handler called once by nothrow new[]", handler_calls == 3);
    CHECK("aligned nothrow new catches it",
          !operator new(opaque(huge), std::align_val_t(64), std::nothrow));
    CHECK("handler called once by aligned nothrow new", handler_calls == 4);
    CHECK("aligned nothrow new[] catches it",
          !operator new[](opaque(huge), std::align_val_t(64), std::nothrow));
    CHECK("handler called once by aligned nothrow new[]", handler_calls == 5);

    std::set_new_handler(handler_throws_other);
    bool other = false;
    try {
        sink = operator new(opaque(huge));
    } catch (const other_error &) {
        other = true;
    }
    CHECK("any exception of the handler comes through new", other);
    bool aligned_other = false;
    try {
        sink = operator new(opaque(huge), std::align_val_t(64));
    } catch (const other_error &) {
        aligned_other = true;
    }
    CHECK("and through aligned new", aligned_other);
    std::set_new_handler(nullptr);
}

// In a child's worth of limits: a reserve is all that is left, the handler frees it.
static void handler_finds_memory()
{
    struct rlimit old, tight;
    getrlimit(RLIMIT_AS, &old);
    tight = old;
    tight.rlim_cur = size_t(1) << 30;
    if (setrlimit(RLIMIT_AS, &tight) != 0) {
        printf("skipped: RLIMIT_AS cannot be set\n");
        return;
    }
    std::set_new_handler(handler_frees_reserve);
    size_t block = size_t(400) << 20;
    reserve = malloc(block);
    void *more[4] = {};
    int n = 0;
    while (n < 4 && (more[n] = malloc(block)))
        n++;
    handler_calls = 0;
    void *p = nullptr;
    bool threw = throws_bad_alloc([&] { return p = operator new(opaque(block)); });
    CHECK("new succeeds after the handler freed memory",
          !threw && p && handler_calls == 1);
    operator delete(p);
    while (n > 0)
        free(more[--n]);
    free(reserve);
    std::set_new_handler(nullptr);
    setrlimit(RLIMIT_AS, &old);
}

#endif

static void interplay()
{
    errno = 77;
    void *p = operator new(opaque(40));
    operator delete(p);
    CHECK("new and delete leave errno", errno == 77);
#ifndef REPLACE_NEW
    p = operator new(opaque(1000));
    CHECK("usable size of a new block", malloc_usable_size(p) >= 1000);
    operator delete(p);
#endif

    std::pmr::unsynchronized_pool_resource pool;
    std::pmr::vector<std::pmr::string> strings(&pool);
    for (int i = 0; i < 1000; i++)
        strings.emplace_back(size_t(i), 'x');
    CHECK("pmr resources work", strings[999].size() == 999);

    std::string result;
    std::thread([&] {
        try {
            std::vector<int> v;
            (void)v.at(opaque(5));
        } catch (const std::out_of_range &error) {
            result = error.what();
        }
    }).join();
    CHECK("exceptions of other kinds cross threads", !result.empty());
}

#ifdef REPLACE_NEW
// Plain forms with a header of 32 bytes: a derived form that bypassed them would hand
// over blocks without it.
static int news, deletes;
static const uint64_t mark = 0x6e756d6174616c6c;

void *operator new(size_t n)
{
    news++;
    if (n > PTRDIFF_MAX - 32)
        throw std::bad_alloc();
    auto *p = static_cast<uint64_t *>(malloc(n + 32));
    if (!p)
        throw std::bad_alloc();
    *p = mark;
    return p + 4;
}

static void release(void *p)
{
    if (!p)
        return;
    deletes++;
    auto *head = static_cast<uint64_t *>(p) - 4;
    if (*head != mark) {
        printf("FAIL: delete of a block that the replaced new did not give\n");
        exit(1);
    }
    free(head);
}

void operator delete(void *p) noexcept
{
    release(p);
}

void operator delete(void *p, size_t) noexcept
{
    release(p);
}

static void replaced()
{
    int before = news;
    operator delete(operator new(opaque(10)));
    operator delete[](operator new[](opaque(10)));
    operator delete(operator new(opaque(10), std::nothrow), std::nothrow);
    operator delete[](operator new[](opaque(10), std::nothrow), std::nothrow);
    operator delete(operator new(opaque(10)), 10);
    operator delete[](operator new[](opaque(10)), 10);
    CHECK("derived forms call the replaced new", news == before + 6);
    CHECK("derived forms call the replaced delete", deletes >= 6);
    CHECK("nothrow new catches what the replaced new throws",
          !operator new(opaque(huge), std::nothrow));
    CHECK("nothrow new[] too", !operator new[](opaque(huge), std::nothrow));
}
#endif

int main()
{
    setvbuf(stdout, nullptr, _IOLBF, 0);
    signal(SIGSEGV, done_by_signal);
    signal(SIGABRT, done_by_signal);
#ifdef REPLACE_NEW
    replaced();
#else
    handler_finds_memory();
#endif
    plain_forms();
    aligned_forms();
    throwing();
#ifndef REPLACE_NEW
    handlers();
#endif
    interplay();
    return done();
}
