/* schema_gen.c - build tool: a FileDescriptorSet with source info on standard input, the C tables
 * of schema.h on standard output. Ends with a sentence and status 1 on a rule that it doesn't know.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUT = 4 << 20, MAX_TYPES = 256, MAX_MEMBERS = 64, MAX_TEXT = 4096 };

struct bytes {
    const unsigned char *p, *end;
};

struct member {
    char name[64];
    uint64_t number;
    bool list;
    uint64_t type;
    struct bytes comment;
};

struct type {
    char name[64];
    bool is_enum;
    struct member members[MAX_MEMBERS];
    size_t count;
    struct bytes comment;
};

static struct type messages[MAX_TYPES], enums[MAX_TYPES];
static size_t message_count, enum_count;

static _Noreturn void die(const char *what, const char *where)
{
    fprintf(stderr, "schema_gen: %s: %s\n", where, what);
    exit(1);
}

static uint64_t varint(struct bytes *b)
{
    uint64_t v = 0;

    for (unsigned shift = 0; b->p < b->end && shift < 64; shift += 7) {
        unsigned char c = *b->p++;

        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return v;
    }
    die("a broken number", "descriptor");
}

/* The next field of a message on the wire; false at its end. */
static bool next(struct bytes *b, unsigned *number, uint64_t *value, struct bytes *sub)
{
    uint64_t tag;

    if (b->p >= b->end)
        return false;
    tag = varint(b);
    *number = (unsigned)(tag >> 3);
    *value = 0;
    *sub = (struct bytes){NULL, NULL};
    switch (tag & 7) {
    case 0:
        *value = varint(b);
        return true;
    case 2:
        *value = varint(b);
        break;
    case 1:
        *value = 8;
        break;
    case 5:
        *value = 4;
        break;
    default:
        die("an unknown wire type", "descriptor");
    }
    if (*value > (uint64_t)(b->end - b->p))
        die("a broken length", "descriptor");
    *sub = (struct bytes){b->p, b->p + *value};
    b->p += *value;
    return true;
}

static void copy_name(char out[64], struct bytes s)
{
    size_t n = (size_t)(s.end - s.p);

    if (n >= 64)
        die("a name is too long", "descriptor");
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
}

static void add_text(char *to, size_t size, const char *text)
{
    size_t at = strlen(to), n = strlen(text);

    if (n >= size - at)
        die("a rule is too long", text);
    memcpy(to + at, text, n + 1);
}

/* FieldDescriptorProto: name 1, number 3, label 4, type 5. EnumValueDescriptorProto: name 1,
 * number 2. */
static void read_member(struct type *t, struct bytes b)
{
    struct member *m = &t->members[t->count++];
    unsigned number;
    uint64_t value;
    struct bytes sub;

    if (t->count == MAX_MEMBERS)
        die("too many fields", t->name);
    while (next(&b, &number, &value, &sub)) {
        if (number == 1)
            copy_name(m->name, sub);
        else if (number == (t->is_enum ? 2 : 3))
            m->number = value;
        else if (number == 4)
            m->list = value == 3;
        else if (number == 5)
            m->type = value;
    }
}

/* DescriptorProto and EnumDescriptorProto: name 1, members 2. */
static void read_type(struct type *t, bool is_enum, struct bytes b)
{
    unsigned number;
    uint64_t value;
    struct bytes sub;

    t->is_enum = is_enum;
    while (next(&b, &number, &value, &sub)) {
        if (number == 1)
            copy_name(t->name, sub);
        else if (number == 2)
            read_member(t, sub);
        else if (!is_enum && (number == 3 || number == 4))
            die("nested types are not read", t->name);
    }
}

/* SourceCodeInfo.Location: path 1 (packed), leading_comments 3. Paths: 4 or 5, type[, 2, member].
 */
static void read_location(struct bytes b)
{
    uint64_t path[8] = {0}, value;
    size_t n = 0;
    unsigned number;
    struct bytes sub, comment = {NULL, NULL};
    struct type *t;

    while (next(&b, &number, &value, &sub)) {
        if (number == 1)
            while (sub.p < sub.end && n < 8)
                path[n++] = varint(&sub);
        else if (number == 3)
            comment = sub;
    }
    if (!comment.p || n < 2 || (path[0] != 4 && path[0] != 5))
        return;
    if (path[1] >= (path[0] == 4 ? message_count : enum_count))
        die("a comment of no type", "descriptor");
    t = path[0] == 4 ? &messages[path[1]] : &enums[path[1]];
    if (n == 2)
        t->comment = comment;
    else if (n == 4 && path[2] == 2 && path[3] < t->count)
        t->members[path[3]].comment = comment;
}

/* FileDescriptorProto: message_type 4, enum_type 5, source_code_info 9. */
static void read_file(struct bytes b)
{
    struct bytes info = {NULL, NULL}, sub;
    unsigned number;
    uint64_t value;

    while (next(&b, &number, &value, &sub)) {
        if ((number == 4 && message_count == MAX_TYPES) || (number == 5 && enum_count == MAX_TYPES))
            die("too many types", "descriptor");
        if (number == 4)
            read_type(&messages[message_count++], false, sub);
        else if (number == 5)
            read_type(&enums[enum_count++], true, sub);
        else if (number == 9)
            info = sub;
    }
    while (next(&info, &number, &value, &sub))
        if (number == 1)
            read_location(sub);
}

struct rules {
    char doc[MAX_TEXT], flags[256], format[32], dflt[128], ref[64], min[32], max[32];
};

static void flag(struct rules *r, const char *name)
{
    if (r->flags[0])
        add_text(r->flags, sizeof r->flags, " | ");
    add_text(r->flags, sizeof r->flags, "WEIR_SCHEMA_");
    add_text(r->flags, sizeof r->flags, name);
}

static void rule(struct rules *r, char *line, const char *where)
{
    char *arg = strchr(line, ' ');

    if (arg)
        *arg++ = 0;
    if (strcmp(line, "@required") == 0)
        flag(r, "REQUIRED");
    else if (strcmp(line, "@map") == 0)
        flag(r, "MAP");
    else if (strcmp(line, "@later") == 0)
        flag(r, "LATER");
    else if (strcmp(line, "@one") == 0)
        flag(r, "ONE");
    else if (!arg || strlen(arg) >= 32)
        die("an unknown rule, or one without its value", where);
    else if (strcmp(line, "@min") == 0)
        flag(r, "MIN"), add_text(r->min, sizeof r->min, arg);
    else if (strcmp(line, "@max") == 0)
        flag(r, "MAX"), add_text(r->max, sizeof r->max, arg);
    else if (strcmp(line, "@default") == 0)
        add_text(r->dflt, sizeof r->dflt, arg);
    else if (strcmp(line, "@ref") == 0)
        add_text(r->ref, sizeof r->ref, arg);
    else if (strcmp(line, "@format") == 0)
        for (size_t i = 0; i <= strlen(arg); i++)
            r->format[i] = (char)toupper((unsigned char)arg[i]);
    else
        die("an unknown rule", where);
}

/* Splits a comment into the prose, joined to one line, and the rules. */
static void read_comment(struct rules *r, struct bytes c, const char *where)
{
    size_t used = 0;

    memset(r, 0, sizeof *r);
    while (c.p < c.end) {
        char line[512];
        size_t n = 0;

        while (c.p < c.end && *c.p != '\n' && n + 1 < sizeof line)
            line[n++] = (char)*c.p++;
        if (c.p < c.end)
            c.p++;
        while (n && line[n - 1] == ' ')
            n--;
        line[n] = 0;
        for (n = 0; line[n] == ' '; n++)
            ;
        if (line[n] == '@')
            rule(r, line + n, where);
        else if (line[n]) {
            int k = snprintf(r->doc + used, MAX_TEXT - used, "%s%s", used ? " " : "", line + n);

            if (k < 0 || (size_t)k >= MAX_TEXT - used)
                die("a comment is too long", where);
            used += (size_t)k;
        }
    }
}

static void put_string(const char *s, bool null_when_empty)
{
    if (!*s && null_when_empty) {
        fputs("NULL", stdout);
        return;
    }
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s);
    }
    putchar('"');
}

/* DialectX -> dialect_x, the way protoc-c does it. */
static void put_lower(const char *name)
{
    for (const char *s = name; *s; s++) {
        if (isupper((unsigned char)*s) && s != name && !isupper((unsigned char)s[-1]))
            putchar('_');
        putchar(tolower((unsigned char)*s));
    }
}

static int by_number(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void put_member(const struct type *t, const struct member *m)
{
    struct rules r;
    char where[160];

    snprintf(where, sizeof where, "%s.%s", t->name, m->name);
    read_comment(&r, m->comment, where);
    printf("    {");
    put_string(m->name, false);
    printf(", ");
    put_string(r.doc, false);
    if (!t->is_enum) {
        printf(", ");
        put_string(r.dflt, true);
        printf(", ");
        put_string(r.ref, true);
    }
    printf(", %s", r.flags[0] ? r.flags : "0");
    if (!t->is_enum)
        printf(", WEIR_FORMAT_%s, INT64_C(%s), INT64_C(%s)", r.format[0] ? r.format : "NONE",
               r.min[0] ? r.min : "0", r.max[0] ? r.max : "0");
    printf("},\n");
}

static void put_members(struct type *t)
{
    qsort(t->members, t->count, sizeof t->members[0], by_number);
    printf("static const struct weir_schema_%s %s_%s[] = {\n", t->is_enum ? "value" : "field",
           t->name, t->is_enum ? "values" : "fields");
    for (size_t i = 0; i < t->count; i++)
        put_member(t, &t->members[i]);
    printf("};\n\n");
}

static void put_tables(void)
{
    struct rules r;

    printf("/* Made from config.proto by schema_gen.c. */\n"
           "#include \"data/schema_table.h\"\n#include \"weir/v1/config.pb-c.h\"\n\n");
    for (size_t i = 0; i < message_count; i++)
        put_members(&messages[i]);
    for (size_t i = 0; i < enum_count; i++)
        put_members(&enums[i]);
    printf("const struct weir_schema_message weir__schema_messages[] = {\n");
    for (size_t i = 0; i < message_count; i++) {
        read_comment(&r, messages[i].comment, messages[i].name);
        printf("    {&weir__v1__");
        put_lower(messages[i].name);
        printf("__descriptor, \"%s\", ", messages[i].name);
        put_string(r.doc, false);
        printf(", %s, %s_fields},\n", r.flags[0] ? r.flags : "0", messages[i].name);
    }
    printf("};\nconst size_t weir__schema_message_count = %zu;\n\n"
           "const struct weir_schema_enum weir__schema_enums[] = {\n",
           message_count);
    for (size_t i = 0; i < enum_count; i++) {
        printf("    {&weir__v1__");
        put_lower(enums[i].name);
        printf("__descriptor, %s_values},\n", enums[i].name);
    }
    printf("};\nconst size_t weir__schema_enum_count = %zu;\n", enum_count);
}

int main(void)
{
    unsigned char *input = malloc(MAX_INPUT);
    struct bytes b, sub;
    unsigned number;
    uint64_t value;
    size_t n;

    if (!input)
        return 1;
    n = fread(input, 1, MAX_INPUT, stdin);
    b = (struct bytes){input, input + n};
    while (next(&b, &number, &value, &sub))
        if (number == 1)
            read_file(sub);
    if (message_count == 0)
        die("no messages", "input");
    put_tables();
    free(input);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
