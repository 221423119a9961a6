/* Damages requests and looks at each in a buffer of exactly its size: a sanitizer sees every byte read beyond it.
 *
 * Usage: spelling_fuzz CORPUS COUNT SEED. The corpus holds pairs of a table and a request, each behind its length as
 * four bytes in this machine's order. Prints how many requests were looked at and how many of them got a yes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "spelling.h"

enum { MOST_BYTES = 1 << 16, MOST_ENTRIES = 4096 };

struct entry {
    const uint8_t *table, *body;
    uint32_t table_size, body_size;
};

static uint64_t state;

static uint64_t chance(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static size_t varint(uint8_t *target) {
    static const uint64_t widths[] = {7, 8, 14, 31, 32, 33, 63, 64};
    uint64_t value = UINT64_MAX >> (64 - widths[chance(8)]);
    size_t size = 0;
    value -= chance(3);
    for (; value > 127; value >>= 7) target[size++] = (uint8_t)(value | 128);
    target[size++] = (uint8_t)value;
    if (chance(4) == 0) { /* longer than it need be */
        target[size - 1] |= 128;
        target[size++] = 0;
    }
    return size;
}

/* Puts `more` bytes at `at`, in place of `fewer`. */
static size_t replace(uint8_t *body, size_t size, size_t at, size_t fewer, const uint8_t *more, size_t count) {
    if (fewer > size - at) fewer = size - at;
    if (size - fewer + count > MOST_BYTES) return size;
    memmove(body + at + count, body + at + fewer, size - at - fewer);
    memcpy(body + at, more, count);
    return size - fewer + count;
}

static size_t damage(uint8_t *body, size_t size, const struct entry *other) {
    uint8_t piece[256];
    const size_t at = chance(size + 1);
    size_t count = 0;
    switch (chance(8)) {
        case 0:
            if (size > 0) body[chance(size)] ^= (uint8_t)(1u << chance(8));
            return size;
        case 1: return at; /* cut */
        case 2: return replace(body, size, at, 1 + chance(12), piece, 0);
        case 3: return replace(body, size, at, chance(2), piece, varint(piece));
        case 4: /* a piece of it again */
            count = size - at < sizeof piece ? size - at : sizeof piece;
            count = count > 0 ? 1 + chance(count) : 0;
            memcpy(piece, body + at, count);
            return replace(body, size, chance(size + 1), 0, piece, count);
        case 5: /* a piece of another one */
            if (other->body_size > 0) {
                const size_t from = chance(other->body_size), most = other->body_size - from;
                count = 1 + chance(most < sizeof piece ? most : sizeof piece);
                memcpy(piece, other->body + from, count);
            }
            return replace(body, size, at, 0, piece, count);
        case 6:
            piece[0] = (uint8_t)chance(256);
            return replace(body, size, at, 1, piece, 1);
        default: /* an unknown field, or a known one in another wire type */
            piece[count++] = (uint8_t)chance(256);
            count += varint(piece + count);
            return replace(body, size, at, 0, piece, count);
    }
}

static uint8_t *read_part(FILE *file, uint32_t *size) {
    if (fread(size, sizeof *size, 1, file) != 1) return NULL;
    uint8_t *part = malloc(*size > 0 ? *size : 1);
    if (part == NULL || fread(part, 1, *size, file) != *size) exit(2);
    return part;
}

int main(int argc, char **argv) {
    static struct entry entries[MOST_ENTRIES];
    static uint8_t body[MOST_BYTES];
    size_t count = 0;
    unsigned long yes = 0;
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) return 2;
    while (count < MOST_ENTRIES && (entries[count].table = read_part(file, &entries[count].table_size)) != NULL) {
        if ((entries[count].body = read_part(file, &entries[count].body_size)) == NULL) return 2;
        if (entries[count].body_size <= MOST_BYTES) count++;
    }
    fclose(file);
    if (count == 0) return 2;
    const unsigned long wanted = strtoul(argv[2], NULL, 10);
    state = strtoull(argv[3], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned long number = 0; number < wanted; number++) {
        const struct entry *entry = &entries[chance(count)];
        const struct field *table = (const struct field *)entry->table;
        size_t size = entry->body_size;
        if (!is_table(table, entry->table_size / (FIELDS * sizeof(struct field)))) return 3;
        memcpy(body, entry->body, size);
        for (uint64_t times = chance(4); times > 0; times--) size = damage(body, size, &entries[chance(count)]);
        uint8_t *exact = malloc(size > 0 ? size : 1);
        if (exact == NULL) return 2;
        memcpy(exact, body, size);
        yes += (unsigned long)is_own_spelling(table, 0, exact, exact + size, MAX_DEPTH);
        free(exact);
    }
    printf("%lu looked at, %lu yes\n", wanted, yes);
    return 0;
}
