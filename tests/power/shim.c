/* Writes down, in order, what a process asks of its disk below one folder; and lets calls fail.
 *
 * LD_PRELOAD stands between a program and libc. After each call that changes a file the journal gets
 * one record: what was written where, or what was flushed. A flush is noted with the length that the
 * journal had when it *began*: what was written meanwhile by others may have missed it. Records are
 * appended by one write each, so that several processes may share a journal. `disk.py` reads it.
 *
 * POWER_FOLDER   what is watched: paths that begin so
 * POWER_JOURNAL  where the records go
 * POWER_CONTROL  a file of `struct control`, mapped: which calls shall fail, for as long as it says so
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 65536
#define ROOM (2 * PATH_MAX)
#define REAL(name) ((__typeof__(&name))next(#name))

enum { OPEN = 'O', WRITE = 'W', SIZE = 'T', RENAME = 'R', LINK = 'K', UNLINK = 'U', SYNC = 'S', LOST = 'L' };
enum { FAIL_WRITES = 1, FAIL_SYNCS = 2 };

struct record {
    uint32_t kind, path_bytes;
    uint64_t inode, offset, data_bytes, seen;
};

struct control {
    uint64_t calls, fail_from, fail_count;
    uint32_t which, error;
};

static char folder[PATH_MAX];
static size_t folder_bytes;
static int journal = -1;
static struct control *control;
static uint64_t watched[MOST_FILES]; /* the inode behind each descriptor, 0 for one not watched */
static char spared[MOST_FILES];      /* whether nothing fails on it: what the test itself writes */
static unsigned failures[MOST_FILES]; /* of flushes, by inode: Linux counts them, too, ... */
static unsigned told[MOST_FILES];     /* ... and how many of them each descriptor has been told of */

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_FOLDER"), *kept = getenv("POWER_JOURNAL");
    const char *controlled = getenv("POWER_CONTROL");
    if (!path || !kept) return;
    folder_bytes = (size_t)snprintf(folder, sizeof folder, "%s/", path);
    journal = REAL(open)(kept, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (controlled) {
        int fd = REAL(open)(controlled, O_RDWR | O_CLOEXEC);
        void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd >= 0 && found != MAP_FAILED) control = found;
    }
}

static uint64_t length(void) {
    struct stat found;
    return fstat(journal, &found) ? 0 : (uint64_t)found.st_size;
}

static void note(int kind, uint64_t inode, const char *path, uint64_t offset, const void *data,
                 size_t data_bytes, uint64_t seen) {
    int before = errno;
    struct record head = {kind, path ? strlen(path) : 0, inode, offset, data_bytes, seen};
    struct iovec parts[] = {{&head, sizeof head},
                            {(void *)path, head.path_bytes},
                            {(void *)data, data_bytes}};
    if (REAL(writev)(journal, parts, 3) < 0) abort();
    errno = before;
}

static int is_ours(const char *path) { return !strncmp(path, folder, folder_bytes); }

/* PostgreSQL works in its data folder, with relative paths. */
static const char *whole(const char *path, char *room) {
    char here[PATH_MAX];
    if (path[0] == '/' || !getcwd(here, sizeof here)) return path;
    snprintf(room, ROOM, "%s/%s", here, path);
    return room;
}

static uint64_t inode_of(int fd) { return fd >= 0 && fd < MOST_FILES ? watched[fd] : 0; }

static int fails(int fd, int which) {
    if (!inode_of(fd) || spared[fd] || !control || !(control->which & which)) return 0;
    uint64_t call = __atomic_fetch_add(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (call < control->fail_from || call - control->fail_from >= control->fail_count) return 0;
    errno = (int)control->error;
    return 1;
}

/* -- names */

static int opened(int fd, const char *path, int flags) {
    char room[ROOM];
    struct stat found;
    if (fd < 0 || fd >= MOST_FILES || journal < 0) return fd;
    watched[fd] = 0;
    path = whole(path, room);
    if (!is_ours(path) || fstat(fd, &found)) return fd;
    watched[fd] = found.st_ino;
    told[fd] = failures[found.st_ino % MOST_FILES];
    spared[fd] = strstr(path, "/promises") != NULL;
    note(OPEN, found.st_ino, path, (flags & O_TRUNC) != 0, NULL, 0, 0);
    return fd;
}

#define OPENS(name)                                                     \
    int name(const char *path, int flags, ...) {                        \
        va_list more;                                                   \
        va_start(more, flags);                                          \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
        va_end(more);                                                   \
        return opened(REAL(name)(path, flags, mode), path, flags);      \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                            \
    int name(int at, const char *path, int flags, ...) {                          \
        va_list more;                                                             \
        va_start(more, flags);                                                    \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;           \
        va_end(more);                                                             \
        int fd = REAL(name)(at, path, flags, mode);                               \
        return at == AT_FDCWD || path[0] == '/' ? opened(fd, path, flags) : fd;   \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    if (fd >= 0 && fd < MOST_FILES) watched[fd] = 0;
    return REAL(close)(fd);
}

#define NAMES_ANEW(name, kind)                                           \
    int name(const char *before, const char *after) {                    \
        char from[ROOM], to[ROOM];                                       \
        int result = REAL(name)(before, after);                          \
        if (!result && journal >= 0 && is_ours(whole(before, from))) {   \
            const char *target = whole(after, to);                       \
            note(kind, 0, whole(before, from), 0, target, strlen(target), 0); \
        }                                                                \
        return result;                                                   \
    }
NAMES_ANEW(rename, RENAME)
NAMES_ANEW(link, LINK)

int unlink(const char *path) {
    char room[ROOM];
    int result = REAL(unlink)(path);
    if (!result && journal >= 0 && is_ours(whole(path, room)))
        note(UNLINK, 0, whole(path, room), 0, NULL, 0, 0);
    return result;
}

/* -- contents: a write that fails has written the first half */

static size_t refused(int fd, size_t size) {
    return size && fails(fd, FAIL_WRITES) ? size / 2 : size;
}

#define WRITES_AT(name, offset_type)                                               \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) {      \
        size_t part = refused(fd, size);                                           \
        int error = errno;                                                         \
        ssize_t done = part ? REAL(name)(fd, data, part, offset) : 0;              \
        if (inode_of(fd) && done > 0)                                              \
            note(WRITE, inode_of(fd), NULL, offset, data, done, 0);                \
        if (part != size) errno = error;                                           \
        return part == size ? done : -1;                                           \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
    size_t part = refused(fd, size);
    int error = errno;
    ssize_t done = part || part == size ? REAL(write)(fd, data, part) : 0;
    if (inode_of(fd) && done > 0)
        note(WRITE, inode_of(fd), NULL, lseek(fd, 0, SEEK_CUR) - done, data, done, 0);
    if (part != size) errno = error;
    return part == size ? done : -1;
}

static void note_parts(int fd, const struct iovec *parts, int count, uint64_t offset, ssize_t left) {
    for (int each = 0; inode_of(fd) && each < count && left > 0; each++) {
        size_t part = (size_t)left < parts[each].iov_len ? (size_t)left : parts[each].iov_len;
        note(WRITE, inode_of(fd), NULL, offset, parts[each].iov_base, part, 0);
        offset += part;
        left -= part;
    }
}

#define WRITES_PARTS_AT(name, offset_type)                                                \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_type offset) {      \
        if (fails(fd, FAIL_WRITES)) return -1;                                \
        ssize_t done = REAL(name)(fd, parts, count, offset);                              \
        note_parts(fd, parts, count, offset, done);                                       \
        return done;                                                                      \
    }
WRITES_PARTS_AT(pwritev, off_t)
WRITES_PARTS_AT(pwritev64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (fails(fd, FAIL_WRITES)) return -1;
    ssize_t done = REAL(writev)(fd, parts, count);
    if (inode_of(fd) && done > 0)
        note_parts(fd, parts, count, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}

#define RESIZES(name, offset_type)                                            \
    int name(int fd, offset_type size) {                                      \
        if (fails(fd, FAIL_WRITES)) return -1;                    \
        int result = REAL(name)(fd, size);                                    \
        if (inode_of(fd) && !result) note(SIZE, inode_of(fd), NULL, size, NULL, 0, 0); \
        return result;                                                        \
    }
RESIZES(ftruncate, off_t)
RESIZES(ftruncate64, off64_t)

#define GROWS(name, offset_type)                                                       \
    int name(int fd, offset_type offset, offset_type size) {                           \
        struct stat found;                                                             \
        int result = REAL(name)(fd, offset, size);                                     \
        if (inode_of(fd) && !result && !fstat(fd, &found))                             \
            note(SIZE, inode_of(fd), NULL, found.st_size, NULL, 0, 0);                 \
        return result;                                                                 \
    }
GROWS(posix_fallocate, off_t)
GROWS(posix_fallocate64, off64_t)

/* -- flushes: one that fails has lost what was to be flushed, as Linux does it. It is told once to each
 * descriptor that was open then: by the next flush, or by sync_file_range. */

static int told_of_new_failure(int fd) {
    unsigned count = failures[inode_of(fd) % MOST_FILES];
    if (!inode_of(fd) || told[fd] == count) return 0;
    told[fd] = count;
    errno = EIO;
    return 1;
}

#define SYNCS(name)                                                                   \
    int name(int fd) {                                                                \
        uint64_t inode = inode_of(fd), seen = inode ? length() : 0;                   \
        int lost = fails(fd, FAIL_SYNCS), error = errno;                              \
        if (lost) {                                                                   \
            told[fd] = ++failures[inode % MOST_FILES];                                \
            note(LOST, inode, NULL, 0, NULL, 0, seen);                                \
            errno = error;                                                            \
            return -1;                                                                \
        }                                                                             \
        int result = inode ? 0 : REAL(name)(fd);                                      \
        if (inode && !result) note(SYNC, inode, NULL, 0, NULL, 0, seen);              \
        return inode && told_of_new_failure(fd) ? -1 : result;                        \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    if (told_of_new_failure(fd)) return -1;
    return REAL(sync_file_range)(fd, offset, size, flags);
}
