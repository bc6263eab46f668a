// A session with a router whose every byte is the fuzzer's: prompts, echoes, log lines, pagers and questions in any
// order, in pieces of any size. What the session sends goes nowhere, but an echo of it where the input asks for one, so
// that bursts get beyond their first line.
#include <isthmus/alloc.h>
#include <isthmus/ios.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ECHO 0x01 // in the input: everything that was typed and not echoed yet
#define LINE 0x02 // one line of it
#define STOP 0x03 // the end of a piece

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// In the place of libisthmus's own SSH.
struct ist_ssh {
    const uint8_t *data;
    size_t size, at;
    ist_buf typed;
    size_t echoed;
};

static struct ist_ssh peer;

int32_t ist_ssh_connect(const ist_env *env, const ist_ssh_options *options, ist_ssh **ssh, ist_error *err)
{
    (void)env;
    (void)options;
    (void)err;
    *ssh = &peer;
    return IST_OK;
}

int32_t ist_ssh_shell(ist_ssh *ssh, ist_error *err)
{
    (void)ssh;
    (void)err;
    return IST_OK;
}

void ist_ssh_free(ist_ssh *ssh)
{
    (void)ssh;
}

const char *ist_ssh_peer(const ist_ssh *ssh)
{
    (void)ssh;
    return "router";
}

const ist_ssh_host_key *ist_ssh_host_key_of(const ist_ssh *ssh)
{
    static const ist_ssh_host_key key;
    (void)ssh;
    return &key;
}

int32_t ist_ssh_send(ist_ssh *ssh, const char *data, size_t len, ist_error *err)
{
    (void)err;
    ist_buf_add(&ssh->typed, data, len);
    return IST_OK;
}

static void echo(struct ist_ssh *ssh, bool one, char *buf, size_t room, size_t *len)
{
    while (ssh->echoed < ssh->typed.len && *len + 2 < room) {
        char c = ssh->typed.data[ssh->echoed++];
        if (c == '\026') // quotes the next
            continue;
        buf[(*len)++] = c;
        if (c != '\r')
            continue;
        buf[(*len)++] = '\n';
        if (one)
            return;
    }
}

// At its end the other side hangs up: nobody waits.
int32_t ist_ssh_receive(ist_ssh *ssh, char *to, size_t room, int64_t wait_ms, size_t *len, ist_error *err)
{
    (void)wait_ms;
    *len = 0;
    while (ssh->at < ssh->size && *len + 2 < room) {
        uint8_t c = ssh->data[ssh->at++];
        if (c == STOP)
            break;
        if (c == ECHO || c == LINE)
            echo(ssh, c == LINE, to, room, len);
        else
            to[(*len)++] = (char)c;
    }
    return *len                  ? IST_OK
           : ssh->at < ssh->size ? IST_AGAIN
                                 : ist_fail(err, IST_ERR_NETWORK, "router", "the connection was closed");
}

static void talk(ist_ios *ios)
{
    static const ist_ios_command lines[] = {{"interface Tunnel0", "interface Tunnel0"},
                                            {" ip mtu 1400", " ip mtu 1400"},
                                            {" key why?", " key <secret>"},
                                            {"exit", "exit"},
                                            {"hostname r2", "hostname r2"},
                                            {"no hostname", "no hostname"}};
    ist_ios_state state = {0};
    char *text = NULL, *who = NULL;
    size_t done = 0;
    int32_t ready = 0;
    int minutes = 0;
    if (ist_ios_read(ios, &state, NULL) == IST_OK && !state.running)
        abort();
    if (ist_ios_show(ios, "show version", &text, NULL) == IST_OK && !text)
        abort();
    ist_ios_configure(ios, lines, sizeof lines / sizeof *lines, 5, &done, NULL);
    if (done > sizeof lines / sizeof *lines)
        abort();
    ist_ios_configure(ios, lines, 2, 0, &done, NULL);
    ist_ios_pending(ios, &minutes, NULL);
    ist_ios_archive(ios, &ready, NULL);
    ist_ios_other_operator(ios, &who, NULL);
    ist_ios_confirm(ios, NULL);
    ist_ios_revert_now(ios, NULL);
    ist_ios_save(ios, 0, NULL);
    ist_ios_state_free(&state);
    ist_free(text);
    ist_free(who);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ist_ssh_options options = {.size = sizeof options};
    ist_ios *ios = NULL;
    if (size > 1u << 15)
        return 0;
    peer = (struct ist_ssh){.data = data, .size = size, .typed.max = 1u << 20};
    if (ist_ios_open(NULL, &options, "secret", &ios, NULL) == IST_OK)
        talk(ios);
    ist_ios_free(ios);
    ist_buf_free(&peer.typed);
    return 0;
}
