/* SPDX-License-Identifier: MIT */
/*
 * What do the data structures of everyday programs cost, built, walked and taken down?
 *
 *   build/tree    a binary tree of 2^15-1 nodes stays while 64 of 2^8-1 come and go; then
 *                 it is walked and freed. One operation is one node.
 *   build/list    a list of 20,000 nodes of 16 to 127 bytes is appended to, walked, every
 *                 third node taken out and as many appended, walked and freed. One
 *                 operation is one node.
 *   build/hash    a table with chains of nodes, for 32,768 keys: the array of chains
 *                 doubles as it fills and is halved as it empties; each key is put in,
 *                 found and taken out. One operation is one key.
 *   build/string  lines put together from words: each word is a block of its own, each
 *                 line grows by doubling and is cut to its length. 4000 lines live on; a
 *                 new one replaces one at random. One operation is one line.
 * Every node is written when it is made and read by the walk. A walk that finds
 * something else than what was put in ends the program.
 */
#include "bench.h"

#include <string.h>

static void *get(size_t size)
{
    void *block = malloc(size);
    if (!block)
        bench_no_memory();
    return block;
}

/* ---- tree --------------------------------------------------------------------------- */

enum { DEEP = 15, SHALLOW = 8, TREES = 64 };

struct tree {
    struct tree *left, *right;
    uint64_t key;
};

static struct tree *make_tree(unsigned depth, uint64_t key)
{
    struct tree *tree = get(sizeof *tree);
    *tree = (struct tree){.key = key};
    if (depth > 1) {
        tree->left = make_tree(depth - 1, 2 * key);
        tree->right = make_tree(depth - 1, 2 * key + 1);
    }
    return tree;
}

static uint64_t sum_tree(const struct tree *tree)
{
    return tree ? tree->key + sum_tree(tree->left) + sum_tree(tree->right) : 0;
}

static void free_tree(struct tree *tree)
{
    if (!tree)
        return;
    free_tree(tree->left);
    free_tree(tree->right);
    free(tree);
}

/* Keys are 1 to 2^depth - 1. */
static void check_tree(const struct tree *tree, unsigned depth)
{
    uint64_t nodes = ((uint64_t)1 << depth) - 1;
    if (sum_tree(tree) != nodes * (nodes + 1) / 2)
        bench_wrong("the sum of a tree's keys");
}

BENCH_WORK uint64_t work_tree(const struct bench_case *c)
{
    struct tree *stays = make_tree(DEEP, 1);

    (void)c;
    for (int i = 0; i < TREES; i++) {
        struct tree *tree = make_tree(SHALLOW, 1);
        check_tree(tree, SHALLOW);
        free_tree(tree);
    }
    check_tree(stays, DEEP);
    free_tree(stays);
    return (1 << DEEP) - 1 + TREES * ((1 << SHALLOW) - 1);
}

/* ---- list --------------------------------------------------------------------------- */

enum { NODES = 20000, TAKEN = 3 };

struct node {
    struct node *next;
    uint32_t number;
    uint32_t length;
    char text[];
};

struct list {
    struct node *first, **end;
    uint32_t made;
    uint64_t state;
};

static void append(struct list *list)
{
    size_t length = bench_random_below(&list->state, 112);
    struct node *node = get(sizeof *node + length);

    *node = (struct node){.number = list->made, .length = (uint32_t)length};
    memset(node->text, (char)list->made++, length);
    *list->end = node;
    list->end = &node->next;
}

static void check_list(const struct list *list, uint64_t nodes, uint64_t numbers)
{
    for (const struct node *node = list->first; node; node = node->next) {
        if (node->length && node->text[node->length - 1] != (char)node->number)
            bench_wrong("a node's text");
        numbers -= node->number;
        nodes--;
    }
    if (nodes || numbers)
        bench_wrong("a list's nodes");
}

/* The sum of the numbers of the nodes taken out. */
static uint64_t take_out(struct list *list)
{
    uint64_t numbers = 0;
    uint32_t at = 0;

    list->end = &list->first;
    for (struct node *node = list->first, *next; node; node = next) {
        next = node->next;
        if (at++ % TAKEN == 0) {
            numbers += node->number;
            free(node);
            continue;
        }
        *list->end = node;
        list->end = &node->next;
    }
    *list->end = NULL;
    return numbers;
}

BENCH_WORK uint64_t work_list(const struct bench_case *c)
{
    const uint64_t more = (NODES + TAKEN - 1) / TAKEN, all = NODES + more;
    struct list list = {.end = &list.first, .state = 0x9E3779B97F4A7C15u};

    (void)c;
    for (uint64_t i = 0; i < NODES; i++)
        append(&list);
    check_list(&list, NODES, (uint64_t)NODES * (NODES - 1) / 2);
    uint64_t taken = take_out(&list);
    for (uint64_t i = 0; i < more; i++)
        append(&list);
    check_list(&list, NODES, all * (all - 1) / 2 - taken);
    for (struct node *node = list.first, *next; node; node = next) {
        next = node->next;
        free(node);
    }
    return all;
}

/* ---- hash --------------------------------------------------------------------------- */

enum { KEYS = 1 << 15, CHAINS_LEAST = 16 };

struct entry {
    struct entry *next;
    uint64_t key;
    uint64_t value;
};

struct table {
    struct entry **chain;
    size_t chains, count;
};

/* The place of the link that leads to the key, or that ends its chain. */
static struct entry **find(const struct table *table, uint64_t key)
{
    uint64_t hash = (key * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
    struct entry **link = &table->chain[hash & (table->chains - 1)];

    while (*link && (*link)->key != key)
        link = &(*link)->next;
    return link;
}

static void resize(struct table *table, size_t chains)
{
    struct table resized = {.chain = calloc(chains, sizeof(struct entry *)),
                            .chains = chains,
                            .count = table->count};
    if (!resized.chain)
        bench_no_memory();
    for (size_t i = 0; i < table->chains; i++)
        for (struct entry *entry = table->chain[i], *next; entry; entry = next) {
            next = entry->next;
            entry->next = NULL;
            *find(&resized, entry->key) = entry;
        }
    free(table->chain);
    *table = resized;
}

static void put_in(struct table *table, uint64_t key, uint64_t value)
{
    if (table->count++ == table->chains)
        resize(table, 2 * table->chains);
    struct entry *entry = get(sizeof *entry);
    *entry = (struct entry){.key = key, .value = value};
    *find(table, key) = entry;
}

static uint64_t take(struct table *table, uint64_t key)
{
    struct entry **link = find(table, key), *entry = *link;
    if (!entry)
        bench_wrong("a key is not in the table");
    uint64_t value = entry->value;
    *link = entry->next;
    free(entry);
    if (--table->count < table->chains / 4 && table->chains > CHAINS_LEAST)
        resize(table, table->chains / 2);
    return value;
}

/* Keys go in by number, are looked up in one scattered order and taken out in another. */
BENCH_WORK uint64_t work_hash(const struct bench_case *c)
{
    struct table table = {0};
    uint64_t sum = 0;

    (void)c;
    resize(&table, CHAINS_LEAST);
    for (uint64_t i = 0; i < KEYS; i++)
        put_in(&table, i, i);
    for (uint64_t i = 0; i < KEYS; i++) {
        const struct entry *found = *find(&table, i * 25173 % KEYS);
        sum += found ? found->value : 0;
    }
    for (uint64_t i = 0; i < KEYS; i++)
        sum += take(&table, i * 13849 % KEYS);
    if (sum != (uint64_t)KEYS * (KEYS - 1))
        bench_wrong("the sum of a table's values");
    free(table.chain);
    return KEYS;
}

/* ---- string ------------------------------------------------------------------------- */

enum { LINES = 4000, NEW_LINES = 4000, WORDS_MOST = 24, LETTERS_MOST = 14 };

struct line {
    char *text;
    size_t length, room;
};

static struct {
    uint64_t state;
    struct line line[LINES];
} text = {.state = 0xD1B54A32D192ED03u};

static void resize_line(struct line *line, size_t room)
{
    line->text = realloc(line->text, room);
    line->room = room;
    if (!line->text)
        bench_no_memory();
}

static void add_text(struct line *line, const char *more, size_t length)
{
    size_t room = line->room;

    while (room <= line->length + length)
        room *= 2;
    if (room > line->room)
        resize_line(line, room);
    memcpy(line->text + line->length, more, length);
    line->length += length;
}

static struct line make_line(void)
{
    struct line line = {.text = get(16), .room = 16};
    char *word[WORDS_MOST];
    size_t words = 1 + bench_random_below(&text.state, WORDS_MOST);

    for (size_t i = 0; i < words; i++) {
        size_t length = 1 + bench_random_below(&text.state, LETTERS_MOST);
        word[i] = get(length + 1);
        memset(word[i], 'a' + (int)length, length);
        word[i][length] = '\0';
    }
    for (size_t i = 0; i < words; i++) {
        add_text(&line, word[i], strlen(word[i]));
        add_text(&line, " ", 1);
        free(word[i]);
    }
    line.text[line.length] = '\0';
    resize_line(&line, line.length + 1);
    return line;
}

BENCH_WORK uint64_t work_string(const struct bench_case *c)
{
    (void)c;
    for (int i = 0; i < NEW_LINES; i++) {
        struct line *line = &text.line[bench_random_below(&text.state, LINES)];
        if (line->length && line->text[line->length - 1] != ' ')
            bench_wrong("a line's end");
        free(line->text);
        *line = make_line();
    }
    return NEW_LINES;
}

/* ------------------------------------------------------------------------------------- */

#define BUILD(what, one)                                                               \
    {                                                                                  \
        .name = "build/" #what, .unit = (one), .step = work_##what, .threads = 1       \
    }

static const struct bench_case cases[] = {BUILD(tree, "node"), BUILD(list, "node"),
                                          BUILD(hash, "key"), BUILD(string, "line")};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
