/* engine_socket: the connection to the engine, and lines of text on it. Not for the audio thread; never waits. */
#ifndef RIFF_ENGINE_SOCKET_H
#define RIFF_ENGINE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#define LINE 65536

typedef struct {
    char text[LINE + 1];
    size_t filled;
} line_buffer;

/* A connection that does not block; -1 where no engine answers. */
int connect_to_engine(void);

/* Reads what there is; 1: a line is in line (without its newline), 0: not yet, -1: the engine has gone. */
int next_line(int file, line_buffer *buffer, char *line);

/* The text of "key":"..." in a line; false where there is none or it does not fit. */
bool text_of(const char *line, const char *key, char *to, size_t room);

#endif
