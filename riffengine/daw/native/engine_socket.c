#define _GNU_SOURCE
#include "engine_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The rule of daw_handshake.socket_path. */
static bool socket_address(struct sockaddr_un *address) {
    const char *named = getenv("RIFFENGINE_DAW_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (named != NULL && named[0] != 0)
        length = snprintf(address->sun_path, sizeof address->sun_path, "%s", named);
    else if (runtime != NULL && runtime[0] != 0)
        length = snprintf(address->sun_path, sizeof address->sun_path, "%s/riffengine/daw.sock", runtime);
    else
        length = snprintf(address->sun_path, sizeof address->sun_path, "/tmp/riffengine-%u/daw.sock", getuid());
    return length > 0 && (size_t)length < sizeof address->sun_path;
}

int connect_to_engine(void) {
    struct sockaddr_un address;
    if (!socket_address(&address)) return -1;
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) return -1;
    if (connect(file, (struct sockaddr *)&address, sizeof address) == 0) {
        fcntl(file, F_SETFL, O_NONBLOCK);
        return file;
    }
    close(file);
    return -1;
}

bool text_of(const char *line, const char *key, char *to, size_t room) {
    char pattern[32];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *start = strstr(line, pattern);
    if (start == NULL) return false;
    start += strlen(pattern);
    const char *end = strchr(start, '"');
    if (end == NULL || (size_t)(end - start) >= room) return false;
    memcpy(to, start, (size_t)(end - start));
    to[end - start] = 0;
    return true;
}

int next_line(int file, line_buffer *buffer, char *line) {
    for (;;) {
        char *end = memchr(buffer->text, '\n', buffer->filled);
        if (end != NULL) {
            size_t length = (size_t)(end - buffer->text);
            memcpy(line, buffer->text, length);
            line[length] = 0;
            buffer->filled -= length + 1;
            memmove(buffer->text, end + 1, buffer->filled);
            return 1;
        }
        if (buffer->filled >= LINE) return -1;
        ssize_t got = recv(file, buffer->text + buffer->filled, LINE - buffer->filled, 0);
        if (got > 0)
            buffer->filled += (size_t)got;
        else if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        else
            return -1;
    }
}
