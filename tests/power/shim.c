/*
 * A disk whose power can be cut, and that can fail: preloaded into the engine by tests/crash.rs.
 *
 * A killed process loses nothing, for the kernel keeps what was written. A power cut loses what was written and not
 * synced. So for each file under POWER_DIR every write is noted before it is done, with the bytes that it replaces, in
 * POWER_UNDO/<name>.undo; fsync and fdatasync forget the notes of their file. After the kill, the test takes back what is
 * noted there, all of it or some.
 *
 *   POWER_DIR     the folder with a slash at its end; files whose names end in -shm or .lock are left alone
 *   POWER_UNDO    the folder of the notes
 *   POWER_LIES    if set, a sync forgets nothing: a disk that lies, or a database that does not sync
 *   POWER_FAIL    n: every n-th write fails with EIO
 *   POWER_ONCE    n: the n-th write fails with EIO, and no other
 *   POWER_FULL    a path: while it exists, every write fails with ENOSPC
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define FDS_MAX 4096
#define NOTE_MAGIC 0x4f44504fu

/* Host byte order; read back by the same machine. */
struct note {
    uint64_t magic, is_truncation, offset, length, old_size, old_length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The descriptor of the notes, plus one, of each descriptor that is watched. */
static int notes_of[FDS_MAX];
static unsigned long writes;

#define NEXT(name, type) \
    static type next; \
    if (!next) next = (type)dlsym(RTLD_NEXT, name)

typedef int (*open_fn)(const char *, int, ...);
typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef int (*fd_fn)(int);
typedef int (*truncate_fn)(int, off_t);
typedef int (*path_fn)(const char *);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);

static ssize_t plain_write(int fd, const void *bytes, size_t length) {
    NEXT("write", write_fn);
    return next(fd, bytes, length);
}

static int plain_open(const char *path, int flags, mode_t mode) {
    NEXT("open64", open_fn);
    return next(path, flags, mode);
}

static int ends_in(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static void watch(int fd, const char *path) {
    const char *dir = getenv("POWER_DIR"), *undo = getenv("POWER_UNDO");
    char name[4096];
    if (fd < 0 || fd >= FDS_MAX || !dir || !undo || strncmp(path, dir, strlen(dir)) != 0) return;
    if (ends_in(path, "-shm") || ends_in(path, ".lock") || path[strlen(dir)] == 0) return;
    snprintf(name, sizeof name, "%s/%s.undo", undo, path + strlen(dir));
    int notes = plain_open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (notes >= 0) notes_of[fd] = notes + 1;
}

static int notes(int fd) {
    return fd >= 0 && fd < FDS_MAX ? notes_of[fd] - 1 : -1;
}

/* Notes what a write or a truncation is about to replace. Under the lock. */
static void note(int to, int fd, int is_truncation, off_t offset, const void *bytes, size_t length) {
    struct stat now;
    if (fstat(fd, &now) != 0) return;
    size_t old_length = 0;
    if (is_truncation) {
        if (now.st_size > offset) old_length = (size_t)(now.st_size - offset);
    } else if (now.st_size > offset) {
        old_length = (size_t)(now.st_size - offset);
        if (old_length > length) old_length = length;
    }
    char *text = malloc(sizeof(struct note) + old_length + length);
    if (!text) abort();
    struct note *head = (struct note *)text;
    *head = (struct note){NOTE_MAGIC, (uint64_t)is_truncation, (uint64_t)offset, length, (uint64_t)now.st_size, 0};
    ssize_t got = old_length ? pread(fd, text + sizeof *head, old_length, offset) : 0;
    head->old_length = got > 0 ? (uint64_t)got : 0;
    if (length) memcpy(text + sizeof *head + head->old_length, bytes, length);
    plain_write(to, text, sizeof *head + head->old_length + length);
    free(text);
}

/* Whether this write fails. */
static int fails(void) {
    const char *full = getenv("POWER_FULL"), *every = getenv("POWER_FAIL"), *once = getenv("POWER_ONCE");
    if (full && access(full, F_OK) == 0) {
        errno = ENOSPC;
        return 1;
    }
    writes++;
    unsigned long n = every ? strtoul(every, NULL, 10) : 0;
    /* Each process fails at other places. */
    if ((n && (writes + (unsigned long)getpid()) % n == 0) || (once && strtoul(once, NULL, 10) == writes)) {
        errno = EIO;
        return 1;
    }
    return 0;
}

static ssize_t noted_write(int fd, int to, const void *bytes, size_t length, off_t offset, int is_positioned) {
    NEXT("pwrite64", pwrite_fn);
    ssize_t done = -1;
    pthread_mutex_lock(&lock);
    if (!fails()) {
        note(to, fd, 0, offset, bytes, length);
        done = is_positioned ? next(fd, bytes, length, offset) : plain_write(fd, bytes, length);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    int to = notes(fd);
    if (to < 0) return plain_write(fd, bytes, length);
    return noted_write(fd, to, bytes, length, lseek(fd, 0, SEEK_CUR), 0);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    NEXT("pwrite64", pwrite_fn);
    int to = notes(fd);
    if (to < 0) return next(fd, bytes, length, offset);
    return noted_write(fd, to, bytes, length, offset, 1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

int ftruncate64(int fd, off_t length) {
    NEXT("ftruncate64", truncate_fn);
    int to = notes(fd);
    if (to >= 0) {
        pthread_mutex_lock(&lock);
        note(to, fd, 1, length, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return next(fd, length);
}

int ftruncate(int fd, off_t length) {
    return ftruncate64(fd, length);
}

/* A sync that reaches this disk's platter: what was noted is lost no more. The real disk is left in peace. */
static int synced(int fd, int to) {
    (void)fd;
    usleep(1000);
    if (getenv("POWER_LIES")) return 0;
    pthread_mutex_lock(&lock);
    int done = ftruncate64(to, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) {
    NEXT("fsync", fd_fn);
    int to = notes(fd);
    return to < 0 ? next(fd) : synced(fd, to);
}

int fdatasync(int fd) {
    NEXT("fdatasync", fd_fn);
    int to = notes(fd);
    return to < 0 ? next(fd) : synced(fd, to);
}

int close(int fd) {
    NEXT("close", fd_fn);
    int to = notes(fd);
    if (to >= 0) {
        notes_of[fd] = 0;
        next(to);
    }
    return next(fd);
}

int unlink(const char *path) {
    NEXT("unlink", path_fn);
    const char *dir = getenv("POWER_DIR"), *undo = getenv("POWER_UNDO");
    char name[4096];
    /* Deleted files stay so: a file system that brings one back brings back what was synced, which is as good. */
    if (dir && undo && strncmp(path, dir, strlen(dir)) == 0) {
        snprintf(name, sizeof name, "%s/%s.undo", undo, path + strlen(dir));
        next(name);
    }
    return next(path);
}

/* How many writes there were, for whoever wants to fail each of them in its turn. */
__attribute__((destructor)) static void count(void) {
    const char *undo = getenv("POWER_UNDO");
    char name[4096], text[32];
    if (!undo || !writes) return;
    snprintf(name, sizeof name, "%s.count", undo);
    int fd = plain_open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) plain_write(fd, text, (size_t)snprintf(text, sizeof text, "%lu", writes));
}

static mode_t mode_of(int flags, va_list more) {
    return flags & O_CREAT ? va_arg(more, mode_t) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = plain_open(path, flags, mode_of(flags, more));
    va_end(more);
    watch(fd, path);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = plain_open(path, flags, mode_of(flags, more));
    va_end(more);
    watch(fd, path);
    return fd;
}
