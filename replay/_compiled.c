/* The hot path of recording, compiled: the usual case of a few functions that are written in Python, too.

Each of these functions has a twin in Python (`runtime/hot.py`, `runtime/trio_/live.py`,
`recording/frames.py`), which is what runs where this module could not be built. The twin says what is
right; here is only its usual case, and whatever is not usual is handed over to it, before anything has been
done. So what is recorded is the same, and there is one place to read.

No function of Python's runs between two events that belong together, and no lock is let go of: handlers of
signals and other threads see the lists and the window before or after, never in between.

A `Hot` holds what they share. `hot.append` is None while other threads are recorded too, or while a door is
open whose events are not to be seen; then the running thread's stream is looked up. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Changed with each change of what this module does, here and in `compiled.py`: an older build that lies in a
   checkout is then passed over. */
#define INTERFACE 2

/* `tests/unit/test_compiled.py` compares these with those of the twins. */
#define TAG_BITS 9          /* of `recording.events` */
#define UNMEASURED (-1)     /* of `recording.events` */
#define FRAME_SIZE 12       /* of `recording.container` */
#define BATCH_ITEMS 1024    /* of `worlds.live` */
#define LONG_BATCH 64       /* of `trio_.live` */
#define UNMEASURED_COUNT 7  /* of `trio_.live` */
#define CLOCK_BATCH_S 0.001 /* of `hot` */
#define YOUNG 2000          /* of `garbage` */

#define LOOKED_THROUGH 4096  /* larger contents are the twin's, who looks through them faster */

static PyObject *name_counter, *name_epoll, *name_failed, *name_flush, *name_put_slowly, *name_registered,
    *name_stream, *name_wait, *name_would_block;
static PyObject *nothing, *unmeasured;
static PyTypeObject *deque_type;

/* -- checksums -------------------------------------------------------------------------------------- */

/* That of zlib, whose own lets go of the interpreter's lock over large data. Eight bytes at a time: Kounavis and
   Berry, "Novel table lookup-based algorithms for high-performance CRC generation", IEEE ToC 57 (2008). */

static uint32_t crc_table[8][256];

static void
fill_crc_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
        crc_table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = crc_table[slice - 1][byte];
            crc_table[slice][byte] = before >> 8 ^ crc_table[0][before & 0xFF];
        }
    }
}

static uint32_t
crc32_of(const unsigned char *data, Py_ssize_t length, uint32_t start)
{
    uint32_t crc = ~start;
    for (; length >= 8; data += 8, length -= 8) {
        uint32_t low = crc ^ ((uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
                              (uint32_t)data[3] << 24);
        crc = crc_table[7][low & 0xFF] ^ crc_table[6][low >> 8 & 0xFF] ^ crc_table[5][low >> 16 & 0xFF] ^
              crc_table[4][low >> 24] ^ crc_table[3][data[4]] ^ crc_table[2][data[5]] ^
              crc_table[1][data[6]] ^ crc_table[0][data[7]];
    }
    while (length-- > 0) {
        crc = crc >> 8 ^ crc_table[0][(crc ^ *data++) & 0xFF];
    }
    return ~crc;
}

static PyObject *
py_crc32(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer view;
    if (count != 2 || PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "crc32 takes bytes and a start");
        }
        return NULL;
    }
    unsigned long start = PyLong_AsUnsignedLongMask(args[1]);
    PyObject *crc = PyErr_Occurred() ? NULL : PyLong_FromUnsignedLong(crc32_of(view.buf, view.len, (uint32_t)start));
    PyBuffer_Release(&view);
    return crc;
}

static void
store_number(unsigned char *at, uint32_t number)
{
    for (int byte = 0; byte < 4; byte++) {
        at[byte] = (unsigned char)(number >> 8 * byte);
    }
}

/* -- objects that own others: all of them stand in a row ----------------------------------------------- */

#define OWNS(Type, prefix, first, last)                                        \
    static int prefix##_traverse(Type *self, visitproc visit, void *arg)       \
    {                                                                          \
        for (PyObject **each = &self->first; each <= &self->last; each++) {    \
            Py_VISIT(*each);                                                   \
        }                                                                      \
        return 0;                                                              \
    }                                                                          \
    static int prefix##_clear(Type *self)                                      \
    {                                                                          \
        for (PyObject **each = &self->first; each <= &self->last; each++) {    \
            Py_CLEAR(*each);                                                   \
        }                                                                      \
        return 0;                                                              \
    }                                                                          \
    static void prefix##_dealloc(Type *self)                                   \
    {                                                                          \
        PyObject_GC_UnTrack(self);                                             \
        if (Py_TYPE(self)->tp_weaklistoffset > 0) {                            \
            PyObject_ClearWeakRefs((PyObject *)self);                          \
        }                                                                      \
        prefix##_clear(self);                                                  \
        Py_TYPE(self)->tp_free((PyObject *)self);                              \
    }

/* -- frames: what is put into the window ------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *encode;
    PyObject *window;
    Py_ssize_t offset;
    Py_ssize_t full;
    long long seed;
    Py_ssize_t events_count;
} Frames;

static PyTypeObject Frames_Type;

/* Put a frame into the window: 1 if it is there, 0 if it does not fit, -1 with an exception. */
static int
store_frame(Frames *self, unsigned long stream, PyObject *items, PyObject **payload)
{
    if (self->encode == NULL || self->window == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "there is no window");
        return -1;
    }
    PyObject *encoded = PyObject_CallOneArg(self->encode, items);
    if (encoded == NULL) {
        return -1;
    }
    if (!PyBytes_CheckExact(encoded)) {
        Py_DECREF(encoded);
        PyErr_SetString(PyExc_TypeError, "events are encoded as bytes");
        return -1;
    }
    Py_ssize_t length = PyBytes_GET_SIZE(encoded);
    Py_ssize_t start = self->offset + FRAME_SIZE;
    *payload = encoded;
    if (start + length > self->full) {
        return 0;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(self->window, &view, PyBUF_WRITABLE) < 0) {
        return -1;
    }
    if (self->offset < 0 || start + length > view.len) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "the frame lies outside of the window");
        return -1;
    }
    const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(encoded);
    unsigned char *frame = (unsigned char *)view.buf + self->offset;
    uint32_t seed = (uint32_t)self->seed ^ (uint32_t)stream ^ (uint32_t)length << 16;
    memcpy(frame + FRAME_SIZE, bytes, (size_t)length);
    store_number(frame, crc32_of(bytes, length, seed));
    store_number(frame + 4, (uint32_t)stream);
    atomic_thread_fence(memory_order_release); /* the length last: a frame of length 0 is none */
    store_number(frame + 8, (uint32_t)length);
    PyBuffer_Release(&view);
    self->offset = start + length;
    self->events_count += PyList_GET_SIZE(items) >> 1;
    return 1;
}

static PyObject *
frames_put(Frames *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyList_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "put takes the number of a stream and a list");
        return NULL;
    }
    unsigned long stream = PyLong_AsUnsignedLong(args[0]);
    if (stream == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    if (stream > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "the number of a stream has 32 bits");
        return NULL;
    }
    PyObject *payload = NULL;
    int stored = store_frame(self, stream, args[1], &payload);
    if (stored == 0) {
        PyObject *result =
            PyObject_CallMethodObjArgs((PyObject *)self, name_put_slowly, args[0], args[1], payload, NULL);
        Py_DECREF(payload);
        return result;
    }
    Py_XDECREF(payload);
    if (stored < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

OWNS(Frames, frames, encode, window)

static PyMemberDef frames_members[] = {
    {"_encode", T_OBJECT_EX, offsetof(Frames, encode), 0, NULL},
    {"_window", T_OBJECT_EX, offsetof(Frames, window), 0, NULL},
    {"_frame_offset", T_PYSSIZET, offsetof(Frames, offset), 0, NULL},
    {"_full_offset", T_PYSSIZET, offsetof(Frames, full), 0, NULL},
    {"_seed", T_LONGLONG, offsetof(Frames, seed), 0, NULL},
    {"_events_count", T_PYSSIZET, offsetof(Frames, events_count), 0, NULL},
    {NULL},
};

static PyMethodDef frames_methods[] = {
    {"put", (PyCFunction)(void (*)(void))frames_put, METH_FASTCALL, NULL},
    {NULL},
};

static PyTypeObject Frames_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "replay._compiled.Frames",
    .tp_basicsize = sizeof(Frames),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)frames_dealloc,
    .tp_traverse = (traverseproc)frames_traverse,
    .tp_clear = (inquiry)frames_clear,
    .tp_members = frames_members,
    .tp_methods = frames_methods,
};

/* -- streams: what a thread has met, and is not in the file yet -------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *items;
    PyObject *append;
    unsigned int number;
    long long last_ns;
    long long clock_ns;
} Stream;

static PyTypeObject Stream_Type;

static long long
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Append both; an event is never left without its value. Takes the reference to the value, which may be NULL. */
static int
add_event(Stream *stream, PyObject *key, PyObject *value)
{
    if (value == NULL || key == NULL || stream->items == NULL) {
        Py_XDECREF(value);
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "there is no list of events");
        }
        return -1;
    }
    int failed = PyList_Append(stream->items, key);
    if (!failed && (failed = PyList_Append(stream->items, value))) {
        Py_ssize_t size = PyList_GET_SIZE(stream->items);
        PyList_SetSlice(stream->items, size - 1, size, NULL);
    }
    Py_DECREF(value);
    return failed;
}

static int
add_step(Stream *stream, PyObject *number)
{
    long long started = now_ns();
    long long since = started - stream->last_ns;
    stream->last_ns = started;
    return add_event(stream, number, PyLong_FromLongLong(since));
}

static PyObject *
stream_step(Stream *self, PyObject *number)
{
    if (self->items == NULL || !PyList_CheckExact(self->items)) {
        PyErr_SetString(PyExc_TypeError, "the items of a stream are a list");
        return NULL;
    }
    if (add_step(self, number) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

OWNS(Stream, stream, items, append)

static PyMemberDef stream_members[] = {
    {"items", T_OBJECT_EX, offsetof(Stream, items), 0, NULL},
    {"append", T_OBJECT_EX, offsetof(Stream, append), 0, NULL},
    {"number", T_UINT, offsetof(Stream, number), 0, NULL},
    {"last_ns", T_LONGLONG, offsetof(Stream, last_ns), 0, NULL},
    {"clock_ns", T_LONGLONG, offsetof(Stream, clock_ns), 0, NULL},
    {NULL},
};

static PyMethodDef stream_methods[] = {
    {"step", (PyCFunction)stream_step, METH_O, NULL},
    {NULL},
};

static PyTypeObject Stream_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "replay._compiled.Stream",
    .tp_basicsize = sizeof(Stream),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)stream_dealloc,
    .tp_traverse = (traverseproc)stream_traverse,
    .tp_clear = (inquiry)stream_clear,
    .tp_members = stream_members,
    .tp_methods = stream_methods,
};

/* -- what all of them share -------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *append;      /* of the main stream's list, or None */
    PyObject *writer;      /* a Frames that only the main thread puts into, or None */
    PyObject *world;
    PyObject *main;        /* its stream */
    PyObject *current;     /* `current.stream` is that of the running thread */
    PyObject *blocked;     /* values of events that say that there was nothing yet, by their keys */
    PyObject *error_key;
    PyObject *short_key;
    PyObject *fileno;      /* of a socket */
    PyObject *getblocking;
    char is_redacting;     /* what goes out is to be redacted before its checksum is taken */
} Hot;

static PyTypeObject Hot_Type;

OWNS(Hot, hot, append, getblocking)

static PyMemberDef hot_members[] = {
    {"append", T_OBJECT, offsetof(Hot, append), 0, NULL},
    {"writer", T_OBJECT, offsetof(Hot, writer), 0, NULL},
    {"world", T_OBJECT, offsetof(Hot, world), 0, NULL},
    {"main", T_OBJECT, offsetof(Hot, main), 0, NULL},
    {"current", T_OBJECT, offsetof(Hot, current), 0, NULL},
    {"blocked", T_OBJECT, offsetof(Hot, blocked), 0, NULL},
    {"error_key", T_OBJECT, offsetof(Hot, error_key), 0, NULL},
    {"short_key", T_OBJECT, offsetof(Hot, short_key), 0, NULL},
    {"fileno", T_OBJECT, offsetof(Hot, fileno), 0, NULL},
    {"getblocking", T_OBJECT, offsetof(Hot, getblocking), 0, NULL},
    {"is_redacting", T_BOOL, offsetof(Hot, is_redacting), 0, NULL},
    {NULL},
};

static PyTypeObject Hot_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "replay._compiled.Hot",
    .tp_basicsize = sizeof(Hot),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)hot_dealloc,
    .tp_traverse = (traverseproc)hot_traverse,
    .tp_clear = (inquiry)hot_clear,
    .tp_members = hot_members,
};

static inline int
is_alone(Hot *hot)
{
    return hot->append != NULL && hot->append != Py_None;
}

/* Return the running thread's stream, a new reference; NULL where the twin has to see to it, without an
   exception. */
static Stream *
stream_of(Hot *hot)
{
    PyObject *stream;
    if (is_alone(hot)) {
        stream = Py_XNewRef(hot->main);
    }
    else {
        stream = hot->current == NULL ? NULL : PyObject_GetAttr(hot->current, name_stream);
    }
    if (stream != NULL && PyObject_TypeCheck(stream, &Stream_Type)) {
        PyObject *items = ((Stream *)stream)->items;
        if (items != NULL && PyList_CheckExact(items)) {
            return (Stream *)stream;
        }
    }
    PyErr_Clear();
    Py_XDECREF(stream);
    return NULL;
}

/* Bring what the stream holds into the kernel. */
static int
flush(Hot *hot, Stream *stream)
{
    PyObject *items = stream->items;
    if (PyList_GET_SIZE(items) == 0) {
        return 0;
    }
    if (is_alone(hot) && hot->writer != NULL && PyObject_TypeCheck(hot->writer, &Frames_Type)) {
        PyObject *payload = NULL;
        int stored = store_frame((Frames *)hot->writer, stream->number, items, &payload);
        Py_XDECREF(payload);
        if (stored > 0) {
            /* The list keeps its room: it is filled again at once. What can be encoded runs nothing when it
               goes, so nothing is appended meanwhile. */
            for (Py_ssize_t at = PyList_GET_SIZE(items); at-- > 0;) {
                PyObject *item = PyList_GET_ITEM(items, at);
                Py_SET_SIZE(items, at);
                Py_DECREF(item);
            }
            return 0;
        }
        PyErr_Clear(); /* the twin meets it too, and knows what to do */
    }
    PyObject *result = PyObject_CallMethodOneArg(hot->world, name_flush, (PyObject *)stream);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Record that what has just been asked failed; the exception stays set. */
static int
record_failure(Hot *hot, Stream *stream, PyObject *key)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    PyObject *known = NULL;
    int failed = -1;
    if (hot->blocked != NULL && PyDict_CheckExact(hot->blocked) && Py_IS_TYPE(error, (PyTypeObject *)PyExc_BlockingIOError)) {
        known = PyDict_GetItemWithError(hot->blocked, key);
    }
    if (known != NULL) {
        PyException_SetTraceback(error, Py_None);
        failed = add_event(stream, hot->error_key, Py_NewRef(known));
    }
    else if (!PyErr_Occurred()) {
        int would_block = PyErr_GivenExceptionMatches(error, PyExc_BlockingIOError);
        PyObject *result = PyObject_CallMethodObjArgs(
            hot->world, would_block ? name_would_block : name_failed, stream->append, key, error, NULL);
        Py_XDECREF(result);
        failed = result == NULL ? -1 : 0;
    }
    if (failed) { /* of ours; instead of the program's */
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return -1;
    }
    Py_XDECREF(traceback);
    PyErr_Restore(type, error, PyException_GetTraceback(error));
    return 0;
}

/* -- doors -------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *twin;    /* the whole function, in Python; what it is called, documented as, and so on */
    PyObject *shared;  /* a Hot */
    PyObject *real;    /* what is performed */
    PyObject *key;     /* of its events, where that is always the same */
    PyObject *other;   /* see each door */
    PyObject *another;
    PyObject *pending;
    PyObject *weakrefs;
    long tag;
    double due;
} Door;

static PyTypeObject Door_Type, Method_Type;

static inline Hot *
hot_of(Door *self)
{
    return (Hot *)self->shared;
}

static PyObject *
call_twin(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    return PyObject_Vectorcall(self->twin, args, nargsf, names);
}

/* Look at a socket: 1 if it does not wait, and the key of what is asked of it; 0 if the twin has to. */
static int
key_of_socket(Door *self, PyObject *socket, PyObject **key)
{
    Hot *hot = hot_of(self);
    if (hot->getblocking == NULL || hot->fileno == NULL) {
        return 0;
    }
    PyObject *answer = PyObject_CallOneArg(hot->getblocking, socket);
    int may_wait = answer != Py_False;
    Py_XDECREF(answer);
    if (may_wait) {
        PyErr_Clear();
        return 0;
    }
    answer = PyObject_CallOneArg(hot->fileno, socket);
    long fd = answer == NULL ? -1 : PyLong_AsLong(answer);
    Py_XDECREF(answer);
    if (fd < 0) {
        PyErr_Clear();
        return 0;
    }
    *key = PyLong_FromLong(-(self->tag | fd << TAG_BITS));
    if (*key == NULL) {
        PyErr_Clear();
        return 0;
    }
    return 1;
}

/* `socket.recv`. */
static PyObject *
call_receive(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Stream *stream = names != NULL || count < 2 || count > 3 ? NULL : stream_of(hot_of(self));
    PyObject *key = NULL;
    if (stream == NULL || !key_of_socket(self, args[0], &key)) {
        Py_XDECREF(stream);
        return call_twin(self, args, nargsf, names);
    }
    PyObject *data = PyObject_Vectorcall(self->real, args, (size_t)count, NULL);
    if (data == NULL) {
        record_failure(hot_of(self), stream, key);
    }
    else if (add_event(stream, key, Py_NewRef(data)) < 0) {
        Py_CLEAR(data);
    }
    Py_DECREF(key);
    Py_DECREF(stream);
    return data;
}

/* `socket.send`: the event is with the kernel before the bytes are. */
static PyObject *
call_send(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Stream *stream = NULL;
    PyObject *key = NULL;
    Py_buffer view;
    /* Of these types: to look at others may run code of the program. */
    if (names != NULL || count < 2 || count > 3 || hot_of(self)->is_redacting ||
        !(PyBytes_CheckExact(args[1]) || PyByteArray_CheckExact(args[1]) || PyMemoryView_Check(args[1])) ||
        (stream = stream_of(hot_of(self))) == NULL || !key_of_socket(self, args[0], &key)) {
        Py_XDECREF(stream);
        return call_twin(self, args, nargsf, names);
    }
    int is_bytes = PyObject_GetBuffer(args[1], &view, PyBUF_SIMPLE) == 0;
    /* A content may hold an address, which its checksum goes without: the twin knows how. */
    if (!is_bytes || view.len > LOOKED_THROUGH || memmem(view.buf, (size_t)view.len, " at 0x", 6) != NULL) {
        PyErr_Clear();
        if (is_bytes) {
            PyBuffer_Release(&view);
        }
        Py_DECREF(key);
        Py_DECREF(stream);
        return call_twin(self, args, nargsf, names);
    }
    Py_ssize_t size = view.len;
    uint32_t checksum = crc32_of(view.buf, size, (uint32_t)size);
    PyBuffer_Release(&view);
    PyObject *sent = NULL;
    if (add_event(stream, key, PyLong_FromUnsignedLong(checksum)) < 0 || flush(hot_of(self), stream) < 0) {
        goto done;
    }
    sent = PyObject_Vectorcall(self->real, args, (size_t)count, NULL);
    if (sent == NULL) {
        record_failure(hot_of(self), stream, key);
    }
    else if (PyLong_AsSsize_t(sent) != size &&
             (PyErr_Occurred() || add_event(stream, hot_of(self)->short_key, Py_NewRef(sent)) < 0)) {
        Py_CLEAR(sent);
    }
done:
    Py_DECREF(key);
    Py_DECREF(stream);
    return sent;
}

/* A clock that counts seconds; `other` catches up with what waits for the program to come to a door. */
static PyObject *
call_clock(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Hot *hot = hot_of(self);
    if (PyVectorcall_NARGS(nargsf) != 0 || names != NULL || !is_alone(hot)) {
        return call_twin(self, args, nargsf, names);
    }
    Stream *stream = stream_of(hot);
    if (stream == NULL) {
        return call_twin(self, args, nargsf, names);
    }
    PyObject *value = PyObject_CallNoArgs(self->real);
    double seconds = value == NULL ? 0.0 : PyFloat_AsDouble(value);
    if (value == NULL || PyErr_Occurred()) {
        goto failed;
    }
    if (seconds > self->due) {
        /* Before the event is there: a replay then meets signals where it has to look for a next event. */
        self->due = seconds + CLOCK_BATCH_S;
        PyObject *result = PyObject_CallNoArgs(self->other);
        if (result == NULL) {
            goto failed;
        }
        Py_DECREF(result);
    }
    if (add_event(stream, self->key, Py_NewRef(value)) < 0) {
        goto failed;
    }
    Py_DECREF(stream);
    return value;
failed:
    Py_XDECREF(value);
    Py_DECREF(stream);
    return NULL;
}

/* The clock of trio's loop. */
static PyObject *
call_trio_clock(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Stream *stream = stream_of(hot_of(self));
    if (stream == NULL) {
        return call_twin(self, args, nargsf, names);
    }
    long long now = now_ns();
    long long since = now - stream->clock_ns;
    stream->clock_ns = now;
    int failed = add_event(stream, self->key, PyLong_FromLongLong(since));
    Py_DECREF(stream);
    if (failed) {
        return NULL;
    }
    return PyFloat_FromDouble((double)now / 1e9);
}

/* `get_events` of trio's loop. `real` is how much there is for the garbage collector, `other` waits, `another`
   collects and delivers signals. */
static PyObject *
call_trio_wait(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Hot *hot = hot_of(self);
    if (PyVectorcall_NARGS(nargsf) != 2 || names != NULL || !is_alone(hot) ||
        !(PyFloat_CheckExact(args[1]) || PyLong_CheckExact(args[1]))) {
        return call_twin(self, args, nargsf, names);
    }
    double timeout = PyFloat_AsDouble(args[1]); /* trio's 0 is an int */
    if (timeout == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    Stream *stream = stream_of(hot);
    if (stream == NULL || PyList_GET_SIZE(stream->items) > BATCH_ITEMS) {
        Py_XDECREF(stream);
        return call_twin(self, args, nargsf, names);
    }
    PyObject *batch = NULL, *wait = NULL, *registered = NULL, *most = NULL;
    PyObject *epoll = PyObject_GetAttr(args[0], name_epoll);
    if (epoll == NULL || (wait = PyObject_GetAttr(epoll, name_wait)) == NULL ||
        (registered = PyObject_GetAttr(args[0], name_registered)) == NULL) {
        goto done;
    }
    Py_ssize_t size = PyObject_Length(registered);
    if (size < 0 || (most = PyLong_FromSsize_t(size ? size : 1)) == NULL) {
        goto done;
    }
    PyObject *asked[] = {nothing, most};
    batch = PyObject_Vectorcall(wait, asked, 2, NULL);
    if (batch != NULL && PyList_CheckExact(batch) && PyList_GET_SIZE(batch) == 0 &&
        timeout > 0.0) {
        Py_DECREF(batch);
        PyObject *given[] = {wait, args[1], most};
        batch = PyObject_Vectorcall(self->other, given, 3, NULL);
    }
    if (batch == NULL) {
        goto done;
    }
    int is_empty = PyList_CheckExact(batch) && PyList_GET_SIZE(batch) == 0;
    if (add_event(stream, self->key, Py_NewRef(is_empty ? nothing : batch)) < 0) {
        Py_CLEAR(batch);
        goto done;
    }
    PyObject *counts = PyObject_CallNoArgs(self->real);
    if (counts == NULL || !PyTuple_CheckExact(counts)) {
        Py_XDECREF(counts);
        Py_CLEAR(batch);
        goto done;
    }
    long young = PyLong_AsLong(PyTuple_GET_ITEM(counts, 0));
    Py_DECREF(counts);
    if (young > YOUNG || PyList_GET_SIZE(self->pending) > 0) {
        PyObject *result = PyObject_CallOneArg(self->another, (PyObject *)stream);
        if (result == NULL) {
            Py_CLEAR(batch);
        }
        Py_XDECREF(result);
    }
done:
    Py_XDECREF(epoll);
    Py_XDECREF(wait);
    Py_XDECREF(registered);
    Py_XDECREF(most);
    Py_DECREF(stream);
    return batch;
}

/* -- trio's batches ----------------------------------------------------------------------------------- */

typedef struct {
    PyListObject list;
    Hot *hot;
    int is_long;
    int left; /* so many steps are not measured before one is again */
} Batch;

static PyTypeObject Batch_Type;

static PyObject *
batch_pop(Batch *self, PyObject *Py_UNUSED(unused))
{
    PyObject *list = (PyObject *)self;
    Py_ssize_t size = PyList_GET_SIZE(list);
    if (size == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from empty list");
        return NULL;
    }
    PyObject *task = PyList_GET_ITEM(list, size - 1);
    Py_SET_SIZE(list, size - 1);
    Stream *stream = self->hot == NULL ? NULL : stream_of(self->hot);
    if (stream == NULL) {
        return task;
    }
    PyObject *number = PyObject_GetAttr(task, name_counter);
    int failed = number == NULL;
    if (!failed) {
        if (self->left && is_alone(self->hot)) {
            self->left--;
            failed = add_event(stream, number, Py_NewRef(unmeasured));
        }
        else {
            self->left = self->is_long ? UNMEASURED_COUNT : 0;
            failed = add_step(stream, number);
        }
    }
    Py_XDECREF(number);
    Py_DECREF(stream);
    if (failed) {
        Py_CLEAR(task);
    }
    return task;
}

static int
batch_traverse(Batch *self, visitproc visit, void *arg)
{
    Py_VISIT(self->hot);
    return PyList_Type.tp_traverse((PyObject *)self, visit, arg);
}

static int
batch_clear(Batch *self)
{
    Py_CLEAR(self->hot);
    return PyList_Type.tp_clear((PyObject *)self);
}

static void
batch_dealloc(Batch *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, batch_dealloc)
    Py_CLEAR(self->hot);
    PyObject_GC_Track(self); /* the list takes it off again */
    PyList_Type.tp_dealloc((PyObject *)self);
    Py_TRASHCAN_END
}

static PyMethodDef batch_methods[] = {
    {"pop", (PyCFunction)batch_pop, METH_NOARGS, NULL},
    {NULL},
};

static PyTypeObject Batch_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "replay._compiled.Batch",
    .tp_basicsize = sizeof(Batch),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_base = &PyList_Type,
    .tp_dealloc = (destructor)batch_dealloc,
    .tp_traverse = (traverseproc)batch_traverse,
    .tp_clear = (inquiry)batch_clear,
    .tp_methods = batch_methods,
};

/* What `list` is to trio's loop: makes a batch of its queue. */
static PyObject *
call_make_list(Door *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    if (PyVectorcall_NARGS(nargsf) != 1 || names != NULL || !Py_IS_TYPE(args[0], deque_type)) {
        return PyObject_Vectorcall((PyObject *)&PyList_Type, args, nargsf, names);
    }
    PyObject *batch = PyObject_CallOneArg((PyObject *)&Batch_Type, args[0]);
    if (batch != NULL) {
        ((Batch *)batch)->hot = (Hot *)Py_NewRef(self->shared);
        ((Batch *)batch)->is_long = PyList_GET_SIZE(batch) >= LONG_BATCH;
    }
    return batch;
}

/* -- doors as objects --------------------------------------------------------------------------------- */

OWNS(Door, door, twin, pending)

/* As the twin looks to who asks, so does this. */
static PyObject *
door_getattro(Door *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr((PyObject *)self, name);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError) && self->twin != NULL) {
        PyErr_Clear();
        found = PyObject_GetAttr(self->twin, name);
    }
    return found;
}

static int
door_setattro(Door *self, PyObject *name, PyObject *value)
{
    if (PyObject_GenericSetAttr((PyObject *)self, name, value) == 0) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError) || self->twin == NULL) {
        return -1;
    }
    PyErr_Clear();
    return PyObject_SetAttr(self->twin, name, value);
}

static PyObject *
door_repr(Door *self)
{
    return PyObject_Repr(self->twin);
}

static PyObject *
method_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(type))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

/* What a door has of its own; everything else is the twin's. */
static PyMemberDef door_members[] = {
    {"due", T_DOUBLE, offsetof(Door, due), 0, NULL},
    {NULL},
};

static PyObject *
door_attribute(Door *self, void *name)
{
    return PyObject_GetAttrString(self->twin, name);
}

/* As functions are: copied by being what they are. */
static PyObject *
door_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

static PyMethodDef door_methods[] = {
    {"__copy__", door_copy, METH_NOARGS, NULL},
    {"__deepcopy__", door_copy, METH_O, NULL},
    {NULL},
};

static PyGetSetDef door_attributes[] = {
    {"__doc__", (getter)door_attribute, NULL, NULL, "__doc__"},
    {"__module__", (getter)door_attribute, NULL, NULL, "__module__"},
    {NULL},
};

static PyTypeObject Door_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "replay._compiled.Door",
    .tp_basicsize = sizeof(Door),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_BASETYPE,
    .tp_vectorcall_offset = offsetof(Door, call),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = (destructor)door_dealloc,
    .tp_traverse = (traverseproc)door_traverse,
    .tp_clear = (inquiry)door_clear,
    .tp_getattro = (getattrofunc)door_getattro,
    .tp_setattro = (setattrofunc)door_setattro,
    .tp_repr = (reprfunc)door_repr,
    .tp_weaklistoffset = offsetof(Door, weakrefs),
    .tp_members = door_members,
    .tp_methods = door_methods,
    .tp_getset = door_attributes,
};

/* A door that is found in a class: called on an instance, it gets that first. */
static PyTypeObject Method_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "replay._compiled.Method",
    .tp_basicsize = sizeof(Door),
    .tp_base = &Door_Type,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_descr_get = method_get,
};

static Door *
new_door(PyTypeObject *type, void *call, PyObject *hot, PyObject *twin)
{
    if (!PyObject_TypeCheck(hot, &Hot_Type) || !PyCallable_Check(twin)) {
        PyErr_SetString(PyExc_TypeError, "a door needs a Hot and a twin");
        return NULL;
    }
    Door *door = (Door *)type->tp_alloc(type, 0);
    if (door != NULL) {
        door->call = (vectorcallfunc)call;
        door->shared = Py_NewRef(hot);
        door->twin = Py_NewRef(twin);
    }
    return door;
}

static PyObject *
new_of_socket(void *call, PyObject *args)
{
    PyObject *hot, *twin, *real;
    long tag;
    if (!PyArg_ParseTuple(args, "OOOl", &hot, &twin, &real, &tag)) {
        return NULL;
    }
    Door *door = new_door(&Method_Type, call, hot, twin);
    if (door != NULL) {
        door->real = Py_NewRef(real);
        door->tag = tag;
    }
    return (PyObject *)door;
}

static PyObject *
new_receive(PyObject *Py_UNUSED(module), PyObject *args)
{
    return new_of_socket(call_receive, args);
}

static PyObject *
new_send(PyObject *Py_UNUSED(module), PyObject *args)
{
    return new_of_socket(call_send, args);
}

static PyObject *
new_clock(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *hot, *twin, *real, *key, *catch_up;
    if (!PyArg_ParseTuple(args, "OOOOO", &hot, &twin, &real, &key, &catch_up)) {
        return NULL;
    }
    Door *door = new_door(&Door_Type, call_clock, hot, twin);
    if (door != NULL) {
        door->real = Py_NewRef(real);
        door->key = Py_NewRef(key);
        door->other = Py_NewRef(catch_up);
    }
    return (PyObject *)door;
}

static PyObject *
new_trio_clock(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *hot, *twin, *key;
    if (!PyArg_ParseTuple(args, "OOO", &hot, &twin, &key)) {
        return NULL;
    }
    Door *door = new_door(&Door_Type, call_trio_clock, hot, twin);
    if (door != NULL) {
        door->key = Py_NewRef(key);
    }
    return (PyObject *)door;
}

static PyObject *
new_trio_wait(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *hot, *twin, *count, *key, *wait, *settle, *pending;
    if (!PyArg_ParseTuple(args, "OOOOOOO!", &hot, &twin, &count, &key, &wait, &settle, &PyList_Type, &pending)) {
        return NULL;
    }
    Door *door = new_door(&Method_Type, call_trio_wait, hot, twin);
    if (door != NULL) {
        door->real = Py_NewRef(count);
        door->key = Py_NewRef(key);
        door->other = Py_NewRef(wait);
        door->another = Py_NewRef(settle);
        door->pending = Py_NewRef(pending);
    }
    return (PyObject *)door;
}

static PyObject *
new_trio_make_list(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *hot, *twin;
    if (!PyArg_ParseTuple(args, "OO", &hot, &twin)) {
        return NULL;
    }
    return (PyObject *)new_door(&Door_Type, call_make_list, hot, twin);
}

/* -- the module ---------------------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"crc32", (PyCFunction)(void (*)(void))py_crc32, METH_FASTCALL, NULL},
    {"receive", new_receive, METH_VARARGS, NULL},
    {"send", new_send, METH_VARARGS, NULL},
    {"clock", new_clock, METH_VARARGS, NULL},
    {"trio_clock", new_trio_clock, METH_VARARGS, NULL},
    {"trio_wait", new_trio_wait, METH_VARARGS, NULL},
    {"trio_make_list", new_trio_make_list, METH_VARARGS, NULL},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "replay._compiled",
    .m_size = -1,
    .m_methods = functions,
};

static int
prepare(void)
{
    static const struct {
        PyObject **name;
        const char *text;
    } names[] = {
        {&name_counter, "_counter"},      {&name_epoll, "_epoll"},
        {&name_failed, "failed"},         {&name_flush, "flush"},
        {&name_put_slowly, "_put_slowly"}, {&name_registered, "_registered"},
        {&name_stream, "stream"},         {&name_wait, "wait"},
        {&name_would_block, "would_block"},
    };
    for (size_t at = 0; at < Py_ARRAY_LENGTH(names); at++) {
        if ((*names[at].name = PyUnicode_InternFromString(names[at].text)) == NULL) {
            return -1;
        }
    }
    if ((nothing = PyLong_FromLong(0)) == NULL || (unmeasured = PyLong_FromLong(UNMEASURED)) == NULL) {
        return -1;
    }
    PyObject *collections = PyImport_ImportModule("_collections");
    if (collections == NULL) {
        return -1;
    }
    deque_type = (PyTypeObject *)PyObject_GetAttrString(collections, "deque");
    Py_DECREF(collections);
    if (deque_type == NULL) {
        return -1;
    }
    fill_crc_table();
    PyTypeObject *types[] = {&Frames_Type, &Stream_Type, &Hot_Type, &Door_Type, &Method_Type, &Batch_Type};
    for (size_t at = 0; at < Py_ARRAY_LENGTH(types); at++) {
        if (PyType_Ready(types[at]) < 0) {
            return -1;
        }
    }
    return 0;
}

PyMODINIT_FUNC
PyInit__compiled(void)
{
    if (prepare() < 0) {
        return NULL;
    }
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) {
        return NULL;
    }
    PyObject *batch_s = PyFloat_FromDouble(CLOCK_BATCH_S);
    int failed = batch_s == NULL || PyModule_AddObjectRef(module, "Frames", (PyObject *)&Frames_Type) < 0 ||
                 PyModule_AddObjectRef(module, "Stream", (PyObject *)&Stream_Type) < 0 ||
                 PyModule_AddObjectRef(module, "Hot", (PyObject *)&Hot_Type) < 0 ||
                 PyModule_AddObjectRef(module, "CLOCK_BATCH_S", batch_s) < 0 ||
                 PyModule_AddIntMacro(module, INTERFACE) < 0 || PyModule_AddIntMacro(module, TAG_BITS) < 0 ||
                 PyModule_AddIntMacro(module, UNMEASURED) < 0 ||
                 PyModule_AddIntMacro(module, FRAME_SIZE) < 0 || PyModule_AddIntMacro(module, BATCH_ITEMS) < 0 ||
                 PyModule_AddIntMacro(module, LONG_BATCH) < 0 ||
                 PyModule_AddIntMacro(module, UNMEASURED_COUNT) < 0 || PyModule_AddIntMacro(module, YOUNG) < 0;
    Py_XDECREF(batch_s);
    if (failed) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
