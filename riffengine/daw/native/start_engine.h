/* start_engine: starts an engine where none answers, if the user has said with which command. */
#ifndef RIFF_START_ENGINE_H
#define RIFF_START_ENGINE_H

#include <sys/types.h>

/* The process that was started, which the caller waits for; -1 where there is no command or it cannot be started. */
pid_t start_engine(void);

#endif
