#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# gcc on a large generated file and g++ on one full of templates, both with -O2: the
# objects must be the same, byte for byte.
. "$(dirname "$0")/lib.bash"
need gcc g++

"$python" - >"$inputs/large.c" <<'END'
print("#include <string.h>\nstruct s { int a[8]; double d; const char *name; };")
for i in range(300):
    print(f"""static int f{i}(struct s *p, int n)
{{
    int sum = {i};
    for (int k = 0; k < n; k++) {{
        switch ((p->a[k & 7] + k) % {3 + i % 5}) {{
        case 0: sum += p->a[k & 7] * {i + 1}; break;
        case 1: sum ^= (int)strlen(p->name) << {i % 7}; break;
        default: p->d += sum / ({i % 11}.5 + k); p->a[(k + {i}) & 7] = sum; break;
        }}
    }}
    return sum + (int)p->d;
}}""")
print("int (*const table[])(struct s *, int) = {", ", ".join(f"f{i}" for i in range(300)), "};")
END
"$python" - >"$inputs/templates.cpp" <<'END'
print("""#include <algorithm>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>
template <int N> struct tag { std::tuple<std::integral_constant<int, N>, std::string> t; };
template <int N> struct fibonacci { static constexpr unsigned value = fibonacci<N - 1>::value + fibonacci<N - 2>::value; };
template <> struct fibonacci<0> { static constexpr unsigned value = 0; };
template <> struct fibonacci<1> { static constexpr unsigned value = 1; };
""")
for i in range(10):
    print(f"""unsigned g{i}(const std::string &in)
{{
    std::map<std::string, std::variant<int, std::vector<tag<{i}>>>> m;
    std::unordered_map<std::string, std::shared_ptr<tag<{i}>>> u;
    m[in] = {i};
    u[in] = std::make_shared<tag<{i}>>();
    std::vector<std::tuple<int, std::string>> v(in.size());
    std::sort(v.begin(), v.end(), [](auto &a, auto &b) {{ return std::get<1>(a) < std::get<1>(b); }});
    return static_cast<unsigned>(m.size() + u.size()) + fibonacci<{i + 300}>::value;
}}""")
print('bool match(const std::string &s) { return std::regex_match(s, std::regex("a(b|c)*d")); }')
END

program() {
    run gcc -O2 -g -c "$inputs/large.c" -o large.o &&
        run g++ -O2 -std=c++17 -c "$inputs/templates.cpp" -o templates.o &&
        sha256sum -- *.o
    # A file with an error in it: the messages and the status are the same too.
    echo 'int f(void) { return undeclared + ; }' >wrong.c
    run gcc -c wrong.c
    echo "status $?"
}

compare
# The driver, the compiler and the assembler each have a record, of one thread each.
used 1 '*gcc*=1:1' 'cc1=1:1' '*as=1:1'
used 2 '*g++*=1:1' 'cc1plus=1:1' '*as=1:1'
used 3 '*gcc*=1:1' 'cc1=1:1'
finish
