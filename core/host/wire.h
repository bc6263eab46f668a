// The wire between core and worker: frames of a 4-byte big-endian length and that many bytes of JSON, over a
// SOCK_STREAM socketpair. 16 MiB and depth 64 at most. Bytes that are not UTF-8 travel as {"$b64": "..."}: a
// map of that one key, of base64 with padding, of bytes that are not UTF-8; any other map is what it says.
//
// core -> worker
//   {"type":"op","op":"observe","step":S,"inputs":{},"observed":X,"recorded":{},"outputs":{},"run_dir":S,
//    "timeout_ms":N,"trace":bool,"environment":{NAME:S}}   the secrets of the user's environment
//    check has "unknown":[S] too: the paths of inputs that are not known yet
//    a plan right after the observe of the same step has "again":true instead of inputs, observed, recorded and
//    outputs: they are what that was given and has observed
//   {"type":"command","word":S,"name":S,"args":{},...as above}
//   {"type":"answer","code":N,"token":S}       to the intent or outcome that is waiting
//   {"type":"cancel"}
//   {"type":"inputs","inputs":{}}              new ones for the watch under way
//   {"type":"alive?"}                          does the watch under way still take what is told to it?
// worker -> core
//   {"type":"hello","plugin":{...the descriptor as data...}} or {"type":"refused","where":S,"text":S}
//   {"type":"log","level":N,"text":S}          {"type":"progress","text":S,"fraction":N}
//   {"type":"secret","value":S}                to redact from now on; never stored
//   {"type":"observed","value":X}              {"type":"output","name":S,"value":X,"secret":bool}
//   {"type":"change","action":N,"resource":S,"reason":S}
//   {"type":"field","resource":S,"field":S,"before":X,"after":X,"secret":bool}   absent: none, not known
//   {"type":"check","name":S,"result":N,"evidence":S}
//   {"type":"problem","level":N,"path":S,"text":S,"hint":S}   with the input at that path
//   {"type":"intent","resource":S,"data":X}    waits for an answer   {"type":"outcome","resource":S,"data":X}
//   too
//   {"type":"print","text":S}
//   {"type":"status","value":X}                of a watch, whole   {"type":"renew","text":S}   it asks for inputs anew
//   {"type":"alive"}                           it does
//   {"type":"result","code":N,"where":S,"text":S,"hint":S}   the operation has ended
#ifndef CORE_HOST_WIRE_H
#define CORE_HOST_WIRE_H

#include <isthmus/alloc.h>
#include <isthmus/error.h>
#include <jansson.h>
#include <stdbool.h>

#define WIRE_MAX_FRAME (16u << 20)
#define WIRE_MAX_DEPTH 64

// Sends one frame; 0, IST_ERR_LIMIT when it is over the limit (nothing was sent), else the wire is broken.
// `stall_ms`: how long the other side may take nothing before it counts as dead; -1: for ever (the worker's
// side: the core may be busy with a slow terminal).
int wire_send(int fd, const json_t *message, int stall_ms, ist_error *err);
// The same in two halves, so that many small messages leave at once: wire_pack() puts a frame behind those in
// `frames` (set max to twice WIRE_MAX_FRAME), wire_flush() sends and empties it.
int wire_pack(ist_buf *frames, const json_t *message, ist_error *err);
int wire_flush(int fd, ist_buf *frames, int stall_ms, ist_error *err);
// A reader that takes what is there: 1 and *message (new reference; always an object with a "type"), 0 nothing
// whole yet, -1 broken (err says how) or at its end (err->code IST_ERR_NOT_FOUND).
struct wire_reader;
struct wire_reader *wire_reader_new(int fd);
int wire_read(struct wire_reader *reader, json_t **message, ist_error *err);
// Is a frame here already, which poll(2) on the descriptor would not tell of?
bool wire_holds(const struct wire_reader *reader);
void wire_reader_free(struct wire_reader *reader);

#endif
