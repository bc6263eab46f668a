// SSH and the IOS session against the lab's routers, which run as a program of their own (router-alone).
#include <isthmus/alloc.h>
#include <isthmus/ios_config.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct lab {
    char *dir, *key_file, *address;
    uint16_t port;
    pid_t pid;
    FILE *in, *out;
};

static char *text_of(const char *path)
{
    char chunk[8192];
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    size_t n = fread(chunk, 1, sizeof chunk - 1, in);
    fclose(in);
    return ist_strndup(chunk, n);
}

// A program to its successful end, without its words.
static void run(char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], argv);
        _exit(127);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static int start(void **state)
{
    struct lab *lab = ist_calloc(1, sizeof *lab);
    const char *build = getenv("BUILD");
    char template[] = "/tmp/isthmus-ssh.XXXXXX", address[64], line[256];
    int to[2], from[2];
    unsigned port = 0;
    lab->dir = ist_strdup(mkdtemp(template));
    lab->key_file = ist_printf("%s/key", lab->dir);
    run((char *[]){"ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", lab->key_file, NULL});
    char *program = ist_printf("%s/tests/unit/router-alone", build ? build : ".");
    char *public = ist_printf("%s.pub", lab->key_file);
    if (pipe(to) != 0 || pipe(from) != 0)
        return -1;
    lab->pid = fork();
    if (lab->pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl(program, program, lab->dir, public, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    lab->in = fdopen(to[1], "we");
    lab->out = fdopen(from[0], "re");
    ist_free(program);
    ist_free(public);
    if (!fgets(line, sizeof line, lab->out) || sscanf(line, "ready %63s %u", address, &port) != 2)
        return -1;
    lab->address = ist_strdup(address);
    lab->port = (uint16_t)port;
    *state = lab;
    return 0;
}

static int stop(void **state)
{
    struct lab *lab = *state;
    fclose(lab->in);
    int status;
    waitpid(lab->pid, &status, 0);
    fclose(lab->out);
    static const char *const files[] = {"key", "key.pub", "journal.jsonl", "router-hub.key",
                                        "router-i-spoke.key"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = ist_printf("%s/%s", lab->dir, files[i]);
        unlink(path);
        ist_free(path);
    }
    rmdir(lab->dir);
    ist_free(lab->dir);
    ist_free(lab->key_file);
    ist_free(lab->address);
    ist_free(lab);
    return 0;
}

static void fault(struct lab *lab, const char *rule)
{
    char line[128];
    fprintf(lab->in, "%s\n", rule);
    fflush(lab->in);
    assert_non_null(fgets(line, sizeof line, lab->out));
    assert_string_equal(line, "ok\n");
}

static int32_t accept_any(void *arg, const ist_ssh_host_key *key)
{
    if (arg)
        *(ist_ssh_host_key *)arg = *key;
    return 1;
}

static ist_ssh_options options(const struct lab *lab)
{
    return (ist_ssh_options){.size = sizeof(ist_ssh_options),
                             .host = lab->address,
                             .port = lab->port,
                             .user = "ec2-user",
                             .private_key_file = lab->key_file,
                             .first_seen = accept_any,
                             .timeout_ms = 10000};
}

static ist_ios *opened(const struct lab *lab)
{
    ist_ssh_options o = options(lab);
    ist_ios *ios = NULL;
    ist_error err = {0};
    if (ist_ios_open(NULL, &o, NULL, &ios, &err) != IST_OK)
        print_error("%s: %s\n", err.where, err.text);
    assert_non_null(ios);
    return ios;
}

// ---- SSH ----

static int32_t try_connect(const ist_ssh_options *o, ist_error *err)
{
    ist_ssh *ssh = NULL;
    int32_t rc = ist_ssh_connect(NULL, o, &ssh, err);
    ist_ssh_free(ssh);
    return rc;
}

static void a_host_key_is_pinned_known_or_first_seen(void **state)
{
    ist_ssh_host_key key;
    ist_error err = {0};
    ist_ssh_options o = options(*state);
    o.arg = &key;
    assert_int_equal(try_connect(&o, &err), IST_OK);
    assert_string_equal(key.algorithm, "ecdsa-sha2-nistp256");
    assert_memory_equal(key.sha256, "SHA256:", 7);
    o.first_seen = NULL;
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED);
    assert_non_null(strstr(err.text, key.sha256));
    o.host_key_sha256 = key.sha256;
    assert_int_equal(try_connect(&o, &err), IST_OK);
    o.host_key_sha256 = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    o.first_seen = accept_any; // a pinned key is not overruled
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED);
}

static void known_hosts_are_read(void **state)
{
    (void)state;
    static const char public[] =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    static const char other[] =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    ist_ssh_host_key key;
    assert_int_equal(ist_ssh_fingerprint(public, &key, NULL), IST_OK);
    assert_string_equal(key.sha256, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    const struct {
        const char *format, *line;
        uint16_t port;
        int32_t known;
    } cases[] = {
        {"host.example %s\n", public, 22, 1},
        {"# a comment\nother %s\n", public, 22, 0},
        {"a,host.example,b %s comment\n", public, 22, 1},
        {"host.example %s\n", public, 2222, 0},
        {"[host.example]:2222 %s\n", public, 2222, 1},
        {"*.example %s\n", public, 22, 1},
        {"*.example,!host.example %s\n", public, 22, 0},
        {"host.example %s\n", other, 22, -1},
        {"@revoked host.example %s\n", public, 22, -1},
        {"@cert-authority host.example %s\n", public, 22, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = strstr(cases[i].format, "%s");
        char *text =
            ist_printf("%.*s%s%s", (int)(at - cases[i].format), cases[i].format, cases[i].line, at + 2);
        assert_int_equal(ist_ssh_known(text, "host.example", cases[i].port, &key), cases[i].known);
        ist_free(text);
    }
    char *both = ist_printf("host.example %s\nhost.example %s\n", other, public);
    assert_int_equal(ist_ssh_known(both, "host.example", 22, &key), 1);
    ist_free(both);
}

static void a_password_logs_in_and_a_wrong_one_does_not(void **state)
{
    ist_error err = {0};
    ist_ssh_options o = options(*state);
    o.user = "operator";
    o.private_key_file = NULL;
    o.password = "operator-pw";
    assert_int_equal(try_connect(&o, &err), IST_OK);
    o.password = "wrong";
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED);
    assert_non_null(strstr(err.text, "password"));
    assert_null(strstr(err.text, "wrong"));
}

static void a_key_can_come_from_memory_and_another_user_is_refused(void **state)
{
    struct lab *lab = *state;
    ist_error err = {0};
    ist_ssh_options o = options(lab);
    char *key = text_of(lab->key_file);
    o.private_key_file = NULL;
    o.private_key = key;
    assert_int_equal(try_connect(&o, &err), IST_OK);
    o.user = "nobody";
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED);
    assert_non_null(strstr(err.text, "the host offers"));
    o.private_key = "no key";
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED);
    ist_free_secret(key);
}

static void what_does_not_answer_is_told(void **state)
{
    ist_error err = {0};
    ist_ssh_options o = options(*state);
    o.port = 1;
    assert_int_equal(try_connect(&o, &err), IST_ERR_NETWORK);
    o.wait_until_up = 1;
    o.timeout_ms = 700;
    assert_int_equal(try_connect(&o, &err), IST_ERR_NETWORK);
}

static void the_agent_is_asked(void **state)
{
    struct lab *lab = *state;
    char *socket = ist_printf("%s/agent", lab->dir), *other = ist_printf("%s/other", lab->dir);
    ist_error err = {0};
    pid_t agent = fork();
    if (agent == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 1);
        execlp("ssh-agent", "ssh-agent", "-D", "-a", socket, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 100 && access(socket, F_OK) != 0; i++)
        usleep(20000);
    setenv("SSH_AUTH_SOCK", socket, 1);
    ist_ssh_options o = options(lab);
    o.private_key_file = NULL;
    o.use_agent = 1;
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED); // it has no key
    assert_non_null(strstr(err.text, "tried agent"));
    assert_non_null(strstr(err.hint, "ssh-add -l"));
    run((char *[]){"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other, NULL});
    run((char *[]){"ssh-add", "-q", other, NULL});
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED); // not one that the router knows
    run((char *[]){"ssh-add", "-q", lab->key_file, NULL});
    assert_int_equal(try_connect(&o, &err), IST_OK); // the second of two
    kill(agent, SIGTERM);
    waitpid(agent, NULL, 0);
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED); // gone
    unsetenv("SSH_AUTH_SOCK");
    unlink(socket);
    unlink(other);
    char *public = ist_printf("%s.pub", other);
    unlink(public);
    ist_free(public);
    ist_free(other);
    ist_free(socket);
}

// ---- what the router's own configuration of SSH makes of it ----

// One global line, by a session that stays open through it.
static void configured(ist_ios *ios, const char *line)
{
    const ist_ios_command command = {line, line};
    assert_int_equal(ist_ios_configure(ios, &command, 1, 0, NULL, NULL), IST_OK);
}

static void questions_are_answered_by_the_password(void **state)
{
    ist_ios *ios = opened(*state);
    ist_error err = {0};
    ist_ssh_options o = options(*state);
    o.user = "operator";
    o.private_key_file = NULL;
    o.password = "operator-pw";
    configured(ios, "ip ssh server algorithm authentication keyboard");
    assert_int_equal(try_connect(&o, &err), IST_OK);
    o.password = "wrong";
    assert_int_equal(try_connect(&o, &err), IST_ERR_DENIED);
    assert_non_null(strstr(err.text, "the host offers keyboard-interactive"));
    assert_non_null(strstr(err.text, "tried keyboard-interactive"));
    assert_null(strstr(err.text, "wrong"));
    ist_ssh_options key = options(*state); // a key is no answer to a question
    assert_int_equal(try_connect(&key, &err), IST_ERR_DENIED);
    assert_non_null(strstr(err.text, "tried nothing"));
    configured(ios, "no ip ssh server algorithm authentication");
    assert_int_equal(try_connect(&key, &err), IST_OK);
    ist_ios_free(ios);
}

static void a_failed_negotiation_names_both_offers(void **state)
{
    static const struct {
        const char *line, *theirs, *ours, *advice;
    } cases[] = {
        {"encryption aes256-gcm@openssh.com",
         "no common cipher: the host offers aes256-gcm@openssh.com; here there is", "aes256-ctr",
         "on the router: `ip ssh server algorithm encryption aes256-ctr aes192-ctr aes128-ctr`"},
        {"mac hmac-sha2-256-etm@openssh.com",
         "no common MAC: the host offers hmac-sha2-256-etm@openssh.com; here there is", "hmac-sha2-256",
         "on the router: `ip ssh server algorithm mac hmac-sha2-512 hmac-sha2-256 hmac-sha1`"},
    };
    ist_ios *ios = opened(*state);
    ist_ssh_options o = options(*state);
    // Waiting would not change it.
    o.wait_until_up = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ist_error err = {0};
        char *line = ist_printf("ip ssh server algorithm %s", cases[i].line);
        char *off =
            ist_printf("no ip ssh server algorithm %.*s", (int)strcspn(cases[i].line, " "), cases[i].line);
        configured(ios, line);
        assert_int_equal(try_connect(&o, &err), IST_ERR_REMOTE);
        const char *theirs = strstr(err.text, cases[i].theirs);
        if (!theirs)
            print_error("%s\n", err.text);
        assert_non_null(theirs ? strstr(theirs + strlen(cases[i].theirs), cases[i].ours) : NULL);
        assert_string_equal(err.hint, cases[i].advice);
        configured(ios, off);
        assert_int_equal(try_connect(&o, &err), IST_OK);
        ist_free(line);
        ist_free(off);
    }
    ist_ios_free(ios);
}

// ---- the session ----

static void show_gives_the_output_alone(void **state)
{
    ist_ios *ios = opened(*state);
    char *text = NULL;
    ist_error err = {0};
    assert_string_equal(ist_ios_hostname(ios), "spoke-router-in-the-cloud");
    assert_int_equal(ist_ios_show(ios, "show version", &text, &err), IST_OK);
    assert_memory_equal(text, "Cisco IOS XE Software", 21);
    assert_null(strchr(text, '\r'));
    assert_null(strstr(text, "in-the-cloud#"));
    ist_free(text);
    assert_int_equal(ist_ios_show(ios, "show nonsense", &text, &err), IST_ERR_REMOTE);
    assert_non_null(strstr(err.text, "Invalid input"));
    assert_int_equal(ist_ios_show(ios, "reload", &text, &err), IST_ERR_READ_ONLY);
    assert_int_equal(ist_ios_show(ios, "show clock\nreload", &text, &err), IST_ERR_READ_ONLY);
    ist_ios_free(ios);
}

static char *running(ist_ios *ios)
{
    char *text = NULL;
    assert_int_equal(ist_ios_show(ios, "show running-config", &text, NULL), IST_OK);
    return text;
}

static void lines_are_configured_and_a_wrong_one_is_named(void **state)
{
    ist_ios *ios = opened(*state);
    ist_error err = {0};
    size_t done = 0;
    const ist_ios_command good[] = {{"interface Tunnel7", "interface Tunnel7"},
                                    {"description is this it?", "description is this it?"},
                                    {"ip nhrp authentication se?ret", "ip nhrp authentication <secret>"}};
    assert_int_equal(ist_ios_configure(ios, good, 3, 0, &done, &err), IST_OK);
    assert_int_equal(done, 3);
    char *text = running(ios);
    assert_non_null(strstr(text, "description is this it?"));
    assert_non_null(strstr(text, "ip nhrp authentication se?ret"));
    ist_free(text);
    const ist_ios_command bad[] = {
        {"interface Tunnel7", "interface Tunnel7"},
        {"ip nhrp authentication much-too-long", "ip nhrp authentication <secret>"},
        {"ip mtu 1400", "ip mtu 1400"}};
    assert_int_equal(ist_ios_configure(ios, bad, 3, 0, &done, &err), IST_ERR_REMOTE);
    assert_int_equal(done, 1);
    assert_non_null(strstr(err.text, "ip nhrp authentication <secret>"));
    assert_null(strstr(err.text, "much-too-long"));
    text = running(ios); // out of configuration mode again
    assert_null(strstr(text, "ip mtu 1400"));
    ist_free(text);
    ist_ios_free(ios);
}

// A confirmed change of 60 lines with `bad` (may be NULL) among them.
static int32_t changed(ist_ios *ios, const char *bad, size_t *done, ist_error *err)
{
    enum { COUNT = 60 };
    ist_ios_command lines[COUNT];
    char text[COUNT][64];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof text[i],
                 i % 3 == 0   ? "interface Loopback%zu"
                 : i % 3 == 1 ? "description no %zu"
                              : "exit",
                 i);
        if (bad && i == 32)
            snprintf(text[i], sizeof text[i], "%s", bad);
        lines[i] = (ist_ios_command){text[i], text[i]};
    }
    return ist_ios_configure(ios, lines, COUNT, 5, done, err);
}

static void lines_are_typed_ahead(void **state)
{
    struct lab *lab = *state;
    ist_ios *ios = opened(lab);
    ist_ios_state now = {0};
    ist_error err = {0};
    size_t done = 0;
    configured(ios, "archive");
    const ist_ios_command archive[] = {{"archive", "archive"},
                                       {"path bootflash:test", "path bootflash:test"}};
    assert_int_equal(ist_ios_configure(ios, archive, 2, 0, NULL, NULL), IST_OK);
    // With all that may come between.
    fault(lab, "fault service=router,effect=status,code=syslog,action=interface Loopback30");
    fault(lab, "fault service=router,effect=status,code=slow-echo,action=interface Loopback33");
    assert_int_equal(changed(ios, NULL, &done, &err), IST_OK);
    assert_int_equal(done, 60);
    assert_non_null(strstr(ist_ios_log_lines(ios), "%LINEPROTO-5-UPDOWN"));
    assert_int_equal(ist_ios_read(ios, &now, &err), IST_OK);
    assert_int_equal(now.pending, 5);
    assert_null(now.other_operator);
    assert_non_null(strstr(now.running, "interface Loopback57\n description no 58\n"));
    assert_int_equal(ist_ios_revert_now(ios, NULL), IST_OK);
    // A line that is refused is the one that is named, and what came behind it is taken back too.
    assert_int_equal(changed(ios, "ip mtu nonsense", &done, &err), IST_ERR_REMOTE);
    assert_int_equal(done, 32);
    assert_non_null(strstr(err.text, "refuses \"ip mtu nonsense\""));
    assert_int_equal(ist_ios_revert_now(ios, NULL), IST_OK);
    assert_int_equal(ist_ios_read(ios, &now, &err), IST_OK);
    assert_int_equal(now.pending, 0);
    assert_null(strstr(now.running, "Loopback"));
    // What asks, or changes the prompt, goes alone.
    assert_int_equal(changed(ios, "hostname another", &done, &err), IST_OK);
    assert_string_equal(ist_ios_hostname(ios), "another");
    assert_int_equal(ist_ios_revert_now(ios, NULL), IST_OK);
    ist_ios_state_free(&now);
    ist_ios_free(ios);
}

static void a_router_that_pages_is_read_all_the_same(void **state)
{
    ist_ios *ios = opened(*state);
    ist_ios_state now = {0};
    static const char *const lengths[] = {"terminal length 12", "terminal length 4", "terminal length 3"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(ist_ios_exec(ios, lengths[i], NULL, NULL), IST_OK);
        assert_int_equal(ist_ios_read(ios, &now, NULL), IST_OK);
        assert_int_equal(now.pending, 0);
        assert_non_null(strstr(now.running, "hostname spoke-router-in-the-cloud\n"));
        assert_non_null(strstr(now.running, "\nend\n"));
        assert_null(strstr(now.running, "More"));
    }
    ist_ios_state_free(&now);
    ist_ios_free(ios);
}

static void a_new_host_name_changes_the_prompt(void **state)
{
    ist_ios *ios = opened(*state);
    const ist_ios_command there[] = {{"hostname another", "hostname another"}};
    const ist_ios_command back[] = {
        {"hostname spoke-router-in-the-cloud", "hostname spoke-router-in-the-cloud"}};
    assert_int_equal(ist_ios_configure(ios, there, 1, 0, NULL, NULL), IST_OK);
    assert_string_equal(ist_ios_hostname(ios), "another");
    assert_int_equal(ist_ios_configure(ios, back, 1, 0, NULL, NULL), IST_OK);
    ist_ios_free(ios);
}

static void a_change_is_confirmed_or_taken_back(void **state)
{
    ist_ios *ios = opened(*state);
    ist_error err = {0};
    int32_t ready = 0;
    int minutes = 0;
    const ist_ios_command line[] = {{"snmp-server location here", "snmp-server location here"}};
    const ist_ios_command archive[] = {{"archive", "archive"},
                                       {"path bootflash:test", "path bootflash:test"}};
    assert_int_equal(ist_ios_archive(ios, &ready, NULL), IST_OK);
    assert_false(ready);
    assert_int_equal(ist_ios_configure(ios, line, 1, 5, NULL, &err), IST_ERR_CONFLICT);
    assert_int_equal(ist_ios_configure(ios, archive, 2, 0, NULL, NULL), IST_OK);
    assert_int_equal(ist_ios_archive(ios, &ready, NULL), IST_OK);
    assert_true(ready);
    assert_int_equal(ist_ios_configure(ios, line, 1, 5, NULL, &err), IST_OK);
    assert_int_equal(ist_ios_pending(ios, &minutes, NULL), IST_OK);
    assert_int_equal(minutes, 5);
    assert_int_equal(ist_ios_revert_now(ios, NULL), IST_OK);
    char *text = running(ios);
    assert_null(strstr(text, "snmp-server location"));
    ist_free(text);
    assert_int_equal(ist_ios_configure(ios, line, 1, 5, NULL, &err), IST_OK);
    assert_int_equal(ist_ios_confirm(ios, NULL), IST_OK);
    assert_int_equal(ist_ios_pending(ios, &minutes, NULL), IST_OK);
    assert_int_equal(minutes, 0);
    assert_int_equal(ist_ios_confirm(ios, &err), IST_ERR_REMOTE);
    ist_ios_free(ios);
}

static void write_memory_has_four_outcomes(void **state)
{
    struct lab *lab = *state;
    ist_ios *ios = opened(lab);
    ist_error err = {0};
    assert_int_equal(ist_ios_save(ios, 0, NULL), IST_OK);
    fault(lab, "fault service=router,effect=status,code=nvram-compressed,action=write memory");
    assert_int_equal(ist_ios_save(ios, 0, NULL), IST_OK);
    fault(lab, "fault service=router,effect=status,code=nvram-question,action=write memory");
    assert_int_equal(ist_ios_save(ios, 0, NULL), IST_OK);
    fault(lab, "fault service=router,effect=status,code=nvram-busy,action=write memory");
    assert_int_equal(ist_ios_save(ios, 0, &err), IST_ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "busy"));
    fault(lab, "fault service=router,effect=status,code=nvram-busy,action=write memory");
    assert_int_equal(ist_ios_save(ios, 10000, NULL), IST_OK);
    ist_ios_free(ios);
}

static void log_lines_and_slow_echo_do_no_harm(void **state)
{
    struct lab *lab = *state;
    ist_ios *ios = opened(lab);
    char *text = NULL;
    fault(lab, "fault service=router,effect=status,code=syslog,action=show clock");
    assert_int_equal(ist_ios_show(ios, "show clock", &text, NULL), IST_OK);
    assert_null(strstr(text, "LINEPROTO"));
    assert_non_null(strstr(ist_ios_log_lines(ios), "%LINEPROTO-5-UPDOWN"));
    ist_free(text);
    fault(lab, "fault service=router,effect=status,code=slow-echo,action=show clock");
    assert_int_equal(ist_ios_show(ios, "show clock", &text, NULL), IST_OK);
    ist_free(text);
    assert_int_equal(ist_ios_show(ios, "show version", &text, NULL), IST_OK);
    assert_memory_equal(text, "Cisco IOS XE", 12);
    ist_free(text);
    ist_ios_free(ios);
}

static void a_cut_connection_is_told(void **state)
{
    struct lab *lab = *state;
    ist_ios *ios = opened(lab);
    ist_error err = {0};
    char *text = NULL;
    fault(lab, "fault service=router,effect=cut-before,action=show clock");
    assert_int_equal(ist_ios_show(ios, "show clock", &text, &err), IST_ERR_NETWORK);
    ist_ios_free(ios);
    fault(lab, "fault service=router,effect=cut-before,times=2,action=^connect$");
    ist_ssh_options o = options(lab);
    o.wait_until_up = 1;
    assert_int_equal(ist_ios_open(NULL, &o, NULL, &ios, &err), IST_OK);
    ist_ios_free(ios);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_key_is_pinned_known_or_first_seen),
        cmocka_unit_test(known_hosts_are_read),
        cmocka_unit_test(a_password_logs_in_and_a_wrong_one_does_not),
        cmocka_unit_test(a_key_can_come_from_memory_and_another_user_is_refused),
        cmocka_unit_test(what_does_not_answer_is_told),
        cmocka_unit_test(the_agent_is_asked),
        cmocka_unit_test(questions_are_answered_by_the_password),
        cmocka_unit_test(a_failed_negotiation_names_both_offers),
        cmocka_unit_test(show_gives_the_output_alone),
        cmocka_unit_test(lines_are_configured_and_a_wrong_one_is_named),
        cmocka_unit_test(a_new_host_name_changes_the_prompt),
        cmocka_unit_test(a_change_is_confirmed_or_taken_back),
        cmocka_unit_test(write_memory_has_four_outcomes),
        cmocka_unit_test(log_lines_and_slow_echo_do_no_harm),
        cmocka_unit_test(lines_are_typed_ahead),
        cmocka_unit_test(a_router_that_pages_is_read_all_the_same),
        cmocka_unit_test(a_cut_connection_is_told),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, stop);
}
