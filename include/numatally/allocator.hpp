// SPDX-License-Identifier: MIT
//
// numatally for C++17: memory of a node, of a pool, or counted, for the standard containers.
//
//     numatally::pool mesh({"mesh", 1 << 30});                // a name, a limit
//     std::vector<double, numatally::allocator<double>> x(n, mesh);
//     std::vector<double, numatally::allocator<double>> y(n, numatally::on_node{1});
//     numatally::memory_resource on_one(numatally::on_node{1});
//     std::pmr::map<int, int> m(&on_one);
//
// All of it stands on the calls of numatally.h and wrap.h, whose rules hold: the library is
// linked (numatally::numatally), or preloaded beside it. Any thread may use any of it at any
// time, but for what says otherwise. With exceptions off, what would be thrown ends the
// program by std::abort, as the standard library has it then; pool::make tells of failure
// without.
#ifndef NUMATALLY_ALLOCATOR_HPP
#define NUMATALLY_ALLOCATOR_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory_resource>
#include <new>
#include <numatally/numatally.h>
#include <numatally/wrap.h>
#include <system_error>
#include <type_traits>
#include <utility>

namespace numatally
{

namespace detail
{

#if defined(__cpp_exceptions)
[[noreturn]] inline void no_memory()
{
    throw std::bad_alloc();
}
[[noreturn]] inline void no_array()
{
    throw std::bad_array_new_length();
}
[[noreturn]] inline void failed(int error, const char *what)
{
    throw std::system_error(-error, std::generic_category(), what);
}
#else
[[noreturn]] inline void no_memory()
{
    std::abort();
}
[[noreturn]] inline void no_array()
{
    std::abort();
}
[[noreturn]] inline void failed(int, const char *)
{
    std::abort();
}
#endif

} // namespace detail

// ---- Pools ----------------------------------------------------------------------------

// Options of a pool: as struct nt_pool_options.
struct pool_options {
    const char *name = nullptr;   // in reports; copied, cut at 31 bytes
    std::size_t limit = 0;        // bytes it may take from the system; 0: none
    const char *nodes = nullptr;  // node list of the policy ("0-3,5", "!2", "all")
    const char *policy = nullptr; // as in numa.h; nullptr: the process's
    const std::uint32_t *classes =
        nullptr;                 // sizes of its blocks; nullptr: the process's
    std::size_t class_count = 0; // how many
};

// A pool that is destroyed, and every block in it given back, when this is: what lies in it
// must be gone by then, or never be touched again. To be moved, not copied.
class pool
{
  public:
    // Throws std::system_error: EINVAL (a policy, a node list, a node, sizes), ENOSPC (too
    // many sizes), ENOMEM.
    explicit pool(const pool_options &options = {})
    {
        if (int error = open(options))
            detail::failed(error, "numatally::pool");
    }

    // The same, without exceptions: on failure the pool is empty and `error` says why.
    static pool make(const pool_options &options, std::error_code &error) noexcept
    {
        pool p(nullptr);
        error.assign(-p.open(options), std::generic_category());
        return p;
    }

    // Take over one of nt_pool_create's; nullptr: an empty one.
    explicit pool(nt_pool *taken) noexcept : pool_(taken)
    {
    }

    pool(pool &&other) noexcept : pool_(other.release())
    {
    }
    pool &operator=(pool &&other) noexcept
    {
        pool(std::move(other)).swap(*this);
        return *this;
    }
    ~pool()
    {
        nt_pool_destroy(pool_);
    }

    void swap(pool &other) noexcept
    {
        std::swap(pool_, other.pool_);
    }
    explicit operator bool() const noexcept
    {
        return pool_ != nullptr;
    }
    nt_pool *get() const noexcept
    {
        return pool_;
    }

    // It is the caller's to destroy from now on.
    nt_pool *release() noexcept
    {
        return std::exchange(pool_, nullptr);
    }

    // Free every block at once and keep the pool, as nt_pool_reset: no thread uses it then.
    void reset() noexcept
    {
        nt_pool_reset(pool_);
    }

  private:
    int open(const pool_options &options) noexcept
    {
        nt_pool_options o{};
        o.size = sizeof o;
        o.name = options.name;
        o.limit = options.limit;
        o.nodes = options.nodes;
        o.policy = options.policy;
        o.classes = options.classes;
        o.class_count = options.class_count;
        return nt_pool_create(&o, &pool_);
    }

    nt_pool *pool_ = nullptr;
};

// ---- Counting -------------------------------------------------------------------------

// A counting allocator around another one, as nt_tracked makes it. What came from it is gone
// before it is; else its row stays in reports, with what was left.
class tracked
{
  public:
    // Around `inner`, by default the program's malloc. Throws std::system_error: EINVAL (it
    // has no malloc or no free, the name is empty), ENOMEM.
    explicit tracked(const char *name,
                     const nt_allocator &inner = nt_system_allocator())
    {
        if (int error = nt_tracked(&inner, name, &table_))
            detail::failed(error, "numatally::tracked");
    }

    // Around a pool, which must outlive this.
    tracked(const char *name, const pool &inner) : tracked(name, table_of(inner))
    {
    }

    tracked(const tracked &) = delete;
    tracked &operator=(const tracked &) = delete;
    ~tracked()
    {
        (void)nt_tracked_release(&table_);
    }

    // To hand on where such a table is wanted; not to outlive this.
    const nt_allocator &get() const noexcept
    {
        return table_;
    }

    struct nt_tracked_figures figures() const noexcept
    {
        struct nt_tracked_figures f {
        };
        (void)nt_tracked_figures(&table_, &f);
        return f;
    }

    // Totals begin again at 0, and the peak at what is live.
    void reset() noexcept
    {
        (void)nt_tracked_reset(&table_);
    }

  private:
    static nt_allocator table_of(const pool &inner)
    {
        nt_allocator table{};
        if (int error = nt_pool_allocator(inner.get(), &table))
            detail::failed(error, "numatally::tracked: the pool is empty");
        return table;
    }

    nt_allocator table_{};
};

// ---- Where memory comes from ----------------------------------------------------------

// A node, by the system's number: its memory while it has some, then the nearest node's.
struct on_node {
    int node;
};

// The process's heap, a node, a pool, or an nt_allocator (of `tracked`, or your own). It
// refers to the last two, which must outlive it and what came from it.
class source
{
  public:
    constexpr source() noexcept = default;
    constexpr source(on_node where) noexcept : kind_(kind::node), node_(where.node)
    {
    }
    source(const pool &from) noexcept : source(from.get())
    {
    }
    source(const tracked &from) noexcept : source(from.get())
    {
    }
    constexpr source(nt_pool *from) noexcept : kind_(kind::pool), pool_(from)
    {
    }
    constexpr source(const nt_allocator &from) noexcept
        : kind_(kind::table), table_(&from)
    {
    }
    source(pool &&) = delete; // gone before what would come from it
    source(tracked &&) = delete;
    source(nt_allocator &&) = delete;

    // nullptr, with errno, where there is none: as the calls it stands on.
    [[nodiscard]] void *get(std::size_t bytes, std::size_t alignment) const noexcept
    {
        switch (kind_) {
        case kind::node:
            return nt_aligned_alloc_onnode(alignment, bytes, node_);
        case kind::pool:
            return nt_pool_aligned_alloc(pool_, alignment, bytes);
        case kind::table:
            return alignment <= alignof(std::max_align_t)
                       ? table_->malloc(table_->context, bytes)
                   : table_->aligned_alloc != nullptr
                       ? table_->aligned_alloc(table_->context, alignment, bytes)
                       : nullptr;
        case kind::heap:
            break;
        }
        return nt_aligned_alloc(alignment, bytes);
    }

    void put(void *block) const noexcept
    {
        if (kind_ == kind::table)
            table_->free(table_->context, block);
        else
            nt_free(block);
    }

    // The same place; not only that the one may free what came from the other.
    friend bool operator==(const source &a, const source &b) noexcept
    {
        return a.kind_ == b.kind_ && a.node_ == b.node_ && a.pool_ == b.pool_ &&
               a.table_ == b.table_;
    }
    friend bool operator!=(const source &a, const source &b) noexcept
    {
        return !(a == b);
    }

  private:
    enum class kind : unsigned char { heap, node, pool, table };

    kind kind_ = kind::heap;
    int node_ = 0;
    nt_pool *pool_ = nullptr;
    const nt_allocator *table_ = nullptr;
};

// ---- For the containers ---------------------------------------------------------------

// An allocator of the standard's kind. What is moved or swapped takes its place along, so
// that it costs nothing; what is copied into stays where it is; a new copy lies beside its
// original.
template <class T> class allocator
{
  public:
    using value_type = T;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    allocator() noexcept = default; // the process's heap
    // A place: on_node{1}, a pool, a tracked, an nt_allocator.
    template <class Place,
              class = std::enable_if_t<std::is_convertible_v<Place &&, source>>>
    allocator(Place &&place) noexcept : source_(std::forward<Place>(place))
    {
    }
    template <class U>
    allocator(const allocator<U> &other) noexcept : source_(other.place())
    {
    }

    // Throws std::bad_array_new_length where the bytes cannot be counted, std::bad_alloc.
    [[nodiscard]] T *allocate(std::size_t n)
    {
        if (n > std::numeric_limits<std::size_t>::max() / sizeof(T))
            detail::no_array();
        void *block = source_.get(n * sizeof(T), alignof(T));
        if (block == nullptr)
            detail::no_memory();
        return static_cast<T *>(block);
    }

    void deallocate(T *block, std::size_t) noexcept
    {
        source_.put(block);
    }

    const source &place() const noexcept
    {
        return source_;
    }

    template <class U>
    friend bool operator==(const allocator &a, const allocator<U> &b) noexcept
    {
        return a.place() == b.place();
    }
    template <class U>
    friend bool operator!=(const allocator &a, const allocator<U> &b) noexcept
    {
        return !(a == b);
    }

  private:
    source source_;
};

// The same for std::pmr: one type of container, whatever its place.
class memory_resource : public std::pmr::memory_resource
{
  public:
    memory_resource() noexcept = default; // the process's heap
    template <class Place,
              class = std::enable_if_t<std::is_convertible_v<Place &&, source>>>
    explicit memory_resource(Place &&place) noexcept
        : source_(std::forward<Place>(place))
    {
    }

    const source &place() const noexcept
    {
        return source_;
    }

  private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        void *block = source_.get(bytes, alignment);
        if (block == nullptr)
            detail::no_memory();
        return block;
    }

    void do_deallocate(void *block, std::size_t, std::size_t) override
    {
        source_.put(block);
    }

    // Where there is no run-time type information, only itself.
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        if (this == &other)
            return true;
#if defined(__cpp_rtti)
        auto same = dynamic_cast<const memory_resource *>(&other);
        return same != nullptr && same->source_ == source_;
#else
        return false;
#endif
    }

    source source_;
};

} // namespace numatally

#endif
