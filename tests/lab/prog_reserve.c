/* SPDX-License-Identifier: MIT */
/*
 * prog_reserve NODE LEAST MOST...: does this program have so many MiB on each of these nodes,
 * as the kernel says (/proc/self/numa_maps)? It is run with the setting reserve (reserve.sh).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of anonymous memory; what is mapped of files lies where it was read. */
static double on_node(long node)
{
    static char line[65536];
    char name[32];
    double pages = 0;
    FILE *f = fopen("/proc/self/numa_maps", "r");

    if (!f)
        return -1;
    snprintf(name, sizeof name, " N%ld=", node);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, name), *size = strstr(line, "kernelpagesize_kB=");

        if (at && size && strstr(line, "anon=") && !strstr(line, "file="))
            pages += strtod(at + strlen(name), NULL) * strtod(size + 18, NULL);
    }
    fclose(f);
    return pages / 1024;
}

int main(int count, char **arg)
{
    int bad = 0;

    free(malloc(1));
    for (int i = 1; i + 2 < count; i += 3) {
        double mib = on_node(strtol(arg[i], NULL, 10));
        int here = mib >= strtod(arg[i + 1], NULL) && mib <= strtod(arg[i + 2], NULL);

        printf("node %s: %.1f MiB, wanted %s to %s%s\n", arg[i], mib, arg[i + 1],
               arg[i + 2], here ? "" : ": NO");
        bad |= !here;
    }
    return bad;
}
