#include "process/paths.h"

#include <stdlib.h>
#include <string.h>

/* Append one component of `len` bytes to the clean path of `used` bytes. */
static size_t append_component(char *path, size_t used, const char *part, size_t len)
{
    if (len == 0 || (len == 1 && part[0] == '.'))
        return used;
    if (len == 2 && part[0] == '.' && part[1] == '.') {
        size_t cut = used;
        while (cut > 0 && path[cut - 1] != '/')
            cut--;
        bool is_up = used - cut == 2 && memcmp(path + cut, "..", 2) == 0;
        if (used > cut && !is_up)
            return cut > 1 ? cut - 1 : cut;
        if (used == 1 && path[0] == '/')
            return used; /* above the root is the root */
    }
    if (used > 0 && path[used - 1] != '/')
        path[used++] = '/';
    memcpy(path + used, part, len);
    return used + len;
}

static size_t append_path(char *path, size_t used, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "/");
        used = append_component(path, used, text, len);
        text += len;
        text += strspn(text, "/");
    }
    return used;
}

char *pl_path_join(const char *folder, const char *file)
{
    if (file[0] == '/' || !folder)
        folder = "";
    char *path = malloc(strlen(folder) + strlen(file) + 4);
    if (!path)
        return NULL;
    size_t used = 0;
    if (file[0] == '/' || folder[0] == '/')
        path[used++] = '/';
    used = append_path(path, used, folder);
    used = append_path(path, used, file);
    path[used] = '\0';
    return path;
}

bool pl_path_under(const char *path, const char *prefix)
{
    size_t len = strlen(prefix);
    while (len > 1 && prefix[len - 1] == '/')
        len--;
    if (len == 0 || strncmp(path, prefix, len) != 0)
        return false;
    return path[len] == '\0' || path[len] == '/' || prefix[len - 1] == '/';
}
