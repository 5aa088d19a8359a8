/*
 * pg_described.h: the struct that the fuzz targets of PostgreSQL fill: every type of member.
 */
#ifndef FUZZ_PG_DESCRIBED_H
#define FUZZ_PG_DESCRIBED_H

#include <backend/describe.h>

static const char *const levels[] = {"low", "high", NULL};

struct part {
    int64_t id;
    bk_str name;
};
BK_DESCRIBE(part_desc, struct part, BK_I64(id, BK_READ_ONLY), BK_STR(name, BK_REQUIRED))

struct row {
    bk_str text, json;
    int64_t wide;
    int32_t narrow;
    double number;
    bool ok, has_ok;
    bk_time at;
    int level;
    struct part part;
    bk_array texts, wides, numbers, oks, times, levels, jsons, parts;
};
BK_DESCRIBE(row_desc, struct row, BK_STR(text, BK_KEY("a")), BK_JSON(json, BK_KEY("b")),
            BK_I64(wide, BK_KEY("c")), BK_I32(narrow, BK_KEY("d")), BK_F64(number, BK_KEY("e")),
            BK_BOOL(ok, BK_KEY("f"), BK_HAS(has_ok)), BK_TIME(at, BK_KEY("g")),
            BK_ENUM(level, levels, BK_KEY("h")), BK_STRUCT(part, part_desc, BK_KEY("i")),
            BK_ARRAY(texts, BK_TYPE_STR, BK_KEY("j")), BK_ARRAY(wides, BK_TYPE_I64, BK_KEY("k")),
            BK_ARRAY(numbers, BK_TYPE_F64, BK_KEY("l")), BK_ARRAY(oks, BK_TYPE_BOOL, BK_KEY("m")),
            BK_ARRAY(times, BK_TYPE_TIME, BK_KEY("n")),
            BK_ARRAY(levels, BK_TYPE_ENUM, BK__RULE(names, levels), BK_KEY("o")),
            BK_ARRAY(jsons, BK_TYPE_JSON, BK_KEY("p")), BK_ARRAY_OF(parts, part_desc, BK_KEY("q")))

#endif
