/* Writes down every change that a process makes to files below POWERCUT_UNDER, in order, into POWERCUT_TRACE. Loaded by
 * LD_PRELOAD; tests/powercut/disk.py reads it and makes the disk anew as a power cut would leave it at any instant.
 *
 * One record is one write(2) to a file opened O_APPEND, so the records of several threads and processes have one order:
 *
 *     kind:1 pad:3 path:u32 data:u32 pid:u32 ino:u64 offset:u64 ns:u64   then path, then data     (all little-endian)
 *
 * A change is recorded after it happened, and a sync in two records: S before it, E once it is done. What is recorded
 * before an S is on disk at its E. (A change that slips in between and is recorded later counts as lost: never too kind.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define MAX_FD 4096

struct __attribute__((packed)) record {
    uint8_t kind, pad[3];
    uint32_t path, data, pid;
    uint64_t ino, offset, ns;
};

static int trace = -1;
static const char *under;
static size_t under_length;
static unsigned char ours[MAX_FD];

__attribute__((constructor)) static void begin(void) {
    const char *to = getenv("POWERCUT_TRACE");
    under = getenv("POWERCUT_UNDER");
    if (!to || !under) return;
    under_length = strlen(under);
    int fd = REAL(open)(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    trace = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (trace < 0) abort();
    close(fd);
}

static int below(const char *path) {
    return trace >= 0 && path && !strncmp(path, under, under_length) && (path[under_length] == '/' || !path[under_length]);
}

static void put(char kind, const char *path, uint64_t ino, uint64_t offset, const void *data, size_t size) {
    int kept = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record head = {.kind = kind, .path = path ? strlen(path) : 0, .data = size, .pid = getpid(), .ino = ino,
                          .offset = offset, .ns = now.tv_sec * 1000000000ull + now.tv_nsec};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, size}};
    ssize_t want = sizeof head + head.path + size;
    if (REAL(writev)(trace, parts, 3) != want) abort();
    errno = kept;
}

static int mine(int fd) { return trace >= 0 && fd >= 0 && fd < MAX_FD && ours[fd]; }

static uint64_t ino_of(int fd) {
    struct stat st;
    int kept = errno;
    uint64_t found = fstat(fd, &st) ? 0 : st.st_ino;
    errno = kept;
    return found;
}

/* -- names --------------------------------------------------------------------------------------------------------- */
static int opened(int fd, const char *path, int flags, int was_there) {
    if (fd < 0 || fd >= MAX_FD) return fd;
    ours[fd] = 0;
    if (!below(path)) return fd;
    struct stat st;
    int kept = errno;
    if (!fstat(fd, &st)) {
        if (S_ISDIR(st.st_mode)) {
            ours[fd] = 1;
            put('D', path, st.st_ino, 0, NULL, 0);
        } else if (S_ISREG(st.st_mode)) {
            ours[fd] = 1;
            put(was_there ? 'O' : 'C', path, st.st_ino, was_there ? st.st_size : 0, NULL, 0);
            if ((flags & O_TRUNC) && was_there) put('T', NULL, st.st_ino, 0, NULL, 0);
        }
    }
    errno = kept;
    return fd;
}

static int there(const char *path) {
    int kept = errno, found = below(path) && !access(path, F_OK);
    errno = kept;
    return found;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        int was = there(path);                                                                                         \
        return opened(REAL(name)(path, flags, mode), path, flags, was);                                                \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int at, const char *path, int flags, ...) {                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        int was = there(path);                                                                                         \
        return opened(REAL(name)(at, path, flags, mode), path, flags, was);                                            \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    if (fd >= 0 && fd < MAX_FD) ours[fd] = 0;
    return REAL(close)(fd);
}

int rename(const char *from, const char *to) {
    int done = REAL(rename)(from, to);
    if (!done && below(to)) put('R', from, 0, 0, to, strlen(to));
    return done;
}

int renameat(int a, const char *from, int b, const char *to) {
    int done = REAL(renameat)(a, from, b, to);
    if (!done && below(to)) put('R', from, 0, 0, to, strlen(to));
    return done;
}

int unlink(const char *path) {
    int done = REAL(unlink)(path);
    if (!done && below(path)) put('U', path, 0, 0, NULL, 0);
    return done;
}

int unlinkat(int at, const char *path, int flags) {
    int done = REAL(unlinkat)(at, path, flags);
    if (!done && below(path)) put('U', path, 0, 0, NULL, 0);
    return done;
}

int mkdir(const char *path, mode_t mode) {
    int done = REAL(mkdir)(path, mode);
    if (!done && below(path)) put('M', path, 0, 0, NULL, 0);
    return done;
}

/* -- contents ------------------------------------------------------------------------------------------------------ */
ssize_t write(int fd, const void *data, size_t size) {
    ssize_t done = REAL(write)(fd, data, size);
    if (done > 0 && mine(fd)) put('W', NULL, ino_of(fd), lseek(fd, 0, SEEK_CUR) - done, data, done);
    return done;
}

#define PWRITE(name, type)                                                                                             \
    ssize_t name(int fd, const void *data, size_t size, type at) {                                                     \
        ssize_t done = REAL(name)(fd, data, size, at);                                                                 \
        if (done > 0 && mine(fd)) put('W', NULL, ino_of(fd), at, data, done);                                          \
        return done;                                                                                                   \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t done = REAL(writev)(fd, parts, count);
    if (done > 0 && mine(fd)) {
        off_t at = lseek(fd, 0, SEEK_CUR) - done;
        for (int n = 0; n < count && done > 0; n++) {
            size_t size = parts[n].iov_len < (size_t)done ? parts[n].iov_len : (size_t)done;
            put('W', NULL, ino_of(fd), at, parts[n].iov_base, size);
            at += size;
            done -= size;
        }
    }
    return done;
}

#define TRUNCATE(name, type)                                                                                           \
    int name(int fd, type size) {                                                                                      \
        int done = REAL(name)(fd, size);                                                                               \
        if (!done && mine(fd)) put('T', NULL, ino_of(fd), size, NULL, 0);                                              \
        return done;                                                                                                   \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                                                     \
    int name(int fd) {                                                                                                 \
        uint64_t ino = mine(fd) ? ino_of(fd) : 0;                                                                      \
        if (ino) put('S', NULL, ino, 0, NULL, 0);                                                                      \
        int done = REAL(name)(fd);                                                                                     \
        if (ino && !done) put('E', NULL, ino, 0, NULL, 0);                                                             \
        return done;                                                                                                   \
    }
SYNC(fsync)
SYNC(fdatasync)
