// Manifests as text, taken apart into objects one at a time: a list of ten thousand pods is never a tree in memory.
#ifndef NETPOL_DOCUMENTS_H
#define NETPOL_DOCUMENTS_H

#include <isthmus/json.h>

// Gets one object, borrowed; items of a list with the kind that the list's own implies. Anything but IST_OK ends the
// reading with that code.
typedef int32_t document_fn(void *arg, const json_t *object, ist_error *err);

// `text` ends in a NUL after `len` bytes. Each object of a YAML stream or of a JSON text (whose list may be far over 16 MiB), in order. `name` stands in errors
// with the line. What is no object is
// passed over. IST_ERR_INPUT: it is neither.
int32_t documents_each(const char *text, size_t len, const char *name, document_fn *fn, void *arg,
                       ist_error *err);

#endif
