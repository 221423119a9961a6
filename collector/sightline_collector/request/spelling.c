/* The module `_sightline_spelling`: `spelling.h` for Python, by the stable ABI of CPython 3.11. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "spelling.h"

/* So many bytes are looked at sooner than another thread is woken. */
enum { KEEPS_LOCK_BYTES = 2048 };

static PyObject *spelling_is_own(PyObject *module, PyObject *args) {
    PyObject *table, *body; /* bytes, which nobody changes; `args` keeps them alive. */
    char *cells, *begin;
    Py_ssize_t cells_size, size;
    int is_own;
    (void)module;
    if (!PyArg_ParseTuple(args, "SS:is_own", &table, &body)) return NULL;
    if (PyBytes_AsStringAndSize(table, &cells, &cells_size) < 0) return NULL;
    if (PyBytes_AsStringAndSize(body, &begin, &size) < 0) return NULL;
    const size_t row_size = FIELDS * sizeof(struct field);
    const struct field *const fields = (const struct field *)cells;
    if ((size_t)cells_size % row_size != 0 || !is_table(fields, (size_t)cells_size / row_size)) {
        PyErr_SetString(PyExc_ValueError, "not a table of fields");
        return NULL;
    }
    const uint8_t *const p = (const uint8_t *)begin;
    if (size > INT32_MAX) { /* More than protobuf reads. */
        is_own = 0;
    } else if (size <= KEEPS_LOCK_BYTES) {
        is_own = is_own_spelling(fields, 0, p, p + size, MAX_DEPTH);
    } else {
        Py_BEGIN_ALLOW_THREADS
        is_own = is_own_spelling(fields, 0, p, p + size, MAX_DEPTH);
        Py_END_ALLOW_THREADS
    }
    return PyBool_FromLong(is_own);
}

static PyMethodDef METHODS[] = {
    {"is_own", spelling_is_own, METH_VARARGS,
     "is_own(table: bytes, body: bytes) -> bool\n\n"
     "Whether a message is spelled as protobuf writes it and holds only fields that the table names."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {{0, NULL}};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_sightline_spelling", "Part of sightline_collector.", 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__sightline_spelling(void) { return PyModuleDef_Init(&MODULE); }
