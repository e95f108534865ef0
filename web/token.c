/* Two servers may start at once: the file is made under a name of its own, then
 * linked into place, so nobody ever reads half a token, and the loser of the race
 * takes the winner's. */
#include "web/token.h"

#include "base/id.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS (PL_TOKEN_TEXT - 1)

static enum pl_status make_token(char *token_out, struct pl_error *err)
{
    unsigned char bytes[DIGITS / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return pl_error_set(err, PL_IO, "cannot get random bytes: %s", strerror(errno));
    pl_hex_format(bytes, sizeof bytes, token_out);
    return PL_OK;
}

/* Is what `fd` holds a token that only its owner could read? */
static bool read_token(int fd, const struct stat *info, char *token_out)
{
    char text[DIGITS + 2];
    ssize_t len = read(fd, text, sizeof text);
    if (len == DIGITS + 1 && text[DIGITS] == '\n')
        len--;
    if (len != DIGITS || (info->st_mode & 077))
        return false;
    text[DIGITS] = '\0';
    if (strspn(text, "0123456789abcdef") != DIGITS)
        return false;
    memcpy(token_out, text, DIGITS + 1);
    return true;
}

/* NOT_FOUND: there is none, or none that may be used. */
static enum pl_status load(const char *path, char *token_out, struct pl_error *err)
{
    struct stat info;
    enum pl_status status = PL_NOT_FOUND;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return PL_NOT_FOUND;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        (info.st_uid != geteuid() && geteuid() != 0))
        status = pl_error_set(err, PL_IO,
                              "%s is not a file of yours: remove it or serve with "
                              "another store",
                              path);
    else if (read_token(fd, &info, token_out))
        status = PL_OK;
    close(fd);
    return status;
}

static bool write_token(const char *path, const char *token)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    char line[DIGITS + 2];
    memcpy(line, token, DIGITS);
    line[DIGITS] = '\n';
    bool ok = fchmod(fd, 0600) == 0 && write(fd, line, DIGITS + 1) == DIGITS + 1 &&
              fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

/* `temporary` becomes `path`. A file already there is one load() did not want,
 * unless another server has just made it. */
static bool publish(const char *temporary, const char *path, char *token)
{
    char other[PL_TOKEN_TEXT];
    if (link(temporary, path) == 0)
        return true;
    if (errno == EEXIST && load(path, other, NULL) == PL_OK) {
        memcpy(token, other, sizeof other);
        return true;
    }
    return rename(temporary, path) == 0;
}

enum pl_status pl_token_load(const char *db_path, char token_out[static PL_TOKEN_TEXT],
                             struct pl_error *err)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    char token[PL_TOKEN_TEXT];
    int len = snprintf(path, sizeof path, "%s-token", db_path);
    if (len < 0 || (size_t)len + 16 >= sizeof path)
        return pl_error_set(err, PL_IO, "the store's path is too long");
    enum pl_status status = load(path, token_out, err);
    if (status != PL_NOT_FOUND)
        return status;
    status = make_token(token, err);
    if (status != PL_OK)
        return status;
    (void)snprintf(temporary, sizeof temporary, "%.*s.%ld", len, path, (long)getpid());
    (void)unlink(temporary);
    if (!write_token(temporary, token) || !publish(temporary, path, token))
        pl_log(PL_LOG_WARN, "web", "cannot keep the token in %s: %s", path,
               strerror(errno));
    (void)unlink(temporary);
    memcpy(token_out, token, sizeof token);
    return PL_OK;
}
