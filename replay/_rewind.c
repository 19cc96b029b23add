/* A process that goes back to what it was: its memory, and what the kernel knows of it.

`take` keeps a copy of all memory that the process may write. `go_back`, called from wherever, writes that copy
back and returns from `take` once more, with everything as it was there, the stack included: as a new copy by
`fork` would begin, without the price of its pages. Fuzzers restart what they test in this way (whole machines:
Schumilo et al., "Nyx: Greybox Hypervisor Fuzzing using Fast Snapshots and Affine Types", USENIX Security 2021).

All pages are compared with what was kept, but for those that only this process has (`/proc/self/pagemap`, bit
56): they were most likely written, and are written back unseen. What a page is shared with says nothing: what
was unmapped and is mapped again, or was moved, shares a page of zeros, of a file, or of another place.

What can't be taken back is looked for before: threads, children, files mapped into memory, memory that is
shared with others, timers, limits, descriptors that lead elsewhere. Then `go_back` says which, nothing has
happened, and the process has to end instead. Descriptors and anonymous memory that are new are let go of. Not
looked for is what only C code reaches: code that is written anew in place, descriptors of the same file that
have changed places.

What is needed on the way lies in two shared mappings, which are no part of what is kept; also the stack on
which the memory is written, since the process's own is a part of it. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef __linux__
#error "/proc/self/pagemap is Linux's"
#endif

#include <fcntl.h>
#include <limits.h>
#include <linux/rseq.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* Changed with each change of what this module does, here and in `compiled.py`. */
#define INTERFACE 2

#define MOST_RANGES 4096
#define MOST_FDS 256
#define MOST_TEXT (1 << 20)
#define STACK_BYTES (256 * 1024)
#define ENTRIES 4096

#define IS_PRESENT (1ULL << 63)
#define IS_SWAPPED (1ULL << 62)
#define IS_OF_FILE (1ULL << 61)
#define IS_GUARD (1ULL << 58) /* may not be touched, and says that it is swapped; Linux 6.13 */
#define IS_EXCLUSIVE (1ULL << 56)

typedef struct {
    uintptr_t start, end;
    char mode[4]; /* as in `/proc/self/maps`: rwxp, without a zero at the end */
    unsigned long device, inode;
    uintptr_t shift; /* where in the file it begins, less its start: the same for each piece of it */
    int is_stack, is_heap;
    int is_watched; /* there is something that may change */
    size_t first;   /* where its first page is in `pages` */
} Range;

typedef struct {
    int fd;
    dev_t device;
    ino_t inode;
    mode_t mode;
    int flags, own_flags; /* F_GETFL, F_GETFD */
    off_t offset; /* -1 where it has none */
} Descriptor;

typedef struct {
    uid_t users[3];
    gid_t groups[3];
    cpu_set_t processors;
    sigset_t pending;
    int is_reaper, parent_signal, dumpable, privileges, filter, priority;
    pid_t session, group;
} Others;

typedef struct {
    ucontext_t here; /* in `take` */
    ucontext_t away; /* on `stack` */
    unsigned long count; /* how often it has gone back */
    uintptr_t page, heap_end;
    int pagemap; /* open only on the way: a descriptor more, and the program's would have other numbers */
    char folder[PATH_MAX];
    dev_t folder_device;
    ino_t folder_inode;
    mode_t mask;
    stack_t signal_stack;
    struct sigaction actions[NSIG];
    struct rlimit limits[RLIM_NLIMITS];
    char name[16];
    Others others;
    size_t ranges_count, extra_count, missing_count, fds_count, extra_fds_count;
    Range ranges[MOST_RANGES], found[MOST_RANGES], extra[MOST_RANGES], missing[MOST_RANGES];
    Descriptor fds[MOST_FDS];
    int extra_fds[MOST_FDS];
    uint64_t entries[ENTRIES];
    char text[MOST_TEXT]; /* what `read_ranges` reads */
    char stack[STACK_BYTES];
    int is_checked;
    size_t restored_count, different_count; /* pages written back last, and those not as they were after it */
    unsigned char *is_kept;                 /* for each page of `pages`, which follow it */
    char *pages;
    size_t size; /* of both */
} Snapshot;

static Snapshot *snapshot;

/* Where the C library has the kernel write on which processor this thread runs (glibc 2.35). */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* -- what the kernel says ----------------------------------------------------------------------------- */

static uintptr_t
number(const char **text, int base)
{
    uintptr_t value = 0;
    for (;; ++*text) {
        int digit = **text >= '0' && **text <= '9' ? **text - '0'
                    : base == 16 && **text >= 'a' && **text <= 'f' ? **text - 'a' + 10
                                                                   : -1;
        if (digit < 0) {
            return value;
        }
        value = value * (uintptr_t)base + (uintptr_t)digit;
    }
}

/* Read what is mapped; how many ranges there are, or -1. Ranges of the kernel's own are left out. */
static Py_ssize_t
read_ranges(char *text, Range *ranges)
{
    size_t length = 0;
    ssize_t count;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while ((count = read(fd, text + length, MOST_TEXT - 1 - length)) > 0) {
        length += (size_t)count;
    }
    close(fd);
    if (count < 0 || length == MOST_TEXT - 1) {
        return -1;
    }
    text[length] = 0;
    Py_ssize_t found = 0;
    const char *at = text;
    while (*at) {
        if (found == MOST_RANGES) {
            return -1;
        }
        Range *range = &ranges[found];
        memset(range, 0, sizeof(Range));
        range->start = number(&at, 16);
        at++;
        range->end = number(&at, 16);
        at++;
        memcpy(range->mode, at, 4);
        at += 5;
        range->shift = number(&at, 16) - range->start;
        at++;
        range->device = number(&at, 16) << 32;
        at++;
        range->device |= number(&at, 16);
        at++;
        range->inode = number(&at, 10);
        const char *end = strchr(at, '\n');
        if (end == NULL) {
            return -1;
        }
        while (*at == ' ') {
            at++;
        }
        range->is_stack = strncmp(at, "[stack]", 7) == 0;
        range->is_heap = strncmp(at, "[heap]", 6) == 0;
        found += strncmp(at, "[v", 2) != 0;
        at = end + 1;
    }
    return found;
}

static inline int
is_shared(const Range *range)
{
    return range->mode[3] == 's';
}

/* Whether what is there is this process's alone. */
static inline int
is_own(const Range *range)
{
    return range->mode[0] == 'r' && !is_shared(range);
}

static inline int
is_writable(const Range *range)
{
    return range->mode[1] == 'w';
}

/* What the kernel knows of a process beside all that has a place of its own in `Snapshot`. */
static Others
look_at_others(void)
{
    Others others;
    memset(&others, 0, sizeof(others)); /* they are compared with what is between them */
    getresuid(&others.users[0], &others.users[1], &others.users[2]);
    getresgid(&others.groups[0], &others.groups[1], &others.groups[2]);
    sched_getaffinity(0, sizeof(others.processors), &others.processors);
    sigpending(&others.pending);
    prctl(PR_GET_CHILD_SUBREAPER, &others.is_reaper, 0, 0, 0);
    prctl(PR_GET_PDEATHSIG, &others.parent_signal, 0, 0, 0);
    others.dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    others.privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    others.filter = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    others.priority = getpriority(PRIO_PROCESS, 0);
    others.session = getsid(0);
    others.group = getpgid(0);
    return others;
}

/* What goes on beside this thread, if anything does. */
static const char *
find_company(void)
{
    siginfo_t info;
    struct stat threads;
    char text[64];
    if (stat("/proc/self/task", &threads) < 0) {
        return "the kernel does not tell of it";
    }
    if (threads.st_nlink != 3) { /* it, its parent and one */
        return "it has threads";
    }
    if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT | __WALL) == 0) {
        return "it has children";
    }
    for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
        struct itimerval timer;
        if (getitimer(which, &timer) == 0 && (timer.it_value.tv_sec || timer.it_value.tv_usec)) {
            return "it has set a timer";
        }
    }
    int fd = open("/proc/self/timers", O_RDONLY | O_CLOEXEC); /* not in each kernel */
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof(text));
    close(fd);
    return length > 0 ? "it has set a timer" : NULL;
}

static int
describe(int fd, Descriptor *found)
{
    struct stat about;
    if (fstat(fd, &about) < 0) {
        return -1;
    }
    found->fd = fd;
    found->device = about.st_dev;
    found->inode = about.st_ino;
    found->mode = about.st_mode;
    found->flags = fcntl(fd, F_GETFL); /* tells the ends of a pipe apart */
    found->own_flags = fcntl(fd, F_GETFD);
    found->offset = S_ISREG(about.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
    return 0;
}

struct entry {
    ino64_t inode;
    off64_t offset;
    unsigned short length;
    unsigned char kind;
    char name[];
};

/* Call `take_one` with each open descriptor; 0, or -1 as soon as it returns that. */
static int
each_descriptor(int (*take_one)(Snapshot *, int), Snapshot *kept)
{
    char buffer[4096];
    int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return -1;
    }
    long length = 0;
    int result = 0;
    while (result == 0 && (length = syscall(SYS_getdents64, folder, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < length && result == 0;) {
            struct entry *one = (struct entry *)(buffer + at);
            at += one->length;
            if (one->name[0] != '.' && atoi(one->name) != folder) {
                result = take_one(kept, atoi(one->name));
            }
        }
    }
    close(folder);
    return length < 0 ? -1 : result;
}

static int
keep_descriptor(Snapshot *kept, int fd)
{
    return kept->fds_count == MOST_FDS ? -1 : describe(fd, &kept->fds[kept->fds_count++]);
}

static int
find_extra_descriptor(Snapshot *kept, int fd)
{
    for (size_t at = 0; at < kept->fds_count; at++) {
        if (kept->fds[at].fd == fd) {
            return 0;
        }
    }
    if (kept->extra_fds_count == MOST_FDS) {
        return -1;
    }
    kept->extra_fds[kept->extra_fds_count++] = fd;
    return 0;
}

/* -- what is in the way ------------------------------------------------------------------------------- */

/* Call `look` with each piece of `these`, and with that of `those` which lies there, or NULL. */
static const char *
each_piece(Snapshot *kept, const Range *these, size_t these_count, const Range *those, size_t those_count,
           const char *(*look)(Snapshot *, const Range *piece, const Range *other))
{
    size_t at = 0;
    for (const Range *one = these; one < these + these_count; one++) {
        for (Range piece = *one; piece.start < one->end; piece.start = piece.end) {
            while (at < those_count && those[at].end <= piece.start) {
                at++;
            }
            const Range *other = at < those_count ? &those[at] : NULL;
            int is_there = other != NULL && other->start <= piece.start;
            piece.end = one->end;
            if (is_there && other->end < piece.end) {
                piece.end = other->end;
            }
            else if (!is_there && other != NULL && other->start < piece.end) {
                piece.end = other->start;
            }
            const char *problem = look(kept, &piece, is_there ? other : NULL);
            if (problem != NULL) {
                return problem;
            }
        }
    }
    return NULL;
}

/* A piece of what is mapped now, and what was there then. */
static const char *
look_at_now(Snapshot *kept, const Range *piece, const Range *was)
{
    if (was != NULL) {
        int is_same = memcmp(piece->mode, was->mode, 4) == 0 && piece->device == was->device &&
                      piece->inode == was->inode && (piece->inode == 0 || piece->shift == was->shift);
        return is_same ? NULL : "a mapping of its memory has changed";
    }
    if (piece->is_stack || piece->is_heap) {
        return NULL; /* they have grown; what is there now is nothing to whoever has not grown yet */
    }
    if (piece->start == (uintptr_t)kept || piece->start == (uintptr_t)kept->is_kept) {
        return NULL;
    }
    if (piece->inode || is_shared(piece)) {
        return "a file was mapped into its memory";
    }
    kept->extra[kept->extra_count++] = *piece;
    return kept->extra_count < MOST_RANGES ? NULL : "it has too many mappings";
}

/* A piece of what was mapped then, and what is there now. */
static const char *
look_at_then(Snapshot *kept, const Range *piece, const Range *now)
{
    if (now != NULL || piece->is_heap) {
        return NULL;
    }
    if (piece->inode || !is_own(piece) || !is_writable(piece)) {
        return "a mapping of its memory is gone";
    }
    kept->missing[kept->missing_count++] = *piece;
    return kept->missing_count < MOST_RANGES ? NULL : "it has too many mappings";
}

static const char *
compare_ranges(Snapshot *kept)
{
    Py_ssize_t count = read_ranges(kept->text, kept->found);
    if (count < 0) {
        return "its mappings can't be read";
    }
    kept->extra_count = kept->missing_count = 0;
    const char *problem =
        each_piece(kept, kept->found, (size_t)count, kept->ranges, kept->ranges_count, look_at_now);
    return problem ? problem
                   : each_piece(kept, kept->ranges, kept->ranges_count, kept->found, (size_t)count, look_at_then);
}

static int
is_at_home(const Snapshot *kept)
{
    struct stat about;
    return stat(".", &about) == 0 && about.st_dev == kept->folder_device && about.st_ino == kept->folder_inode;
}

static const char *
find_obstacle(Snapshot *kept)
{
    const char *problem = find_company();
    if (problem != NULL) {
        return problem;
    }
    Others others = look_at_others();
    if (memcmp(&others, &kept->others, sizeof(others)) != 0) {
        return "the kernel knows it otherwise";
    }
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit limit;
        if (getrlimit(which, &limit) == 0 && memcmp(&limit, &kept->limits[which], sizeof(limit)) != 0) {
            return "it has changed a limit";
        }
    }
    for (size_t at = 0; at < kept->fds_count; at++) {
        Descriptor now;
        const Descriptor *was = &kept->fds[at];
        if (describe(was->fd, &now) < 0 || now.device != was->device || now.inode != was->inode ||
            now.mode != was->mode || now.flags != was->flags) {
            return "a descriptor leads elsewhere";
        }
    }
    kept->extra_fds_count = 0;
    if (each_descriptor(find_extra_descriptor, kept) < 0) {
        return "it has too many descriptors";
    }
    return compare_ranges(kept);
}

/* -- the memory --------------------------------------------------------------------------------------- */

/* These run on the stack in the snapshot, and call nothing that keeps anything anywhere else. */

/* Do this with each page of what is watched: `address`, its `entry` in the page map, its `index` in `pages`. */
#define EACH_PAGE(kept, range, address, entry, index, body)                                                   \
    for (Range *range = (kept)->ranges; range < (kept)->ranges + (kept)->ranges_count; range++) {             \
        for (uintptr_t part = range->start; range->is_watched && part < range->end;                           \
             part += ENTRIES * (kept)->page) {                                                                \
            uintptr_t left = (range->end - part) / (kept)->page;                                              \
            size_t many = left < ENTRIES ? left : ENTRIES;                                                    \
            off_t place = (off_t)(part / (kept)->page * 8);                                                   \
            if (pread((kept)->pagemap, (kept)->entries, many * 8, place) != (ssize_t)(many * 8)) {            \
                _exit(EXIT_FAILURE);                                                                          \
            }                                                                                                 \
            for (size_t nth = 0; nth < many; nth++) {                                                         \
                uint64_t entry = (kept)->entries[nth];                                                        \
                uintptr_t address = part + nth * (kept)->page;                                                \
                size_t index = range->first + (address - range->start) / (kept)->page;                        \
                body                                                                                          \
            }                                                                                                 \
        }                                                                                                     \
    }

/* Whether there is a page that is not as in a file, or not of zeros where there is no file. */
static inline int
is_written(uint64_t entry)
{
    return entry & (IS_PRESENT | IS_SWAPPED) && !(entry & (IS_OF_FILE | IS_GUARD));
}

static void
keep_memory(void)
{
    Snapshot *kept = snapshot;
    EACH_PAGE(kept, range, address, entry, index, {
        if (is_written(entry)) {
            memcpy(kept->pages + index * kept->page, (void *)address, kept->page);
            kept->is_kept[index] = 1;
        }
    })
    for (Range *range = kept->ranges; range < kept->ranges + kept->ranges_count; range++) {
        if (range->is_watched && !is_writable(range)) {
            size_t pages = (range->end - range->start) / kept->page;
            range->is_watched = memchr(kept->is_kept + range->first, 1, pages) != NULL;
        }
    }
    close(kept->pagemap);
    setcontext(&kept->here);
}

static int
is_zero(const char *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

/* Bring into the copy of a page what the kernel itself writes there, at any time. */
static void
keep_processor(char *page, uintptr_t address, size_t size)
{
    if (&__rseq_size != NULL && __rseq_size != 0) {
        uintptr_t place = (uintptr_t)__builtin_thread_pointer() + (uintptr_t)__rseq_offset;
        if (address <= place && place < address + size) {
            memcpy(page + (place - address), (void *)place, sizeof(struct rseq));
        }
    }
}

static void
write_back(Snapshot *kept, const Range *range, uintptr_t address, const char *page)
{
    int protection = PROT_READ | (range->mode[2] == 'x' ? PROT_EXEC : 0);
    if (!is_writable(range) && mprotect((void *)address, kept->page, protection | PROT_WRITE) < 0) {
        _exit(EXIT_FAILURE);
    }
    memcpy((void *)address, page, kept->page);
    if (!is_writable(range) && mprotect((void *)address, kept->page, protection) < 0) {
        _exit(EXIT_FAILURE);
    }
    kept->restored_count++;
}

/* Count pages that are not as they were. */
static void
check_memory(Snapshot *kept)
{
    kept->different_count = 0;
    EACH_PAGE(kept, range, address, entry, index, {
        if (kept->is_kept[index]) {
            char *page = kept->pages + index * kept->page;
            keep_processor(page, address, kept->page);
            kept->different_count += memcmp((void *)address, page, kept->page) != 0;
        }
        else if (is_written(entry)) {
            kept->different_count += range->inode || !is_zero((char *)address, kept->page);
        }
    })
}

static void
restore_memory(void)
{
    Snapshot *kept = snapshot;
    kept->count++;
    for (size_t at = 0; at < kept->extra_count; at++) {
        munmap((void *)kept->extra[at].start, kept->extra[at].end - kept->extra[at].start);
    }
    if ((uintptr_t)syscall(SYS_brk, kept->heap_end) != kept->heap_end) {
        _exit(EXIT_FAILURE);
    }
    for (size_t at = 0; at < kept->missing_count; at++) {
        const Range *range = &kept->missing[at];
        int protection = PROT_READ | PROT_WRITE | (range->mode[2] == 'x' ? PROT_EXEC : 0);
        if (mmap((void *)range->start, range->end - range->start, protection,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
            _exit(EXIT_FAILURE);
        }
    }
    for (size_t at = 0; at < kept->extra_fds_count; at++) {
        close(kept->extra_fds[at]);
    }
    for (size_t at = 0; at < kept->fds_count; at++) {
        const Descriptor *was = &kept->fds[at];
        fcntl(was->fd, F_SETFD, was->own_flags);
        if (was->offset >= 0) {
            lseek(was->fd, was->offset, SEEK_SET);
        }
    }
    for (int signal_ = 1; signal_ < NSIG; signal_++) {
        sigaction(signal_, &kept->actions[signal_], NULL);
    }
    sigaltstack(&kept->signal_stack, NULL);
    umask(kept->mask);
    prctl(PR_SET_NAME, kept->name, 0, 0, 0);
    if (!is_at_home(kept) && (chdir(kept->folder) < 0 || !is_at_home(kept))) {
        _exit(EXIT_FAILURE);
    }
    kept->restored_count = 0;
    EACH_PAGE(kept, range, address, entry, index, {
        if (kept->is_kept[index]) {
            char *page = kept->pages + index * kept->page;
            int is_likely = is_writable(range) && (entry & IS_EXCLUSIVE || !(entry & IS_PRESENT));
            keep_processor(page, address, kept->page);
            if (is_likely || memcmp((void *)address, page, kept->page) != 0) {
                write_back(kept, range, address, page);
            }
        }
        else if (!is_written(entry)) {
            continue;
        }
        else if (range->inode) {
            if (madvise((void *)address, kept->page, MADV_DONTNEED) < 0) {
                _exit(EXIT_FAILURE);
            }
        }
        else if (!is_zero((char *)address, kept->page)) {
            memset((void *)address, 0, kept->page);
        }
    })
    if (kept->is_checked) {
        check_memory(kept);
    }
    close(kept->pagemap);
    setcontext(&kept->here);
}

static int
open_pagemap(Snapshot *kept)
{
    kept->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    return kept->pagemap;
}

static void
go_on(Snapshot *kept, void (*function)(void))
{
    getcontext(&kept->away);
    kept->away.uc_stack.ss_sp = kept->stack;
    kept->away.uc_stack.ss_size = STACK_BYTES;
    kept->away.uc_link = NULL;
    sigfillset(&kept->away.uc_sigmask); /* a handler's memory is not there */
    makecontext(&kept->away, function, 0);
    setcontext(&kept->away);
}

/* -- for Python --------------------------------------------------------------------------------------- */

static void *
shared_memory(size_t size)
{
    void *found =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return found == MAP_FAILED ? NULL : found;
}

/* Look at all but the memory; why that can't be, or NULL. */
static const char *
look_around(Snapshot *kept, uintptr_t shared)
{
    const char *problem = find_company();
    if (problem != NULL) {
        return problem;
    }
    kept->others = look_at_others();
    prctl(PR_GET_NAME, kept->name, 0, 0, 0);
    kept->page = (uintptr_t)sysconf(_SC_PAGESIZE);
    Py_ssize_t count = read_ranges(kept->text, kept->ranges);
    if (count < 0) {
        return "the kernel does not tell of its memory";
    }
    kept->ranges_count = (size_t)count;
    size_t pages = 0;
    for (Range *range = kept->ranges; range < kept->ranges + count; range++) {
        int is_known = range->start == (uintptr_t)kept || (range->start <= shared && shared < range->end);
        if (is_shared(range) && is_writable(range) && !is_known) {
            return "it shares memory with others";
        }
        range->is_watched = is_own(range);
        if (range->is_watched) {
            range->first = pages;
            pages += (range->end - range->start) / kept->page;
        }
    }
    size_t flags = (pages + kept->page - 1) / kept->page * kept->page;
    kept->size = flags + pages * kept->page;
    kept->is_kept = shared_memory(kept->size);
    if (kept->is_kept == NULL) {
        return "there is no memory for it";
    }
    kept->pages = (char *)kept->is_kept + flags;
    struct stat folder;
    if (getcwd(kept->folder, sizeof(kept->folder)) == NULL || stat(".", &folder) < 0) {
        return "its folder is gone";
    }
    kept->folder_device = folder.st_dev;
    kept->folder_inode = folder.st_ino;
    kept->heap_end = (uintptr_t)syscall(SYS_brk, 0);
    kept->mask = umask(0);
    umask(kept->mask);
    sigaltstack(NULL, &kept->signal_stack);
    for (int signal_ = 1; signal_ < NSIG; signal_++) {
        sigaction(signal_, NULL, &kept->actions[signal_]);
    }
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        getrlimit(which, &kept->limits[which]);
    }
    if (each_descriptor(keep_descriptor, kept) < 0) {
        return "it has too many descriptors";
    }
    return open_pagemap(kept) < 0 ? "the kernel does not tell of its memory" : NULL;
}

/* take(shared) -> how often the process has gone back to here: 0 at first. `shared` is the one buffer that it
   shares with others. Raises OSError, saying what is in the way. */
static PyObject *
take(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer shared;
    if (!PyArg_ParseTuple(args, "w*", &shared)) {
        return NULL;
    }
    uintptr_t address = (uintptr_t)shared.buf;
    PyBuffer_Release(&shared);
    if (snapshot != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "there is a snapshot already");
        return NULL;
    }
    Snapshot *kept = shared_memory(sizeof(Snapshot));
    const char *problem = kept == NULL ? "there is no memory for it" : look_around(kept, address);
    if (problem != NULL && kept != NULL) {
        if (kept->is_kept != NULL) {
            munmap(kept->is_kept, kept->size);
        }
        munmap(kept, sizeof(Snapshot));
    }
    if (problem != NULL) {
        PyErr_SetString(PyExc_OSError, problem);
        return NULL;
    }
    snapshot = kept;
    volatile int is_taken = 0;
    getcontext(&kept->here);
    if (!is_taken) {
        /* In memory, and so on the stack that is kept: it is so each time this comes by here again. A register
           would be as it was at `getcontext`. */
        is_taken = 1;
        go_on(kept, keep_memory);
    }
    return PyLong_FromUnsignedLong(snapshot->count);
}

/* go_back(is_checked=False) -> why that can't be; else it does not return. */
static PyObject *
go_back(PyObject *Py_UNUSED(module), PyObject *args)
{
    int is_checked = 0;
    if (!PyArg_ParseTuple(args, "|p", &is_checked)) {
        return NULL;
    }
    const char *problem = snapshot == NULL ? "there is no snapshot" : find_obstacle(snapshot);
    if (problem == NULL && open_pagemap(snapshot) < 0) {
        problem = "the kernel does not tell of its memory";
    }
    if (problem != NULL) {
        return PyUnicode_FromString(problem);
    }
    snapshot->is_checked = is_checked;
    go_on(snapshot, restore_memory);
    Py_UNREACHABLE();
}

/* counts() -> how many pages were written back last, and how many were not as they were after it, if checked. */
static PyObject *
counts(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (snapshot == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "there is no snapshot");
        return NULL;
    }
    return Py_BuildValue("kk", (unsigned long)snapshot->restored_count, (unsigned long)snapshot->different_count);
}

static PyMethodDef functions[] = {
    {"take", take, METH_VARARGS, NULL},
    {"go_back", go_back, METH_VARARGS, NULL},
    {"counts", counts, METH_NOARGS, NULL},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "replay._rewind",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__rewind(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntMacro(module, INTERFACE) < 0) {
        Py_CLEAR(module);
    }
    return module;
}
