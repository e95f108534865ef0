/* Names of addresses as the symbol worker finds them, in addr2line's words:
 *
 *   symbols_look_up FILE < hex addresses
 *
 * prints for each address its functions, innermost first, two lines each, and an empty
 * line. Numbers are the file's own; nothing is taken off them. */
#include "base/debug_id.h"
#include "process/symbol_kind.h"
#include "process/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], PL_WORKER_ARGUMENT) == 0)
        _exit(pl_symbols_worker_main(0, 1));
}

static size_t read_keys(struct pl_lookup_key **keys_out)
{
    struct pl_lookup_key *keys = NULL;
    size_t count = 0;
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (count % 4096 == 0) {
            keys = realloc(keys, (count + 4096) * sizeof *keys);
            if (!keys)
                abort();
        }
        keys[count++] = (struct pl_lookup_key){.address = strtoull(line, NULL, 16)};
    }
    *keys_out = keys;
    return count;
}

static void print_frame(const struct pl_resolved_frame *frame)
{
    for (size_t i = frame->anonymous ? 0 : frame->name_count; i > 0; i--) {
        const struct pl_resolved_name *name = &frame->names[i - 1];
        printf("%s\n%s:%u\n", name->function, *name->file ? name->file : "??",
               name->line);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    const struct pl_symbol_place places[] = {
        {.kind = PL_PLACE_PATH, .text = ""},
        {.kind = PL_PLACE_BUILD_ID, .text = "/usr/lib/debug"}};
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_symbol_kind kind;
    struct pl_resolved resolved;
    struct pl_lookup_key *keys = NULL;
    struct pl_error err = {0};
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || pl_symbolizer_open(NULL, &symbolizer, &err) != PL_OK ||
        pl_symbol_identify(symbolizer, fd, argv[1], &kind, &err) != PL_OK) {
        fprintf(stderr, "symbols_look_up FILE: %s\n", err.message);
        return 2;
    }
    size_t count = read_keys(&keys);
    const struct pl_symbol_question question = {.kind = PL_LOOKUP_ELF,
                                                .path = argv[1],
                                                .build_id = kind.build_id,
                                                .places = places,
                                                .place_count = 2,
                                                .key_count = count,
                                                .keys = keys};
    if (pl_symbolizer_ask(symbolizer, &question, &resolved, &err) != PL_OK ||
        resolved.failure != PL_SYMBOLIZER_OK) {
        fprintf(stderr, "%s: %s%s\n", argv[1], err.message, resolved.message);
        return 1;
    }
    for (size_t i = 0; i < resolved.frame_count; i++)
        print_frame(&resolved.frames[i]);
    pl_resolved_deinit(&resolved);
    pl_symbolizer_close(symbolizer);
    free(keys);
    close(fd);
    return 0;
}
