#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES (64 * 1024)

static char *join(const char *folder, const char *file)
{
    size_t bytes = strlen(folder) + strlen(file) + 1;
    char *path = malloc(bytes);
    if (path)
        (void)snprintf(path, bytes, "%s%s", folder, file);
    return path;
}

/* Relative folders do not count, by the XDG rule. NULL: no place, or no memory. */
static char *find_path(void)
{
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (folder && folder[0] == '/')
        return join(folder, "/proflite/config");
    return home && home[0] == '/' ? join(home, "/.config/proflite/config") : NULL;
}

/* ---- the file ---- */

static enum pl_status read_text(struct pl_config *config, int fd, struct pl_error *err)
{
    struct stat st;
    size_t used = 0;
    if (fstat(fd, &st) != 0)
        return pl_error_set(err, PL_IO, "cannot read %s: %s", config->path,
                            strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES)
        return pl_error_set(err, PL_INPUT, "%s is no file of less than 64 KiB",
                            config->path);
    config->text = malloc((size_t)MAX_BYTES + 1);
    if (!config->text)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    while (used < MAX_BYTES) {
        ssize_t got = read(fd, config->text + used, MAX_BYTES - used);
        if (got < 0)
            return pl_error_set(err, PL_IO, "cannot read %s: %s", config->path,
                                strerror(errno));
        if (got == 0)
            break;
        used += (size_t)got;
    }
    config->text[used] = '\0';
    return strlen(config->text) == used
               ? PL_OK
               : pl_error_set(err, PL_INPUT, "%s is no text", config->path);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

static enum pl_status add_line(struct pl_config *config, char *text, unsigned line,
                               struct pl_error *err)
{
    text = trim(text);
    if (!*text || *text == '#')
        return PL_OK;
    char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return pl_error_set(err, PL_INPUT, "%s:%u: not `key = value`: %.60s",
                            config->path, line, text);
    struct pl_config_entry *grown =
        realloc(config->entries, (config->count + 1) * sizeof *grown);
    if (!grown)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    *equals = '\0';
    config->entries = grown;
    config->entries[config->count++] = (struct pl_config_entry){
        .key = trim(text), .value = trim(equals + 1), .line = line};
    return PL_OK;
}

/* A file in a folder we may not look into is not ours: a program that gave up its
 * rights still has the HOME it came with. */
static bool is_out_of_reach(const char *path, int error)
{
    struct stat info;
    return error == ENOENT || error == ENOTDIR ||
           (error == EACCES && stat(path, &info) != 0);
}

enum pl_status pl_config_read(struct pl_config *config_out, struct pl_error *err)
{
    struct pl_config *config = config_out;
    *config = (struct pl_config){.path = find_path()};
    int fd = config->path
                 ? open(config->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
                 : -1;
    if (fd < 0)
        return !config->path || is_out_of_reach(config->path, errno)
                   ? PL_OK
                   : pl_error_set(err, PL_IO, "cannot open %s: %s", config->path,
                                  strerror(errno));
    enum pl_status status = read_text(config, fd, err);
    close(fd);
    unsigned number = 0;
    char *rest = config->text, *line;
    while (status == PL_OK && (line = strsep(&rest, "\n")))
        status = add_line(config, line, ++number, err);
    return status;
}

void pl_config_deinit(struct pl_config *config)
{
    free(config->path);
    free(config->text);
    free(config->entries);
    *config = (struct pl_config){0};
}

const struct pl_config_entry *pl_config_find(struct pl_config *config, const char *key)
{
    struct pl_config_entry *found = NULL;
    for (size_t i = 0; i < config->count; i++)
        if (strcmp(config->entries[i].key, key) == 0) {
            found = &config->entries[i];
            found->asked = true;
        }
    return found;
}
