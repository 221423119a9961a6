/* Whether a protobuf message is spelled as protobuf itself writes it, and holds only fields that a table names.
 *
 * "Yes" means: each field is known and in its own wire type, they ascend, a singular one comes once, of a oneof one
 * member is there, repeated numbers are packed, no field says what its absence would say, varints take their fewest
 * bytes and fit their field, strings are UTF-8. Then parsing and writing give back the same bytes. "No" means nothing:
 * the caller looks in another way.
 *
 * Nothing is allocated and nothing at or behind `end` is read. Recursion ends after MAX_DEPTH messages.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
#ifndef SIGHTLINE_SPELLING_H
#define SIGHTLINE_SPELLING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FIELDS = 32, MAX_DEPTH = 16, ONEOFS = 32 };

/* What a field holds, by what matters of it on the wire; `spelling.py` has the same numbers. */
enum kind { NONE, MESSAGE, STRING, BYTES, FIXED32, FIXED64, VARINT64, UINT32, INT32, BOOL, KINDS };
enum { VARINT_WIRE = 0, FIXED64_WIRE = 1, BYTES_WIRE = 2, FIXED32_WIRE = 5 };
enum { REPEATED = 1, PRESENCE = 2 };

/* A cell of a table. A table has a row of FIELDS cells for each type of message, by field number; row 0 is the type
 * that is looked at. The layout is four bytes, so that any bytes are aligned for it. */
struct field {
    uint8_t kind;
    uint8_t flags;
    uint8_t oneof; /* 0: in none */
    uint8_t row; /* of the type that a MESSAGE has */
};

static const uint8_t WIRE_OF[KINDS] = {
    [MESSAGE] = BYTES_WIRE, [STRING] = BYTES_WIRE, [BYTES] = BYTES_WIRE, [FIXED32] = FIXED32_WIRE,
    [FIXED64] = FIXED64_WIRE,
};

static inline size_t left(const uint8_t *p, const uint8_t *end) { return (size_t)(end - p); }

/* Whether `is_own_spelling` can go by a table. */
static int is_table(const struct field *table, size_t rows) {
    if (rows == 0) return 0;
    for (size_t cell = 0; cell < rows * FIELDS; cell++) {
        if (table[cell].kind >= KINDS || table[cell].oneof >= ONEOFS || table[cell].row >= rows) return 0;
    }
    return 1;
}

/* Reads a varint of any length; as `read_varint`. */
static const uint8_t *read_long_varint(const uint8_t *p, const uint8_t *end, uint64_t *value) {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == end) return NULL;
        const uint8_t byte = *p++;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) return NULL;
            *value = result;
            return p;
        }
    }
    return NULL;
}

/* Reads a varint; returns what follows it, NULL where it is cut, wider than 64 bits or longer than it need be. */
static inline const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, uint64_t *value) {
    if (p == end || *p >= 0x80) return read_long_varint(p, end, value);
    *value = *p;
    return p + 1;
}

/* Whether each byte is below 128. */
static inline int is_ascii(const uint8_t *p, const uint8_t *end) {
    uint64_t word, all = 0;
    if (left(p, end) < sizeof word) {
        while (p < end) all |= *p++;
    } else {
        memcpy(&all, end - sizeof word, sizeof word);
        for (; left(p, end) >= sizeof word; p += sizeof word) {
            memcpy(&word, p, sizeof word);
            all |= word;
        }
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

static inline int is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* Whether bytes are UTF-8: no surrogates, nothing above U+10FFFF, each character in its fewest bytes. */
static int is_utf8(const uint8_t *p, const uint8_t *end) {
    if (is_ascii(p, end)) return 1;
    while (p < end) {
        const uint8_t first = *p;
        if (first < 0x80) {
            p += 1;
        } else if (first < 0xc2) {
            return 0;
        } else if (first < 0xe0) {
            if (left(p, end) < 2 || !is_continuation(p[1])) return 0;
            p += 2;
        } else if (first < 0xf0) {
            if (left(p, end) < 3 || !is_continuation(p[1]) || !is_continuation(p[2])) return 0;
            if ((first == 0xe0 && p[1] < 0xa0) || (first == 0xed && p[1] > 0x9f)) return 0;
            p += 3;
        } else if (first < 0xf5) {
            if (left(p, end) < 4 || !is_continuation(p[1]) || !is_continuation(p[2]) || !is_continuation(p[3])) return 0;
            if ((first == 0xf0 && p[1] < 0x90) || (first == 0xf4 && p[1] > 0x8f)) return 0;
            p += 4;
        } else {
            return 0;
        }
    }
    return 1;
}

/* Whether protobuf would read a varint as the number that it is, and not cut it to the width of its field. */
static inline int fits(uint8_t kind, uint64_t value) {
    switch (kind) {
        case BOOL: return value <= 1;
        case UINT32: return value <= UINT32_MAX;
        case INT32: return value <= INT32_MAX || value >= UINT64_C(0xffffffff80000000); /* or below zero, in 64 bits */
        default: return 1;
    }
}

/* The same for the inside of a field of repeated numbers. */
static int is_own_packed(uint8_t kind, const uint8_t *p, const uint8_t *end) {
    if (kind == FIXED64) return left(p, end) % 8 == 0;
    if (kind == FIXED32) return left(p, end) % 4 == 0;
    while (p < end) {
        uint64_t value;
        p = read_varint(p, end, &value);
        if (p == NULL || !fits(kind, value)) return 0;
    }
    return 1;
}

static int is_own_spelling(
    const struct field *table, size_t row, const uint8_t *p, const uint8_t *end, unsigned depth_left
) {
    const struct field *fields = table + row * FIELDS;
    uint64_t last = 0;
    uint32_t oneofs = 0;
    if (depth_left == 0) return 0;
    while (p < end) {
        uint64_t tag, value = 0;
        p = read_varint(p, end, &tag);
        if (p == NULL || tag >> 3 >= FIELDS) return 0;
        const uint64_t number = tag >> 3;
        const struct field field = fields[number];
        const int is_repeated = (field.flags & REPEATED) != 0;
        const int is_packed = is_repeated && WIRE_OF[field.kind] != BYTES_WIRE;
        if (field.kind == NONE || number < last) return 0;
        if (number == last && (!is_repeated || is_packed)) return 0;
        if ((tag & 7) != (is_packed ? BYTES_WIRE : WIRE_OF[field.kind])) return 0;
        last = number;
        if (field.oneof != 0) {
            if (oneofs & UINT32_C(1) << field.oneof) return 0;
            oneofs |= UINT32_C(1) << field.oneof;
        }
        switch (tag & 7) {
            case BYTES_WIRE: {
                p = read_varint(p, end, &value);
                if (p == NULL || value > left(p, end)) return 0;
                const uint8_t *const stop = p + (size_t)value;
                if (field.kind == MESSAGE) {
                    if (!is_own_spelling(table, field.row, p, stop, depth_left - 1)) return 0;
                    value = 1; /* An empty message says that it is there. */
                } else if (is_packed) {
                    if (value == 0 || !is_own_packed(field.kind, p, stop)) return 0;
                } else if (field.kind == STRING && !is_utf8(p, stop)) {
                    return 0;
                }
                p = stop;
                break;
            }
            case FIXED64_WIRE:
                if (left(p, end) < 8) return 0;
                memcpy(&value, p, 8);
                p += 8;
                break;
            case FIXED32_WIRE:
                if (left(p, end) < 4) return 0;
                memcpy(&value, p, 4); /* Whether it is 0 is the same in either order of bytes. */
                p += 4;
                break;
            default:
                p = read_varint(p, end, &value);
                if (p == NULL || !fits(field.kind, value)) return 0;
        }
        if (value == 0 && !(field.flags & (REPEATED | PRESENCE))) return 0;
    }
    return 1;
}

#endif
