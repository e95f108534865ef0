#include "process/jvm_signature.h"

#include <string.h>

#define DIMENSIONS_MOST 255 /* of an array, as in class files */
#define NAME_BYTES      4096

struct reader {
    const char *at;
    const struct pl_jvm_classes *classes;
    struct pl_buf *out;
};

static const char *primitive(char letter)
{
    switch (letter) {
    case 'Z':
        return "boolean";
    case 'B':
        return "byte";
    case 'C':
        return "char";
    case 'S':
        return "short";
    case 'I':
        return "int";
    case 'J':
        return "long";
    case 'F':
        return "float";
    case 'D':
        return "double";
    default: /* V is none of these: it stands alone, behind the parameters */
        return NULL;
    }
}

/* "java/lang/String;", the L is behind us. */
static bool put_class(struct reader *r)
{
    char name[NAME_BYTES];
    size_t len = strcspn(r->at, ";()");
    if (!len || len >= sizeof name || r->at[len] != ';')
        return false;
    for (size_t i = 0; i < len; i++)
        name[i] = (char)(r->at[i] == '/' ? '.' : r->at[i]);
    name[len] = '\0';
    r->at += len + 1;
    const struct pl_jvm_classes *classes = r->classes;
    const char *renamed = classes ? classes->rename(classes->self, name) : NULL;
    pl_buf_puts(r->out, renamed ? renamed : name);
    return true;
}

static bool put_type(struct reader *r)
{
    size_t dimensions = strspn(r->at, "[");
    r->at += dimensions;
    if (dimensions > DIMENSIONS_MOST)
        return false;
    if (*r->at == 'L') {
        r->at++;
        if (!put_class(r))
            return false;
    } else {
        const char *name = primitive(*r->at);
        if (!name)
            return false;
        pl_buf_puts(r->out, name);
        r->at++;
    }
    while (dimensions--)
        pl_buf_puts(r->out, "[]");
    return true;
}

static bool put_parameters(struct reader *r)
{
    if (*r->at++ != '(')
        return false;
    for (bool first = true; *r->at && *r->at != ')'; first = false) {
        if (!first)
            pl_buf_puts(r->out, ", ");
        if (!put_type(r))
            return false;
    }
    return *r->at++ == ')';
}

/* Back to what it was. */
static bool undo(struct pl_buf *out, size_t len)
{
    out->len = len;
    if (out->data)
        out->data[len] = '\0';
    return false;
}

bool pl_jvm_signature(const char *signature, const struct pl_jvm_classes *classes,
                      struct pl_buf *out)
{
    struct reader r = {signature, classes, out};
    const size_t len = out->len;
    pl_buf_putc(out, '(');
    if (!put_parameters(&r))
        return undo(out, len);
    pl_buf_putc(out, ')');
    if (strcmp(r.at, "V") == 0)
        return !out->failed || undo(out, len);
    pl_buf_puts(out, ": ");
    if (!put_type(&r) || *r.at || out->failed)
        return undo(out, len);
    return true;
}
