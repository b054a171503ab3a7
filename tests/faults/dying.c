/* Kills its process in the n-th flush of a file below one folder: before it, or after it.
 *
 * DYING_FOLDER   what is watched: paths that begin so
 * DYING_CONTROL  a file of `struct control`, mapped by all processes of a node; see `flushes.py`
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
    uint64_t flushes; /* so many since it was armed */
    uint64_t die_in;  /* the process that makes this one dies; 0: nobody does */
    uint32_t after;   /* whether the flush is made first */
    uint32_t pid;     /* who has died */
};

static char folder[PATH_MAX];
static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DYING_FOLDER"), *kept = getenv("DYING_CONTROL");
    if (!path || !kept) return;
    snprintf(folder, sizeof folder, "%s/", path);
    int fd = open(kept, O_RDWR | O_CLOEXEC);
    void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0 && found != MAP_FAILED) control = found;
}

static int is_watched(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return !strncmp(path, folder, strlen(folder));
}

static int is_last(int fd) {
    if (!control || !control->die_in || !is_watched(fd)) return 0;
    return __atomic_add_fetch(&control->flushes, 1, __ATOMIC_SEQ_CST) == control->die_in;
}

static void die(void) {
    control->pid = (uint32_t)getpid();
    control->die_in = 0;
    kill(getpid(), SIGKILL);
}

#define SYNCS(name)                                        \
    int name(int fd) {                                     \
        int (*real)(int) = dlsym(RTLD_NEXT, #name);        \
        int last = is_last(fd);                            \
        if (last && !control->after) die();                \
        int result = real(fd);                             \
        if (last) die();                                   \
        return result;                                     \
    }
SYNCS(fsync)
SYNCS(fdatasync)
