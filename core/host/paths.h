// Where the program's own parts are: the build tree that it stands in, or where it was installed.
#ifndef CORE_HOST_PATHS_H
#define CORE_HOST_PATHS_H

// The build folder above the running program, or NULL when it stands in none. The caller's (ist_free).
char *build_root(void);
// isthmus-worker: ISTHMUS_WORKER, the build tree's, the one beside the program, else the installed one.
char *worker_program(void);

#endif
