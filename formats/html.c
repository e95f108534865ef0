#include "formats/html.h"

#include "base/buf.h"
#include "formats/svg.h"

#define HEAD_LIMIT ((size_t)1 << 20)

/* The page's own policy: its script and style, and no request to anywhere. */
static const char before_title[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>";
static const char after_title[] =
    "</title>\n"
    "<style>\n"
    "body { margin: 0; background: #fff }\n"
    "svg { display: block; margin: 0 auto; width: 100%; max-width: 1600px; "
    "height: auto }\n"
    "</style>\n</head>\n<body>\n";
static const char after[] = "</body>\n</html>\n";

enum pl_status pl_html_write(const struct pl_tree *tree, FILE *out,
                             struct pl_error *err)
{
    struct pl_buf head;
    enum pl_status status;
    pl_buf_init(&head, HEAD_LIMIT);
    pl_buf_puts(&head, before_title);
    pl_buf_xml_escape(&head, tree->title ? tree->title : "Flame graph");
    pl_buf_puts(&head, after_title);
    if (head.failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory for the page");
    else
        status = pl_svg_write_between(tree, head.data, after, out, err);
    pl_buf_deinit(&head);
    return status;
}
