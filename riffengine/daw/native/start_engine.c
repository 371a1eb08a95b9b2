#define _GNU_SOURCE
#include "start_engine.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The engine's command, one argument a line, in a file that "riffengine plugin install --engine" writes. */
static bool read_command(char *text, size_t room, char **arguments, int most) {
    const char *named = getenv("RIFFENGINE_DAW_ENGINE"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char path[512];
    if (named != NULL && named[0] != 0)
        snprintf(path, sizeof path, "%s", named);
    else if (config != NULL && config[0] != 0)
        snprintf(path, sizeof path, "%s/riffengine/daw-engine", config);
    else
        snprintf(path, sizeof path, "%s/.config/riffengine/daw-engine", home != NULL ? home : "");
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    size_t length = fread(text, 1, room - 1, file);
    fclose(file);
    text[length] = 0;
    int count = 0;
    for (char *at = strtok_r(text, "\n", &text); at != NULL && count < most - 1; at = strtok_r(NULL, "\n", &text))
        arguments[count++] = at;
    arguments[count] = NULL;
    return count > 0;
}

pid_t start_engine(void) {
    extern char **environ;
    char text[4096], *arguments[64];
    pid_t child = -1;
    if (!read_command(text, sizeof text, arguments, 64)) return -1;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&child, arguments[0], &files, &attributes, arguments, environ) != 0) child = -1;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return child;
}
